"""Word alignment by two hidden Markov models that are trained to agree, from nothing but pairs.

Each direction is the HMM of Vogel et al. 1996 (COLING) with the empty word of Och & Ney 2003 (CL
29(1), 2.2); both are trained together on the product of their posteriors (Liang, Taskar & Klein
2006, "Alignment by Agreement", NAACL). What is known before (cognates, links counted in parallel
text) comes in as pseudo-counts. Deterministic, and vectorised: a batch of sentences is one array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ids = NDArray[np.int32]

MAX_JUMP = 60
"""Jumps beyond this share one probability."""
_MAX_CELLS = 400_000
"""Word pairs in a batch, padding included."""


@dataclass
class Batch:
    """Some sentence pairs of similar length.

    index:  which pairs of the corpus. cell: (targets, pairs, sources) number of the word pair in
    the table, or its size for padding; turned: the same as (sources, pairs, targets).
    source, target: (sources, pairs) and (targets, pairs) word ids, -1 for padding.
    """

    index: NDArray[np.int64]
    cell: Ids
    turned: Ids
    source: Ids
    target: Ids


@dataclass
class Corpus:
    """Sentence pairs as arrays. first, second: the words of each entry of the table."""

    batches: list[Batch]
    first: Ids
    second: Ids
    sources: int
    targets: int


def corpus(pairs: Sequence[tuple[Ids, Ids]], sources: int, targets: int) -> Corpus:
    """Batches of the pairs that have words on both sides, and all word pairs that co-occur.

    sources, targets: sizes of the vocabularies.
    """
    lengths = np.array([(len(b), len(a)) for a, b in pairs], np.int64).reshape(-1, 2)
    order = np.lexsort((lengths[:, 1], lengths[:, 0]))
    order = order[(lengths[order] > 0).all(1)]
    groups: list[NDArray[np.int64]] = []
    start = 0
    for end in range(1, len(order) + 1):
        chosen = order[start : end + 1]
        longest = lengths[chosen].max(0) if len(chosen) else (0, 0)
        if end == len(order) or len(chosen) * int(longest[0]) * int(longest[1]) > _MAX_CELLS:
            groups.append(order[start:end])
            start = end
    raw = [_padded(pairs, group) for group in groups]
    keys = [_keys(source, target, targets) for source, target in raw]
    if keys:
        unique = np.unique(np.concatenate([np.unique(k) for k in keys]))
        unique = unique[unique >= 0]
    else:
        unique = np.zeros(0, np.int64)
    batches = []
    for group, (source, target), key in zip(groups, raw, keys, strict=True):
        cell = np.searchsorted(unique, key).astype(np.int32)
        cell[key < 0] = len(unique)
        turned = np.ascontiguousarray(cell.transpose(2, 1, 0))
        batches.append(Batch(group, cell, turned, source, target))
    first, second = (part.astype(np.int32) for part in np.divmod(unique, max(1, targets)))
    return Corpus(batches, first, second, sources, targets)


def _padded(pairs: Sequence[tuple[Ids, Ids]], group: NDArray[np.int64]) -> tuple[Ids, Ids]:
    sides = []
    for side in (0, 1):
        rows = [pairs[n][side] for n in group]
        padded = np.full((max(len(r) for r in rows), len(rows)), -1, np.int32)
        for column, row in enumerate(rows):
            padded[: len(row), column] = row
        sides.append(padded)
    return sides[0], sides[1]


def _keys(source: Ids, target: Ids, targets: int) -> NDArray[np.int64]:
    key = source.T[None].astype(np.int64) * targets + target[:, :, None]
    key[np.broadcast_to((source.T[None] < 0) | (target[:, :, None] < 0), key.shape)] = -1
    return key


@dataclass
class Direction:
    """One model: p(word | word of the other side) for each entry, with a 0 at the end for padding.

    empty: p(word | no word). jump: p(distance of two successive positions), 2 * MAX_JUMP + 1.
    """

    table: Floats
    empty: Floats
    jump: Floats


@dataclass(frozen=True)
class Recipe:
    """How the models are trained.

    smoothing: pseudo-count of all unseen translations of a word together.
    null:      probability that a word has no counterpart.
    word_iterations, jump_iterations: of the model without and with positions.
    """

    smoothing: float = 1.0
    null: float = 0.1
    word_iterations: int = 4
    jump_iterations: int = 4


def train(data: Corpus, recipe: Recipe, prior: Floats | None = None) -> tuple[Direction, Direction]:
    """The models source → target and target → source.

    prior: pseudo-counts of the entries, (len(data.first),).
    """
    size = len(data.first)
    known = np.zeros(size) if prior is None else prior.astype(np.float64)
    seen = _frequencies(data)
    jump = np.exp(-0.3 * np.abs(np.arange(-MAX_JUMP, MAX_JUMP + 1))).astype(np.float32)
    ahead = Direction(_start(known, data.first, data.sources, recipe), seen[1], jump)
    back = Direction(_start(known, data.second, data.targets, recipe), seen[0], jump)
    for iteration in range(recipe.word_iterations + recipe.jump_iterations):
        positions = iteration >= recipe.word_iterations
        forward, backward = np.zeros(size), np.zeros(size)
        moves = (np.zeros(2 * MAX_JUMP + 1), np.zeros(2 * MAX_JUMP + 1))
        for batch in data.batches:
            one, other = posteriors(batch, ahead, back, recipe, positions, moves)
            if positions:
                one *= other.transpose(2, 1, 0)
            else:  # nothing is sure yet, a product would be next to nothing
                backward += _added(batch.turned, other, size)
            forward += _added(batch.cell, one, size)
        if positions:
            backward = forward
            ahead.jump, back.jump = (_smoothed(m) for m in moves)
        ahead.table = _estimate(forward + known, data.first, data.sources, recipe.smoothing)
        back.table = _estimate(backward + known, data.second, data.targets, recipe.smoothing)
    return ahead, back


def _start(known: NDArray[np.float64], given: Ids, words: int, recipe: Recipe) -> Floats:
    """What is known, smoothed with the uniform distribution."""
    each = recipe.smoothing / np.maximum(1, np.bincount(given, minlength=words))
    total = np.bincount(given, known, words) + recipe.smoothing
    return np.append((known + each[given]) / total[given], 0).astype(np.float32)


def _added(cell: Ids, values: Floats, size: int) -> NDArray[np.float64]:
    """The sum of the values of each entry, without that of the padding."""
    total = np.bincount(cell.ravel(), values.ravel(), size + 1)
    return total[:size].astype(np.float64, copy=False)


def posteriors(
    batch: Batch,
    ahead: Direction,
    back: Direction,
    recipe: Recipe,
    positions: bool = True,
    jumps: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> tuple[Floats, Floats]:
    """The probability of each link in each direction: (targets, pairs, sources), (sources, pairs,
    targets).

    jumps: expected counts are added here.
    """
    probabilities = []
    for number, (model, cell, states, words) in enumerate(
        ((ahead, batch.cell, batch.source, batch.target),
         (back, batch.turned, batch.target, batch.source))
    ):  # fmt: skip
        emission = model.table[cell]
        empty = recipe.null * np.where(words >= 0, model.empty[words], 1.0).astype(np.float32)
        if positions:
            counts = None if jumps is None else jumps[number]
            probabilities.append(
                _forward_backward(emission, empty, model.jump, states, words, recipe, counts)
            )
        else:
            inside = (states >= 0).sum(0, dtype=np.float32)[None, :, None]
            emission *= (1 - recipe.null) / inside
            emission /= emission.sum(2, keepdims=True) + empty[:, :, None] + 1e-30
            probabilities.append(emission)
    return probabilities[0], probabilities[1]


def _forward_backward(
    emission: Floats,
    empty: Floats,
    jump: Floats,
    states: Ids,
    words: Ids,
    recipe: Recipe,
    counts: NDArray[np.float64] | None,
) -> Floats:
    """Posteriors (steps, pairs, states). The empty word remembers the state before it."""
    steps, pairs, width = emission.shape
    real = (states >= 0).T.astype(np.float32)
    distance = np.clip(np.arange(width)[None] - np.arange(width)[:, None], -MAX_JUMP, MAX_JUMP)
    move = jump[distance + MAX_JUMP]  # from row to column
    leave = real / (real @ move.T + 1e-30)
    begin = real * jump[np.minimum(np.arange(width) + 1, MAX_JUMP) + MAX_JUMP]
    begin /= begin.sum(1, keepdims=True)
    emission *= 1 - recipe.null
    inside = words >= 0
    state, passed = np.empty_like(emission), np.empty_like(emission)
    scale = np.ones((steps, pairs), np.float32)
    before = begin
    for step in range(steps):
        there = (before * leave) @ move if step else begin
        state[step] = there * emission[step]
        passed[step] = state[step] + empty[step, :, None] * before
        scale[step] = passed[step].sum(1) + 1e-30
        state[step] /= scale[step, :, None]
        passed[step] /= scale[step, :, None]
        outside = ~inside[step]
        if outside.any():  # after its last word a pair stands still
            passed[step, outside], state[step, outside] = before[outside], 0
            scale[step, outside] = 1
        before = passed[step]
    after = np.ones((pairs, width), np.float32)
    total = np.zeros((width, width), np.float32)
    for step in range(steps - 1, -1, -1):
        state[step] *= after
        if not step:
            break
        ahead = emission[step] * after / scale[step, :, None]
        ahead[~inside[step]] = 0
        source = passed[step - 1] * leave
        if counts is not None:
            total += source.T @ ahead
        stay = np.where(inside[step], empty[step] / scale[step], 1.0)[:, None]
        after = leave * (ahead @ move.T) + stay * after
    if counts is not None:
        counts += np.bincount(
            (distance + MAX_JUMP).ravel(), (total * move).ravel(), 2 * MAX_JUMP + 1
        )
    return state


def _estimate(counts: NDArray[np.float64], given: Ids, words: int, smoothing: float) -> Floats:
    """Relative frequencies, with a 0 at the end for padding."""
    total = np.bincount(given, counts, words) + smoothing
    table: Floats = np.append(counts / total[given], 0).astype(np.float32)
    return table


def _smoothed(jumps: NDArray[np.float64]) -> Floats:
    """Jump probabilities; a little of everything, so that no order is impossible."""
    share = jumps / max(1e-9, jumps.sum())
    smoothed: Floats = (0.99 * share + 0.01 / len(jumps)).astype(np.float32)
    return smoothed


def _frequencies(data: Corpus) -> tuple[Floats, Floats]:
    """What the empty word yields: each side's words by frequency, flattened."""
    frequencies = []
    for side, size in ((0, data.sources), (1, data.targets)):
        counts = np.ones(max(1, size))
        for batch in data.batches:
            ids = (batch.source, batch.target)[side]
            counts += np.bincount(ids[ids >= 0], minlength=size)
        frequencies.append((counts / counts.sum()).astype(np.float32))
    return frequencies[0], frequencies[1]
