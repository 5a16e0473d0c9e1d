"""Named entity recognition: token classification, valid IOB2 by Viterbi, strict span F1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TextIO

from pydantic import Field, PositiveInt

from xlt.data.options import ColumnOptions, ReaderOptions
from xlt.errors import XltError, choose
from xlt.projection.pair import Span
from xlt.task import Example, Labels, Record, TaskOptions
from xlt.word_task import WordLabelTask

from .spans import COUNT_NAMES, check_iob2, span_counts, span_metrics, spans

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from spacy.tokens import Doc, Token

    from xlt.config.schema import ProjectionSettings
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel
    from xlt.projection.pair import AlignedPair, Projection

OUTSIDE = "O"


class NER(WordLabelTask):
    """Records: {id, words, tags}; `tags` is IOB2."""

    name = "ner"
    metrics_reported = ("f1", "precision", "recall")
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "bio": (".bio", ".iob2", ".ner", ".conll", ".tsv", ".txt"),
        "jsonl": (".jsonl",),
    }
    reader_options: ClassVar[Mapping[str, type[ReaderOptions]]] = {
        **WordLabelTask.reader_options,
        "bio": ColumnOptions,
    }
    count_names = COUNT_NAMES
    measured_as = ("ner",)
    partial = False
    untagged = OUTSIDE

    class Options(TaskOptions):
        types: list[str] | None = Field(
            None, description="entity types to learn and score; others in the data become O"
        )
        rename: dict[str, str] = Field(
            default_factory=dict, description="type in the data → our type, before `types`"
        )
        model: Literal["tagger", "text_to_text", "slots"] = Field(
            "tagger",
            description="`text_to_text` writes the words again with tags around the entities; "
            "`slots` is told which types there are, and writes where: not a tagger, but what "
            "proposes candidates for `projection.candidates`. Both need an encoder-decoder, or an "
            "encoder that can get a decoder",
        )
        tags: Literal["tokens", "text"] = Field(
            "tokens", description="of `text_to_text`: a new piece for each tag, or as it is spelt"
        )
        beams: PositiveInt = Field(
            4, description="of `text_to_text` and `slots`; so many candidates are proposed"
        )

    options: Options

    @property
    def generates(self) -> bool:
        return self.options.model != "tagger"

    @property
    def counts_given_gold(self) -> tuple[str, ...]:
        return COUNT_NAMES if self.options.model == "slots" else ()

    # Data ----------------------------------------------------------------------------------

    def read(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Record]:
        if format == "jsonl":
            yield from super().read(path, format, labelled=labelled, **options)
            return
        from xlt.data.columns import read_columns

        for number, sentence in enumerate(read_columns(path, **options), 1):
            id = sentence.comment("sent_id") or str(number)
            where = f"{path}:{sentence.lines[0]}"
            yield self.record(id, sentence.words, sentence.tags, where=where)

    def record(self, id: object, words: list[str], tags: list[str], *, where: object) -> Record:
        check_iob2(tags, where=where)
        return super().record(id, words, [self._mapped(tag) for tag in tags], where=where)

    def _mapped(self, tag: str) -> str:
        if tag == OUTSIDE:
            return tag
        prefix, _, kind = tag.partition("-")
        kind = self.options.rename.get(kind, kind)
        wanted = self.options.types is None or kind in self.options.types
        return f"{prefix}-{kind}" if wanted else OUTSIDE

    def write(self, records: Iterable[Record], stream: TextIO, format: str) -> None:
        if format == "jsonl":
            super().write(records, stream, format)
            return
        from xlt.data.columns import TaggedSentence, write_columns
        from xlt.data.comments import comment_line

        write_columns(
            (
                # The reader numbers sentences that have no name.
                TaggedSentence(
                    r["words"],
                    r["tags"],
                    []
                    if r["id"] == str(number)
                    else [comment_line("sent_id", r["id"], where=f"record {r['id']!r}")],
                )
                for number, r in enumerate(records, 1)
            ),
            stream,
        )

    def annotate(self, doc: Doc, sentences: Sequence[tuple[Record, Sequence[Token]]]) -> None:
        """Sets ``doc.ents``."""
        from spacy.tokens import Span

        doc.set_ents(
            [
                Span(doc, tokens[start].i, tokens[end - 1].i + 1, label=kind)
                for record, tokens in sentences
                for kind, start, end in spans(record["tags"])
            ]
        )

    # Projection ----------------------------------------------------------------------------

    def spans(self, record: Record) -> dict[str, list[Span]]:
        return {"text": spans(record["tags"])}

    def project(
        self, record: Record, pairs: Mapping[str, AlignedPair], settings: ProjectionSettings
    ) -> Projection:
        from xlt.projection.pair import Projection
        from xlt.projection.spans import project_spans, whole_loss

        pair = pairs["text"]
        outcomes = tuple(project_spans(spans(record["tags"]), pair, settings))
        if whole_loss(pair, settings):
            return Projection(None, outcomes)
        tags = [OUTSIDE] * len(pair.target)
        for span in filter(None, (outcome.span for outcome in outcomes)):
            inside = [f"I-{span.kind}"] * (span.end - span.start - 1)
            tags[span.start : span.end] = [f"B-{span.kind}", *inside]
        return Projection({"id": record["id"], "words": list(pair.target), "tags": tags}, outcomes)

    def carry(
        self,
        outputs: Mapping[str, torch.Tensor],
        row: int,
        pairs: Mapping[str, AlignedPair],
        projection: Projection,
        labels: Labels,
    ) -> dict[str, NDArray[np.float32]]:
        """Types are averaged over links; whether a word begins an entity is what the projected
        spans say, since the first word of one need not be the first in the other language."""
        from .spans import carry_scores

        scores = outputs["scores"][row].numpy()
        kept = [outcome.span for outcome in projection.outcomes if outcome.span]
        return {"scores": carry_scores(scores, pairs["text"], kept, labels["tag"])}

    # Labels --------------------------------------------------------------------------------

    def labels(self, records: Iterable[Record]) -> Labels:
        kinds = {tag[2:] for record in records for tag in record["tags"] if tag != OUTSIDE}
        return {"tag": (OUTSIDE, *(f"{p}-{kind}" for kind in sorted(kinds) for p in "BI"))}

    def check_labels(self, labels: Labels, data: Labels, *, where: object) -> None:
        known = {tag[2:] for tag in labels["tag"] if tag != OUTSIDE}
        for kind in sorted({tag[2:] for tag in data["tag"] if tag != OUTSIDE} - known):
            raise XltError(
                f"the data hold entities of type {kind!r}, which the model is never taught",
                where=where,
                fix=f"{choose(kind, known)}. Map it with `task.rename`, or leave it out of the "
                f"score with `task.types: [{', '.join(sorted(known))}]`",
            )

    # Model ---------------------------------------------------------------------------------

    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        if not self.generates:
            return super().build(backbone, labels)
        from xlt.model.generation import Generation
        from xlt.model.slot_writer import SlotWriter
        from xlt.model.tag_writer import TagWriter

        options = self.options
        if options.model == "slots":
            return SlotWriter(backbone, labels, Generation(beams=options.beams))
        return TagWriter(backbone, labels, Generation(beams=options.beams), options.tags)

    def encode(
        self, records: Sequence[Record], backbone: Backbone, labels: Labels | None
    ) -> list[Example]:
        if not self.generates:
            return super().encode(records, backbone, labels)
        from xlt.model.slot_writer import encode_slots
        from xlt.model.tag_writer import TagWriting

        encoded = backbone.words([record["words"] for record in records])
        if self.options.model == "slots":
            return encode_slots(encoded, [spans(r["tags"]) for r in records], backbone, labels)
        writing = TagWriting(backbone, labels, self.options.tags)
        return [
            Example(n, words.length, writing.inputs(words, spans(r["tags"]) if labels else None))
            for n, (r, words) in enumerate(zip(records, encoded, strict=True))
        ]

    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        if not self.generates:
            return super().collate(examples)
        from xlt.model.slot_writer import collate_slots
        from xlt.model.tag_writer import collate_tagged

        collate = collate_slots if self.options.model == "slots" else collate_tagged
        return collate([example.inputs for example in examples])

    def best(
        self, scores: NDArray[np.float32], mask: NDArray[np.bool_], tags: Sequence[str]
    ) -> list[list[int]]:
        from xlt.model.bio import decode_bio

        return decode_bio(scores, mask, tags)

    # Evaluation ----------------------------------------------------------------------------

    def counts(self, gold: Record, predicted: Record) -> NDArray[np.float64]:
        return span_counts(gold["tags"], predicted["tags"])

    def metrics(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return span_metrics(counts)
