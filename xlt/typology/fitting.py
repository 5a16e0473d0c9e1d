"""The weights of `features` that hold for every table of scores, and how much a table counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xlt.typology.features import EXAMPLES, FEATURES
from xlt.typology.scores import OURS, Matrix

Values = NDArray[np.float64]

MAX_PAIRS = 500
"""A table counts like so many pairs at most, or one of 26,000 would be all that is heard."""
RIDGE = 30.0
SIZE_WEIGHT = 0.3
"""Of the column `examples`, fixed: a standard deviation for a tenth of the data. It cannot be
learnt where it is needed: of the papers whose sources differ so much, one counts `UNLIKE`."""
UNLIKE = 0.2
"""What a table counts that was measured without a pretrained encoder, beside one with."""
TRAINED_FROM_SCRATCH = ("lin2019",)
SMALL = 0.5
"""What a table of ours counts: one seed, a small encoder, at most 1,000 sentences a source and 150
a target."""


class Moments(NamedTuple):
    """What a regression needs of one table: xx, shape (f, f); xz, shape (f,); and pairs."""

    xx: Values
    xz: Values
    pairs: int


def moments(standard: Values, given: Values) -> Moments:
    """Products of columns and scores, about the mean of each target.

    standard: shape (sources, targets), NaN where not measured.
    given:    of `features`, shape (sources, targets, f).
    """
    known = ~np.isnan(standard)
    count = np.maximum(known.sum(0), 1)
    x = np.where(known[..., None], given, 0)
    x = np.where(known[..., None], x - x.sum(0) / count[:, None], 0).reshape(-1, given.shape[-1])
    z = np.where(known, standard, 0)
    z = np.where(known, z - z.sum(0) / count, 0).ravel()
    return Moments(x.T @ x, x.T @ z, int(known.sum()))


def shared_weights(tables: Iterable[tuple[Moments, float]]) -> Values:
    """Ridge regression over tables, each with its weight. Shape (f,), none below 0.

    Nearer is not worse, and more text is not worse: a weight that comes out so is 0.
    """
    size = len(FEATURES)
    left, right = np.eye(size) * RIDGE, np.zeros(size)
    left[EXAMPLES, EXAMPLES], right[EXAMPLES] = 1e6, 1e6 * SIZE_WEIGHT
    for table, weight in tables:
        share = weight * min(1.0, MAX_PAIRS / max(table.pairs, 1))
        left = left + share * table.xx
        right = right + share * table.xz
    kept = np.ones(size, dtype=bool)
    while True:
        weights = np.zeros(size)
        weights[kept] = np.linalg.solve(left[np.ix_(kept, kept)], right[kept])
        if (weights >= 0).all():
            return weights
        kept &= weights >= 0


def shares(matrices: Sequence[Matrix]) -> Values:
    """What each table counts: the tables of a task in one paper count as one together."""
    groups = Counter((matrix.about["paper"], matrix.task) for matrix in matrices)
    return np.array(
        [likeness(matrix) / groups[matrix.about["paper"], matrix.task] for matrix in matrices]
    )


def likeness(matrix: Matrix) -> float:
    """How far a table speaks for what users train: pretrained encoders, on all there is."""
    if matrix.about["model"].startswith(TRAINED_FROM_SCRATCH):
        return UNLIKE
    return SMALL if matrix.about["paper"] == OURS else 1.0
