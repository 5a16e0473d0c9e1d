"""The plugin protocol: what a task must say so that every strategy can transfer it.

A task's examples are documents (`xlt.document`): texts, and layers of annotation on them. It says
which it has (`Task.texts`, `Task.layers`); what depends on the kind of a layer alone, such as
projecting it through a translation or showing it, is written once for all tasks. Everything
between a file and a score goes through these methods, in this order::

    read → labels → encode → collate → model(**batch) → decode → counts → metrics → write

A task knows no strategy, and nothing in xlt knows a task. Register a subclass under the
entry-point group ``xlt.tasks``; `xlt.testing.check_task` is the contract test. For a label a
word, `xlt.word_task.WordLabelTask` has written most of it already; for a label a text or pair of
texts, `xlt.label_task.LabelTask`.

What only some tasks can do is a `Protocol` below: `Projecting`, `Averaging`, `Annotating`,
`Generating`, `Confident`, `Naming`, `Portable`. A task that has the methods has the ability.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TextIO, runtime_checkable

from xlt.config.schema import Config, ProjectionSettings
from xlt.data.files import unpacked_name
from xlt.data.tools import formats as tools
from xlt.document import Document, Label, Layer, Schema, Text
from xlt.document.document import Row
from xlt.errors import XltError, choose
from xlt.options import Section
from xlt.reader_options import ReaderOptions
from xlt.registry import tasks

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from spacy.tokens import Doc, Token

    from xlt.data.batch import Arrays
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel
    from xlt.projection.pair import AlignedPair, Projection

Labels = Mapping[str, tuple[str, ...]]
"""Label layer → its labels in the order of the model's outputs, e.g. {"tag": ("O", "B-PER")}."""


class TaskOptions(Section):
    """Base of every task's `Options`: the keys beside `name` under `task` in a config."""


@dataclass
class Example:
    """One document, ready for `collate`.

    index:  position of the document in the data it was encoded from.
    length: subwords the encoder computes for it (all windows together): what a token budget counts.
    inputs: whatever the task's `collate` needs; `inputs["words"]` by custom an EncodedWords.
    """

    index: int
    length: int
    inputs: dict[str, Any] = field(default_factory=dict)


class Task(ABC):
    """One task. Subclasses define the class attributes and the abstract methods."""

    name: ClassVar[str]
    Options: ClassVar[type[TaskOptions]] = TaskOptions
    texts: ClassVar[tuple[str, ...]] = ("text",)
    """Names of a document's texts. Layers stand on the first."""
    by_sentence: ClassVar[bool] = True
    """Whether running text becomes a document for each sentence; else one for each line of a file,
    or for each text that is given."""
    layers: ClassVar[Mapping[str, type[Layer]]]
    """The annotation of a document: name → kind."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Those layers that the model may be given; the others it predicts."""
    annotated: ClassVar[tuple[str, ...] | None] = None
    """The layers that people annotate: what annotation tools' spans, relations and classes become
    (`xlt.data.tools`); by default all. Of the others a row says nothing then."""
    counted: ClassVar[tuple[str, ...] | None] = None
    """The layers whose labels a projection counts; by default those that the model predicts."""
    controls: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Controls in `xlt probe`: name → texts that are hidden from the model."""
    metrics_reported: ClassVar[tuple[str, ...]]
    """Names that `metrics` returns; the first one selects checkpoints. Larger is better."""
    metrics_below_100: ClassVar[tuple[str, ...]] = ()
    """Those of `metrics_reported` that even a perfect prediction leaves below 100 (METEOR)."""
    formats: ClassVar[Mapping[str, tuple[str, ...]]]
    """Format → file suffixes that mean it, e.g. {"conllu": (".conllu",)}; the first is written."""
    formats_read: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Formats that `read` knows and `write` does not. One without suffix has to be declared."""
    columns: ClassVar[tuple[str, ...]]
    """The columns of a row, as `to_row` gives it and `validate_row` takes it."""
    optional_columns: ClassVar[tuple[str, ...]] = ("id",)
    """Columns that `validate_row` can do without."""
    label_columns: ClassVar[tuple[str, ...]] = ()
    """Columns of labels: numbers there are classes, whose names have to be known."""
    reader_options: ClassVar[Mapping[str, type[ReaderOptions]]] = {}
    """Format → model of what its reader may be told beside the path; without, it takes nothing."""
    count_names: ClassVar[tuple[str, ...]]
    """Names of the columns of `counts`."""
    instruction: ClassVar[str] = ""
    """What is to be done with a text, in a sentence, for a language model that is asked
    (`xlt.chat.annotation`); by default what the kind of the layer says."""
    definitions: ClassVar[Mapping[str, str]] = {}
    """Label → what it means, of those that it usually has; they are asked for where nobody says
    which labels there are."""
    measured_as: ClassVar[tuple[str, ...]] = ()
    """What published tables of transfer scores call the task (`xlt.typology.scores`), if any."""

    def __init__(self, options: TaskOptions | None = None) -> None:
        self.options = self.Options() if options is None else options

    @property
    def schema(self) -> Schema:
        """The texts and layers of this task's documents."""
        return Schema(self.texts, self.layers)

    @property
    def counts_given_gold(self) -> tuple[str, ...]:
        """Those of `count_names` that score predictions made with a part of the gold annotation in
        hand, such as the arguments of gold triggers; only they may depend on it."""
        return ()

    @property
    def generates(self) -> bool:
        """Whether its model writes text: then what it learns depends on a trimmed vocabulary."""
        return False

    # Data ----------------------------------------------------------------------------------

    @abstractmethod
    def read(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Document]:
        """The documents of a file in one of the task's own formats.

        Raises XltError with ``path:line`` for anything malformed.

        labelled: False where the annotation may be missing, because it is to be predicted.
        options:  those of the format's `reader_options` that were set, in a data reference, a
            card or on the command line; they have been checked.
        """

    @abstractmethod
    def write(self, documents: Iterable[Document], stream: TextIO, format: str) -> None:
        """Write documents so that `read` gives them back."""

    def documents(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Document]:
        """The documents of a file in any format of `readable`; otherwise as `read`."""
        if format in (*self.formats, *self.formats_read):
            return self.read(path, format, labelled=labelled, **options)
        return tools.read_documents(self, path, format, labelled=labelled, **options)

    def write_any(self, documents: Iterable[Document], target: TextIO | Path, format: str) -> None:
        """Write documents in any format of `writable`.

        target: a stream; a path, which is not there yet, for `tools.needs_path`.
        """
        if isinstance(target, Path) or format not in self.formats:
            tools.write_documents(self, documents, target, format)
        else:
            self.write(documents, target, format)

    @abstractmethod
    def validate_row(self, row: Row, *, where: object) -> Document:
        """The document of a row: a line of JSON Lines, or a row of a data set of the hub.

        The place for the task's options. Raises XltError for malformed annotation.
        """

    @abstractmethod
    def to_row(self, document: Document) -> Row:
        """The document as a row with the columns in `columns`, JSON-able."""

    def from_text(self, id: str, text: Text, language: str = "") -> Document:
        """A document without annotation, for prediction on running text or on words.

        Raises XltError where a text alone is not enough.
        """
        if len(self.texts) > 1:
            raise XltError(
                f"a text alone is not enough for {self.name}",
                where="--input-format",
                fix=f"give a file in one of the formats {', '.join(self.readable())}",
            )
        layers = {name: kind.empty(len(text.words)) for name, kind in self.layers.items()}
        return Document(id, {self.texts[0]: text}, layers, language)

    def given_texts(self, document: Document) -> list[Text]:
        """The texts that the model is given, for statistics and comparisons; all have words."""
        from xlt.data.segment import with_words

        given = (document.texts[name] for name in self.given_text_names)
        return [text if text.words else with_words(text.surface) for text in given]

    @cached_property
    def given_text_names(self) -> list[str]:
        """Their names: of the texts that are not generated. Asking whether an object follows a
        protocol is slow, and this is asked of every document."""
        return [name for name in self.texts if name not in generated_texts(self)]

    def words(self, document: Document) -> list[str]:
        """The words of `given_texts`."""
        return [word for text in self.given_texts(document) for word in text.words]

    def sizes(self, document: Document) -> dict[str, int]:
        """Name → how much of it the document has: what a `limit` may count instead of records."""
        return {"words": len(self.words(document))}

    @classmethod
    def readable(cls) -> dict[str, tuple[str, ...]]:
        """All formats that can be read: those of `read`, and the annotation tools' that can say
        what its layers do."""
        return {**cls.formats, **cls.formats_read, **tools.tools_of(cls)}

    @classmethod
    def writable(cls) -> dict[str, tuple[str, ...]]:
        """All formats that can be written."""
        return {**cls.formats, **tools.tools_of(cls)}

    @classmethod
    def suffix(cls, format: str) -> str:
        """With what the names of files end that are written in a format."""
        return cls.formats[format][0] if format in cls.formats else tools.tool(format).written

    @classmethod
    def options_of(cls, format: str) -> type[Section]:
        """The model of what the reader of a format may be told."""
        own = format in (*cls.formats, *cls.formats_read)
        return cls.reader_options.get(format, ReaderOptions) if own else tools.tool(format).Options

    def formats_named(self, path: Path) -> list[str]:
        """The formats that the file's suffix (before .gz/.xz) may mean, in letters of either
        case."""
        name = unpacked_name(path).lower()
        return [format for format, suffixes in self.readable().items() if name.endswith(suffixes)]

    def format_of(self, path: Path, declared: str | None = None) -> str:
        """The declared format, or the first of `formats_named`."""
        if declared is not None:
            if declared in self.readable():
                return declared
            raise XltError(
                f"{self.name} has no format called {declared!r}",
                where=path,
                fix=choose(declared, self.readable()),
            )
        if named := self.formats_named(path):
            return named[0]
        raise XltError(
            f"cannot tell the format from the name {path.name!r}",
            where=path,
            fix=f"say `format:` beside `ref:` in the config, or `--input-format` "
            f"({', '.join(self.readable())})",
        )

    # Labels --------------------------------------------------------------------------------

    @abstractmethod
    def labels(self, documents: Iterable[Document]) -> Labels:
        """The label inventory of these documents, in a fixed order, after the task's options."""

    def check_labels(self, labels: Labels, data: Labels, *, where: object) -> None:
        """Raise XltError if evaluation data hold a label that the model cannot predict."""
        for layer, values in data.items():
            for value in values:
                if value not in labels.get(layer, ()):
                    raise XltError(
                        f"label {value!r} ({layer}) is in the data but not in what the model knows",
                        where=where,
                        fix=choose(value, labels.get(layer, ())),
                    )

    def for_labels(self, labels: Labels) -> Task:
        """The task for data with these labels, where reading and scoring depend on them.

        Predictors have it for the labels of their model; where these are found in the data and not
        in the task's options, the options stay as they are.
        """
        return self

    # Model ---------------------------------------------------------------------------------

    @abstractmethod
    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        """A model with new task layers over the backbone (random, from torch's global seed)."""

    @abstractmethod
    def load(self, folder: Path, backbone: Backbone, labels: Labels) -> TaskModel:
        """The model that `TaskModel.save` wrote to `folder`."""

    @abstractmethod
    def encode(
        self, documents: Sequence[Document], backbone: Backbone, labels: Labels | None
    ) -> list[Example]:
        """Subwords and gold label ids of every document; without `labels`, inputs only.

        Nothing may be cut: a document longer than the encoder takes is split into windows.
        """

    @abstractmethod
    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """A padded batch: the keyword arguments of the model's forward."""

    @abstractmethod
    def decode(
        self,
        documents: Sequence[Document],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
    ) -> list[Document]:
        """Copies of the documents with predicted annotation, of the same words."""

    def combine(self, outputs: Sequence[Mapping[str, torch.Tensor]]) -> Mapping[str, torch.Tensor]:
        """One set of outputs from those of several models on the same batch, for `decode`.

        The mean of each tensor: of log-probabilities, which makes the geometric mean of
        probabilities (`docs/strategies.md` has what it is worth beside the arithmetic one). A task
        whose outputs are something else combines them itself.
        """
        import torch

        return {k: torch.stack([one[k] for one in outputs]).mean(0) for k in outputs[0]}

    # Evaluation ----------------------------------------------------------------------------

    @abstractmethod
    def counts(self, gold: Document, predicted: Document) -> NDArray[np.float64]:
        """Sufficient statistics of one document, shape (len(count_names),); they add up."""

    @abstractmethod
    def metrics(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Scores in percent from summed counts of shape (..., len(count_names)).

        Vectorised over the leading axes, so that a bootstrap is one call.
        """


def make_task(config: Config) -> Task:
    """The config's task with its options."""
    kind: type[Task] = tasks.get(config.task.name, where="task")
    return kind(kind.Options.model_validate(config.task.options))


# What only some tasks can do ---------------------------------------------------------------


@runtime_checkable
class Projecting(Protocol):
    """A task that projects its documents in a way of its own; others are projected by layers."""

    def project(
        self, document: Document, pairs: Mapping[str, AlignedPair], settings: ProjectionSettings
    ) -> Projection:
        """The document on the translations of its texts; pure.

        pairs: by the names of `Task.texts`; the targets are the new document's texts.

        It serves both directions: source labels on a translation (translate-train), and labels
        predicted on a translation back on the original (translate-test).
        """


@runtime_checkable
class Averaging(Protocol):
    """A task whose predictions on a text and on its translation can be averaged."""

    def project_predictions(
        self,
        outputs: Mapping[str, torch.Tensor],
        row: int,
        pairs: Mapping[str, AlignedPair],
        projection: Projection,
        labels: Labels,
    ) -> dict[str, NDArray[np.float32]]:
        """A model's outputs on a translation, as what it would give on the original.

        outputs:    of a batch, as `decode` takes them; the document is in this row of them.
        pairs:      of the translation (source) and the original (target).
        projection: of what `decode` made of the outputs.

        Returns those outputs that can be projected, of this document alone, without padding, as
        log-probabilities; uniform where the links say nothing.
        """


@runtime_checkable
class Annotating(Protocol):
    """A task that says itself what its predictions are in a spaCy document; of others the layers
    are shown (`xlt.display`)."""

    def annotate(self, doc: Doc, sentences: Sequence[tuple[Document, Sequence[Token]]]) -> None:
        """Put predicted annotation on a spaCy document.

        sentences: each document with the tokens that are its words. They are all the tokens of
            `doc` but its white space.
        """


@runtime_checkable
class Generating(Protocol):
    """A task whose model writes some of the texts; a model that reads a translation has them
    translated back."""

    generated_texts: ClassVar[tuple[str, ...]]

    def accept(self, own: Document, written: Document) -> Document:
        """A prediction with texts that were generated in another language and translated.

        own:     what the model predicts on the document itself; its other texts are kept.
        written: the generated texts, and what else was predicted with them.
        """


@runtime_checkable
class Confident(Protocol):
    """A task that says how probable what its model predicts is."""

    def confidence(
        self,
        predicted: Sequence[Document],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
        temperatures: Mapping[str, float],
    ) -> list[Mapping[str, Sequence[float]]]:
        """`Document.confidence` of each document that `decode` made of these outputs. Not asked of
        a model that writes text (`confident`).

        temperatures: what the log-probabilities behind a key of it are divided by; 1 where there
            is none (Guo et al. 2017, arXiv 1706.04599).
        """


@runtime_checkable
class Naming(Protocol):
    """A task whose annotation says which words are names."""

    def names(self, document: Document) -> Sequence[tuple[int, int]]:
        """Where names stand in the first text: the first word of each, and the one after its
        last."""


class Network(Protocol):
    """What of a model is exported as ONNX (`TaskModel.graph`), whatever computes it."""

    def __call__(self, arrays: Arrays, **shapes: tuple[int, ...]) -> dict[str, NDArray[np.float32]]:
        """Outputs, of the names and shapes that are asked for, of those arrays that it reads.

        Raises DamagedFile for a network that has no such outputs.
        """


@runtime_checkable
class Portable(Protocol):
    """A task whose exported model predicts without PyTorch: `decode` and `confidence` take arrays
    as well as tensors."""

    def arrays(self, examples: Sequence[Example]) -> dict[str, NDArray[Any]]:
        """What `collate` makes of examples without labels, as arrays."""

    def outputs(self, network: Network, arrays: Arrays, labels: Labels) -> Arrays:
        """What `decode` reads, of a batch that `arrays` made: what the model's `forward` gives."""


def confident(task: Task) -> Confident | None:
    """The task, if its model says how probable what it predicts is; one that writes text does
    not."""
    return task if isinstance(task, Confident) and not task.generates else None


def why_not_text(task: Task) -> XltError | None:
    """Why words alone are not enough for the task's model to predict; None if they are."""
    try:
        task.from_text("1", Text.from_words(["word"]))
    except XltError as error:
        return error
    return None


def takes_text(task: Task) -> bool:
    """Whether words alone are enough for the task's model to predict."""
    return why_not_text(task) is None


def generated_texts(task: Task) -> tuple[str, ...]:
    """Names of the texts that the task's model writes; they are never given to it."""
    return task.generated_texts if isinstance(task, Generating) else ()


def predicted_layers(task: Task) -> list[str]:
    """Names of the layers that the task's model predicts."""
    return [name for name in task.layers if name not in task.reads]


def without_annotation(task: Task, document: Document) -> Document:
    """A copy with nothing of what the task's model predicts: neither layers nor texts."""
    layers = {name: task.layers[name].empty(len(document.words)) for name in predicted_layers(task)}
    texts = {name: Text("") for name in generated_texts(task)}
    return document.with_layers(**layers).with_texts(**texts)


def label_layer(task: Task) -> str | None:
    """The layer of the one label that is all the task predicts; None for other tasks."""
    names = predicted_layers(task)
    only = len(names) == 1 and issubclass(task.layers[names[0]], Label)
    return names[0] if only and not generated_texts(task) else None


def extend_labels(known: Labels, new: Labels) -> Labels:
    """`known` followed by what is new, layer by layer: old ids keep their meaning."""
    return {
        layer: (
            *known.get(layer, ()),
            *(v for v in new.get(layer, ()) if v not in known.get(layer, ())),
        )
        for layer in {**known, **new}
    }
