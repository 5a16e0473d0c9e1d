"""Measured transfer scores, source × target, that papers have published or that xlt has measured.

`scripts/build_scores.py` makes ``scores.npz``: numbers only, each matrix with paper, model, metric
and licence as stated upstream. A language and its standard member have one code here, that of
`xlt.languages.shared`. The diagonal is left out: a language is no source for itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.errors import XltError, choose
from xlt.registry import tasks

PATH = Path(__file__).with_name("scores.npz")
OURS = "xlt"
"""The paper of tables that were measured with xlt (`scripts/experiments/scores`)."""
MIN_SOURCES = 5
"""A target with fewer measured sources ranks nothing."""


@dataclass(frozen=True, eq=False)  # compared by identity, so that what is fitted can be kept
class Matrix:
    """One table of scores.

    scores:  shape (sources, targets); NaN where not measured. Larger is better.
    percent: whether the metric is one in per cent; else its own unit (a negative perplexity).
    about:   paper, model, origin and licence, as stated upstream.
    own:     whether it is a user's own: the very experiment that is predicted.
    """

    name: str
    task: str
    metric: str
    percent: bool
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    scores: NDArray[np.float64]
    about: dict[str, str]
    own: bool = False

    @cached_property
    def units(self) -> NDArray[np.float64]:
        """Points that one unit of `standard` is worth: the spread of each target's sources, drawn
        half-way (geometrically) to that of all targets. NaN for targets that rank nothing."""
        known = ~np.isnan(self.scores)
        count = known.sum(0)
        squares = np.where(known, self.scores - self.means, 0) ** 2
        spread = np.sqrt(squares.sum(0) / np.maximum(count, 1))
        useful = (count >= MIN_SOURCES) & (spread > 0)
        typical = np.sqrt(squares[:, useful].sum() / max(1, known[:, useful].sum()))
        return np.where(useful, np.sqrt(spread * typical), np.nan)

    @cached_property
    def standard(self) -> NDArray[np.float64]:
        """The scores less their target's mean, in its units."""
        return np.asarray((self.scores - self.means) / self.units)

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """The mean score of each target; NaN where nothing was measured."""
        known = ~np.isnan(self.scores)
        count = known.sum(0)
        sums = np.where(known, self.scores, 0).sum(0)
        return np.where(count > 0, sums / np.maximum(count, 1), np.nan)

    def without(self, language: str) -> Matrix:
        """The matrix as if the language were neither source nor target in it."""
        rows = [n for n, code in enumerate(self.sources) if code != language]
        columns = [n for n, code in enumerate(self.targets) if code != language]
        return Matrix(
            self.name,
            self.task,
            self.metric,
            self.percent,
            tuple(self.sources[n] for n in rows),
            tuple(self.targets[n] for n in columns),
            self.scores[np.ix_(rows, columns)],
            self.about,
        )


@cache
def matrices(path: Path = PATH) -> tuple[Matrix, ...]:
    """All packaged matrices, by name and task."""
    with np.load(path, allow_pickle=False) as archive:
        notes = json.loads(archive["notes"].tobytes())
        return tuple(
            _matrix(entry, notes["codes"], archive[f"pairs_{n}"], archive[f"scores_{n}"])
            for n, entry in enumerate(notes["matrices"])
        )


def _matrix(entry: dict[str, Any], codes: list[str], pairs: Any, values: Any) -> Matrix:
    sources, rows = np.unique(pairs[:, 0], return_inverse=True)
    targets, columns = np.unique(pairs[:, 1], return_inverse=True)
    scores = np.full((len(sources), len(targets)), np.nan)
    scores[rows, columns] = values * entry["scale"]
    scores[sources[:, None] == targets[None]] = np.nan
    return Matrix(
        entry["name"],
        entry["task"],
        entry["metric"],
        entry["percent"],
        tuple(codes[n] for n in sources),
        tuple(codes[n] for n in targets),
        scores,
        {key: entry[key] for key in ("paper", "model", "origin", "licence")},
    )


def measured_tasks() -> tuple[str, ...]:
    """The tasks that have been measured, as the matrices name them."""
    return tuple(sorted({matrix.task for matrix in matrices()}))


def of_task(names: tuple[str, ...], encoder: str | None = None) -> list[Matrix]:
    """The matrices of these tasks, the most telling first: the same encoder, then `in_full`."""
    suitable = [matrix for matrix in matrices() if matrix.task in names]
    return sorted(suitable, key=lambda matrix: (not same_encoder(matrix, encoder), in_full(matrix)))


def in_full(matrix: Matrix) -> tuple[bool, bool, int]:
    """Sorts matrices: ours, of few sentences, after published ones; then in per cent; then by the
    number of targets."""
    return matrix.about["paper"] == OURS, not matrix.percent, -len(matrix.targets)


def same_encoder(matrix: Matrix, encoder: str | None) -> bool:
    """Whether the matrix was measured with the encoder, by the names of the two."""
    wanted = (encoder or "").rpartition("/")[2].casefold()
    model = matrix.about["model"].casefold()
    return bool(wanted) and (wanted in model or model in wanted)


def measured_as(task: str) -> tuple[str, ...]:
    """What the packaged matrices call a task: a plugin says so, or it is one of their names.

    Raises XltError for a task that is neither a plugin nor measured.
    """
    known = measured_tasks()
    if task in known:
        return (task,)
    if task in tasks.names():
        return tuple(name for name in tasks.get(task).measured_as if name in known)
    raise XltError(f"there is no task called {task!r}", fix=choose(task, {*tasks.names(), *known}))
