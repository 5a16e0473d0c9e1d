"""All matrices, and what is predicted of a language as if it had never been measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xlt.typology.distances import Points
from xlt.typology.evidence import Geometry, geometry, usual_distances
from xlt.typology.features import ENOUGH, features, lacking, training_sizes
from xlt.typology.fitting import Moments, likeness, moments, shared_weights, shares
from xlt.typology.measured import Answer, Evidence
from xlt.typology.process import some_targets
from xlt.typology.scores import Matrix, in_full, matrices

Values = NDArray[np.float64]
MAX_TARGETS = 100
"""Targets of a matrix that are ranked."""


@dataclass
class Row:
    """One target of one matrix: what is said of its candidates, all of shape (candidates,).

    predicted: the ranker's. expected: in the metric's unit; NaN where there is no evidence.
    unit: points that one unit of `predicted` is worth. open: as `Answer.open`.
    """

    matrix: Matrix
    target: str
    candidates: tuple[str, ...]
    scores: Values
    predicted: Values
    expected: Values
    unit: float = float("nan")
    open: Values = field(default_factory=lambda: np.zeros(0))

    @property
    def key(self) -> str:
        return f"{self.matrix.name} {self.matrix.task}"

    @property
    def task(self) -> str:
        return self.matrix.task

    @property
    def paper(self) -> str:
        return self.matrix.about["paper"]


@dataclass
class World:
    """All matrices and the distances between all their languages, computed once."""

    matrices: list[Matrix]
    codes: list[str]
    distances: Geometry
    usual: dict[str, list[float]]
    _moments: dict[tuple[int, str], Moments] = field(default_factory=dict)

    @cached_property
    def place(self) -> dict[str, int]:
        return {code: n for n, code in enumerate(self.codes)}

    def rows(self, codes: Sequence[str]) -> list[int]:
        return [self.place[code] for code in codes]

    def between(self, a: Sequence[str], b: Sequence[str]) -> Geometry:
        return self.distances.at(self.rows(a), self.rows(b))

    def weights(self, without: str = "", paper: str = "") -> Values:
        """β of all matrices, as if a language and a paper were not there."""
        chosen = [n for n, matrix in enumerate(self.matrices) if matrix.about["paper"] != paper]
        kept = [self.matrices[n] for n in chosen]
        weights = shares(kept) * [likeness(matrix) for matrix in kept]
        found = [self._moments_of(n, without) for n in chosen]
        return shared_weights(zip(found, weights, strict=True))

    def _moments_of(self, n: int, without: str) -> Moments:
        matrix = self.matrices[n]
        held = without if without in (*matrix.sources, *matrix.targets) else ""
        if (n, held) not in self._moments:
            rest = matrix.without(held) if held else matrix
            columns = some_targets(rest, MAX_TARGETS)
            pairs = self.between(rest.sources, [rest.targets[k] for k in columns])
            given = features(pairs, lacking(rest.sources, training_sizes(rest.name)))
            self._moments[n, held] = moments(rest.standard[:, columns], given)
        return self._moments[n, held]


def world(given: Sequence[Matrix] | None = None) -> World:
    chosen = list(matrices()) if given is None else list(given)
    codes = sorted({code for m in chosen for code in (*m.sources, *m.targets)})
    usual = usual_distances(codes)
    points = Points(codes)
    return World(chosen, codes, geometry(points, points, usual), usual)


def leave_one_out(
    over: World, *, own: bool = False, encoder: bool = False, sizes: bool = True
) -> Iterator[Row]:
    """Every target of every matrix, as if its language and all of its paper were not there.

    own: the rest of the matrix itself is known, as a user's own table.
    encoder: the matrix's encoder is named. sizes: so are the sizes of its sources' data.
    """
    asked: dict[tuple[str, str], list[Matrix]] = defaultdict(list)
    for matrix in over.matrices:
        for n in some_targets(matrix, MAX_TARGETS):
            asked[matrix.about["paper"], matrix.targets[n]].append(matrix)
    for (paper, held), measured_in in sorted(asked.items(), key=lambda group: group[0]):
        weights = over.weights(held, paper)
        known: dict[str, Evidence] = {}
        for matrix in measured_in:
            model = matrix.about["model"] if encoder else ""
            name = f"{matrix.task} {model} {matrix.name if own else ''}"
            if name not in known:
                mine = [replace(matrix.without(held), own=True)] if own else []
                rest = (*others(over, matrix, held), *mine)
                known[name] = Evidence(rest, model, weights, over.between)
            yield ask(known[name], matrix, held, sizes=sizes)


def others(over: World, matrix: Matrix, held: str) -> list[Matrix]:
    """What the matrices of other papers say of a task without a language; as `of_task` sorts."""
    found = [
        one.without(held)
        for one in over.matrices
        if one.task == matrix.task and one.about["paper"] != matrix.about["paper"]
    ]
    return sorted((one for one in found if some_targets(one)), key=in_full)


def ask(known: Evidence, matrix: Matrix, held: str, *, sizes: bool = True) -> Row:
    """One target of a matrix."""
    column = matrix.scores[:, matrix.targets.index(held)]
    rows = [n for n, code in enumerate(matrix.sources) if code != held and column[n] == column[n]]
    candidates = tuple(matrix.sources[n] for n in rows)
    few = training_sizes(matrix.name) if sizes else {}
    named = {code: few.get(code, ENOUGH) for code in candidates} if few else None
    answer: Answer = known.ask(held, candidates, named)
    return Row(
        matrix,
        held,
        candidates,
        column[rows],
        answer.parts.sum(1),
        answer.expected,
        answer.unit,
        answer.open,
    )
