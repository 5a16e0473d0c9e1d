"""What a stage trains on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.document import Document
from xlt.transfer.stage import DataSplit

MAX_SAMPLE = 1000
"""Records of a dev set from which it is learnt what a model's confidences are worth."""


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


def sample(number: int) -> range:
    """The numbers of at most `MAX_SAMPLE` of so many records, spread over them."""
    return range(0, number, max(1, -(-number // MAX_SAMPLE)))


def groups(train: Sequence[Data]) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    """Index ranges of the stage's examples, one a language."""
    ranges, begin = [], 0
    for data in train:
        ranges.append(np.arange(begin, begin + len(data.records), dtype=np.int64))
        begin += len(data.records)
    return ranges


def weights(train: Sequence[Data]) -> NDArray[np.float64] | None:
    """The weight of every example of the stage, by its index; None if all count alike."""
    if all(data.weights is None for data in train):
        return None
    every = [
        np.ones(len(data.records)) if data.weights is None else np.asarray(data.weights, float)
        for data in train
    ]
    joined = np.concatenate(every)
    return None if (joined == 1).all() else joined
