"""Event extraction: entities, triggers and their arguments, by a joint model or a pipeline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TextIO

import numpy as np
from pydantic import Field

from xlt.data.malformed import malformed
from xlt.data.rows import OPTIONAL, with_confidence
from xlt.document import Document, Layer, Span, Spans, Structure, Structures, in_order
from xlt.document.document import Row
from xlt.errors import XltError, choose
from xlt.options import Beams, Section, Width
from xlt.reader_options import ReaderOptions
from xlt.task import Example, Labels, Network, Task, TaskOptions
from xlt.word_task import word_mask

from .inventory import TAGGED, Frames, inventory, kinds
from .metrics import COUNT_NAMES, GIVEN, METRICS, event_counts, event_metrics
from .options import AceOptions, EventLineOptions, EventOptions, PropositionOptions
from .records import Checker, place_of, to_row

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from spacy.tokens import Doc, Token

    from xlt.config.schema import ProjectionSettings
    from xlt.data.batch import Arrays
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel
    from xlt.projection.pair import AlignedPair, Projection

Part = Literal["entities", "triggers", "arguments"]


class Types(Section):
    """Says which labels count, by patterns as in file names; what fits none is left out."""

    entities: list[str] | None = None
    events: list[str] | None = None
    roles: list[str] | None = None


class Rename(Section):
    """Maps labels in the data to ours, before `types`; the first pattern that fits decides."""

    entities: dict[str, str] = Field(default_factory=dict)
    events: dict[str, str] = Field(default_factory=dict)
    roles: dict[str, str] = Field(default_factory=dict)


class EventExtraction(Task):
    """Extracts events: documents of one text with four layers.

    entities: spans. events: triggers, whose kind is the event's type, with their arguments, whose
    kinds are roles. given: the events whose triggers are known when arguments are predicted: in a
    gold document the events themselves; in a prediction, what was found for gold triggers.
    unknown: where there is a trigger of which nothing more is known; its words are not learnt from.
    """

    name = "event_extraction"
    layers: ClassVar[Mapping[str, type[Layer]]] = {
        "entities": Spans,
        "events": Structures,
        "given": Structures,
        "unknown": Spans,
    }
    annotated = ("entities", "events")
    columns = ("id", "words", "entities", "events", "given", "unknown", *OPTIONAL)
    optional_columns = ("id", "entities", "given", "unknown", *OPTIONAL)
    metrics_reported = METRICS
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {"jsonl": (".jsonl",)}
    formats_read: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "conllup": (".conllup", ".conllu"),
        "oneie": (),
        "dygie": (),
        "ace": (),
        "mee": (),
    }
    reader_options: ClassVar[Mapping[str, type[ReaderOptions]]] = {
        "jsonl": EventLineOptions,
        "conllup": PropositionOptions,
        "oneie": EventOptions,
        "dygie": EventOptions,
        "ace": AceOptions,
        "mee": EventOptions,
    }
    count_names = COUNT_NAMES
    measured_as = ("event-argument", "event-trigger", "event-entity")

    class Options(TaskOptions):
        """Says what is learnt of events, with which model, and which labels count."""

        model: Literal["joint", "pipeline", "templates"] = Field(
            "joint", description="score trigger and word from one reading; read the sentence again "
            "for each trigger; or write the arguments of given triggers into a template"
        )  # fmt: skip
        parts: list[Part] = Field(
            ["entities", "triggers", "arguments"],
            min_length=1,
            description="what is learnt; arguments without triggers: only for gold triggers",
        )
        types: Types = Types()
        rename: Rename = Rename()
        spans: Literal["exact", "head"] = Field(
            "exact", description="`head`: learn and score the head word that the data name"
        )
        constrained: bool = Field(
            True, description="an event has only roles that its type had in training, as often"
        )
        levels: int = Field(
            1,
            ge=1,
            le=16,
            description="entities that may lie in one another; the outermost are the first",
        )
        dropout: float = Field(0.1, ge=0, lt=1, description="of word vectors")
        layers: int = Field(
            0,
            ge=0,
            le=32,
            description="bidirectional LSTM layers over the words; for small encoders",
        )
        layer_size: Width = Field(192, description="of each direction")
        role_size: Width = Field(256, description="of the joint model's biaffine vectors")
        beams: Beams = Field(4, description="of the templates' generator")

    options: Options

    @property
    def counts_given_gold(self) -> tuple[str, ...]:
        """Return the names of the counts of arguments whose triggers were given."""
        return tuple(name for name in COUNT_NAMES if name.startswith(GIVEN))

    @property
    def generates(self) -> bool:
        """Return whether the model writes templates, instead of tagging words."""
        return self.options.model == "templates"

    # Data ----------------------------------------------------------------------------------

    def read(
        self,
        path: Path,
        format: str,
        *,
        labelled: bool = True,
        repeated_ids: str = "refuse",
        **options: Any,
    ) -> Iterator[Document]:
        """Read one of the formats of `readers` or `propositions`.

        repeated_ids: "number" to put the line's number behind an id that was there before;
            "refuse" raises XltError.
        """
        from . import propositions, readers

        if format == "jsonl":
            rows = readers.read_rows(path, labelled=labelled, **options)
        else:
            reader = {
                "conllup": propositions.read_propositions,
                "oneie": readers.read_oneie,
                "dygie": readers.read_dygie,
                "ace": readers.read_ace,
                "mee": readers.read_mee,
            }[format]
            rows = reader(path, **options)
        check = Checker(self.options, repeated_ids)
        for where, row in rows:
            try:
                document = check(row, where=where)
            except XltError as error:
                malformed(error)
                continue
            yield document

    def validate_row(self, row: Row, *, where: object) -> Document:
        """Check a row's spans and labels (`records.Checker`). Raises XltError."""
        return Checker(self.options)(row, where=str(where))

    def to_row(self, document: Document) -> Row:
        """Return the row of a document, with spans in words: `start` from 0, `end` exclusive."""
        return to_row(document)

    def write(self, documents: Iterable[Document], stream: TextIO, format: str) -> None:
        """Write JSON Lines, without the fields that `read` fills in."""
        from xlt.data.jsonl import write_jsonl

        def plain(row: Row) -> Row:
            """Without what `read` fills in."""
            usual = {"given": row["events"], "unknown": []}
            return {k: v for k, v in row.items() if k not in usual or v != usual[k]}

        rows = (with_confidence(plain(to_row(document)), document) for document in documents)
        write_jsonl(rows, stream)

    def sizes(self, document: Document) -> dict[str, int]:
        """Count words, entities, triggers and arguments."""
        events = document.layer(Structures, "events").structures
        return {
            **super().sizes(document),
            "entities": len(document.layer(Spans, "entities").spans),
            "triggers": len(events),
            "arguments": sum(len(event.parts) for event in events),
        }

    def annotate(self, doc: Doc, sentences: Sequence[tuple[Document, Sequence[Token]]]) -> None:
        """Put entities, triggers and arguments on a spaCy document (`display`)."""
        from .display import annotate

        annotate(doc, sentences)

    def names(self, document: Document) -> list[tuple[int, int]]:
        """Return where the entities stand."""
        spans = document.layer(Spans, "entities").spans
        return [(span.start, span.end) for span in spans]

    # Projection ----------------------------------------------------------------------------

    def project(
        self, document: Document, pairs: Mapping[str, AlignedPair], settings: ProjectionSettings
    ) -> Projection:
        """Project entities and events; one that loses a part is lost (`projecting`)."""
        from .projecting import project_events

        heads = self.options.spans == "head"
        return project_events(document, pairs["text"], settings, heads=heads)

    # Labels --------------------------------------------------------------------------------

    def labels(self, documents: Iterable[Document]) -> Labels:
        """Return the tags of entities, triggers and roles, and which roles a type takes."""
        return inventory(documents)

    def check_labels(self, labels: Labels, data: Labels, *, where: object) -> None:
        """Raise XltError if evaluation data hold a type or role that is never taught."""
        options = {"entity": "entities", "trigger": "events", "role": "roles"}
        for layer in TAGGED:
            known = kinds(labels[layer])
            for kind in sorted(set(kinds(data[layer])) - set(known)):
                raise XltError(
                    f"the data hold the {layer} type {kind!r}, which the model is never taught"
                    if layer != "role"
                    else f"the data hold the role {kind!r}, which the model is never taught",
                    where=where,
                    fix=f"{choose(kind, known)}. In a config, map it with "
                    f"`task.rename.{options[layer]}`, or leave it out of the score with "
                    f"`task.types.{options[layer]}`; for a command without one, rename it in the "
                    "data",
                )

    # Model ---------------------------------------------------------------------------------

    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        """Build the model that `task.model` names: joint, pipeline or templates."""
        if self.generates:
            from .templates import TemplateWriter

            backbone.labels = labels
            return TemplateWriter(backbone, labels, self.options)
        from .model import MODELS

        return MODELS[self.options.model](backbone.encoder(), labels, self.options)

    def load(self, folder: Path, backbone: Backbone, labels: Labels) -> TaskModel:
        """Build the model and load its layers from `folder`; a generator has none of its own."""
        model = self.build(backbone, labels)
        if not self.generates:
            model.load_head(folder)
        return model

    def encode(
        self, documents: Sequence[Document], backbone: Backbone, labels: Labels | None
    ) -> list[Example]:
        """Encode the words, and what the model needs to know of each given trigger.

        With labels: a row of tag ids (words,) for each level of entities, for the triggers, and for
        the roles of each trigger's arguments. Words of unknown triggers are not learnt from.
        """
        if self.generates:
            from . import templates

            return templates.encode(documents, backbone, labels)
        from . import encoding

        return encoding.encode(documents, backbone, labels, self.options)

    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """Pad the examples to a batch for `model.Extractor.forward` or `templates`."""
        if self.generates:
            from . import templates

            return templates.collate(examples)
        import torch

        from .encoding import targets

        batch = self.arrays(examples)
        if "tags" in examples[0].inputs:
            width = batch["word_mask"].shape[1]
            batch["labels"] = targets(examples, self.options.levels, width)
        return {name: torch.from_numpy(array) for name, array in batch.items()}

    def arrays(self, examples: Sequence[Example]) -> dict[str, NDArray[Any]]:
        """Pad the examples of a model that tags words to a batch without labels."""
        from . import encoding

        return encoding.arrays(examples)

    def outputs(self, network: Network, arrays: Arrays, labels: Labels) -> Arrays:
        """Score tags, and the roles of given and of found triggers (`extracting`)."""
        from . import extracting

        return extracting.outputs(network, arrays, labels, self.options)

    def decode(
        self,
        documents: Sequence[Document],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
    ) -> list[Document]:
        """Decode entities and triggers, then the arguments of these and of the given triggers."""
        from .decoding import decode_roles, decode_spans

        scores = {layer: np.asarray(outputs[layer]) for layer in TAGGED}
        mask = word_mask(examples, scores["trigger"].shape[1])
        triggers: list[list[Span]] = [[] for _ in documents]
        if "triggers" in self.options.parts:
            triggers = decode_spans(scores["trigger"], mask, labels["trigger"])
        entities: list[list[Span]] = [[] for _ in documents]
        for level in scores["entity"] if "entities" in self.options.parts else ():
            for known, more in zip(
                entities, decode_spans(level, mask, labels["entity"]), strict=True
            ):
                known.extend(more)
        row_of = {tuple(place): row for row, place in enumerate(outputs["events"].tolist())}
        # Every trigger whose arguments are asked for: its document, the layer it is for, itself.
        asked: list[tuple[int, str, Span]] = []
        for n, (document, example) in enumerate(zip(documents, examples, strict=True)):
            asked += [(n, "events", trigger) for trigger in triggers[n]]
            if example.inputs["triggers"]:
                given = document.layer(Structures, "given").structures
                asked += [(n, "given", event.head) for event in given]
        # In an ensemble, a trigger that no member found alone has no roles.
        scored = [one for one in asked if (one[0], *place_of(one[2])) in row_of]
        rows = [row_of[n, *place_of(trigger)] for n, _, trigger in scored]
        frames = Frames.of(labels) if self.options.constrained else None
        roles = decode_roles(
            scores["role"][rows],
            mask[[n for n, *_ in scored]],
            [trigger.kind for *_, trigger in scored],
            labels["role"],
            frames,
        )
        arguments = dict(zip(scored, roles, strict=True))
        events: defaultdict[tuple[int, str], list[Structure]] = defaultdict(list)
        for one in asked:
            n, layer, trigger = one
            events[n, layer].append(Structure(trigger, in_order(arguments.get(one, ()))))
        return [
            document.with_layers(
                entities=Spans(in_order(entities[n])),
                events=Structures(tuple(events[n, "events"])),
                given=Structures(tuple(events[n, "given"])),
                unknown=Spans(()),
            )
            for n, document in enumerate(documents)
        ]

    def confidence(
        self,
        predicted: Sequence[Document],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
        temperatures: Mapping[str, float],
    ) -> list[Mapping[str, Sequence[float]]]:
        """Return the probability of each entity, trigger and argument (`decoding`)."""
        from .decoding import confidence

        scores = {name: np.asarray(outputs[name]) for name in (*TAGGED, "events")}
        mask = word_mask(examples, scores["trigger"].shape[1])
        return confidence(predicted, scores, mask, labels, temperatures)

    def combine(self, outputs: Sequence[Mapping[str, torch.Tensor]]) -> Mapping[str, torch.Tensor]:
        """Average the scores, those of roles over the models that found the trigger."""
        import torch

        together = {k: torch.stack([o[k] for o in outputs]).mean(0) for k in ("entity", "trigger")}
        roles: dict[tuple[int, ...], list[torch.Tensor]] = {}
        for one in outputs:
            for place, scores in zip(one["events"].tolist(), one["role"], strict=True):
                roles.setdefault(tuple(place), []).append(scores)
        shape = outputs[0]["role"].shape[1:]
        means = [torch.stack(scores).mean(0) for scores in roles.values()]
        return {
            **together,
            "role": torch.stack(means) if means else torch.zeros(0, *shape),
            "events": torch.tensor(list(roles), dtype=torch.long).view(-1, 3),
        }

    # Evaluation ----------------------------------------------------------------------------

    def counts(self, gold: Document, predicted: Document) -> NDArray[np.float64]:
        """Count right, predicted and gold items of one document (`metrics.event_counts`)."""
        return event_counts(gold, predicted)

    def metrics(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Compute F1 in percent from counts of shape (..., len(COUNT_NAMES))."""
        return event_metrics(counts, self.options.parts)
