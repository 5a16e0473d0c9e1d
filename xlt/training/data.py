"""What a stage trains on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any

import numpy as np

from xlt.document import Document
from xlt.task import Example
from xlt.transfer.stage import DataSplit


@dataclass(frozen=True)
class Data:
    """One split's records, and the fingerprint of the files and readers they came from.

    weights: one a record, for its loss in training; None means that all count alike. What they
        are made from is part of the fingerprint.
    originals: what the records were projected from, if they were. A model is made to know all
        their labels, even those that projection lost.
    """

    data_split: DataSplit
    fingerprint: str
    records: Sequence[Document] = field(repr=False)
    weights: Sequence[float] | None = field(default=None, repr=False)
    originals: Sequence[Document] = field(default=(), repr=False)

    @property
    def inventory(self) -> Iterator[Document]:
        """The records whose labels a model of this data has to know."""
        return chain(self.records, self.originals)


def groups(train: Sequence[Data]) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    """Index ranges of the stage's examples, one a language."""
    ranges, begin = [], 0
    for data in train:
        ranges.append(np.arange(begin, begin + len(data.records), dtype=np.int64))
        begin += len(data.records)
    return ranges


def weigh(examples: Sequence[Example], train: Sequence[Data]) -> None:
    """Give every example the weight that its record has in the data."""
    weights = [
        weight
        for data in train
        for weight in (repeat(1.0, len(data.records)) if data.weights is None else data.weights)
    ]
    for example in examples:
        example.weight = weights[example.index]
