"""What every predictor does, whatever computes its network's outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

from xlt.document import Document
from xlt.task import Example, Labels, Task, confident

WINDOW = 20_000
"""Records in memory at once: so many that batches of about equal length are full."""


def in_windows(records: Iterable[Document], size: int | None = WINDOW) -> Iterator[list[Document]]:
    """The records, in order, so many at a time; None: all at once."""
    rest = iter(records)
    while window := list(islice(rest, size)):
        yield window


class BatchPredictor(ABC):
    """A model ready to predict, batch by batch.

    temperatures: for the confidences of what is predicted (`xlt.task.Confident`); None: without.
    """

    window: ClassVar[int | None] = WINDOW
    """Records of a data set that are to be given to it at once; None: all of them."""

    task: Task
    temperatures: Mapping[str, float] | None

    @property
    @abstractmethod
    def labels(self) -> Labels:
        """The model's."""

    @abstractmethod
    def batches(self, examples: Sequence[Example]) -> Iterator[tuple[list[int], dict[str, Any]]]:
        """Positions of examples of about equal length, and the model's outputs for them."""

    def __call__(self, records: Sequence[Document], examples: Sequence[Example]) -> list[Document]:
        """Copies of the records with predicted annotation, in their order."""
        predicted: list[Document | None] = [None] * len(examples)
        for batch, outputs in self.batches(examples):
            decoded = self.decode(records, examples, batch, outputs)
            for i, record in zip(batch, decoded, strict=True):
                predicted[i] = record
        complete = [record for record in predicted if record is not None]
        if len(complete) != len(records):
            raise AssertionError(f"{len(records)} records in, {len(complete)} predictions out")
        return complete

    def decode(
        self,
        records: Sequence[Document],
        examples: Sequence[Example],
        batch: Sequence[int],
        outputs: Mapping[str, Any],
    ) -> list[Document]:
        """What the outputs for a batch (of `batches`) mean."""
        chosen = [examples[i] for i in batch]
        documents = [records[example.index] for example in chosen]
        task, labels = self.task, self.labels
        decoded = task.decode(documents, chosen, outputs, labels)
        sure = confident(task)
        if self.temperatures is None or sure is None:
            return decoded
        found = sure.confidence(decoded, chosen, outputs, labels, self.temperatures)
        return [one.with_confidence(own) for one, own in zip(decoded, found, strict=True)]
