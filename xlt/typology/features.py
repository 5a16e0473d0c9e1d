"""What is known of a source and a target before anything is measured, as columns of numbers.

How near they are, what encoders have read of the source, and with how little data it is trained.
One set of weights (`fitting.shared_weights`) holds for all tasks: few tasks have tables of several
papers to learn their own from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.typology.evidence import Geometry

Values = NDArray[np.float64]
SIZES = Path(__file__).with_name("sizes.json")

FEATURES = {
    "genetic": "genetic",
    "geographic": "geographic",
    "neighbours": "geographic",
    "syntactic": "syntactic",
    "lexical": "lexical",
    "script": "script",
    "read": "data",
    "covered": "data",
    "both read": "data",
    "examples": "data",
}
"""Column → the part of a score that it belongs to."""
EXAMPLES = tuple(FEATURES).index("examples")
"""The place of that column."""
SCALES = {"genetic": 0.15, "geographic": 0.2, "syntactic": 0.13, "lexical": 0.1, "script": 0.5}
"""Of the distances: their standard deviations over pairs that were measured, rounded."""
NEIGHBOURS, ENOUGH_READ = 0.05, 0.25
"""Widths: of geographic nearness; of resources, about 50 million tokens."""
ENOUGH = 3000
"""Training examples; what more of them are worth is not counted."""


def features(pairs: Geometry, lack: Values | None = None) -> Values:
    """All columns, larger is better. Shape (a, b, len(FEATURES)).

    lack: of `lacking`, for the rows of the pairs; None where nothing is known.
    """
    apart = pairs.distances
    shape = apart["genetic"].shape
    full = 1 - np.exp(-pairs.read / ENOUGH_READ)
    columns = {kind: -apart[kind] / scale for kind, scale in SCALES.items()} | {
        "neighbours": np.exp(-apart["geographic"] / NEIGHBOURS) / 0.2,
        "read": pairs.read[:, None] / 0.3,
        "covered": pairs.covered[:, None] / 0.5,
        "both read": full[:, None] * (pairs.target_read[None] - 0.5) / 0.1,
        "examples": np.zeros((shape[0], 1)) if lack is None else -lack[:, None],
    }
    return np.stack([np.broadcast_to(columns[name], shape) for name in FEATURES], -1)


def lacking(codes: Sequence[str], sizes: Mapping[str, int]) -> Values:
    """How many times a third of a decade a source's training examples are short of `ENOUGH`.

    sizes: language → examples; a language that is not named has enough. Shape (len(codes),).
    """
    examples = np.array([max(1, sizes.get(code, ENOUGH)) for code in codes], dtype=np.float64)
    return np.maximum(0.0, np.log10(ENOUGH / examples)) / 0.3


def training_sizes(name: str) -> Mapping[str, int]:
    """Training examples of the sources of a packaged matrix, where they are known to be few."""
    known = _sizes()
    corpora: Mapping[str, Mapping[str, int]] = known["corpora"]
    return corpora.get(known["matrices"].get(name, ""), {})


@cache
def _sizes() -> dict[str, Any]:
    sizes: dict[str, Any] = json.loads(SIZES.read_text(encoding="utf-8"))
    return sizes
