"""All matrices, and what is predicted of a language as if it had never been measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xlt.typology.distances import Points
from xlt.typology.evidence import TERMS, Geometry, geometry, usual_distances
from xlt.typology.fitting import key, prior
from xlt.typology.process import Posterior, fit, some_targets, source_kernel
from xlt.typology.scores import Matrix, matrices

Values = NDArray[np.float64]
MAX_TARGETS = 100
"""Targets of a matrix that are ranked."""
NOTHING = np.zeros(len(TERMS))


@dataclass
class Row:
    """One target of one matrix: what is said of its candidates, all of shape (candidates,).

    predicted: the ranker's. expected: in the metric's unit, before the median error is added.
    """

    matrix: Matrix
    target: str
    candidates: tuple[str, ...]
    scores: Values
    predicted: Values
    expected: Values

    @property
    def key(self) -> str:
        return key(self.matrix.name, self.matrix.task)


@dataclass
class World:
    """All matrices and the distances between all their languages, computed once."""

    matrices: list[Matrix]
    codes: list[str]
    distances: Geometry
    usual: dict[str, list[float]]
    resources: Values
    _first: dict[int, Values] = field(default_factory=dict)

    @cached_property
    def place(self) -> dict[str, int]:
        return {code: n for n, code in enumerate(self.codes)}

    def rows(self, codes: Sequence[str]) -> list[int]:
        return [self.place[code] for code in codes]

    def between(self, a: Sequence[str], b: Sequence[str]) -> Geometry:
        return self.distances.at(self.rows(a), self.rows(b))

    def posterior(self, matrix: Matrix, first: Values) -> Posterior:
        """first: mean of β."""
        return fit(matrix, self.between, self.resources_of, first)

    def resources_of(self, codes: Sequence[str]) -> Values:
        return self.resources[self.rows(codes)]

    def smooth(self, posterior: Posterior, sources: Sequence[str]) -> Values:
        """`Posterior.parts`' argument."""
        same = np.array(sources)[:, None] == np.array(posterior.sources)[None]
        one, other = self.resources_of(sources), self.resources_of(posterior.sources)
        near = self.between(sources, posterior.sources)
        return source_kernel(near, same, one, other) @ posterior.pull

    def weights(self, without: str | None = None) -> dict[str, Values]:
        """β of every matrix, fitted without a prior, and as if the language had never been
        measured."""
        fitted = {}
        for n, matrix in enumerate(self.matrices):
            if without in matrix.sources or without in matrix.targets:
                assert without is not None
                weights = self.posterior(matrix.without(without), NOTHING).weights
            else:
                if n not in self._first:
                    self._first[n] = self.posterior(matrix, NOTHING).weights
                weights = self._first[n]
            fitted[key(matrix.name, matrix.task)] = weights
        return fitted


def world(given: Sequence[Matrix] | None = None) -> World:
    chosen = list(matrices()) if given is None else list(given)
    codes = sorted({code for m in chosen for code in (*m.sources, *m.targets)})
    usual = usual_distances(codes)
    points = Points(codes)
    return World(chosen, codes, geometry(points, points, usual), usual, points.resources)


def leave_one_out(over: World) -> Iterator[Row]:
    """Every target of every matrix, ranked without anything measured on it."""
    asked: dict[str, list[Matrix]] = defaultdict(list)
    for matrix in over.matrices:
        for n in some_targets(matrix, MAX_TARGETS):
            asked[matrix.targets[n]].append(matrix)
    for held, measured_in in sorted(asked.items()):
        weights = over.weights(without=held)
        for matrix in measured_in:
            yield ask(over, matrix, held, weights)


def ask(over: World, matrix: Matrix, held: str, weights: dict[str, Values]) -> Row:
    """One target of a matrix, from the rest of the matrix and from weights without it."""
    rest = matrix.without(held)
    posterior = over.posterior(rest, prior(weights, matrix.name, matrix.task))
    near = over.between(posterior.targets, [held])
    smooth = over.smooth(posterior, rest.sources)
    parts = posterior.parts(over.between(rest.sources, [held]), near, smooth)[:, 0]
    predicted = (parts - parts.mean(0)).sum(1)
    resources = over.resources_of([held])
    level, unit = (t.at(near, resources)[0] for t in (posterior.levels, posterior.units))
    row = [matrix.sources.index(code) for code in rest.sources]
    scores = matrix.scores[row, matrix.targets.index(held)]
    known = ~np.isnan(scores)
    return Row(
        matrix,
        held,
        tuple(code for code, is_known in zip(rest.sources, known, strict=True) if is_known),
        scores[known],
        predicted[known],
        (level + max(unit, 0.0) * predicted)[known],
    )


def unmeasured(over: World, matrix: Matrix, most: int = 12) -> Values:
    """Errors of what is expected of sources as if they had never been measured, beside the mean of
    the others; in the metric's unit, on all targets. Evenly spaced sources are left out in turn.
    """
    first = prior(over.weights(), matrix.name, matrix.task)
    left_out_errors = []
    count = len(matrix.sources)
    for n in sorted(set(np.linspace(0, count - 1, min(most, count)).round().astype(int))):
        kept = [k for k in range(count) if k != n]
        rest = replace(
            matrix, sources=tuple(matrix.sources[k] for k in kept), scores=matrix.scores[kept]
        )
        posterior = over.posterior(rest, first)
        near = over.between(posterior.targets, posterior.targets)
        asked = [matrix.sources[n], *rest.sources]
        pairs = over.between(asked, posterior.targets)
        parts = posterior.parts(pairs, near, over.smooth(posterior, asked)).sum(-1)
        columns = [matrix.targets.index(code) for code in posterior.targets]
        apart = matrix.scores[n, columns] - rest.means[columns]
        left_out_errors.append(apart - rest.units[columns] * (parts[0] - parts[1:].mean(0)))
    errors = np.concatenate(left_out_errors)
    return np.asarray(errors[~np.isnan(errors)])
