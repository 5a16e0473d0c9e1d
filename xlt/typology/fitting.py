"""Weights of the ranker, from measured scores: one ridge regression for all tasks, one for each.

A source's standardised score is regressed on `evidence.FEATURES`, which are computed for each
target as if it had not been measured. Better sources count more, because only the top of the
ranking is used. A task's weights are drawn towards those of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlt.typology.evidence import FEATURES, Geometry, features
from xlt.typology.scores import Matrix

RIDGE = 0.02
"""Relative to each feature's variance."""
TOP = 1.0
"""A source counts exp(TOP · its standardised score): the top of the ranking is what is used."""
TOGETHER = 0.5
"""How strongly a task's weights are drawn to those of all tasks."""
MOST_TARGETS = 100
"""Of a matrix, for the weights: 800 Bible translations tell little more, and take long."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """Weights of `FEATURES`, for all tasks and for each that was measured."""

    shared: Values
    tasks: Mapping[str, Values]

    def of(self, task: str) -> Values:
        return self.tasks.get(task, self.shared)


@dataclass(frozen=True)
class Moments:
    """Sums over a matrix's targets that the regression needs.

    square: shape (features, features); cross: shape (features,); both means over targets.
    """

    square: Values
    cross: Values


def moments(matrix: Matrix, among: Geometry, place: Mapping[str, int]) -> Moments:
    """Of one matrix; every target's features leave out what was measured on it.

    among: between languages, all with all; place: code → its row and column there.
    """
    sources = [place[code] for code in matrix.sources]
    targets = [place[code] for code in matrix.targets]
    same = np.eye(len(targets), dtype=bool)
    asked = some_targets(matrix)
    columns = [targets[n] for n in asked]
    found = features(
        matrix.standard,
        among.at(targets, columns),
        among.at(sources, columns),
        same=same[:, asked],
    )
    scores = matrix.standard[:, asked]
    known = ~np.isnan(scores)
    weight = np.where(known, np.exp(TOP * np.where(known, scores, 0)), 0)
    weight /= weight.sum(0)
    scores = np.where(known, scores, 0)
    given = (found - (weight[..., None] * found).sum(0)).reshape(-1, len(FEATURES))
    wanted = (scores - (weight * scores).sum(0)).reshape(-1)
    weighted = (given * weight.reshape(-1, 1)).T
    count = max(1, len(asked))
    return Moments(weighted @ given / count, weighted @ wanted / count)


def some_targets(matrix: Matrix) -> list[int]:
    """Columns that rank something, evenly spaced where there are more than `MOST_TARGETS`."""
    useful = np.flatnonzero(~np.isnan(matrix.standard).all(0))
    if len(useful) > MOST_TARGETS:
        useful = useful[np.linspace(0, len(useful) - 1, MOST_TARGETS).round().astype(int)]
    return [int(n) for n in useful]


def fit(found: Sequence[tuple[str, Moments]]) -> Weights:
    """The weights. found: task and moments of each matrix.

    Every task counts the same for the shared weights, and every matrix the same within its task.
    """
    tasks: dict[str, list[Moments]] = {}
    for task, of_matrix in found:
        tasks.setdefault(task, []).append(of_matrix)
    square = {t: np.mean([m.square for m in ms], 0) for t, ms in tasks.items()}
    cross = {t: np.mean([m.cross for m in ms], 0) for t, ms in tasks.items()}
    all_square = np.mean(list(square.values()), 0)
    all_cross = np.mean(list(cross.values()), 0)
    scale = np.diag(np.maximum(np.diag(all_square), 1e-6))
    shared = np.linalg.solve(all_square + RIDGE * scale, all_cross)
    own = {
        task: np.linalg.solve(
            square[task] + TOGETHER * scale, cross[task] + TOGETHER * scale @ shared
        )
        for task in tasks
    }
    return Weights(shared, own)
