"""What speaks for a source: how it did on languages like the target, and how near it lies.

The features of the ranker, for any pair of source and target::

    quality    mean standardised score of the source over all other targets
    relatives  the same, each target t' counted by k(t, t') = exp(-D / 1.05)
    closest    the same, by exp(-D / 0.4), falling back on `relatives` where nobody is close
    genetic, geographic, syntactic, script     minus the distances

with D = genetic + 2 · geographic + 1.5 · syntactic + script. Missing distances are replaced by what
is usual at that genetic and geographic distance, and are marked; never by a constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlt.typology.distances import between
from xlt.typology.table import Table, table

Matrix = NDArray[np.float64]

TERMS = ("genetic", "geographic", "syntactic", "script")
FEATURES = ("quality", "relatives", "closest", *TERMS)
WEIGHTS = {"genetic": 1.0, "geographic": 2.0, "syntactic": 1.5, "script": 1.0}
"""Of the kernel's distance; a first guess upstream, and the optimum is flat."""
WIDTHS = (1.05, 0.4)
FEWER = 0.3
"""Evidence, in whole targets, at which a narrower mean weighs as much as the wider one."""

Expectation = Mapping[str, Sequence[float]]
"""Kind → (a, b, c): what is usual, a + b · genetic + c · geographic."""


@dataclass(frozen=True)
class Geometry:
    """Distances between two lists of languages.

    distances: kind → shape (a, b), complete.
    imputed:   kind → shape (a, b), true where nothing was known.
    """

    distances: dict[str, Matrix]
    imputed: dict[str, NDArray[np.bool_]]

    def kernel(self, width: float) -> Matrix:
        """exp(-D / width). Shape (a, b)."""
        together = sum(WEIGHTS[kind] * self.distances[kind] for kind in TERMS)
        return np.asarray(np.exp(-np.asarray(together) / width))

    def at(self, rows: Sequence[int], columns: Sequence[int]) -> Geometry:
        place = np.ix_(rows, columns)
        return Geometry(
            {kind: values[place] for kind, values in self.distances.items()},
            {kind: values[place] for kind, values in self.imputed.items()},
        )


def geometry(
    a: Sequence[str], b: Sequence[str], usual: Expectation, known: Table | None = None
) -> Geometry:
    """All distances of `TERMS` between languages given by ISO 639-3 code."""
    source = known or table()
    rows = source.rows(a), source.rows(b)
    raw = {kind: between(kind, *rows, source) for kind in TERMS}
    imputed = {kind: np.isnan(values) for kind, values in raw.items()}
    if not any(mask.any() for mask in imputed.values()):
        return Geometry(raw, imputed)
    near = [
        np.where(imputed[kind], usual[kind][0], raw[kind]) for kind in ("genetic", "geographic")
    ]
    complete = {}
    for kind, values in raw.items():
        constant, *slopes = usual[kind]
        expected = constant + sum(s * n for s, n in zip(slopes, near, strict=True))
        complete[kind] = np.where(imputed[kind], np.clip(expected, 0, 1), values)
    return Geometry(complete, imputed)


def usual_distances(codes: Sequence[str], known: Table | None = None) -> dict[str, list[float]]:
    """`Expectation` from all pairs of these languages: least squares, and plain means of the
    genetic and the geographic distance."""
    source = known or table()
    rows = source.rows(codes)
    upper = np.triu_indices(len(codes), 1)
    raw = {kind: between(kind, rows, rows, source)[upper] for kind in TERMS}
    near = np.stack([np.ones(len(upper[0])), raw["genetic"], raw["geographic"]], 1)
    found = {}
    for kind, values in raw.items():
        if kind in ("genetic", "geographic"):
            found[kind] = [float(np.nanmean(values)), 0.0, 0.0]
            continue
        clear = ~np.isnan(near).any(1) & ~np.isnan(values)
        found[kind] = [float(x) for x in np.linalg.lstsq(near[clear], values[clear], rcond=None)[0]]
    return found


def features(
    standard: Matrix, relatives: Geometry, pairs: Geometry, *, same: NDArray[np.bool_] | None = None
) -> Matrix:
    """`FEATURES` of every source and query.

    standard:  scores standardised within targets, shape (sources, targets), NaN where not measured.
    relatives: between the matrix's targets and the queries, shape (targets, queries).
    pairs:     between sources and queries, shape (sources, queries).
    same:      shape (targets, queries); a target that must not speak for the query.
    Returns shape (sources, queries, len(FEATURES)).
    """
    known = ~np.isnan(standard)
    scores, count = np.where(known, standard, 0), known.astype(np.float64)
    allowed = 1.0 if same is None else 1.0 - same
    plain = np.ones_like(relatives.distances["genetic"]) * allowed
    # A source that was measured once is still mostly an average one.
    means = [(scores @ plain) / (count @ plain + 1)]
    for width in WIDTHS:
        kernel = relatives.kernel(width) * allowed
        means.append((scores @ kernel + FEWER * means[-1]) / (count @ kernel + FEWER))
    return np.stack([*means, *(-pairs.distances[kind] for kind in TERMS)], -1)


def expectation(scores: Matrix, relatives: Geometry) -> tuple[Matrix, Matrix]:
    """Mean and standard deviation over sources that a query's column would have, from the columns
    of languages like it. Both of shape (queries,), in the unit of the scores."""
    known = ~np.isnan(scores)
    count = known.sum(0)
    filled = np.where(known, scores, 0)
    mean = filled.sum(0) / np.maximum(count, 1)
    spread = np.sqrt((np.where(known, scores - mean, 0) ** 2).sum(0) / np.maximum(count, 1))
    weight = relatives.kernel(WIDTHS[-1]) * (count > 1)[:, None]
    plain = (count > 1) / max(1, (count > 1).sum())
    total = weight.sum(0) + FEWER
    return tuple(  # type: ignore[return-value]
        (values @ weight + FEWER * (values @ plain)) / total for values in (mean, spread)
    )
