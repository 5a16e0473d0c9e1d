"""What all tables of a task say together of sources for a target: one predictive distribution.

A table that nobody has seen yet scores a source s for a target t, in units of the target's spread,

    f(s, t) = β · x(s, t) + d(s, t),    d = Σ w_m(s) d_m(s, t) / (`OPEN` + Σ w_m(s)).

β holds for all tasks (`fitting`). d_m is what table m's own process (`process`) finds beside it,
about the mean of the table's sources: g, and of a user's own table also its weights less β. Those
of another paper's table are left out: they do not help in a new one (docs/source-languages.md).
w_m(s) is what the table counts, and little for a source that it has not measured. So a source that
many papers measured is what they found it to be, one that none measured is what its features and
its measured relatives say, and both stand on one scale.
The part of the variance that is left open is `OPEN` / (`OPEN` + Σ w_m(s)).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.typology.distances import Points
from xlt.typology.evidence import Geometry, geometry
from xlt.typology.features import EXAMPLES, FEATURES, features, lacking, training_sizes
from xlt.typology.fitting import likeness, shares
from xlt.typology.process import (
    Among,
    fit,
    level_kernel,
    source_kernel,
    target_kernel,
)
from xlt.typology.scores import Matrix, same_encoder

Values = NDArray[np.float64]
WEIGHTS = Path(__file__).with_name("weights.json")
OPEN = 0.5
"""What the shared features count, a table of 50 targets being 1."""
UNMEASURED = 0.1
"""What a table counts for a source that it has not measured."""
SAME_ENCODER = 2.0
"""How many times a table counts that was measured with the encoder that is asked for."""
OWN_WEIGHT = 10.0
"""How many times a user's own table counts: it is the very experiment that is predicted."""
PARTS = ("prior", *dict.fromkeys(FEATURES.values()))
"""What a score is made of: how the source did elsewhere, and `FEATURES` in groups."""
_GROUPS = np.array([[float(group == part) for part in PARTS[1:]] for group in FEATURES.values()])


@cache
def fitted() -> dict[str, Any]:
    """What `scripts/evaluate_ranker --write` has fitted."""
    weights: dict[str, Any] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return weights


@dataclass(frozen=True)
class Answer:
    """What the tables of a task say of sources for a target.

    parts:    shape (sources, len(PARTS)), about the mean over all sources of the tables.
    level:    the mean score of those sources; unit: points that one unit of the parts is worth.
        NaN where the task was never measured.
    open:     share of what tables could tell of the source that is not known, 0 to 1.
    exact:    published scores of the very pairs, NaN where there are none.
    measured: which of the sources any table has measured.
    """

    sources: tuple[str, ...]
    parts: Values
    level: float
    unit: float
    open: Values
    exact: Values
    measured: NDArray[np.bool_]
    distances: Geometry

    @property
    def expected(self) -> Values:
        """In points. Shape (sources,)."""
        return np.asarray(self.level + self.unit * self.parts.sum(1))


def deviation(variance: Sequence[float], unit: float, left_open: Values) -> Values:
    """Standard deviation of `Answer.expected`, in points. Shape (sources,).

    variance: of the level, in points²; and, in squared units, of every source and of what is left
        open of it.
    unit, left_open: as `Answer.unit` and `Answer.open`.
    """
    level, source, left = variance
    return np.asarray(np.sqrt(level + unit**2 * (source + left * left_open)))


class Evidence:
    """Tables that speak for a task, the most telling first; perhaps none.

    weights: β. among: distances between languages; for tests and `scripts/evaluate_ranker`.
    """

    def __init__(
        self,
        matrices: tuple[Matrix, ...],
        encoder: str = "",
        weights: Values | None = None,
        among: Among | None = None,
    ) -> None:
        self.matrices = matrices
        self._weights = np.asarray(fitted()["weights"]) if weights is None else weights
        self._among: Among = among or _among
        self._tables = [fit(matrix, self._among, self._weights) for matrix in matrices]
        self._columns = [{code: n for n, code in enumerate(matrix.targets)} for matrix in matrices]
        self._sources = tuple(dict.fromkeys(code for m in matrices for code in m.sources))
        self._sizes: dict[str, int] = {}
        for matrix in matrices:
            for code, examples in training_sizes(matrix.name).items():
                self._sizes[code] = max(examples, self._sizes.get(code, 0))
        self._place = {code: n for n, code in enumerate(self._sources)}
        targets = [code for table in self._tables for code in table.targets]
        # Every language is looked up once, and stands in several tables.
        self._known = tuple(dict.fromkeys([*self._sources, *targets]))
        place = {code: n for n, code in enumerate(self._known)}
        self._targets = [place[code] for code in targets]
        self._starts = np.cumsum([0, *(len(table.targets) for table in self._tables)])[:-1]
        # What a table found the features to be worth holds for that experiment.
        self._slopes = np.array(
            [
                (table.weights - self._weights) * matrix.own
                for table, matrix in zip(self._tables, matrices, strict=True)
            ]
        )
        counts = np.sqrt([len(table.targets) / 50 for table in self._tables])
        self._counts = counts * _shares(matrices, encoder)
        self._has, self._smooth = self._of(self._sources)
        if matrices:
            # Levels of one metric only.
            metric = matrices[0].metric.casefold()
            alike = [float(m.metric.casefold() == metric and not m.own) for m in matrices]
            levels = self._counts * (alike if any(alike) else 1.0)
            self._level_shares = levels / levels.sum()

    def _of(self, sources: Sequence[str]) -> tuple[NDArray[np.bool_], Values]:
        """Which table has measured which source, and the sources' kernels times the pulls.

        Shapes (sources, tables) and (sources, targets of all tables).
        """
        has = np.array([[s in m.sources for m in self.matrices] for s in sources], dtype=bool)
        smooth = [
            source_kernel(
                self._among(sources, table.sources),
                np.array(sources)[:, None] == np.array(table.sources)[None],
            )
            @ table.pull
            for table in self._tables
        ]
        return has.reshape(len(sources), len(self.matrices)), np.hstack(
            [np.zeros((len(sources), 0)), *smooth]
        )

    def ask(
        self, target: str, sources: Sequence[str], sizes: Mapping[str, int] | None = None
    ) -> Answer:
        """All sources on one scale.

        sizes: language → training examples, where they are known; of the others it is taken that
            they have as many as in the tables.
        """
        others = tuple(code for code in sources if code not in self._place)
        asked = (*self._sources, *others)
        near = self._among(self._known, [target])
        pairs = near.at(range(len(self._sources)), [0])
        has, smooth = self._has, self._smooth
        if others:
            pairs = pairs.and_(self._among(others, [target]))
            more = self._unmeasured(others)
            has, smooth = np.vstack([has, more[0]]), np.vstack([smooth, more[1]])
        weights = self._counts * np.where(has, 1.0, UNMEASURED)
        total = OPEN + weights.sum(1)
        weights = weights / total[:, None]
        given = features(pairs)[:, 0]
        columns = given @ (_GROUPS * self._weights[:, None])
        own = np.zeros(len(asked))
        level = unit = float("nan")
        if self.matrices:
            nearby = near.at(self._targets, [0])
            kernel = target_kernel(nearby)[:, 0]
            found = np.add.reduceat(smooth * kernel, self._starts, 1)
            found = found + given @ self._slopes.T
            # A table knows its sources only beside one another.
            here = has[: len(self._sources)].astype(float)
            means = (here * found[: len(here)]).sum(0) / np.maximum(here.sum(0), 1)
            own = (weights * (found - means)).sum(1)
            level, unit = self._levels(nearby)
        parts = np.column_stack([own, columns])
        if self._sources:
            parts = parts - parts[: len(self._sources)].mean(0)
        parts[:, 1:] += _data(asked, {**self._sizes, **(sizes or {})}, self._weights)
        place = {code: n for n, code in enumerate(asked)}
        chosen = [place[code] for code in sources]
        return Answer(
            tuple(sources),
            parts[chosen],
            level,
            unit,
            OPEN / total[chosen],
            self._exact(target, sources),
            np.asarray(has.any(1))[chosen],
            pairs.at(chosen, [0]),
        )

    @lru_cache(maxsize=64)  # noqa: B019  (one Evidence a task, kept for as long)
    def _unmeasured(self, sources: tuple[str, ...]) -> tuple[NDArray[np.bool_], Values]:
        return self._of(sources)

    def _levels(self, nearby: Geometry) -> tuple[float, float]:
        """Mean score and unit of a target, by what the tables count.

        nearby: between the targets of all tables and the target.
        """
        kernels = np.split(level_kernel(nearby)[:, 0], self._starts[1:])
        values = np.array(
            [
                [table.levels.at(kernel), table.units.at(kernel)]
                for table, kernel in zip(self._tables, kernels, strict=True)
            ]
        )
        known = ~np.isnan(values).any(1) & (self._level_shares > 0)
        if not known.any():
            return float("nan"), float("nan")
        level, unit = self._level_shares[known] @ values[known] / self._level_shares[known].sum()
        return float(level), max(float(unit), 0.0)

    def _exact(self, target: str, sources: Sequence[str]) -> Values:
        exact = np.full(len(sources), np.nan)
        for matrix, columns in zip(self.matrices, self._columns, strict=True):
            if target in columns and not matrix.own:
                rows = {code: n for n, code in enumerate(matrix.sources)}
                column = matrix.scores[:, columns[target]]
                for n, code in enumerate(sources):
                    if code in rows and np.isnan(exact[n]):
                        exact[n] = column[rows[code]]
        return exact


evidence = lru_cache(maxsize=64)(Evidence)


def _among(a: Sequence[str], b: Sequence[str]) -> Geometry:
    return geometry(_points(tuple(a)), _points(tuple(b)), fitted()["usual"])


@lru_cache(maxsize=256)
def _points(codes: tuple[str, ...]) -> Points:
    return Points(codes)


def _shares(matrices: Sequence[Matrix], encoder: str) -> Values:
    named = [SAME_ENCODER if same_encoder(m, encoder) else 1.0 for m in matrices]
    own = [OWN_WEIGHT if m.own else 1.0 for m in matrices]
    kinds = [likeness(matrix) for matrix in matrices]
    return np.sqrt(shares(matrices) * kinds) * named * own


def _data(codes: Sequence[str], sizes: Mapping[str, int], weights: Values) -> Values:
    """What known sizes of the training data add to the groups of `FEATURES`."""
    lack = -lacking(codes, sizes) * weights[EXAMPLES]
    return np.outer(lack, _GROUPS[EXAMPLES])
