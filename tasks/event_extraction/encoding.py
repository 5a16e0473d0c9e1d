"""Batches of words and given triggers, and what the models learn of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlt.data.batch import IGNORED
from xlt.data.encode import word_arrays
from xlt.document import Document, Span, Spans, Structure, Structures
from xlt.task import Example, Labels

from .inventory import TAGGED, tag_ids
from .marking import Frame, mark, owners_of
from .records import WordRange, nested, place_of, trigger_places

if TYPE_CHECKING:
    from xlt.model.backbone import Backbone

    from . import EventExtraction


def encode(
    documents: Sequence[Document],
    backbone: Backbone,
    labels: Labels | None,
    options: EventExtraction.Options,
) -> list[Example]:
    """The examples of `EventExtraction.encode`."""
    frame = Frame.of(backbone.words, backbone.pad_id)
    ids = {k: {tag: i for i, tag in enumerate(labels[k])} for k in TAGGED} if labels else {}
    learnt = {"entity": "entities", "trigger": "triggers", "role": "arguments"}
    examples = []
    encoded = backbone.words([document.text for document in documents])
    for index, (document, words) in enumerate(zip(documents, encoded, strict=True)):
        arguments = "arguments" in options.parts
        # What a model annotated, with no trigger given, can be learnt from as well.
        events = document.layer(Structures, "events" if labels else "given").structures
        triggers = trigger_places(events) if arguments else []
        subwords, owners = words.subwords, owners_of(words)
        marked = [
            mark(subwords, owners, words.n_words, place, frame)
            for place in triggers
            if options.model == "pipeline"
        ]
        inputs: dict[str, Any] = {
            "words": words, "marked": marked, "triggers": triggers, "frame": frame
        }  # fmt: skip
        if labels:
            entities = document.layer(Spans, "entities").spans
            levels = nested(entities, options.levels)
            items: list[tuple[str, Sequence[Span]]] = [
                *(("entity", level) for level in levels),
                ("trigger", [event.head for event in events]),
                *(("role", _arguments(events, place)) for place in triggers),
            ]
            inputs["tags"] = [
                tag_ids(spans, words.n_words, ids[layer])
                # A layer without kinds has nothing to learn, and must not dilute the loss.
                if learnt[layer] in options.parts and len(ids[layer]) > 1
                else np.full(words.n_words, IGNORED, np.int64)
                for layer, spans in items
            ]
            for unknown in document.layer(Spans, "unknown").spans:
                inputs["tags"][len(levels)][unknown.start : unknown.end] = IGNORED
        length = words.length + sum(one.length for one in marked)
        examples.append(Example(index, length, inputs))
    return examples


def arrays(examples: Sequence[Example]) -> dict[str, NDArray[Any]]:
    """Pad the examples to a batch for `extracting.outputs`."""
    frame = examples[0].inputs["frame"]
    sentences = [e.inputs["words"] for e in examples]
    marked = [one for e in examples for one in e.inputs["marked"]]
    batch = word_arrays([*sentences, *marked], frame.pad)
    batch["word_mask"] = batch["word_mask"][: len(examples)]
    places = [(n, *span) for n, e in enumerate(examples) for span in e.inputs["triggers"]]
    batch["triggers"] = np.array(places, np.int64).reshape(-1, 3)
    batch["frame_input_ids"], batch["frame"] = frame.packed()
    return batch


def targets(examples: Sequence[Example], levels: int, width: int) -> NDArray[np.int64]:
    """Pad the tags to what `model.Extractor.forward` learns, (rows, width). levels: of entities."""
    layers = range(levels + 1)
    rows = [e.inputs["tags"][layer] for layer in layers for e in examples]
    rows += [tags for e in examples for tags in e.inputs["tags"][len(layers) :]]
    gold = np.full((len(rows), width), IGNORED, np.int64)
    for row, tags in enumerate(rows):
        gold[row, : len(tags)] = tags
    return gold


def _arguments(events: Iterable[Structure], trigger: WordRange) -> list[Span]:
    """The arguments of all events with this trigger."""
    return [part for event in events if place_of(event.head) == trigger for part in event.parts]
