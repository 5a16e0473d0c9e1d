"""Simulated systems: what they get right of records that all of them are tested on.

Every kind of task has records of different difficulty. A system finds some easier and others harder
than another system does (`taste`), each of its seeds has a strength of its own, and each seed meets
every record with a noise of its own. The first two make systems differ, the last two are chance.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]
NOISE = 0.6
"""Standard deviation of how a seed meets an item, where the items' difficulty has 1."""


class Kind(ABC):
    """One kind of task. `Records` are what its systems are tested on."""

    def draw(
        self, random: np.random.Generator, records: int, seeds: int, sd: float, effect: float,
        taste: float, *, pairs: bool = False,
    ) -> tuple[list[Array], list[Array]]:  # fmt: skip
        """Counts of two systems, a matrix (records, K) a seed.

        sd, effect: in points: of the seeds' strength; how much better the first system is.
        taste: how differently two systems find the same item.
        pairs: seed i of both has the same strength: the same model used in two ways.
        """
        unit = _unit(self, taste)
        items = self.records(random, records)
        strengths = sd * random.normal(size=(2, seeds))
        if pairs:
            strengths[1] = strengths[0]
        strengths[0] += effect
        a, b = (
            list(self.run(random, items, taste * random.normal(size=items.size), unit * one))
            for one in strengths
        )
        return a, b

    @abstractmethod
    def records(self, random: np.random.Generator, number: int) -> Items:
        """The records that both systems are tested on."""

    @abstractmethod
    def run(
        self, random: np.random.Generator, items: Items, taste: Array, strengths: Array
    ) -> Array:
        """(seeds, records, K). taste: (items,); strengths: (seeds,), where noise has `NOISE`."""

    @abstractmethod
    def metrics(self, counts: Array) -> dict[str, Array]:
        """As `Task.metrics`, one score."""


@dataclass(frozen=True)
class Items:
    """What the records consist of. ends: per sort of item, where each record's end.

    difficulty: (items,), the less the harder.
    """

    difficulty: Array
    ends: tuple[NDArray[np.int64], ...]

    @property
    def size(self) -> int:
        return len(self.difficulty)


class Spans(Kind):
    """Entities: 1.5 gold ones a record, of which some are found, and what is no entity but is taken
    for one. F1 of about 70."""

    def records(self, random: np.random.Generator, number: int) -> Items:
        sorts = random.poisson([[1.5], [1.0]], (2, number))
        ends = tuple(np.cumsum(one) for one in sorts)
        return Items(random.normal(size=sorts.sum()), ends)

    def run(
        self, random: np.random.Generator, items: Items, taste: Array, strengths: Array
    ) -> Array:
        logits = items.difficulty + taste + NOISE * random.normal(size=(len(strengths), items.size))
        gold = items.ends[0][-1]
        found = _by_record(0.9 + strengths[:, None] + logits[:, :gold] > 0, items.ends[0])
        wrong = _by_record(-0.2 - strengths[:, None] + logits[:, gold:] > 0, items.ends[1])
        there = np.broadcast_to(np.diff(items.ends[0], prepend=0), found.shape)
        return np.stack([found, found + wrong, there], axis=-1).astype(float)

    def metrics(self, counts: Array) -> dict[str, Array]:
        both = counts[..., 1] + counts[..., 2]
        return {"score": 200 * counts[..., 0] / np.maximum(both, 1)}


class Labels(Kind):
    """One label a record, about 65 % right."""

    def records(self, random: np.random.Generator, number: int) -> Items:
        return Items(random.normal(size=number), ())

    def run(
        self, random: np.random.Generator, items: Items, taste: Array, strengths: Array
    ) -> Array:
        noise = NOISE * random.normal(size=(len(strengths), items.size))
        right = 0.5 + strengths[:, None] + items.difficulty + taste + noise > 0
        return np.stack([right, np.ones_like(right)], axis=-1).astype(float)

    def metrics(self, counts: Array) -> dict[str, Array]:
        return {"score": 100 * counts[..., 0] / np.maximum(counts[..., 1], 1)}


class Words(Labels):
    """Some words of each record, which has 4 to 29, are right: about 75 %."""

    def records(self, random: np.random.Generator, number: int) -> Items:
        words = random.integers(4, 30, number)
        return Items(0.6 * random.normal(size=number), (np.cumsum(words),))

    def run(
        self, random: np.random.Generator, items: Items, taste: Array, strengths: Array
    ) -> Array:
        noise = 0.3 * NOISE * random.normal(size=(len(strengths), items.size))
        share = ndtr(0.8 + strengths[:, None] + items.difficulty + 0.6 * taste + noise)
        words = np.broadcast_to(np.diff(items.ends[0], prepend=0), share.shape)
        return np.stack([random.binomial(words, share), words], axis=-1).astype(float)


KINDS: tuple[Kind, ...] = (Spans(), Labels(), Words())


def _by_record(items: NDArray[np.bool_], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums (seeds, records) of what is true of the items (seeds, items)."""
    sums = np.concatenate([np.zeros((len(items), 1), np.int64), items.cumsum(axis=1)], axis=1)
    return np.diff(sums[:, ends], axis=1, prepend=0)


@cache
def _unit(kind: Kind, taste: float) -> float:
    """How much strength makes a point, measured on many records."""
    items = kind.records(np.random.default_rng(0), 200_000)
    liked = taste * np.random.default_rng(1).normal(size=items.size)
    low, high = (
        float(kind.metrics(kind.run(np.random.default_rng(2), items, liked, np.array([one]))
                           .sum(axis=1))["score"][0])
        for one in (-0.1, 0.1)
    )  # fmt: skip
    return 0.2 / (high - low)
