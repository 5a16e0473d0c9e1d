"""Named entity recognition: token classification, valid IOB2 by Viterbi, strict span F1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TextIO

from pydantic import Field

from xlt.document import Document, FlatSpans, Layer, Text
from xlt.errors import XltError, choose
from xlt.options import Beams
from xlt.reader_options import ColumnOptions, ReaderOptions, advise
from xlt.task import Example, Labels, TaskOptions
from xlt.word_task import WordLabelTask, word_mask
from xlt.yaml.write import scalar

from .spans import COUNT_NAMES, check_iob2, iob2, span_counts, span_metrics, spans

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel
    from xlt.projection.pair import AlignedPair, Projection

OUTSIDE = "O"


class NER(WordLabelTask):
    """Recognises entities: documents of one text with spans, which are IOB2 tags in files."""

    name = "ner"
    layers: ClassVar[Mapping[str, type[Layer]]] = {"entities": FlatSpans}
    metrics_reported = ("f1", "precision", "recall")
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "bio": (".bio", ".iob2", ".ner", ".conll", ".conllup", ".tsv", ".txt"),
        "jsonl": (".jsonl",),
    }
    reader_options: ClassVar[Mapping[str, type[ReaderOptions]]] = {
        **WordLabelTask.reader_options,
        "bio": ColumnOptions,
    }
    count_names = COUNT_NAMES
    instruction = "Find the named entities in a text."
    definitions: ClassVar[Mapping[str, str]] = {
        "PER": "names of people, without titles",
        "LOC": "names of places: countries, towns, regions, rivers, mountains",
        "ORG": "names of organisations: companies, parties, institutions, teams",
    }
    measured_as = ("ner",)
    untagged = OUTSIDE

    class Options(TaskOptions):
        """Says which types of entities count and which model learns them."""

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
            "tokens", description="of `text_to_text`: a new subword for each tag, or as it is spelt"
        )
        beams: Beams = Field(
            4, description="of `text_to_text` and `slots`; so many candidates are proposed"
        )

    options: Options

    @property
    def generates(self) -> bool:
        """Return whether the model writes text, instead of tagging words."""
        return self.options.model != "tagger"

    @property
    def counts_given_gold(self) -> tuple[str, ...]:
        """Return the names of all counts for `slots`, which is told the gold types."""
        return COUNT_NAMES if self.options.model == "slots" else ()

    # Data ----------------------------------------------------------------------------------

    def read(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Document]:
        """Read columns of words and IOB2 tags, or JSON Lines.

        Raises XltError with ``path:line`` for tags that are not IOB2.
        """
        if format == "jsonl":
            yield from super().read(path, format, labelled=labelled, **options)
            return
        from xlt.data.columns import read_columns
        from xlt.data.comments import begins_document, document_meta

        of_document = 0
        for number, sentence in enumerate(read_columns(path, **options), 1):
            id = sentence.comment("sent_id") or str(number)
            where = f"{path}:{sentence.lines[0]}"
            of_document += begins_document(sentence.comments)
            document = self.document(id, sentence.text(), sentence.tags, where=where)
            yield replace(document, meta=document_meta(of_document))

    def document(self, id: object, text: Text, tags: Sequence[str], *, where: object) -> Document:
        """Return the document of a sentence, its types renamed and chosen by the options.

        Raises XltError for tags that are not IOB2.
        """
        check_iob2(tags, where=where)
        return super().document(id, text, [self._mapped(tag) for tag in tags], where=where)

    def tags(self, document: Document) -> list[str]:
        """Return the IOB2 tag of every word."""
        return iob2(document.layer(FlatSpans, "entities").spans, len(document.words))

    def with_tags(self, document: Document, tags: Sequence[str]) -> Document:
        """Return a copy of the document with the entities that the tags mark."""
        return document.with_layers(entities=FlatSpans(tuple(spans(tags))))

    def names(self, document: Document) -> list[tuple[int, int]]:
        """Return where the entities stand."""
        spans = document.layer(FlatSpans, "entities").spans
        return [(span.start, span.end) for span in spans]

    def _mapped(self, tag: str) -> str:
        if tag == OUTSIDE:
            return tag
        prefix, _, kind = tag.partition("-")
        kind = self.options.rename.get(kind, kind)
        wanted = self.options.types is None or kind in self.options.types
        return f"{prefix}-{kind}" if wanted else OUTSIDE

    def write(self, documents: Iterable[Document], stream: TextIO, format: str) -> None:
        """Write JSON Lines, or columns with a comment for each id that is not just a number, and
        where a document begins."""
        if format == "jsonl":
            super().write(documents, stream, format)
            return
        from xlt.data.columns import TaggedSentence, write_columns
        from xlt.data.comments import DOCUMENT, NEW_DOCUMENT, comment_line

        def sentences() -> Iterator[TaggedSentence]:
            before = None
            for number, document in enumerate(documents, 1):
                comments = []
                if (begun := document.meta.get(DOCUMENT)) and begun != before:
                    comments.append(NEW_DOCUMENT)
                before = begun
                if document.id != str(number):  # the reader numbers sentences that have no name
                    where = f"record {document.id!r}"
                    comments.append(comment_line("sent_id", document.id, where=where))
                yield TaggedSentence(list(document.words), self.tags(document), comments)

        write_columns(sentences(), stream)

    # Projection ----------------------------------------------------------------------------

    def project_predictions(
        self,
        outputs: Mapping[str, torch.Tensor],
        row: int,
        pairs: Mapping[str, AlignedPair],
        projection: Projection,
        labels: Labels,
    ) -> dict[str, NDArray[np.float32]]:
        """Average the types over links; the projected spans say which words begin an entity,
        since the first word of one need not be the first in the other language."""
        from .spans import project_tag_scores

        scores = outputs["scores"][row].numpy()
        kept = [outcome.span for outcome in projection.outcomes if outcome.span]
        return {"scores": project_tag_scores(scores, pairs["text"], kept, labels["tag"])}

    # Labels --------------------------------------------------------------------------------

    def labels(self, documents: Iterable[Document]) -> Labels:
        """Return O and the two tags of every type in the documents, sorted."""
        kinds = {
            span.kind
            for document in documents
            for span in document.layer(FlatSpans, "entities").spans
        }
        return {"tag": (OUTSIDE, *(f"{p}-{kind}" for kind in sorted(kinds) for p in "BI"))}

    def check_labels(self, labels: Labels, data: Labels, *, where: object) -> None:
        """Raise XltError if evaluation data hold a type that the model is never taught."""
        known = {tag[2:] for tag in labels["tag"] if tag != OUTSIDE}
        for kind in sorted({tag[2:] for tag in data["tag"] if tag != OUTSIDE} - known):
            raise XltError(
                f"the data hold entities of type {kind!r}, which the model is never taught",
                where=where,
                fix=f"{choose(kind, known)}. In a config, map it with `task.rename`, or leave it "
                f"out of the score with `task.types: [{', '.join(sorted(known))}]`. For a file of "
                f"columns, {advise(f'types: {{{scalar(kind)}: null}}')}; in other files, rename it",
            )

    # Model ---------------------------------------------------------------------------------

    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        """Build the model that `task.model` names: tagger, text-to-text or slots."""
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
        self, documents: Sequence[Document], backbone: Backbone, labels: Labels | None
    ) -> list[Example]:
        """Encode the words; for a model that writes text, also what it is to write."""
        if not self.generates:
            return super().encode(documents, backbone, labels)
        from xlt.model.slot_writer import encode_slots
        from xlt.model.tag_writer import TagWriting

        encoded = backbone.words([document.text for document in documents])
        entities = [document.layer(FlatSpans, "entities").spans for document in documents]
        if self.options.model == "slots":
            return encode_slots(encoded, entities, backbone, labels)
        writing = TagWriting(backbone, labels, self.options.tags)
        return [
            Example(n, words.length, writing.inputs(words, gold if labels else None))
            for n, (gold, words) in enumerate(zip(entities, encoded, strict=True))
        ]

    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """Pad the examples to a batch for the model's forward."""
        if not self.generates:
            return super().collate(examples)
        from xlt.model.slot_writer import collate_slots
        from xlt.model.tag_writer import collate_tagged

        collate = collate_slots if self.options.model == "slots" else collate_tagged
        return collate([example.inputs for example in examples])

    def best(
        self, scores: NDArray[np.float32], mask: NDArray[np.bool_], tags: Sequence[str]
    ) -> list[list[int]]:
        """Return the best valid IOB2 tags of every sentence, as indices."""
        from xlt.model.bio import decode_bio

        return decode_bio(scores, mask, tags)

    def confidence(
        self,
        predicted: Sequence[Document],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
        temperatures: Mapping[str, float],
    ) -> list[Mapping[str, Sequence[float]]]:
        """Return the probability of each entity, and that there is no other one, over all valid
        tags of the sentence."""
        import numpy as np

        from xlt.model.marginals import rest_marginals, span_marginals

        scores = np.asarray(outputs["scores"])
        mask = word_mask(examples, scores.shape[1])
        entities = [document.layer(FlatSpans, "entities").spans for document in predicted]
        temperature = temperatures.get("entities", 1.0)
        chances = span_marginals(scores, mask, labels["tag"], entities, temperature)
        rest = rest_marginals(scores, mask, labels["tag"], entities, temperature).tolist()
        return [
            {"entities": one.tolist(), "entities.rest": [no_other]}
            for one, no_other in zip(chances, rest, strict=True)
        ]

    # Evaluation ----------------------------------------------------------------------------

    def counts(self, gold: Document, predicted: Document) -> NDArray[np.float64]:
        """Count right, predicted and gold entities of one sentence, shape (3,)."""
        return span_counts(self.tags(gold), self.tags(predicted))

    def metrics(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Compute F1, precision and recall in percent from counts of shape (..., 3)."""
        return span_metrics(counts)
