"""Measures of rankings, and tables of them."""

from __future__ import annotations

import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.evaluate_ranker.methods import OURS, second_experiments, told_averages
from scripts.evaluate_ranker.world import Row, World
from xlt.files import write_json
from xlt.typology.measured import deviation
from xlt.typology.ranking import confidence

Values = NDArray[np.float64]
METRICS = ("NDCG@3", "regret@1", "regret@3", "Spearman")
DIGITS = (1, 2, 2, 1)
COVERED = 0.8
"""Share of the scores that an interval is to hold."""


def judge(predicted: Values, row: Row) -> tuple[float, ...]:
    """`METRICS` of one ranking; the regrets are NaN where the metric is not in per cent."""
    order = np.random.RandomState(7).permutation(len(row.scores))
    predicted, scores = predicted[order], row.scores[order]
    count = len(scores)
    rank = np.empty(count)
    rank[np.argsort(-scores, kind="stable")] = np.arange(1, count + 1)
    gain = 2.0 ** np.maximum(0, min(10, count) + 1 - rank) - 1
    top = np.argsort(-predicted, kind="stable")[:3]
    discount = 1 / np.log2(np.arange(2, 5))
    ndcg = 100 * float(gain[top] @ discount) / float(np.sort(gain)[::-1][:3] @ discount)
    percent = row.matrix.percent
    regret = [scores.max() - scores[top[:n]].max() if percent else np.nan for n in (1, 3)]
    return (ndcg, *regret, _spearman(predicted, scores))


def _spearman(a: Values, b: Values) -> float:
    from scipy.stats import rankdata

    if len(set(a)) == 1 or len(set(b)) == 1:
        return float("nan")
    return 100 * float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def sample(rows: Sequence[Row], most: int) -> list[int]:
    """Positions of at most so many rows of each matrix, evenly spaced; 0 means all."""
    places: dict[str, list[int]] = defaultdict(list)
    for n, row in enumerate(rows):
        places[row.key].append(n)
    return sorted(
        group[n]
        for group in places.values()
        for n in set(
            np.linspace(0, len(group) - 1, min(most or len(group), len(group))).round().astype(int)
        )
    )


def difference(ours: Values, theirs: Values, drawn_by: Sequence[str], seed: int = 0) -> str:
    """Mean difference with its 95 % interval; languages (or papers) are drawn, with all their rows.

    drawn_by: the language (or paper) of each row.
    """
    apart = ours - theirs
    names = sorted(set(drawn_by))
    groups = [np.flatnonzero(np.array(drawn_by) == name) for name in names]
    sums = np.array([np.nansum(apart[g]) for g in groups])
    counts = np.array([(~np.isnan(apart[g])).sum() for g in groups])
    drawn = np.random.default_rng(seed).integers(0, len(names), (10_000, len(names)))
    means = sums[drawn].sum(1) / np.maximum(counts[drawn].sum(1), 1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{np.nanmean(apart):+z.1f} [{low:+z.1f}, {high:+z.1f}]"


def report(rows: Sequence[Row], predicted: dict[str, list[Values]], per_matrix: bool) -> None:
    judged = {
        method: np.array([judge(p, row) for p, row in zip(values, rows, strict=True)])
        for method, values in predicted.items()
    }
    groups = _groups(rows)
    print(
        f"{len(rows)} targets in {len(groups)} matrices, {len({r.target for r in rows})} languages"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the regrets of a matrix that is not in per cent
        _table(
            "mean over targets", METRICS, {m: np.nanmean(v, 0) for m, v in judged.items()}, DIGITS
        )
        _table(
            "mean over matrices",
            METRICS,
            {
                m: np.nanmean([np.nanmean(v[g], 0) for g in groups.values()], 0)
                for m, v in judged.items()
            },
            DIGITS,
        )
        for name, by in (("task", "task"), ("paper", "paper")):
            for n in (0, 1):
                means = {
                    f"{group} ({len(g)})": np.array([np.nanmean(v[g, n]) for v in judged.values()])
                    for group, g in _groups(rows, by).items()
                }
                title = f"{METRICS[n]}, by {name}"
                _table(title, tuple(judged), means, (DIGITS[n],) * len(judged))
        if per_matrix:
            for n, metric in enumerate(METRICS):
                means = {
                    f"{name} ({len(g)})": np.array([np.nanmean(v[g, n]) for v in judged.values()])
                    for name, g in groups.items()
                }
                _table(metric, tuple(judged), means, (DIGITS[n],) * len(judged))
    for what, drawn_by in (
        ("languages", [row.target for row in rows]),
        ("papers", [row.paper for row in rows]),
    ):
        print(f"\n| xlt against (mean over targets; {what} drawn) | " + " | ".join(METRICS) + " |")
        print("|---" * (len(METRICS) + 1) + "|")
        for method, values in judged.items():
            if method != OURS:
                cells = [
                    difference(judged[OURS][:, i], values[:, i], drawn_by)
                    for i in range(len(METRICS))
                ]
                print(f"| {method} | " + " | ".join(cells) + " |")


def _table(title: str, columns: Sequence[str], rows: dict[str, Values], digits: Any) -> None:
    print(f"\n| {title} | " + " | ".join(columns) + " |\n|---" + "|---:" * len(columns) + "|")
    for name, values in rows.items():
        cells = ["–" if np.isnan(x) else f"{x:.{d}f}" for x, d in zip(values, digits, strict=True)]
        print(f"| {name} | " + " | ".join(cells) + " |")


def _groups(rows: Sequence[Row], by: str = "key") -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for n, row in enumerate(rows):
        groups[getattr(row, by)].append(n)
    return groups


@dataclass(frozen=True)
class Intervals:
    """How wide intervals are.

    variance: as `deviation` takes it. half: deviations that an interval goes up and down.
    """

    variance: list[float]
    half: float

    def bounds(self, row: Row) -> tuple[Values, Values]:
        wide = self.half * deviation(self.variance, row.unit, row.open)
        return np.clip(row.expected - wide, 0, 100), np.clip(row.expected + wide, 0, 100)


def intervals(rows: Sequence[Row]) -> Intervals:
    """From errors on papers left out; every paper of a task counts the same.

    The level's variance is that of the mean error of a target; the others' of what is beside it.
    Half the width is the `COVERED` quantile of absolute errors, in deviations, over all tasks: that
    the papers of a task scored higher or lower than was expected says nothing of the next one.
    """
    from scipy.optimize import nnls

    errors = [row.scores - row.expected for row in rows]
    papers = Counter((row.task, row.paper) for row in rows)
    counts = np.array([1 / papers[row.task, row.paper] for row in rows])
    level = np.average([error.mean() ** 2 for error in errors], weights=counts)
    given, seen = [], []
    for row, error, share in zip(rows, errors, counts, strict=True):
        root = np.sqrt(share / len(error))
        squares = row.unit**2 * np.stack([np.ones(len(error)), row.open], 1)
        given.append(root * squares)
        seen.append(root * (error - error.mean()) ** 2)
    variance = [float(level), *map(float, nnls(np.concatenate(given), np.concatenate(seen))[0])]
    sizes = np.concatenate(
        [
            np.abs(error) / deviation(variance, row.unit, row.open)
            for row, error in zip(rows, errors, strict=True)
        ]
    )
    lengths = [len(error) for error in errors]
    order = np.argsort(sizes)
    reached = np.cumsum(np.repeat(counts / lengths, lengths)[order]) / counts.sum()
    return Intervals(variance, float(sizes[order][np.searchsorted(reached, COVERED)]))


def judged_rows(rows: Iterable[Row]) -> list[Row]:
    """Those whose scores are in per cent, and expected at all."""
    return [row for row in rows if row.matrix.percent and np.isfinite(row.expected).all()]


def expected_scores(rows: Sequence[Row], others: Callable[[str], Iterable[Row]]) -> None:
    """How far off the expected scores are, and how many scores the intervals hold: made of all
    papers, and, for a paper, of the others.

    others: paper → the rows of the others, which its intervals are made of.
    """
    known = judged_rows(rows)
    together = intervals(known)
    by_paper = {paper: intervals(judged_rows(others(paper))) for paper in _groups(known, "paper")}
    words: dict[str, list[Values]] = defaultdict(list)
    said = []
    for row in known:
        cells = [float(np.abs(row.scores - row.expected).mean())]
        for made in (together, by_paper[row.paper]):
            low, high = made.bounds(row)
            inside = (row.scores >= low) & (row.scores <= high)
            cells += [100 * inside.mean(), float((high - low).mean())]
        said.append(cells)
        for one, width in zip(inside, high - low, strict=True):
            words[confidence(width)].append(np.array([100 * one, 1]) / len(inside))
    columns = ("mean error", "inside, %", "width", "inside, of other papers, %", "width")
    for by in ("task", "key"):
        means = {
            f"{name} ({len(group)})": np.mean([said[n] for n in group], 0)
            for name, group in _groups(known, by).items()
        }
        _table(f"expected score, by {by}", columns, means, (1, 0, 0, 0, 0))
    sums = {f"{word} ({len(cells)} scores)": np.sum(cells, 0) for word, cells in words.items()}
    means = {name: held[:1] / held[1] for name, held in sums.items()}
    _table("of other papers, by word of confidence", ("inside, %",), means, (0,))


def noise(over: World, rows: Sequence[Row], judged: Sequence[Values]) -> None:
    """What a second experiment on the very target is worth, beside the ranker that has none; and
    what knowing the very experiment's sources."""
    regrets = second_experiments(over, rows)
    own = np.array([judge(p, row)[1] for p, row in zip(judged, rows, strict=True)])
    print("\n| regret@1 | by a second experiment: mean | its best | xlt |\n|---|---:|---:|---:|")
    total = []
    for name, group in _groups(rows).items():
        if name not in regrets:
            continue
        by_matrix: dict[int, list[float]] = defaultdict(list)
        for regret, n in regrets[name]:
            by_matrix[n].append(regret)
        means = [float(np.mean(values)) for values in by_matrix.values() if len(values) > 5]
        if means:
            total.append((np.mean(means), min(means), np.mean(own[group]), len(group)))
            print(f"| {name} | " + " | ".join(f"{x:.2f}" for x in total[-1][:3]) + " |")
    *values, counts = np.array(total).T
    means = [np.average(v, weights=counts) for v in values]
    print("| mean over targets | " + " | ".join(f"{x:.2f}" for x in means) + " |")
    told = [told_averages(over, row) for row in rows]
    known = {OURS: judged, "if it were told the averages of the table's sources": told}
    _table(
        "mean over targets",
        METRICS,
        {
            name: np.nanmean([judge(p, row) for p, row in zip(values, rows, strict=True)], 0)
            for name, values in known.items()
        },
        DIGITS,
    )


def write(over: World, rows: Sequence[Row], path: Path) -> None:
    """The weights that all matrices share, and what intervals are made of."""
    found = intervals(judged_rows(rows))
    value: dict[str, Any] = {
        "usual": {kind: [round(x, 4) for x in values] for kind, values in over.usual.items()},
        "weights": [round(float(x), 4) for x in over.weights()],
        "variance": [round(x, 3) for x in found.variance],
        "half": round(found.half, 3),
    }
    write_json(path, value)
    print(f"wrote {path}", file=sys.stderr)
