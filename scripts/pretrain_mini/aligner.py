"""Word alignment by two hidden Markov models that have to agree: deterministic, numpy only.

Each direction begins with Dice coefficients, is IBM model 1 with a diagonal prior first (Dyer et
al. 2013, fast_align), then an HMM (Vogel et al. 1996). The lexical distributions have a sparse
Dirichlet prior, without which rare words of a small corpus explain everything (variational Bayes:
Riley and Gildea 2012). In the last rounds both are estimated from the product of their posteriors
(Liang et al. 2006). Sentences of similar length are computed together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import digamma

Ids = Sequence[Sequence[int]]
Array = NDArray[np.float32]

EMPTY = 0.08
"""Prior probability that a position has no counterpart."""
TENSION = 8.0
"""How strongly the diagonal prior of the first rounds holds."""
PRIOR = 0.08
"""Of the Dirichlet distribution, for each translation."""
MAX_SIDE_LENGTH = 150
"""Sentence pairs with a longer side are left out."""
MIN_LINK_WEIGHT = 0.08
"""Links with less weight are dropped."""
MAX_BATCH_CELLS = 400_000
"""Of a batch: its sentence pairs × the longest source × the longest target."""
DICE = 3
"""Exponent of the Dice coefficients."""
ROUNDS = {"diagonal": 2, "jumps": 4, "joint": 2}


@dataclass(frozen=True)
class Batch:
    """Sentence pairs padded to (pairs, source, target).

    source, target: numbers of the words; beyond a sentence's end that of no word.
    cells: the number of each pair of words; beyond either end that of no pair.
    """

    rows: NDArray[np.int64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    cells: NDArray[np.int32]
    source_length: NDArray[np.int64]
    target_length: NDArray[np.int64]

    def turned(self) -> Batch:
        return Batch(
            self.rows, self.target, self.source, self.cells.transpose(0, 2, 1),
            self.target_length, self.source_length,
        )  # fmt: skip


class Direction:
    """The target is generated: each position from one of the source's, or from none.

    sources:   the source's word of each pair of words.
    likeness:  of the two words of each pair, for a beginning.
    frequency: of each word of the target; what comes from none is drawn by it.
    The last entry of every table is that of no word or no pair, and zero.
    """

    def __init__(
        self,
        sources: NDArray[np.int64],
        words: int,
        likeness: NDArray[np.float64],
        frequency: NDArray[np.int64],
    ) -> None:
        self.sources = sources
        total = np.bincount(sources, likeness, words)
        self.lexical = np.append(likeness / total[sources], 0).astype(np.float32)
        self.empty = np.append(frequency / frequency.sum(), 0).astype(np.float32)
        self.jumps = np.exp(
            -np.abs(np.arange(-MAX_SIDE_LENGTH, MAX_SIDE_LENGTH + 1) - 1) / 2
        ).astype(np.float32)
        self.choices = np.bincount(sources, minlength=words)
        self._restart()

    def _restart(self) -> None:
        self.linked = np.zeros(len(self.lexical))
        self.jumped = np.zeros(len(self.jumps))

    def posteriors(self, batch: Batch, kind: str) -> Array:
        """(pairs, source, target): probability that the target's word is from the source's."""
        lexical = (1 - EMPTY) * self.lexical[batch.cells.transpose(0, 2, 1)]
        empty = EMPTY * self.empty[batch.target][..., None]
        if kind == "diagonal":
            lexical *= _diagonal(batch)
            links = lexical / np.maximum(lexical.sum(2, keepdims=True) + empty, 1e-30)
        else:
            emitted = np.maximum(lexical + empty, 1e-30)
            links = self._states(emitted, batch) * lexical / emitted
        posteriors: Array = links.transpose(0, 2, 1)
        return posteriors

    def _states(self, emitted: Array, batch: Batch) -> Array:
        """(pairs, target, source): which source position each target position is at."""
        pairs, length, width = emitted.shape
        offset = np.arange(width) - np.arange(width)[:, None] + MAX_SIDE_LENGTH
        jump = self.jumps[offset]
        inside = (np.arange(width) < batch.source_length[:, None]).astype(np.float32)
        alive = np.arange(length) < batch.target_length[:, None]
        leaving = inside / np.maximum(inside @ jump.T, 1e-30)
        forward, backward, onward = (np.zeros_like(emitted) for _ in range(3))
        scale = np.ones((pairs, length), np.float32)
        state = inside / batch.source_length[:, None]
        for j in range(length):
            if j:
                state = (forward[:, j - 1] * leaving) @ jump
            state = state * inside * emitted[:, j]
            scale[:, j] = np.maximum(state.sum(1), 1e-30)
            forward[:, j] = state / scale[:, j, None]
        ahead = inside
        for j in range(length - 1, -1, -1):
            backward[:, j] = ahead * alive[:, j, None]
            onward[:, j] = emitted[:, j] * backward[:, j] / scale[:, j, None]
            ahead = np.where(alive[:, j, None], leaving * (onward[:, j] @ jump.T), inside)
        left = (forward * leaving[:, None])[:, :-1].reshape(-1, width)
        moves = jump * (left.T @ onward[:, 1:].reshape(-1, width))
        self.jumped += np.bincount(offset.ravel(), moves.ravel(), len(self.jumps))
        return forward * backward

    def learn_from(self, batch: Batch, links: Array) -> None:
        """Add expected counts. links: (pairs, source, target)."""
        self.linked += np.bincount(batch.cells.ravel(), links.ravel(), len(self.linked))

    def update(self) -> None:
        counts = self.linked[:-1]
        totals = np.bincount(self.sources, counts, len(self.choices))
        logarithm = digamma(counts + PRIOR) - digamma(totals + PRIOR * self.choices)[self.sources]
        self.lexical[:-1] = np.exp(logarithm)
        if self.jumped.any():
            jumps = self.jumped + 0.5
            self.jumps = (jumps / jumps.sum()).astype(np.float32)
        self._restart()


def aligned(source: Ids, target: Ids, words: int) -> Iterator[tuple[Batch, Array]]:
    """Batches with the weights of links, (pairs, source, target): the product of the posteriors
    of both directions, after both have been trained on everything.

    source, target: the same number of sentences, of word numbers below `words`.
    """
    batches, (sources, targets) = _batches(source, target, words)
    if not batches:
        return
    in_source = np.sum([_once(batch.source, words + 1) for batch in batches], 0)
    in_target = np.sum([_once(batch.target, words + 1) for batch in batches], 0)
    together = np.sum([_once(batch.cells, len(sources) + 1) for batch in batches], 0)[:-1]
    likeness = (2 * together / (in_source[sources] + in_target[targets])) ** DICE
    onward = Direction(sources, words, likeness, in_target[:-1])
    back = Direction(targets, words, likeness, in_source[:-1])

    def both(batch: Batch, kind: str) -> tuple[Array, Array]:
        return (
            onward.posteriors(batch, kind),
            back.posteriors(batch.turned(), kind).transpose(0, 2, 1),
        )

    for kind, rounds in ROUNDS.items():
        for _ in range(rounds):
            for batch in batches:
                a, b = both(batch, kind)
                if kind == "joint":
                    a = b = a * b
                onward.learn_from(batch, a)
                back.learn_from(batch.turned(), b.transpose(0, 2, 1))
            onward.update()
            back.update()
    for batch in batches:
        a, b = both(batch, "joint")
        yield batch, a * b


@dataclass(frozen=True)
class Links:
    """Alignments of a whole corpus, by sentence pair: row, positions on both sides, weight."""

    row: NDArray[np.integer]
    source: NDArray[np.integer]
    target: NDArray[np.integer]
    weight: Array

    def counts(self, source: Ids, target: Ids, words: int) -> sp.csr_matrix:
        """(words, words): how often a source word is expected to be aligned with a target word."""
        ids = []
        for sentences, positions in ((source, self.source), (target, self.target)):
            begin = np.cumsum([0, *map(len, sentences)])
            flat = np.fromiter((w for one in sentences for w in one), np.int64, begin[-1])
            ids.append(flat[begin[self.row] + positions])
        weights = self.weight.astype(np.float64)
        return sp.coo_matrix((weights, (ids[0], ids[1])), shape=(words, words)).tocsr()


def align(source: Ids, target: Ids, words: int) -> Links:
    """The links between two sides of equal length, whose words are numbers below `words`."""
    # Without any pair to align, one empty part of each.
    rows, sources, targets = ([np.zeros(0, np.int64)] for _ in range(3))
    weights = [np.zeros(0, np.float32)]
    for batch, links in aligned(source, target, words):
        pair, i, j = np.nonzero(links > MIN_LINK_WEIGHT)
        rows.append(batch.rows[pair])
        sources.append(i)
        targets.append(j)
        weights.append(links[pair, i, j].astype(np.float32))
    row, i, j = (np.concatenate(parts) for parts in (rows, sources, targets))
    order = np.lexsort((j, i, row))
    return Links(
        row[order].astype(np.int32),
        i[order].astype(np.int16),
        j[order].astype(np.int16),
        np.concatenate(weights)[order],
    )


def _diagonal(batch: Batch) -> Array:
    """(pairs, target, source): the prior of the first rounds, which favours equal places."""
    i = (np.arange(batch.source.shape[1]) + 0.5) / batch.source_length[:, None]
    j = (np.arange(batch.target.shape[1]) + 0.5) / batch.target_length[:, None]
    prior = np.exp(-TENSION * np.abs(i[:, None, :] - j[:, :, None])).astype(np.float32)
    prior *= (i < 1)[:, None, :]
    prior /= np.maximum(prior.sum(2, keepdims=True), 1e-30)
    return prior


def _batches(
    source: Ids, target: Ids, words: int
) -> tuple[list[Batch], tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Batches, and the two words of each numbered pair of words."""
    lengths = np.array([(len(a), len(b)) for a, b in zip(source, target, strict=True)])
    lengths = lengths.reshape(-1, 2)
    usable = np.flatnonzero((lengths.min(1) > 0) & (lengths.max(1) <= MAX_SIDE_LENGTH))
    order = usable[np.lexsort((lengths[usable, 1], lengths[usable, 0] // 6))]
    groups: list[list[int]] = [[]]
    size = np.zeros(2, np.int64)
    for row in order:
        size = np.maximum(size, lengths[row])
        if groups[-1] and size.prod() * (len(groups[-1]) + 1) > MAX_BATCH_CELLS:
            groups.append([])
            size = lengths[row]
        groups[-1].append(row)
    padded = [(_padded(source, g, words), _padded(target, g, words)) for g in groups if g]
    outside = words * (words + 1)
    keys = [
        np.where((a < words)[:, :, None] & (b < words)[:, None], a[:, :, None] * words + b[:, None],
                 outside)
        for a, b in padded
    ]  # fmt: skip
    flat = np.concatenate([*(k.ravel() for k in keys), [outside]])
    seen, numbers = np.unique(flat, return_inverse=True)
    batches, begin = [], 0
    for group, (a, b), key in zip(groups, padded, keys, strict=False):
        cells = numbers[begin : begin + key.size].reshape(key.shape).astype(np.int32)
        begin += key.size
        rows = np.array(group)
        batches.append(Batch(rows, a, b, cells, lengths[rows, 0], lengths[rows, 1]))
    return batches, (seen[:-1] // words, seen[:-1] % words)


def _once(numbers: NDArray[np.integer], size: int) -> NDArray[np.int64]:
    """In how many rows of `numbers` each number is."""
    rows = np.arange(len(numbers)) * size
    distinct = np.unique(numbers.reshape(len(numbers), -1) + rows[:, None]) % size
    return np.bincount(distinct, minlength=size)


def _padded(sentences: Ids, rows: Sequence[int], padding: int) -> NDArray[np.int64]:
    width = max(len(sentences[row]) for row in rows)
    result = np.full((len(rows), width), padding)
    for number, row in enumerate(rows):
        result[number, : len(sentences[row])] = sentences[row]
    return result
