"""Batches of about equal cost: similar lengths together, a budget of subwords instead of a count.

The plan of all batches of a stage is a pure function of the lengths, the seed and the epoch, so
a resumed run and a run on several processes see exactly the batches of an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
"""A batch, or what a network makes of it, by the names of tensors."""

IGNORED = -100
"""In `labels`: no target here (padding, context, a partial annotation)."""

BLANK = -1
"""Added to the negated index of an example that only keeps an empty process busy."""


def padded(length: int) -> int:
    """The length that such a row is padded to: a multiple of 4, of 8 from 64 on, and so on.

    Few distinct shapes, at the price of 4 % more padding: matrix kernels are compiled for each
    shape and kept (on a CPU, 0.2 s and 15 MiB for a shape of XLM-R base), and accelerators want
    multiples of 8.
    """
    step = max(4, 1 << max(0, length.bit_length() - 4))
    return -(-length // step) * step


def prediction_batches(
    lengths: Sequence[int] | NDArray[np.int64], budget: int
) -> list[NDArray[np.int64]]:
    """All positions of `lengths`, longest first, in batches of padded size <= budget.

    A single example longer than the budget is a batch of its own. Longest first, so that a
    budget that does not fit into memory fails at once. Where few records leave a wide range of
    lengths, a batch that already keeps the hardware busy is closed rather than padded.
    """
    sizes = np.asarray([padded(length) for length in lengths], np.int64)
    order = np.argsort(-np.asarray(lengths, np.int64), kind="stable")
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        if end < len(order):
            longest, following = int(sizes[order[start]]), int(sizes[order[end]])
            fits = (end + 1 - start) * longest <= budget
            uneven = (
                following < _MIN_LENGTH_SHARE * longest and (end - start) * longest >= _MIN_BUSY
            )
            if fits and not uneven:
                continue
        batches.append(order[start:end])
        start = end
    return batches if len(order) else []


# A batch of so many subwords, padding included, takes no row below this share of its longest.
_MIN_LENGTH_SHARE, _MIN_BUSY = 0.85, 512


def epoch_batches(
    lengths: Sequence[int] | NDArray[np.int64],
    budget: int,
    seed: int,
    epoch: int,
    indices: NDArray[np.int64] | None = None,
) -> list[NDArray[np.int64]]:
    """The batches of one epoch, shuffled; each index in exactly one of them.

    indices: the examples of this epoch (with repetitions under temperature sampling); default all.
    """
    random = np.random.default_rng([seed, epoch])
    sizes = np.asarray(lengths, np.int64)
    chosen = np.arange(len(sizes)) if indices is None else np.asarray(indices, np.int64)
    chosen = random.permutation(chosen)
    # Noise of up to ±5 % mixes neighbours in length, so that batches differ between epochs.
    jittered = sizes[chosen] * random.uniform(0.95, 1.05, len(chosen))
    chosen = chosen[np.argsort(jittered, kind="stable")]
    batches = _pack(chosen, sizes[chosen], budget)
    return [batches[i] for i in random.permutation(len(batches))]


def _pack(
    indices: NDArray[np.int64], lengths: NDArray[np.int64], budget: int
) -> list[NDArray[np.int64]]:
    batches, start, longest = [], 0, 0
    for end in range(len(indices)):
        longest = max(longest, padded(int(lengths[end])))
        if end > start and (end + 1 - start) * longest > budget:
            batches.append(indices[start:end])
            start, longest = end, padded(int(lengths[end]))
    if start < len(indices):
        batches.append(indices[start:])
    return batches


def sample_by_temperature(
    groups: Sequence[NDArray[np.int64]], temperature: float, seed: int, epoch: int
) -> NDArray[np.int64]:
    """The examples of one epoch: group l's share is proportional to size(l) ** (1 / temperature).

    The epoch is as long as all groups together. At temperature 1 each example comes exactly
    once; otherwise a group goes through whole permutations of itself before it repeats.
    """
    if temperature == 1.0:
        return np.concatenate(list(groups))
    sizes = np.array([len(group) for group in groups], float)
    weights = sizes ** (1 / temperature)
    counts = np.maximum(1, np.round(sizes.sum() * weights / weights.sum())).astype(int)
    drawn = []
    for number, (group, count) in enumerate(zip(groups, counts, strict=True)):
        # Position within an endless sequence of permutations, continued from epoch to epoch.
        begin = epoch * count
        rounds = range(begin // len(group), (begin + count - 1) // len(group) + 1)
        stream = np.concatenate(
            [np.random.default_rng([seed, number, r]).permutation(group) for r in rounds]
        )
        offset = begin - rounds[0] * len(group)
        drawn.append(stream[offset : offset + count])
    return np.concatenate(drawn)


class StepSampler:
    """All micro-batches of a stage for one process; a torch batch sampler.

    budget:   subwords in an optimisation step, over all processes and passes.
    passes:   gradient accumulation: the parts a process computes one after the other.
    boundaries[e]: the number of steps done when epoch e ends.
    """

    def __init__(
        self,
        lengths: Sequence[int] | NDArray[np.int64],
        groups: Sequence[NDArray[np.int64]],
        *,
        budget: int,
        epochs: int,
        seed: int,
        temperature: float = 1.0,
        max_steps: int | None = None,
        passes: int = 1,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self.passes, self.process, self.processes = passes, process, processes
        self.steps: list[NDArray[np.int64]] = []
        self.boundaries: list[int] = []
        for epoch in range(epochs):
            indices = sample_by_temperature(groups, temperature, seed, epoch)
            self.steps += epoch_batches(lengths, budget, seed, epoch, indices)
            if max_steps is not None and len(self.steps) >= max_steps:
                self.steps = self.steps[:max_steps]
                self.boundaries.append(max_steps)
                break
            self.boundaries.append(len(self.steps))

    def __len__(self) -> int:
        return len(self.steps) * self.passes

    def __iter__(self) -> Iterator[list[int]]:
        parts = self.passes * self.processes
        for step in self.steps:
            for one_pass in range(self.passes):
                mine = step[one_pass * self.processes + self.process :: parts]
                # Every process must take part in every step; one without work computes an
                # example whose targets are blanked.
                yield [int(i) for i in mine] if len(mine) else [BLANK - int(step[0])]

    def epoch_of(self, step: int) -> float:
        """Epochs completed after `step` steps, with a fraction."""
        begin = 0
        for epoch, end in enumerate(self.boundaries):
            if step <= end:
                return epoch + (step - begin) / max(1, end - begin)
            begin = end
        return float(len(self.boundaries))
