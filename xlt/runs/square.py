"""How good made data are: models of several kinds of training data, each on test data of each kind.

Generalised cross-validation (Song et al. 2025, "Synthetic Dataset Evaluation Based on Generalized
Cross Validation", arXiv 2509.11273): every score is divided by that of the model that learnt from
the kind that it is tested on. Of the square two cells have names of their own (Esteban, Hyland and
Rätsch 2017, arXiv 1706.02633): trained on synthetic data and tested on real ones, which says what
the made data teach; and trained on real data and tested on synthetic ones, which says whether they
are like real data for a model that knows these.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import exp
from typing import Any

import numpy as np

from xlt.config.load import load_config
from xlt.evaluation.statistics import Comparison, Resampled, difference, judge, mean_sd
from xlt.results import CONFIG
from xlt.runs.cells import Cells
from xlt.runs.compare import Scored, counts_if_intact, resampled_by_name
from xlt.task import Task, make_task

log = logging.getLogger(__name__)


def squares(cells: Cells) -> list[dict[str, Any]]:
    """The square of each target, JSON-able; none without `Cells.square`, or as long as less than
    two of its cells are finished.

    "target"; "real", the cell that learns from real data; "tests", cell → the test data of its
    kind; "metric"; and "rows", one for each cell and each kind: "trained" and "tested", both names
    of cells; "mean", "sd", "seeds" and "records"; "share", of the mean that the cell has which
    learnt from the kind, with "low" and "high", None where a score is 0 or that cell is not there;
    "against", what `judge` says of the difference, None for that cell itself. All differences are
    one family.

    The interval of a share is that of the difference of logarithms, by the same variances of
    records and seeds as that of any difference (`xlt.evaluation.statistics`).
    """
    there = {name: cells.finished[name] for name in cells.square if name in cells.finished}
    if len(there) < 2:
        return []
    counts = {name: counts_if_intact(name, one.folder, one.result) for name, one in there.items()}
    task = make_task(load_config(next(iter(there.values())).folder / CONFIG).config)
    real = next(name for name, test in cells.square.items() if test == "test")
    found: list[dict[str, Any]] = []
    compared: list[tuple[dict[str, Any], Comparison]] = []
    for target in dict.fromkeys(target for some in counts.values() for target, _ in some):
        rows: list[dict[str, Any]] = []
        for kind, test in cells.square.items():
            scored = {
                name: some[target, test] for name, some in counts.items() if (target, test) in some
            }
            for row, comparison in _column(task, kind, _alike(scored, kind, target, test)):
                rows.append(row)
                if comparison is not None:
                    compared.append((row, comparison))
        about = {"target": target, "real": real, "tests": dict(cells.square)}
        found.append({**about, "metric": task.metrics_reported[0], "rows": rows})
    judged = judge([comparison for _, comparison in compared])
    for (row, _), against in zip(compared, judged, strict=True):
        row["against"] = against
    return found


def _alike(scored: Mapping[str, Scored], kind: str, target: str, test: str) -> dict[str, Scored]:
    """Those that were scored on the records that the first was, the kind's own cell before others;
    what else was is said in a warning."""
    if not scored:
        return {}
    first = scored.get(kind, next(iter(scored.values())))
    same = {}
    for name, one in scored.items():
        if one.same_records(first):
            same[name] = one
        else:
            log.warning(
                "%s is not in the square of %s %s: it has other records", name, target, test
            )
    return same


def _column(
    task: Task, kind: str, scored: Mapping[str, Scored]
) -> Iterator[tuple[dict[str, Any], Comparison | None]]:
    """The rows of one kind of test data, each with its difference from the kind's own cell."""
    metric = task.metrics_reported[0]
    if not scored:
        return
    drawn = resampled_by_name(task, metric, scored)
    own = drawn.get(kind)
    for name, one in drawn.items():
        mean, sd = mean_sd([float(score) for score in one.scores[metric]])
        row = {
            "trained": name,
            "tested": kind,
            "mean": mean,
            "sd": sd if one.seeds > 1 else None,
            "seeds": one.seeds,
            "records": len(one.counts),
            **_share(one, own, metric),
            "against": None,
        }
        differs = None if own is None or name == kind else difference(one, own)[metric]
        yield row, differs


def _share(one: Resampled, own: Resampled | None, metric: str) -> dict[str, float | None]:
    """ "share", "low" and "high": what one scores, divided by what the other does."""
    if own is None or not all(
        (scores > 0).all()
        for some in (one, own)
        for scores in (some.scores[metric], some.drawn[metric])
    ):
        return {"share": None, "low": None, "high": None}
    share = float(one.scores[metric].mean() / own.scores[metric].mean())
    if one is own:
        return {"share": share, "low": None, "high": None}
    ratio = difference(_logarithms(one), _logarithms(own))[metric]
    low, high = (share * exp(end - ratio.difference) for end in (ratio.low, ratio.high))
    return {"share": share, "low": low, "high": high}


def _logarithms(one: Resampled) -> Resampled:
    return replace(
        one,
        scores={name: np.log(scores) for name, scores in one.scores.items()},
        drawn={name: np.log(scores) for name, scores in one.drawn.items()},
    )
