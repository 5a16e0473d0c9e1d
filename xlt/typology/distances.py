"""Distances between languages, from 0 (alike) to 1; NaN, with a reason, where they are unknown.

A distance is never filled with a constant: Lin et al. 2019 (LangRank) reads missing values as 0
or 1, and so recommends German for Fulah.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache, cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlt.typology.pretraining import read_by_mbert, tokens
from xlt.typology.table import UNKNOWN, Table, table

Matrix = NDArray[np.float64]

MIN_SHARED_FEATURES = 5
"""Fewest features recorded of both languages, or no distance is made of them."""

MORPHOLOGY = (
    *(str(chapter) for chapter in range(20, 31)),
    *("33", "34", "37", "38", "49", "50", "51", "57", "59", "65", "66", "67", "68", "69", "70"),
)
"""Chapters of WALS on morphology."""
LEXICON = Path(__file__).with_name("lexical.npz")
LEXICON_SCALE = 250


class Points:
    """Languages by ISO 639-3 code, with what distances are made of; taken from the table once."""

    def __init__(self, codes: Sequence[str], known: Table | None = None) -> None:
        self.codes = tuple(codes)
        self._table = known or table()
        self._rows = self._table.rows(codes)
        self._units: dict[str, Matrix] = {}

    @cached_property
    def lineage(self) -> NDArray[np.intp]:
        """Nodes of Glottolog's tree, -1 after the end. Shape (languages, deepest)."""
        return self._table.take("lineage", self._rows)

    @cached_property
    def depth(self) -> NDArray[np.intp]:
        return np.asarray((self.lineage >= 0).sum(1))

    @cached_property
    def radians(self) -> Matrix:
        """Latitude and longitude in radians. Shape (languages, 2)."""
        return np.radians(self._table.take("coordinates", self._rows).astype(np.float64))

    @cached_property
    def script(self) -> Matrix:
        """Numbers of the scripts; Chinese characters are one script. NaN where unknown."""
        return np.asarray(_merged_scripts(self._table)[self._table.take("script", self._rows)])

    @cached_property
    def morphology(self) -> NDArray[np.uint8]:
        """WALS chapters on morphology, and Grambank's."""
        notes = self._table.notes
        chapters = [n for n, name in enumerate(notes["wals"]) if _chapter(name) in MORPHOLOGY]
        marks = [n for n, name in enumerate(notes["grambank"]) if name.startswith("M_")]
        wals, grambank = (self._table.take(name, self._rows) for name in ("wals", "grambank"))
        return np.hstack([wals[:, chapters], grambank[:, marks]])

    @cached_property
    def resources(self) -> Matrix:
        """log(1 + million tokens in CC-100), English 1. Shape (languages,)."""
        return np.asarray(np.log1p(tokens(self.codes)) / np.log1p(tokens(["eng"])))

    @cached_property
    def covered(self) -> Matrix:
        """1 for a language that multilingual BERT has read, else 0. Shape (languages,)."""
        return read_by_mbert(self.codes)

    @cached_property
    def lexical(self) -> NDArray[np.intp]:
        """Rows of `lexical_distances`; -1 where there is none."""
        rows = _lexicon()[0]
        return np.array([rows.get(code, -1) for code in self.codes], dtype=np.intp)

    def unit(self, domain: str) -> Matrix:
        """URIEL's completed vectors of length 1; NaN where nothing at all was observed: the
        completion would then be the neighbours' features, and say nothing that genetic and
        geographic distance do not."""
        if domain not in self._units:
            values = self._table.take(f"{domain}_completed", self._rows).astype(np.float64)
            length = np.sqrt((values**2).sum(1, keepdims=True))
            observed = (self._table.take(domain, self._rows) != UNKNOWN).any(1, keepdims=True)
            known = observed & (length > 0)
            self._units[domain] = np.where(known, values / np.maximum(length, 1e-12), np.nan)
        return self._units[domain]


@lru_cache(maxsize=4)
def _merged_scripts(known: Table) -> Matrix:
    names = known.notes["scripts"]
    names = [{"Hans": "Hani", "Hant": "Hani"}.get(name, name) for name in names]
    number = {name: n for n, name in enumerate(dict.fromkeys(names))}
    merged = np.full(UNKNOWN + 1, np.nan)
    merged[: len(names)] = [number[name] for name in names]
    return merged


def matrix(kind: str, a: Sequence[str], b: Sequence[str], known: Table | None = None) -> Matrix:
    """Distances of one kind between two lists of ISO 639-3 codes. Shape (len(a), len(b))."""
    return between(kind, Points(a, known), Points(b, known))


def between(kind: str, a: Points, b: Points) -> Matrix:
    """The distances of `matrix`, for languages that are asked for more than once."""
    return _KINDS[kind](a, b)


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


def _genetic(a: Points, b: Points) -> Matrix:
    """1 - shared / √(depth · depth) of the paths in Glottolog's tree, the language included.

    An isolate shares nothing with any other language: distance 1, which is knowledge.
    """
    shared = np.zeros((len(a.depth), len(b.depth)))
    for level in range(min(a.depth.max(initial=0), b.depth.max(initial=0))):
        one, other = a.lineage[:, level, None], b.lineage[None, :, level]
        shared += (one == other) & (one >= 0)
    depths = np.sqrt(np.outer(a.depth, b.depth))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(depths > 0, np.maximum(1 - shared / depths, 0), np.nan)


def _geographic(a: Points, b: Points) -> Matrix:
    """Great circle between Glottolog's points, as a share of half the Earth's circumference."""
    one, other = a.radians[:, None], b.radians[None]
    half = (one - other) / 2
    chord = (
        np.sin(half[..., 0]) ** 2
        + np.cos(one[..., 0]) * np.cos(other[..., 0]) * np.sin(half[..., 1]) ** 2
    )
    return np.asarray(2 * np.arcsin(np.sqrt(np.clip(chord, 0, 1))) / np.pi)


def _completed(domain: str) -> Callable[[Points, Points], Matrix]:
    """Cosine distance of URIEL's completed vectors, which is lang2vec's."""

    def cosine_distance(a: Points, b: Points) -> Matrix:
        # No feature is below 0, so no distance is above 1.
        return np.asarray(np.maximum(1 - a.unit(domain) @ b.unit(domain).T, 0))

    return cosine_distance


def _morphological(a: Points, b: Points) -> Matrix:
    """Share of features that differ, of those recorded of both: WALS chapters and Grambank's."""
    one, other = a.morphology, b.morphology
    shared = np.zeros((len(one), len(other)))
    different = np.zeros_like(shared)
    for column in range(one.shape[1]):
        left, right = one[:, column, None], other[None, :, column]
        both = (left != UNKNOWN) & (right != UNKNOWN)
        shared += both
        different += both & (left != right)
    with np.errstate(invalid="ignore"):
        return np.where(shared >= MIN_SHARED_FEATURES, different / np.maximum(shared, 1), np.nan)


def _chapter(name: str) -> str:
    return name.partition(" ")[0].removesuffix("A")


def _script(a: Points, b: Points) -> Matrix:
    """0 for the same likely script, 1 for another."""
    apart = (a.script[:, None] != b.script[None]).astype(np.float64)
    return np.where(np.isnan(a.script)[:, None] | np.isnan(b.script)[None], np.nan, apart)


def _lexical(a: Points, b: Points) -> Matrix:
    """1 - cosine of the trigrams of two translations of one text (`scripts/build_lexical.py`)."""
    one, other = a.lexical[:, None], b.lexical[None]
    apart = _lexicon()[1][one, other]
    return np.where((one < 0) | (other < 0), np.nan, apart)


@cache
def _lexicon(path: Path = LEXICON) -> tuple[dict[str, int], Matrix]:
    """Code → row, and distances of all pairs of rows."""
    with np.load(path, allow_pickle=False) as archive:
        codes, values = archive["codes"].tolist(), archive["similar"]
        notes = json.loads(archive["notes"].tobytes())
    similar = np.zeros((len(codes),) * 2)
    similar[np.triu_indices(len(codes), 1)] = values / LEXICON_SCALE
    rows = {code: n for n, code in enumerate(codes)}
    borrowed = {code: rows[giver] for code, giver in notes["borrowed"].items()}
    return borrowed | rows, 1 - (similar + similar.T + np.eye(len(codes)))


_KINDS: dict[str, Callable[[Points, Points], Matrix]] = {
    "genetic": _genetic,
    "geographic": _geographic,
    "syntactic": _completed("syntax"),
    "morphological": _morphological,
    "phonological": _completed("phonology"),
    "inventory": _completed("inventory"),
    "lexical": _lexical,
    "script": _script,
}
KINDS = tuple(_KINDS)
