"""How a user's own scores take part in a ranking, beside the packaged matrices.

A few sources measured on a target say how they differ from one another; where they stand among
all sources is taken from the prediction. So a score y of a source, measured with others whose mean
is ȳ and whose predictions have the mean p̄, becomes z = p̄ + (y - ȳ) / b, in the ranker's unit; b is
the spread of sources that was expected for the target, drawn to the spread found (as if it had been
seen on `PRIOR` sources).

* On a target that was measured, z replaces the prediction of those sources.
* For other targets, the z are one more table of the task, which counts `measured.OWN_WEIGHT` times:
  it is the experiment that is predicted.
* The level of the expected scores moves by what the predictions were off on languages like the
  target.

`scripts/evaluate_own_scores.py` measures what that is worth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlt.errors import XltError
from xlt.typology import own_scores
from xlt.typology.evidence import SHRINKAGE, WIDTHS, Expectation, geometry
from xlt.typology.scores import Matrix, measured_as, of_task

if TYPE_CHECKING:
    from xlt.typology.ranking import Source

PRIOR = 4
TYPICAL_SPREAD = 6.0
"""Points, where no matrix of the task says more: the median of `Matrix.units` over the packaged
targets, rounded."""

Predict = Callable[[str, list[str], list[Matrix], str], dict[str, "Source"]]
"""target, sources, evidence, encoder → the prediction of each source."""


@dataclass(frozen=True, eq=False)
class _Placed(Matrix):
    """A table of a user's own. `placed` is its `standard`."""

    placed: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))

    @cached_property
    def standard(self) -> NDArray[np.float64]:
        return self.placed


@dataclass(frozen=True)
class Own:
    """Scores of one task, metric and encoder.

    scores: target → source → score. names: under which they are stored. ignored: how many scores
        of the task have another metric or encoder, and take no part.
    level: target → mean of what was measured less what was expected; of targets with both.
    """

    task: str
    metric: str
    encoder: str
    scores: Mapping[str, Mapping[str, float]]
    names: tuple[str, ...]
    ignored: int
    evidence: tuple[Matrix, ...] = ()
    level: Mapping[str, float] = field(default_factory=dict)

    def about(self, target: str) -> dict[str, Any]:
        """What took part in a ranking for this target, JSON-able."""
        return {
            "names": list(self.names),
            "task": self.task,
            "metric": self.metric,
            "encoder": self.encoder,
            "on_target": len(self.scores.get(target, ())),
            "on_others": sum(len(scores) for t, scores in self.scores.items() if t != target),
            "ignored": self.ignored,
        }

    def settled(
        self, target: str, scored: Mapping[str, Source], usual: Expectation
    ) -> dict[str, Source]:
        """The predictions for a target with what was measured on it, and the level corrected."""
        shift = self._shift(target, usual)
        settled = {code: _moved(source, shift) for code, source in scored.items()}
        own = {s: y for s, y in self.scores.get(target, {}).items() if s in settled}
        for code, z in _placed(own, settled).items():
            source = settled[code]
            more = z - source.score
            settled[code] = source._replace(
                score=z,
                expected=own[code],
                low=None,
                high=None,
                measured=own[code],
                own=True,
                extra=(*source.extra, ("own runs", more)),
            )
        return settled

    def _shift(self, target: str, usual: Expectation) -> float:
        """Mean of `level` over languages like the target, drawn to 0 where there are few."""
        if not self.level:
            return 0.0
        near = geometry(list(self.level), [target], usual).kernel(WIDTHS[0])[:, 0]
        return float(near @ np.array(list(self.level.values())) / (near.sum() + SHRINKAGE))


def of(task: str, measured_as: Sequence[str], encoder: str | None, predict: Predict) -> Own | None:
    """The user's scores of a task, ready to take part; None if there are none.

    encoder: scores of this encoder are preferred; else those that are most.
    predict: of the ranker, from packaged matrices alone.
    """
    stamp = own_scores.stamp()
    if stamp[1] == 0:
        return None
    return _of(task, tuple(measured_as), encoder or "", predict, stamp)


@lru_cache(maxsize=64)
def _of(
    task: str,
    measured_as: tuple[str, ...],
    encoder: str,
    predict: Predict,
    stamp: tuple[str, int, int],
) -> Own | None:
    chosen = _chosen(task, measured_as, encoder)
    packaged = of_task(measured_as, encoder)
    if chosen is None:
        return None
    if not packaged:
        return _with_own_matrix(chosen)
    predicted = {
        target: predict(target, list(scores), packaged, encoder)
        for target, scores in chosen.scores.items()
    }
    own = _own_table(chosen, packaged[0], predicted)
    extended = [*packaged, *([] if own is None else [own])]
    return replace(chosen, evidence=tuple(extended), level=_levels(chosen.scores, predicted))


def _chosen(task: str, measured_as: tuple[str, ...], encoder: str) -> Own | None:
    """The scores of one metric and encoder: of the encoder asked for, else the most."""
    asked = {task, *measured_as}
    rows = [
        (name, row)
        for name, scores in own_scores.stored().items()
        for row in scores
        if asked & {row.task, *_also(row.task)}
    ]
    counts = Counter((row.encoder, row.metric) for _, row in rows)
    if not counts:
        return None
    group = max(sorted(counts), key=lambda pair: (pair[0] == encoder != "", counts[pair]))
    used = [(name, row) for name, row in rows if (row.encoder, row.metric) == group]
    return Own(
        task,
        metric=group[1],
        encoder=group[0],
        scores=own_scores.mean_by_pair(row for _, row in used),
        names=tuple(dict.fromkeys(name for name, _ in used)),
        ignored=len(rows) - len(used),
    )


def _also(task: str) -> tuple[str, ...]:
    try:
        return measured_as(task)
    except XltError:
        return ()  # a plugin that is no longer installed


def _own_table(
    own: Own, first: Matrix, predicted: Mapping[str, Mapping[str, Source]]
) -> Matrix | None:
    """The user's scores as one more table; None if no target has two.

    first: the packaged matrix whose metric the predictions have.
    """
    # One source alone differs from nothing.
    targets = [target for target, scores in own.scores.items() if len(scores) > 1]
    if not targets:
        return None
    sources = tuple(sorted({source for target in targets for source in own.scores[target]}))
    row = {code: n for n, code in enumerate(sources)}
    values, placed = (np.full((len(sources), len(targets)), np.nan) for _ in range(2))
    for column, target in enumerate(targets):
        for source, z in _placed(own.scores[target], predicted[target]).items():
            values[row[source], column] = own.scores[target][source]
            placed[row[source], column] = z
    about = _about(own)
    return _Placed(
        *("own", first.task, first.metric, first.percent, sources, tuple(targets), values, about),
        own=True,
        placed=placed,
    )


def _about(own: Own) -> dict[str, str]:
    return {
        "paper": "your own runs",
        "model": own.encoder,
        "origin": ", ".join(own.names),
        "licence": "",
    }


def _placed(own: Mapping[str, float], predicted: Mapping[str, Source]) -> dict[str, float]:
    """Each measured source in the ranker's unit; see the module. One alone is where it was."""
    codes = [code for code in own if code in predicted]
    if not codes:
        return {}
    scores = np.array([predicted[code].score for code in codes])
    measured = np.array([own[code] for code in codes])
    units = [unit for code in codes if (unit := predicted[code].spread) is not None]
    spread = float(np.std([source.score for source in predicted.values()]))
    unit = float(np.mean(units)) if units else TYPICAL_SPREAD / (spread or 1.0)
    apart = measured - measured.mean()
    # In units of the score: the spread that was expected, and the spread that was found.
    total = PRIOR * unit**2 + float(apart @ apart)
    b = np.sqrt(total / (PRIOR + len(codes) - 1))
    return dict(zip(codes, (scores.mean() + apart / b).tolist(), strict=True))


def _levels(
    scores: Mapping[str, Mapping[str, float]], predicted: Mapping[str, Mapping[str, Source]]
) -> dict[str, float]:
    levels = {}
    for target, own in scores.items():
        errors = []
        for source, score in own.items():
            expected = predicted[target][source].expected
            if expected is not None:
                errors.append(score - expected)
        if errors:
            levels[target] = float(np.mean(errors))
    return levels


def _moved(source: Source, shift: float) -> Source:
    if source.expected is None or not shift:
        return source
    # Published scores of the pair stay; what is expected here moves, within the metric's range.
    moved = {
        name: min(100.0, max(0.0, value + shift))
        for name in ("expected", "low", "high")
        if (value := getattr(source, name)) is not None
    }
    return source._replace(**moved)


def _with_own_matrix(own: Own) -> Own:
    """For a task that nobody has published: the user's scores as a matrix, if they are enough."""
    sources = tuple(sorted(_all_sources(own)))
    targets = tuple(own.scores)
    values = np.full((len(sources), len(targets)), np.nan)
    for column, target in enumerate(targets):
        for source, score in own.scores[target].items():
            values[sources.index(source), column] = score
    matrix = Matrix(
        "own", own.task, own.metric, True, sources, targets, values, _about(own), own=True
    )
    # Of few sources, or of equal ones, none is better: without a unit nothing is ranked.
    return own if np.isnan(matrix.units).all() else replace(own, evidence=(matrix,))


def _all_sources(own: Own) -> set[str]:
    return {source for scores in own.scores.values() for source in scores}
