"""Measures of rankings, and tables of them."""

from __future__ import annotations

import sys
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.evaluate_ranker.methods import OURS, second_experiments
from scripts.evaluate_ranker.world import Row, World, unmeasured
from xlt.files import write_json

Values = NDArray[np.float64]
METRICS = ("NDCG@3", "regret@1", "regret@3", "Spearman")
DIGITS = (1, 2, 2, 1)
ENDS = (10, 90)
"""Percentiles of the errors that an interval leaves out."""


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


def difference(ours: Values, theirs: Values, languages: Sequence[str], seed: int = 0) -> str:
    """Mean difference with its 95 % interval; languages are drawn, with all their rows."""
    apart = ours - theirs
    names = sorted(set(languages))
    groups = [np.flatnonzero(np.array(languages) == name) for name in names]
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
        if per_matrix:
            for n, metric in enumerate(METRICS):
                means = {
                    f"{name} ({len(g)})": np.array([np.nanmean(v[g, n]) for v in judged.values()])
                    for name, g in groups.items()
                }
                _table(metric, tuple(judged), means, (DIGITS[n],) * len(judged))
    print(
        "\n| xlt against (mean over targets) | " + " | ".join(METRICS) + " |" + "\n|---" * 1,
        end="",
    )
    print("|---" * len(METRICS) + "|")
    held = [row.target for row in rows]
    for method, values in judged.items():
        if method != OURS:
            cells = [
                difference(judged[OURS][:, i], values[:, i], held) for i in range(len(METRICS))
            ]
            print(f"| {method} | " + " | ".join(cells) + " |")


def _table(title: str, columns: Sequence[str], rows: dict[str, Values], digits: Any) -> None:
    print(f"\n| {title} | " + " | ".join(columns) + " |\n|---" + "|---:" * len(columns) + "|")
    for name, values in rows.items():
        cells = ["–" if np.isnan(x) else f"{x:.{d}f}" for x, d in zip(values, digits, strict=True)]
        print(f"| {name} | " + " | ".join(cells) + " |")


def _groups(rows: Sequence[Row]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for n, row in enumerate(rows):
        groups[row.key].append(n)
    return groups


def expected_scores(rows: Sequence[Row]) -> None:
    """How far off the expected scores are, and how many scores the intervals hold, each language's
    from the errors on the others."""
    summaries = {}
    for name, group in _groups(rows).items():
        if not rows[group[0]].matrix.percent:
            continue
        errors = [rows[n].scores - rows[n].expected for n in group]
        said = []
        for n, own in enumerate(errors):
            others = np.concatenate(errors[:n] + errors[n + 1 :])
            middle, low, high = np.percentile(others, [50, *ENDS])
            inside = (own >= low) & (own <= high)
            said.append((np.abs(own - middle).mean(), 100 * inside.mean(), high - low))
        summaries[name] = np.mean(said, 0)
    _table(
        "expected score",
        ("mean error", "inside the interval, %", "its width"),
        summaries,
        (1, 0, 0),
    )


def noise(over: World, rows: Sequence[Row], judged: Sequence[Values]) -> None:
    """What a second experiment on the very target is worth, beside the ranker that has none."""
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


def write(over: World, rows: Sequence[Row], path: Path) -> None:
    """Weights from everything; median, 10th and 90th percentile of the errors on languages left
    out, from which an expected score has its interval; and how much wider it is for a source that
    was never measured."""
    errors = {
        name: np.concatenate([rows[n].scores - rows[n].expected for n in group])
        for name, group in _groups(rows).items()
    }
    wider = {}
    for name, group in _groups(rows).items():
        # Beside a source that was measured: the same level, and an error of its own.
        levels = np.array([np.mean(rows[n].scores - rows[n].expected) for n in group])
        never = np.var(levels) + np.mean(unmeasured(over, rows[group[0]].matrix) ** 2)
        wider[name] = max(1.0, float(np.sqrt(never / np.var(errors[name]))))
    value: dict[str, Any] = {
        "usual": {kind: [round(x, 4) for x in values] for kind, values in over.usual.items()},
        "weights": {
            name: [round(float(x), 4) for x in w] for name, w in sorted(over.weights().items())
        },
        "intervals": {
            name: [round(float(x), 2) for x in np.percentile(residuals, [50, *ENDS])]
            for name, residuals in sorted(errors.items())
        },
        "wider": {name: round(value, 2) for name, value in sorted(wider.items())},
    }
    write_json(path, value)
    print(f"wrote {path}", file=sys.stderr)
