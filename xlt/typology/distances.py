"""Distances between languages, from 0 (alike) to 1; NaN, with a reason, where they are unknown.

A distance is never filled with a constant: Lin et al. 2019 (LangRank) reads missing values as 0
or 1, and so recommends German for Fulah.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from xlt.typology.table import UNKNOWN, Table, table

Matrix = NDArray[np.float64]
Rows = NDArray[np.intp]

FEWEST = 5
"""Features that two languages must share before a distance is made of them."""

MORPHOLOGY = (
    *(str(chapter) for chapter in range(20, 31)),
    *("33", "34", "37", "38", "49", "50", "51", "57", "59", "65", "66", "67", "68", "69", "70"),
)
"""Chapters of WALS on morphology."""


def matrix(kind: str, a: Sequence[str], b: Sequence[str], known: Table | None = None) -> Matrix:
    """Distances of one kind between two lists of ISO 639-3 codes. Shape (len(a), len(b))."""
    source = known or table()
    return between(kind, source.rows(a), source.rows(b), source)


def between(kind: str, a: Rows, b: Rows, known: Table | None = None) -> Matrix:
    """As `matrix`, for rows of the table."""
    return _KINDS[kind](known or table(), a, b)


def distance(kind: str, a: str, b: str) -> float:
    """One distance; NaN where unknown, and then `reason` says why."""
    return float(matrix(kind, [a], [b])[0, 0])


def reason(kind: str, a: str, b: str) -> str | None:
    """Why a distance is unknown; None where it is known."""
    if not np.isnan(distance(kind, a, b)):
        return None
    lacking = [code for code in (a, b) if np.isnan(distance(kind, code, code))]
    if lacking:
        return f"nothing is recorded on {' and '.join(lacking)}"
    return "too few features are recorded of both"


def _genetic(known: Table, a: Rows, b: Rows) -> Matrix:
    """1 - shared / √(depth · depth) of the paths in Glottolog's tree, the language included.

    An isolate shares nothing with any other language: distance 1, which is knowledge.
    """
    one, other = known.take("lineage", a), known.take("lineage", b)
    width = max(1, int((np.concatenate([one, other]) >= 0).sum(1).max()))
    one, other = one[:, :width], other[:, :width]
    same = (one[:, None] == other[None]) & (one[:, None] >= 0)
    depths = np.sqrt(np.outer((one >= 0).sum(1), (other >= 0).sum(1)))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = 1 - same.sum(2) / depths
    return np.where(depths > 0, np.maximum(found, 0), np.nan)


def _geographic(known: Table, a: Rows, b: Rows) -> Matrix:
    """Great circle between Glottolog's points, as a share of half the Earth's circumference."""
    one = np.radians(known.take("coordinates", a).astype(np.float64))[:, None]
    other = np.radians(known.take("coordinates", b).astype(np.float64))[None]
    half = (one - other) / 2
    chord = (
        np.sin(half[..., 0]) ** 2
        + np.cos(one[..., 0]) * np.cos(other[..., 0]) * np.sin(half[..., 1]) ** 2
    )
    return np.asarray(2 * np.arcsin(np.sqrt(np.clip(chord, 0, 1))) / np.pi)


def _completed(domain: str) -> Callable[[Table, Rows, Rows], Matrix]:
    """Cosine distance of URIEL's completed vectors, which is lang2vec's.

    Unknown where nothing at all was observed of one of the languages: the completion would then
    be its neighbours' features, and say nothing that genetic and geographic distance do not.
    """

    def found(known: Table, a: Rows, b: Rows) -> Matrix:
        one, other = (_unit(known, domain, rows) for rows in (a, b))
        return np.asarray(np.clip(1 - one @ other.T, 0, 1))

    return found


def _unit(known: Table, domain: str, rows: Rows) -> Matrix:
    values = known.take(f"{domain}_completed", rows).astype(np.float64)
    length = np.sqrt((values**2).sum(1, keepdims=True))
    observed = (known.take(domain, rows) != UNKNOWN).any(1, keepdims=True)
    return np.where(observed & (length > 0), values / np.maximum(length, 1e-12), np.nan)


def _morphological(known: Table, a: Rows, b: Rows) -> Matrix:
    """Share of features that differ, of those recorded of both: WALS chapters and Grambank's."""
    chapters = [n for n, name in enumerate(known.notes["wals"]) if _chapter(name) in MORPHOLOGY]
    marks = [n for n, name in enumerate(known.notes["grambank"]) if name.startswith("M_")]
    one, other = (
        np.hstack([known.take("wals", rows)[:, chapters], known.take("grambank", rows)[:, marks]])
        for rows in (a, b)
    )
    shared = np.zeros((len(a), len(b)))
    different = np.zeros_like(shared)
    for column in range(one.shape[1]):
        left, right = one[:, column, None], other[None, :, column]
        both = (left != UNKNOWN) & (right != UNKNOWN)
        shared += both
        different += both & (left != right)
    with np.errstate(invalid="ignore"):
        return np.where(shared >= FEWEST, different / np.maximum(shared, 1), np.nan)


def _chapter(name: str) -> str:
    return name.partition(" ")[0].removesuffix("A")


def _script(known: Table, a: Rows, b: Rows) -> Matrix:
    """0 for the same likely script, 1 for another; Chinese characters are one script."""
    names = [{"Hans": "Hani", "Hant": "Hani"}.get(n, n) for n in known.notes["scripts"]]
    number = {name: n for n, name in enumerate(dict.fromkeys(names))}
    merged = np.full(UNKNOWN + 1, np.nan)
    merged[: len(names)] = [number[name] for name in names]
    one, other = merged[known.take("script", a)], merged[known.take("script", b)]
    apart = (one[:, None] != other[None]).astype(np.float64)
    return np.where(np.isnan(one)[:, None] | np.isnan(other)[None], np.nan, apart)


_KINDS: dict[str, Callable[[Table, Rows, Rows], Matrix]] = {
    "genetic": _genetic,
    "geographic": _geographic,
    "syntactic": _completed("syntax"),
    "morphological": _morphological,
    "phonological": _completed("phonology"),
    "inventory": _completed("inventory"),
    "script": _script,
}
KINDS = tuple(_KINDS)
