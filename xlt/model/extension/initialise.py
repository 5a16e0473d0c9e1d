"""What a new subword's row of the embedding table begins as: a sum of rows that are there.

All of them weigh old rows, and differ in how: by the old subwords that the new one was split into
(mean), or by vectors that both have elsewhere: all that are alike (CLP), those that are most alike
(FOCUS), or the few that add up to it (OMP). Vectors are rows of float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]

ATOMS = 64
"""Old rows in a sum that OMP finds, at most."""

_EXACT = 1e-9
"""What is left of a vector, as a share of its length, where a sum is taken to be the vector."""


def mean_rows(parts: Sequence[Sequence[int]], table: Vectors) -> Vectors:
    """The mean of the old subwords that each new one was split into.

    parts: ids of rows, of each new subword; where there are none, its row is NaN.
    table: (m, d). Returns (len(parts), d).
    """
    unknown = np.full(table.shape[1], np.nan)
    return np.stack([table[list(ids)].mean(0) if ids else unknown for ids in parts])


def cosines(new: Vectors, old: Vectors) -> Vectors:
    """(n, d) and (m, d) → (n, m); 0 where a vector is 0."""
    return _unit(new) @ _unit(old).T


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit


def clp_weights(similarities: Vectors) -> Vectors:
    """In proportion to all similarities (CLP-Transfer, Ostendorff and Rehm 2023,
    arXiv 2301.09626), (n, m).

    Negative ones count as 0: with them weights have any size, since their sum may be near 0.
    """
    positive = np.maximum(similarities, 0)
    total = positive.sum(1, keepdims=True)
    weights: Vectors = np.divide(positive, total, out=np.zeros_like(positive), where=total > 0)
    return weights


def sparsemax(scores: Vectors) -> Vectors:
    """The nearest distribution to each row (Martins and Astudillo 2016, arXiv 1602.02068), (n, m).

    Of `scores` far below the highest the probability is 0. FOCUS (Dobler and de Melo 2023,
    arXiv 2305.14481) weighs by it, of cosines.
    """
    ordered = -np.sort(-scores, axis=1)
    sums = np.cumsum(ordered, axis=1)
    counts = np.arange(1, scores.shape[1] + 1)
    support = (1 + counts * ordered > sums).sum(1)
    threshold = (np.take_along_axis(sums, support[:, None] - 1, 1)[:, 0] - 1) / support
    chosen: Vectors = np.maximum(scores - threshold[:, None], 0)
    return chosen


def omp(new: Vectors, atoms: Vectors, most: int = ATOMS) -> Vectors:
    """Weights of at most so many atoms whose sum is near each vector, by orthogonal matching
    pursuit (Pati et al. 1993; for subwords Goddard and Fernandes Neto 2025, arXiv 2506.06607).

    new: (n, d); atoms: (m, d), of any length. Returns (n, m).
    Each step takes the atom that is most alike what is not yet in the span of those taken.
    """
    directions = _unit(atoms)
    weights = np.zeros((len(new), len(atoms)))
    for row, vector in zip(weights, new, strict=True):
        chosen = _pursue(vector, directions, min(most, *atoms.shape))
        row[chosen] = np.linalg.lstsq(atoms[chosen].T, vector, rcond=None)[0]
    return weights


def _pursue(vector: Vectors, directions: Vectors, most: int) -> list[int]:
    """Which of the directions are taken, in order."""
    rest, length = vector.copy(), float(np.linalg.norm(vector))
    basis = np.zeros((most, len(vector)))
    chosen: list[int] = []
    while len(chosen) < most and np.linalg.norm(rest) > _EXACT * length:
        alike = np.abs(directions @ rest)
        alike[chosen] = 0
        best = int(np.argmax(alike))
        taken = basis[: len(chosen)]
        left = directions[best] - taken.T @ (taken @ directions[best])
        left -= taken.T @ (taken @ left)  # once more, against rounding
        size = np.linalg.norm(left)
        if alike[best] <= _EXACT * length or size <= _EXACT:
            break
        basis[len(chosen)] = left / size
        rest -= (basis[len(chosen)] @ rest) * basis[len(chosen)]
        chosen.append(best)
    return chosen
