"""Question generation: a question for an answer in a text, in the language of the text.

By default QuIST's recipe (`model`): exemplar questions of the predicted type, English ones while it
learns, the target language's while it predicts. With ``exemplars: 0`` a plain generator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TextIO

import numpy as np
from pydantic import Field

from xlt import languages
from xlt.data.offsets import SpanLocator
from xlt.document import Answers, Document, Label, Layer, Text
from xlt.document.document import Row
from xlt.errors import XltError
from xlt.model.generation import Generation
from xlt.options import Count, LocalPath
from xlt.reader_options import ReaderOptions
from xlt.task import Example, Labels, Task, TaskOptions

from . import answering, exemplars, filters, metrics, records
from .exemplars import TYPES
from .interrogatives import question_types
from .options import AfriqaOptions, QuestionLineOptions, QuestionOptions

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel

Ids = Any


class QuestionGeneration(Task):
    """Generates questions: documents of a context, a question and a title, with answers."""

    name = "question_generation"
    texts = ("context", "question", "title")
    layers: ClassVar[Mapping[str, type[Layer]]] = {"answers": Answers, "question_type": Label}
    reads = ("answers",)
    counted = ("answers",)
    generated_texts = ("question",)
    columns = ("id", "context", "question", "answers", "language", "title", "question_type", "note")
    optional_columns = ("id", "language", "title", "question_type", "note")
    label_columns = ("question_type",)
    metrics_reported = metrics.REPORTED
    metrics_below_100 = ("meteor",)
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {"squad": (".json",), "jsonl": (".jsonl",)}
    formats_read: ClassVar[Mapping[str, tuple[str, ...]]] = {"afriqa": ()}
    reader_options: ClassVar[Mapping[str, type[ReaderOptions]]] = {
        "squad": QuestionOptions,
        "jsonl": QuestionLineOptions,
        "afriqa": AfriqaOptions,
    }
    count_names = metrics.NAMES

    class Options(TaskOptions):
        """Says how the prompt is made, how questions are generated and which are filtered."""

        exemplars: int = Field(
            15,
            ge=0,
            le=1000,
            description="questions of the type that are shown; 0: none, no type either",
        )
        exemplar_folder: Annotated[str, LocalPath("always")] | None = Field(
            None, description="of exemplar files (<language>.yaml) that come before the built-in"
        )
        context_words: Count | None = Field(
            None, description="words that are read before and after the answer; by default all"
        )
        language_tag: bool = Field(False, description="name the language in the prompt")
        type_loss: float = Field(
            1.0, ge=0, le=1e6, description="weight of the types' part of the loss"
        )
        answerer: Annotated[str, LocalPath("existing")] | None = Field(
            None,
            description="a question answering model (Hugging Face id or folder) that answers every "
            "generated question; those that it answers otherwise are filtered",
        )
        answer_f1: float = Field(
            0.5, gt=0, le=1, description="words that its answer and the right one share, at least"
        )
        generation: Generation = Generation()

    options: Options

    @property
    def generates(self) -> bool:
        """Return True: the model writes the questions."""
        return True

    # Data ----------------------------------------------------------------------------------

    def read(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Document]:
        """Read SQuAD's JSON, JSON Lines, or AfriQA's.

        Raises XltError with the place of a question whose answer is not in its context, unless
        `drop` is set.
        """
        told = QuestionLineOptions(**options)
        if format == "squad":
            yield from records.read_squad(path, labelled=labelled, types=told.types, drop=told.drop)
            return
        afriqa = format == "afriqa"
        yield from records.read_lines(
            path,
            labelled=labelled,
            columns=records.AFRIQA if afriqa else told.columns,
            types=told.types,
            drop=afriqa or told.drop,
        )

    def validate_row(self, row: Row, *, where: object) -> Document:
        """Check a row as `records.make` does. Raises XltError."""
        with SpanLocator(where, "answer", "context") as locate:
            return records.make(row, locate=locate, labelled=True, where=where)

    def to_row(self, document: Document) -> Row:
        """Return the row of a document, with answers in characters of the context."""
        return records.to_row(document)

    def write(self, documents: Iterable[Document], stream: TextIO, format: str) -> None:
        """Write SQuAD's JSON or JSON Lines; questions asked twice of a context are noted."""
        noted = filters.without_duplicates(documents)
        (records.write_squad if format == "squad" else records.write_lines)(noted, stream)

    def from_text(self, id: str, text: Text, language: str = "") -> Document:
        """Raise XltError: plain text does not say which answer to ask for."""
        raise XltError(
            "plain text does not say which answer to ask for",
            where="--input-format",
            fix="give SQuAD's JSON or JSON Lines with `context` and `answers`",
        )

    # Projection ----------------------------------------------------------------------------

    def accept(self, own: Document, written: Document) -> Document:
        """Take over a question that was generated in another language and translated."""
        cut = records.note_of(written) == "cut"
        (made,) = self._noted([own.with_texts(question=written.texts["question"])], [cut])
        return made.with_layers(question_type=written.layers["question_type"])

    def _noted(self, documents: Sequence[Document], cut: Sequence[bool]) -> list[Document]:
        """Documents with generated questions, each with what is wrong with it, if anything."""
        folder = self.options.exemplar_folder
        notes = [
            filters.reason(one.texts["question"].surface, one, cut=is_cut, folder=folder)
            for one, is_cut in zip(documents, cut, strict=True)
        ]
        if self._answerer is not None:
            asked = [i for i, note in enumerate(notes) if note == filters.GENERATED]
            answers = self._answerer([documents[i] for i in asked])
            for i, answer in zip(asked, answers, strict=True):
                if not self._answered(answer, documents[i]):
                    notes[i] = "unanswerable"
        return [
            replace(document, meta={**document.meta, "note": note})
            for document, note in zip(documents, notes, strict=True)
        ]

    def _answered(self, answer: str, document: Document) -> bool:
        given = metrics.units(answer, document.language)
        answers = document.layer(Answers, "answers").texts(document.text.surface)
        gold = (metrics.units(text, document.language) for text in answers)
        return any(answering.overlap(given, one) >= self.options.answer_f1 for one in gold)

    @cached_property
    def _answerer(self) -> answering.Answerer | None:
        name = self.options.answerer
        return None if name is None else answering.Answerer(name)

    # Labels --------------------------------------------------------------------------------

    def labels(self, documents: Iterable[Document]) -> Labels:
        """Return the eight types of questions, whatever the documents have."""
        return {"question_type": TYPES}

    # Model ---------------------------------------------------------------------------------

    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        """Build QuIST's generator (`model`), or a plain one where there are no exemplars."""
        from xlt.model.seq2seq import Seq2Seq

        from .model import QuestionGenerator

        options = self.options
        if not options.exemplars:
            return Seq2Seq(backbone.seq2seq(), labels, backbone, options.generation)
        return QuestionGenerator(backbone, labels, options.generation, options.type_loss)

    def load(self, folder: Path, backbone: Backbone, labels: Labels) -> TaskModel:
        """Build the generator and load the layer of the types from `folder`, if it has one."""
        model = self.build(backbone, labels)
        if model.head_state():
            model.load_head(folder)
        return model

    def encode(
        self, documents: Sequence[Document], backbone: Backbone, labels: Labels | None
    ) -> list[Example]:
        """Encode the prompt in windows, and exemplars of every type in the document's language.

        With labels: the subwords of the question and the id of its type, which is ignored if not
        known. Raises XltError for a language without exemplars.
        """
        from xlt.data.batch import IGNORED
        from xlt.data.prompt import PromptEncoder, encode_texts
        from xlt.model.decoder import end_id, language_subwords

        encoder = PromptEncoder(backbone.words)
        spoken = sorted({document.language for document in documents})
        shown = {one: self._exemplars(one, backbone, encoder.room // 2) for one in spoken}
        subwords = encode_texts(
            backbone.tokenizer,
            [text for one in documents for text in (self.head(one), self.body(one))],
        )
        tags = language_subwords(backbone.tokenizer)
        asked = [one.texts["question"].surface for one in documents if labels]
        questions = encode_texts(backbone.tokenizer, asked)
        examples = []
        for index, document in enumerate(documents):
            own = shown[document.language]
            most = max(map(len, own), default=0)
            windows = encoder.windows(subwords[2 * index], subwords[2 * index + 1], most)
            begin = [tags[document.language]] if document.language in tags else []
            inputs: dict[str, Any] = {
                "windows": windows, "limit": backbone.max_length, "pad": backbone.pad_id,
                "exemplars": own, "begin": np.array(begin, np.int32),
                "tokenizer": backbone.tokenizer,
            }  # fmt: skip
            if labels:
                end = [end_id(backbone)]
                target = np.concatenate([begin, questions[index], end]).astype(np.int32)
                kind = self.kind(document)
                inputs |= {"target": target, "type": TYPES.index(kind) if kind else IGNORED}
            read = sum(map(len, windows))
            # Read twice where there are exemplars: to find the type, and with them.
            length = 2 * read + most * len(windows) if own else read
            examples.append(Example(index, length, inputs))
        return examples

    def head(self, document: Document) -> str:
        """Return the first part of the prompt, which every window repeats: the answer."""
        tag = f"Language: {languages.name(document.language or 'und')}. "
        answer = document.layer(Answers, "answers").texts(document.text.surface)[0]
        return f"{tag if self.options.language_tag else ''}Answer: {answer}. "

    def body(self, document: Document) -> str:
        """Return the second part of the prompt, which is split into windows: title and context."""
        return f"Context: [{document.texts['title'].surface}] {self._context(document)}"

    def _context(self, document: Document) -> str:
        context, near = document.text.surface, self.options.context_words
        if near is None:
            return context
        from xlt.data.segment import word_spans

        begin, end = document.layer(Answers, "answers").offsets[0]
        words = word_spans(context)
        before = [start for _, start, stop in words if stop <= begin][-near:]
        after = [stop for _, start, stop in words if start >= end][:near]
        return context[min(before, default=begin) : max(after, default=end)]

    def kind(self, document: Document) -> str | None:
        """Return the gold type: the document's, else by its interrogative; None if that is open."""
        stated = document.layer(Label, "question_type").label
        if stated is not None:
            return stated
        question = document.texts["question"].surface
        asked = question_types(question, document.language, self.options.exemplar_folder)
        return next((kind for kind in TYPES if kind in asked), None)

    def _exemplars(self, language: str, backbone: Backbone, room: int) -> tuple[Ids, ...]:
        """The subwords of the exemplars of each type, as many whole questions as have room."""
        from xlt.data.prompt import encode_texts

        if not self.options.exemplars:
            return ()
        known = exemplars.get(language, self.options.exemplar_folder)
        by_type: list[Ids] = []
        for kind in TYPES:
            texts = known.questions[kind][: self.options.exemplars]
            begin, *questions = encode_texts(backbone.tokenizer, ["Examples:", *texts])
            sizes = len(begin) + np.cumsum([len(one) for one in questions])
            fitting = int(np.searchsorted(sizes, room, side="right"))
            parts = [begin, *questions[:fitting]] if fitting else [begin[:0]]
            by_type.append(np.concatenate(parts))
        return tuple(by_type)

    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """Pad the prompts to a batch for the generator; exemplars (records, types, length)."""
        import torch

        from xlt.data.batch import IGNORED
        from xlt.data.prompt import collate_prompts, collate_targets, pad_rows

        inputs = [example.inputs for example in examples]
        pad = inputs[0]["pad"]
        batch = collate_prompts([one["windows"] for one in inputs], pad, inputs[0]["limit"])
        shown = [one["exemplars"] for one in inputs]
        if "target" in inputs[0]:
            batch |= collate_targets([one["target"] for one in inputs], pad)
            if shown[0]:
                types = [one["type"] for one in inputs]
                batch["types"] = torch.tensor(types)
                # Whose type is not known is shown none: it learns from its text alone.
                none = np.zeros(0, np.int32)
                shown = [
                    (own[kind] if kind != IGNORED else none,)
                    for own, kind in zip(shown, types, strict=True)
                ]
        elif len(inputs[0]["begin"]):
            batch["start_input_ids"] = pad_rows([one["begin"] for one in inputs], pad, 1)
        if shown[0]:
            rows = pad_rows([one for own in shown for one in own], pad)
            batch["exemplar_input_ids"] = rows.view(len(shown), len(shown[0]), -1)
        return batch

    def decode(
        self,
        documents: Sequence[Document],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
    ) -> list[Document]:
        """Turn the generated subwords into questions, each noted with what is wrong with it."""
        from xlt.model.seq2seq import texts

        tokenizer = examples[0].inputs["tokenizer"]
        questions = texts(tokenizer, outputs["output_ids"], outputs["lengths"])
        kinds = outputs["types"].tolist() if "types" in outputs else [None] * len(questions)
        made = [
            document.with_texts(question=Text(question)).with_layers(
                question_type=Label(None if kind is None else TYPES[kind])
            )
            for document, question, kind in zip(documents, questions, kinds, strict=True)
        ]
        return self._noted(made, outputs["cut"].tolist())

    def combine(self, outputs: Sequence[Mapping[str, torch.Tensor]]) -> Mapping[str, torch.Tensor]:
        """Choose among the models' questions the one most like the others (minimum Bayes risk)."""
        from xlt.model.seq2seq import minimum_bayes_risk

        return minimum_bayes_risk(outputs)

    # Evaluation ----------------------------------------------------------------------------

    def counts(self, gold: Document, predicted: Document) -> NDArray[np.float64]:
        """Compute the statistics of one question, shape (len(count_names),)."""
        return metrics.counts(gold, predicted, self.options.exemplar_folder)

    def metrics(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Compute the scores in percent from counts of shape (..., len(count_names))."""
        return metrics.metrics(counts)
