"""How alike languages are, as the ranker needs it: complete distances, and kernels made of them.

D = genetic + 2 · geographic + 1.5 · syntactic + script. Missing distances are replaced by what is
usual at that genetic and geographic distance, and are marked; never by a constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xlt.typology.distances import Points, between

Matrix = NDArray[np.float64]

TERMS = ("genetic", "geographic", "syntactic", "lexical", "script")
WEIGHTS = {"genetic": 1.0, "geographic": 2.0, "syntactic": 1.5, "script": 1.0}
"""Of the kernel's distance."""
WIDTHS = (1.05, 0.4)
SHRINKAGE = 0.3
"""Pseudo-count, in whole targets: with so much evidence a mean over languages alike counts half."""

Expectation = Mapping[str, Sequence[float]]
"""Kind → (a, b, c): what is usual, a + b · genetic + c · geographic."""


@dataclass(frozen=True)
class Geometry:
    """Two lists of languages, with the distances between them.

    distances: kind → shape (a, b), complete.
    imputed:   kind → shape (a, b), true where nothing was known.
    read, target_read: resources (`Points.resources`) of the rows and the columns.
    covered:   of the rows: 1 for a language that multilingual BERT has read, else 0.
    """

    distances: dict[str, Matrix]
    imputed: dict[str, NDArray[np.bool_]]
    read: Matrix
    covered: Matrix
    target_read: Matrix

    @cached_property
    def resources(self) -> Matrix:
        """The difference of the resources. Shape (a, b)."""
        return np.asarray(np.abs(self.read[:, None] - self.target_read[None]))

    @cached_property
    def together(self) -> Matrix:
        """The weighted sum D of the distances. Shape (a, b)."""
        return np.asarray(sum(weight * self.distances[kind] for kind, weight in WEIGHTS.items()))

    def kernel(self, width: float) -> Matrix:
        """The kernel exp(-D / width). Shape (a, b)."""
        return np.asarray(np.exp(-self.together / width))

    def and_(self, below: Geometry) -> Geometry:
        """Append the rows of another geometry with the same columns."""
        return Geometry(
            {k: np.vstack([v, below.distances[k]]) for k, v in self.distances.items()},
            {k: np.vstack([v, below.imputed[k]]) for k, v in self.imputed.items()},
            np.concatenate([self.read, below.read]),
            np.concatenate([self.covered, below.covered]),
            self.target_read,
        )

    def at(self, rows: Sequence[int], columns: Sequence[int]) -> Geometry:
        place = np.ix_(rows, columns)
        return Geometry(
            {kind: values[place] for kind, values in self.distances.items()},
            {kind: values[place] for kind, values in self.imputed.items()},
            self.read[list(rows)],
            self.covered[list(rows)],
            self.target_read[list(columns)],
        )


def geometry(a: Sequence[str] | Points, b: Sequence[str] | Points, usual: Expectation) -> Geometry:
    """All distances of `TERMS` between languages given by ISO 639-3 code."""
    one, other = (given if isinstance(given, Points) else Points(given) for given in (a, b))
    raw = {kind: between(kind, one, other) for kind in TERMS}
    known = (one.resources, one.covered, other.resources)
    imputed = {kind: np.isnan(values) for kind, values in raw.items()}
    if not any(mask.any() for mask in imputed.values()):
        return Geometry(raw, imputed, *known)
    near = [
        np.where(imputed[kind], usual[kind][0], raw[kind]) for kind in ("genetic", "geographic")
    ]
    complete = {}
    for kind, values in raw.items():
        constant, *slopes = usual[kind]
        expected = constant + sum(s * n for s, n in zip(slopes, near, strict=True))
        complete[kind] = np.where(imputed[kind], np.clip(expected, 0, 1), values)
    return Geometry(complete, imputed, *known)


def usual_distances(codes: Sequence[str]) -> dict[str, list[float]]:
    """Fit the `Expectation` to all pairs of these languages.

    By least squares; plain means of the genetic and the geographic distance.
    """
    points = Points(codes)
    upper = np.triu_indices(len(codes), 1)
    raw = {kind: between(kind, points, points)[upper] for kind in TERMS}
    near = np.stack([np.ones(len(upper[0])), raw["genetic"], raw["geographic"]], 1)
    coefficients = {}
    for kind, values in raw.items():
        if kind in ("genetic", "geographic"):
            coefficients[kind] = [float(np.nanmean(values)), 0.0, 0.0]
            continue
        clear = ~np.isnan(near).any(1) & ~np.isnan(values)
        coefficients[kind] = [
            float(x) for x in np.linalg.lstsq(near[clear], values[clear], rcond=None)[0]
        ]
    return coefficients
