"""The plugin protocol: what a task must say so that every strategy can transfer it.

A record is a plain dict with the columns of `Task.features()`, always with a string `id`. If
there is a column `language`, a record that comes without one gets that of its data.
Everything between a file and a score goes through these methods, in this order::

    read → labels → encode → collate → model(**batch) → decode → counts → metrics → write

A task knows no strategy, and nothing in xlt knows a task. Register a subclass under the
entry-point group ``xlt.tasks``; `xlt.testing.check_task` is the contract test. For a label a
word, `xlt.word_task.WordLabelTask` has written most of it already.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from xlt.config.schema import ProjectionSettings
from xlt.errors import XltError, choose
from xlt.options import Section

if TYPE_CHECKING:
    import numpy as np
    import torch
    from datasets import Features
    from numpy.typing import NDArray
    from spacy.tokens import Doc, Token

    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel
    from xlt.projection.pair import AlignedPair, Projection, Span

Record = dict[str, Any]
"""One sentence, pair or passage: JSON-able values under the names of `Task.features()`."""

Labels = Mapping[str, tuple[str, ...]]
"""Label layer → its labels in the order of the model's outputs, e.g. {"tag": ("O", "B-PER")}."""


class TaskOptions(Section):
    """Base of every task's `Options`: the keys beside `name` under `task` in a config."""


@dataclass
class Example:
    """One record, ready for `collate`.

    index:  position of the record in the data it was encoded from.
    length: pieces the encoder computes for it (all windows together): what a token budget counts.
    inputs: whatever the task's `collate` needs; `inputs["words"]` by custom an EncodedWords.
    weight: of its loss in training. The trainer's affair: a task neither sets nor reads it.
    """

    index: int
    length: int
    inputs: dict[str, Any] = field(default_factory=dict)
    weight: float = 1.0


class Task(ABC):
    """One task. Subclasses define the class attributes and the abstract methods."""

    name: ClassVar[str]
    Options: ClassVar[type[TaskOptions]] = TaskOptions
    metrics_reported: ClassVar[tuple[str, ...]]
    """Names that `metrics` returns; the first one selects checkpoints. Larger is better."""
    formats: ClassVar[Mapping[str, tuple[str, ...]]]
    """Format → file suffixes that mean it, e.g. {"conllu": (".conllu",)}; the first is written."""
    formats_read: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Formats that `read` knows and `write` does not. One without suffix has to be declared."""
    count_names: ClassVar[tuple[str, ...]]
    """Names of the columns of `counts`."""
    aligned: ClassVar[bool] = True
    """Whether `project` looks at the links between words; without, nothing need be aligned."""
    partial: ClassVar[bool] = False
    """Whether a record that lacks some of its labels is still true: what has none is not learnt
    from. It is not where the lack of a label is an answer, as of entities."""
    measured_as: ClassVar[tuple[str, ...]] = ()
    """What published tables of transfer scores call the task (`xlt.typology.scores`), if any."""
    ablation: ClassVar[str] = ""
    """What `ablated` leaves of a record, as a name of the control in `xlt probe`; "" without."""
    optional_columns: ClassVar[tuple[str, ...]] = ("id", "space_after")
    """Columns that a data set of a hub need not have; `adopt` fills in those but these two."""
    written: ClassVar[tuple[str, ...]] = ()
    """Columns of a record that hold text which its model writes. A model that reads a translation
    has them translated back."""
    metrics_below_100: ClassVar[tuple[str, ...]] = ()
    """Those of `metrics_reported` that even a perfect prediction leaves below 100 (METEOR)."""

    def __init__(self, options: TaskOptions | None = None) -> None:
        self.options = self.Options() if options is None else options

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
    def features(self) -> Features:
        """Arrow schema of a record."""

    @abstractmethod
    def read(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Record]:
        """The records of a file. Raises XltError with ``path:line`` for anything malformed.

        labelled: False where the annotation may be missing, because it is to be predicted.
        options:  the reader's, from a data card.
        """

    @abstractmethod
    def write(self, records: Iterable[Record], stream: TextIO, format: str) -> None:
        """Write records so that `read` gives them back."""

    @abstractmethod
    def from_words(self, id: str, words: list[str], space_after: list[bool]) -> Record:
        """An unlabelled record, for prediction on raw text or pre-tokenised lines."""

    @abstractmethod
    def words(self, record: Record) -> list[str]:
        """All words of the record, for statistics of the vocabulary."""

    def adopt(self, row: Record, *, where: object) -> Record:
        """A row of a data set that `read` has not read (a hub's), as a record.

        Its columns are those of `features()`. The place for the task's options; raises XltError
        for malformed annotation.
        """
        return row

    def text(self, record: Record) -> str:
        """The record's text, for train/test overlap checks."""
        return " ".join(self.words(record))

    def sizes(self, record: Record) -> dict[str, int]:
        """Name → how much of it the record has: what a `limit` may count instead of records."""
        return {"words": len(self.words(record))}

    @classmethod
    def readable(cls) -> dict[str, tuple[str, ...]]:
        """All formats that `read` knows."""
        return {**cls.formats, **cls.formats_read}

    def format_of(self, path: Path, declared: str | None = None) -> str:
        """The declared format, or the one that the file's suffix (before .gz/.xz) means."""
        if declared is not None:
            if declared in self.readable():
                return declared
            raise XltError(
                f"{self.name} has no format called {declared!r}",
                where=path,
                fix=choose(declared, self.readable()),
            )
        name = path.name.removesuffix(".gz").removesuffix(".xz")
        for format, suffixes in self.readable().items():
            if name.endswith(suffixes):
                return format
        raise XltError(
            f"cannot tell the format from the name {path.name!r}",
            where=path,
            fix=f"say `format:` in the data reference ({', '.join(self.readable())})",
        )

    def annotate(self, doc: Doc, sentences: Sequence[tuple[Record, Sequence[Token]]]) -> None:
        """Put predicted annotation on a spaCy document; optional, for `spacy` and `display`.

        sentences: each record with the tokens that are its words. They are the document's tokens
            without its white space.
        """
        raise XltError(
            f"the task {self.name} does not say what its predictions are in a spaCy document",
            fix=f"implement {type(self).__name__}.annotate",
        )

    # Projection ----------------------------------------------------------------------------

    def lacks(self, methods: Iterable[str]) -> list[str]:
        """Those of the methods that the task has not implemented."""
        kind = type(self)
        missing = [name for name in methods if getattr(kind, name) is getattr(Task, name)]
        return [f"{kind.__name__}.{name}" for name in missing]

    def texts(self, record: Record) -> dict[str, list[str]]:
        """Name → words of every text of the record that a translation replaces."""
        return {"text": self.words(record)}

    def spans(self, record: Record) -> dict[str, list[Span]]:
        """The labelled spans of every text, for projection by markers or by matching candidates;
        none where the annotation is something else."""
        return {}

    def project(
        self, record: Record, pairs: Mapping[str, AlignedPair], settings: ProjectionSettings
    ) -> Projection:
        """The record's annotation on the translations of its texts, with the record's id.

        pairs:    by the names of `texts`; the words of `pair.target` are the new record's.
        settings: the config's `projection` section, for the functions of `xlt.projection` that do
            the work: `spans` (spans, answers, structures, sentence labels), `words`, `trees`.

        Pure. It serves both directions: source labels on a translation (translate-train), and
        labels predicted on a translation back on the original (translate-test).
        """
        raise XltError(
            f"the task {self.name} does not say how its records are projected",
            where="strategy",
            fix=f"implement {type(self).__name__}.project, or choose a strategy without projection",
        )

    def translated(self, record: Record, pairs: Mapping[str, AlignedPair]) -> Record | None:
        """The record on the translations of its texts, with its id and without annotation.

        None where the translation lacks something that a model has to be given.
        """
        if len(pairs) == 1:
            (pair,) = pairs.values()
            spaces = pair.spaces or [True] * len(pair.target)
            return self.from_words(record["id"], list(pair.target), list(spaces))
        raise XltError(
            f"the task {self.name} does not say what its records are in translation",
            where="strategy",
            fix=f"implement {type(self).__name__}.translated, or choose a strategy that predicts "
            "on the text itself",
        )

    def complete(self, own: Record, carried: Record) -> Record:
        """The prediction that was made on a translation and projected back, completed.

        own:     what the model predicts on the record itself; its texts are the ones to keep.
        carried: what `project` gives. What it leaves open is taken from `own`.
        """
        return carried

    def carry(
        self,
        outputs: Mapping[str, torch.Tensor],
        row: int,
        pairs: Mapping[str, AlignedPair],
        projection: Projection,
        labels: Labels,
    ) -> dict[str, NDArray[np.float32]]:
        """A model's outputs on a translation, as what it would give on the original.

        outputs:    of a batch, as `decode` takes them; the record is in this row of them.
        pairs:      of the translation (source) and the original (target).
        projection: of what `decode` made of the outputs.

        Returns those outputs that can be carried over, of this record alone, without padding, as
        log-probabilities; uniform where the links say nothing.
        """
        raise XltError(
            f"the task {self.name} cannot average predictions on a text and on its translation",
            where="strategy",
            fix=f"implement {type(self).__name__}.carry, or use `strategy: translate_test`",
        )

    # Labels --------------------------------------------------------------------------------

    @abstractmethod
    def labels(self, records: Iterable[Record]) -> Labels:
        """The label inventory of these records, in a fixed order, after the task's options."""

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
        """The task for data with these labels, where reading and scoring depend on them."""
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
        self, records: Sequence[Record], backbone: Backbone, labels: Labels | None
    ) -> list[Example]:
        """Pieces and gold label ids of every record; without `labels`, inputs only.

        Nothing may be cut: a record longer than the encoder takes is split into windows.
        """

    @abstractmethod
    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """A padded batch: the keyword arguments of the model's forward."""

    @abstractmethod
    def decode(
        self,
        records: Sequence[Record],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
    ) -> list[Record]:
        """Copies of the records with predicted annotation; as many words as went in."""

    def combine(self, outputs: Sequence[Mapping[str, torch.Tensor]]) -> Mapping[str, torch.Tensor]:
        """One set of outputs from those of several models on the same batch, for `decode`.

        The mean of each tensor: right for log-probabilities, whatever they are conditioned on. A
        task whose outputs are something else combines them itself.
        """
        import torch

        return {k: torch.stack([one[k] for one in outputs]).mean(0) for k in outputs[0]}

    # Evaluation ----------------------------------------------------------------------------

    @abstractmethod
    def counts(self, gold: Record, predicted: Record) -> NDArray[np.float64]:
        """Sufficient statistics of one record, shape (len(count_names),); they add up."""

    @abstractmethod
    def metrics(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Scores in percent from summed counts of shape (..., len(count_names)).

        Vectorised over the leading axes, so that a bootstrap is one call.
        """

    # Probing -------------------------------------------------------------------------------

    def groups(self, record: Record) -> tuple[str, ...]:
        """What a challenge set counts the record under, e.g. the phenomena that it tests."""
        return ()

    def answer(self, record: Record) -> str | None:
        """The record's label ("" if unknown), for tasks whose records have just one."""
        return None

    def answered(self, record: Record, label: str) -> Record:
        """A copy of the record with this label; for tasks that implement `answer`."""
        raise NotImplementedError(f"{type(self).__name__} has no `answered`")

    def ablated(self, record: Record) -> Record:
        """The record without what its answer should depend on; for tasks with an `ablation`."""
        raise NotImplementedError(f"{type(self).__name__} has no `ablated`")


def extend_labels(known: Labels, new: Labels) -> Labels:
    """`known` followed by what is new, layer by layer: old ids keep their meaning."""
    return {
        layer: (
            *known.get(layer, ()),
            *(v for v in new.get(layer, ()) if v not in known.get(layer, ())),
        )
        for layer in {**known, **new}
    }
