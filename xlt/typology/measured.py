"""The measured matrices of a task, fitted and ready to be asked about any target."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.typology.distances import Points
from xlt.typology.evidence import Geometry, geometry
from xlt.typology.fitting import key, prior
from xlt.typology.process import Posterior, fit, source_kernel
from xlt.typology.scores import Matrix

Values = NDArray[np.float64]
WEIGHTS = Path(__file__).with_name("weights.json")


@cache
def fitted() -> dict[str, Any]:
    """What `scripts/evaluate_ranker --write` has fitted."""
    weights: dict[str, Any] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return weights


@dataclass(frozen=True)
class Answer:
    """What one matrix says of sources for a target.

    parts:  shape (sources, 1 + features), about the mean over the matrix's own sources.
    bounds: expected scores, and perhaps their low and high ends; each of shape (sources,). They are
        wider for a source that the matrix has not measured.
    exact:  published scores of the very pairs, NaN where there are none.
    own:    which of the sources the matrix has measured.
    unit:   points that one unit of the parts is worth.
    """

    sources: tuple[str, ...]
    parts: Values
    bounds: tuple[Values, ...]
    exact: Values
    own: NDArray[np.bool_]
    distances: Geometry
    unit: float


class Evidence:
    """Matrices that speak for a task, the first one first."""

    def __init__(self, matrices: tuple[Matrix, ...]) -> None:
        self.matrices = matrices
        codes = dict.fromkeys(code for m in matrices for code in (*m.sources, *m.targets))
        self._points = Points(tuple(codes))
        self._place = {code: n for n, code in enumerate(codes)}
        self._fitted: dict[int, _Fitted] = {}
        self._first: dict[str, int] = {}
        for n, matrix in enumerate(matrices):
            for code in matrix.sources:
                self._first.setdefault(code, n)

    def ask(self, target: str, sources: Sequence[str]) -> list[Answer]:
        """Every source by the first matrix that measured it; the rest by the first of all."""
        by_matrix: dict[int, list[str]] = {}
        for code in sources:
            by_matrix.setdefault(self._first.get(code, 0), []).append(code)
        asked = Points([target])
        near = geometry(self._points, asked, fitted()["usual"])
        return [self._of(n).answer(target, asked, near, by_matrix[n]) for n in sorted(by_matrix)]

    def _of(self, n: int) -> _Fitted:
        if n not in self._fitted:
            self._fitted[n] = _Fitted(self.matrices[n], self._place)
        return self._fitted[n]


evidence = lru_cache(maxsize=64)(Evidence)


class _Fitted:
    """One matrix with its posterior, as it answers for a target."""

    def __init__(self, matrix: Matrix, place: dict[str, int]) -> None:
        known = fitted()
        self._usual = known["usual"]
        self._matrix = matrix
        self._posterior = posterior(matrix)
        name = key(matrix.name, matrix.task)
        self._errors = known["intervals"].get(name) or [0.0]
        self._wider = known["wider"].get(name, 1.0)
        self._rows = [place[code] for code in matrix.sources]
        self._targets = [place[code] for code in self._posterior.targets]
        self._own = {code: n for n, code in enumerate(matrix.sources)}
        self._sources = Points(matrix.sources)
        same = np.eye(len(matrix.sources), dtype=bool)
        self._smooth = self._alike(self._sources, same) @ self._posterior.pull

    def _alike(self, sources: Points, same: NDArray[np.bool_]) -> Values:
        near = geometry(sources, self._sources, self._usual)
        return source_kernel(near, same, sources.resources, self._sources.resources)

    def answer(self, target: str, asked: Points, near: Geometry, sources: list[str]) -> Answer:
        """What the matrix says of sources.

        near: between all languages of the evidence and the target.
        """
        targets = near.at(self._targets, [0])
        pairs, smooth = near.at(self._rows, [0]), self._smooth
        others = [code for code in sources if code not in self._own]
        if others:
            rows = Points(others)
            same = np.zeros((len(others), len(self._own)), dtype=bool)
            smooth = np.vstack([smooth, self._alike(rows, same) @ self._posterior.pull])
            pairs = pairs.and_(geometry(rows, asked, self._usual))
        parts = self._posterior.parts(pairs, targets, smooth)[:, 0]
        parts = parts - parts[: len(self._own)].mean(0)
        place = self._own | {code: n for n, code in enumerate(others, len(self._own))}
        chosen = [place[code] for code in sources]
        level, unit = (
            float(trend.at(targets, asked.resources)[0])
            for trend in (self._posterior.levels, self._posterior.units)
        )
        unit = max(unit, 0.0)
        own = np.array([code in self._own for code in sources])
        rough = level + unit * parts[chosen].sum(1)
        # Median and ends of the errors on languages left out; the median is the expected score.
        middle, *ends = self._errors
        wider = np.where(own, 1.0, self._wider)
        bounds = [rough + middle, *(rough + middle + wider * (end - middle) for end in ends)]
        if self._matrix.percent:
            bounds = [np.clip(values, 0, 100) for values in bounds]
        exact = np.full(len(sources), np.nan)
        if target in self._matrix.targets:
            column = self._matrix.scores[:, self._matrix.targets.index(target)]
            exact[own] = column[[n for n in chosen if n < len(self._own)]]
        return Answer(
            tuple(sources), parts[chosen], tuple(bounds), exact, own, pairs.at(chosen, [0]), unit
        )


def posterior(matrix: Matrix) -> Posterior:
    """Fit the matrix with what the packaged matrices say beforehand."""
    known = fitted()
    return fit(
        matrix,
        lambda a, b: geometry(a, b, known["usual"]),
        lambda codes: Points(codes).resources,
        prior(known["weights"], matrix.name, matrix.task),
    )
