"""Any task's documents on the translations of their texts, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatch
from typing import TYPE_CHECKING

from xlt.document import Answers, Document, Label, Layer, Span, Spans, Structures, Tags, Text, Tree
from xlt.document.layers import Structure, in_order
from xlt.projection.pair import AlignedPair, Outcome, Projection
from xlt.projection.spans import (
    project_answer,
    project_label,
    project_spans,
    project_structures,
    whole_loss,
)
from xlt.projection.trees import project_tree
from xlt.projection.words import project_words
from xlt.task import Projecting, predicted_layers

if TYPE_CHECKING:
    from xlt.config.schema import ProjectionSettings
    from xlt.task import Task

Projected = tuple[Layer | None, list[Outcome]]
"""The layer on the translation, None where nothing can be learnt from it; and what became of its
labels."""


def project_document(
    task: Task,
    document: Document,
    pairs: Mapping[str, AlignedPair],
    settings: ProjectionSettings,
) -> Projection:
    """The document on the translations of its texts, with its id.

    pairs: by the names of the document's texts; texts without one stay as they are.

    Pure. It serves both directions: source labels on a translation (translate-train), and labels
    predicted on a translation back on the original (translate-test).
    """
    if isinstance(task, Projecting):
        return task.project(document, pairs, settings)
    return project_layers(task, document, pairs, settings)


def project_layers(
    task: Task,
    document: Document,
    pairs: Mapping[str, AlignedPair],
    settings: ProjectionSettings,
) -> Projection:
    """`project_document` for tasks that leave it to the kinds of their layers."""
    first = task.texts[0]
    counted = predicted_layers(task) if task.counted is None else task.counted
    layers: dict[str, Layer | None] = {}
    outcomes: list[Outcome] = []
    for name, layer in document.layers.items():
        layers[name], of_layer = project_layer(layer, pairs[first], settings, first)
        outcomes += of_layer if name in counted else []
    losses = [whole_loss(pair, settings) for pair in pairs.values()]
    reason = next((loss for loss in losses if loss), None)
    if reason is not None:
        return Projection(None, tuple(o if o.reason else o.lost(reason) for o in outcomes))
    kept = {name: layer for name, layer in layers.items() if layer is not None}
    if len(kept) < len(layers):
        return Projection(None, tuple(outcomes))
    return Projection(_moved(document, pairs, kept), tuple(outcomes))


def translated(
    task: Task,
    document: Document,
    pairs: Mapping[str, AlignedPair],
    settings: ProjectionSettings,
) -> Document | None:
    """The document on the translations of its texts, without annotation but what the model reads.

    None where the translation lacks something that the model has to be given.
    """
    pair = pairs[task.texts[0]]
    layers: dict[str, Layer] = {}
    for name, kind in task.layers.items():
        if name in task.reads:
            projected, _ = project_layer(document.layers[name], pair, settings, task.texts[0])
            if projected is None:
                return None
            layers[name] = projected
        else:
            layers[name] = kind.empty(len(pair.target.words))
    return _moved(document, pairs, layers)


def _moved(
    document: Document, pairs: Mapping[str, AlignedPair], layers: Mapping[str, Layer]
) -> Document:
    texts: dict[str, Text] = {
        name: pairs[name].target if name in pairs else text for name, text in document.texts.items()
    }
    # What a writer needs to give back the file that was read is not true of a translation.
    return replace(document, texts=texts, layers=layers, meta={})


@singledispatch
def project_layer(
    layer: Layer, pair: AlignedPair, settings: ProjectionSettings, text: str
) -> Projected:
    """A layer on the translation of the text that it stands on.

    text: the name of that text, for the outcomes.

    Register a function for a kind of layer of your own. Raises TypeError for an unknown kind.
    """
    raise TypeError(
        f"nothing says how {type(layer).__name__} is projected: register it with "
        "xlt.projection.layers.project_layer, or implement `project` in the task"
    )


@project_layer.register(Tags)
def _project_tags(
    layer: Tags, pair: AlignedPair, settings: ProjectionSettings, text: str
) -> Projected:
    tags, outcomes = project_words(layer.tags, pair, settings, text=text)
    if any(tag is not None for tag in layer.tags) and not any(tag is not None for tag in tags):
        return None, outcomes
    return Tags(tuple(tags)), outcomes


@project_layer.register(Spans)
def _project_spans(
    layer: Spans, pair: AlignedPair, settings: ProjectionSettings, text: str
) -> Projected:
    outcomes = project_spans(layer.spans, pair, settings, exclusive=layer.exclusive, text=text)
    if whole_loss(pair, settings):
        return None, outcomes
    return type(layer)(in_order(kept_spans(outcomes))), outcomes


@project_layer.register(Structures)
def _project_structures(
    layer: Structures, pair: AlignedPair, settings: ProjectionSettings, text: str
) -> Projected:
    by_structure = project_structures(layer.structures, pair, settings, text=text)
    outcomes = [outcome for some in by_structure for outcome in some]
    if whole_loss(pair, settings):
        return None, outcomes
    kept = (kept_spans(some) for some in by_structure if not some[0].reason)
    return Structures(tuple(Structure(head, tuple(parts)) for head, *parts in kept)), outcomes


@project_layer.register(Tree)
def _project_tree(
    layer: Tree, pair: AlignedPair, settings: ProjectionSettings, text: str
) -> Projected:
    tree, outcomes = project_tree(layer.heads, layer.relations, pair, settings, text=text)
    if max(layer.heads, default=-1) >= 0 and max(tree.heads, default=-1) < 0:
        return None, outcomes
    relations = tuple(relation or "_" for relation in tree.relations)
    return Tree(tuple(tree.heads), relations), outcomes


@project_layer.register(Label)
def _project_label(
    layer: Label, pair: AlignedPair, settings: ProjectionSettings, text: str
) -> Projected:
    if layer.label is None:
        return layer, []
    outcome = project_label(layer.label, pair, settings, text=text)
    return (layer if outcome.reason is None else None), [outcome]


@project_layer.register(Answers)
def _project_answers(
    layer: Answers, pair: AlignedPair, settings: ProjectionSettings, text: str
) -> Projected:
    """The answer that is asked for decides; the others come along if they are there."""
    places = [pair.source.words_at(*offsets) for offsets in layer.offsets]
    outcomes = [project_answer(*place, pair, settings, text=text) for place in places]
    if not outcomes or outcomes[0].reason is not None:
        return None, outcomes[:1]
    offsets = pair.target.offsets
    answers = ((offsets[span.start][0], offsets[span.end - 1][1]) for span in kept_spans(outcomes))
    return Answers(tuple(dict.fromkeys(answers))), outcomes[:1]


def kept_spans(outcomes: list[Outcome]) -> list[Span]:
    """Where the labels are that were not lost."""
    return [outcome.span for outcome in outcomes if outcome.span is not None]


# What a task has -----------------------------------------------------------------------------


def is_aligned(task: Task) -> bool:
    """Whether some annotation of the task stands on words, so that links between them count."""
    return any(kind.positional for kind in task.layers.values())


def unprojectable(task: Task) -> list[str]:
    """Layers that nothing says how to project."""
    if isinstance(task, Projecting):
        return []
    unknown = project_layer.dispatch(object)
    return [name for name, kind in task.layers.items() if project_layer.dispatch(kind) is unknown]


def is_partial(task: Task) -> bool:
    """Whether a document of the task is still true if it lacks some labels (`Layer.partial`)."""
    return all(task.layers[name].partial for name in predicted_layers(task))


def span_layer(task: Task) -> str | None:
    """The task's layer of labelled spans; None if it has none, or several."""
    names = [name for name, kind in task.layers.items() if issubclass(kind, Spans)]
    return names[0] if len(names) == 1 else None


def spans_of(task: Task, document: Document) -> list[Span]:
    """The labelled spans of a document of a task that has a `span_layer`."""
    name = span_layer(task)
    return [] if name is None else list(document.layer(Spans, name).spans)
