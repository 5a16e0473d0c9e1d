"""How good is the ranking of sources? Leave one language out, over all packaged matrices.

    python -m scripts.evaluate_ranker [--langrank N] [--write] [--per-matrix]

For every language in turn: all its rows, as source and as target, leave every matrix; weights
and evidence are computed again; the sources of its own columns are ranked. Ranked are targets
with at least 5 sources. Relevance = max(0, min(10, n) + 1 - rank), gain 2^relevance - 1; regret in
points of metrics in per cent; rows shuffled with seed 7, so that ties do not favour an order. Of a
matrix with more than 100 targets, 100 evenly spaced ones are asked for.

--langrank N  also the recipe of Lin et al. 2019: LightGBM's lambdarank on the URIEL distances and
              the size (the number of targets a source was measured on), on N targets of each
              matrix, evenly spaced, with all methods on the same targets.
--write       also fit on everything and write xlt/typology/weights.json, intervals included.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.files import write_json
from xlt.typology.distances import KINDS, between
from xlt.typology.evidence import (
    FEATURES,
    TERMS,
    Geometry,
    expectation,
    features,
    geometry,
    usual_distances,
)
from xlt.typology.fitting import Moments, Weights, fit, moments, some_targets
from xlt.typology.scores import Matrix, matrices
from xlt.typology.table import table

Values = NDArray[np.float64]
OURS = "xlt"
METRICS = ("NDCG@3", "regret@1", "regret@3", "Spearman")
CLOSED = np.array([0, 1, 0, 1, 1, 1, 0])
"""The closed form: evidence by kernel minus genetic, geographic and syntactic distance."""


@dataclass
class World:
    """All matrices and the distances between all their languages, computed once."""

    matrices: list[Matrix]
    codes: list[str]
    distances: Geometry
    usual: dict[str, list[float]]
    moments: dict[int, Moments] = field(default_factory=dict)

    @cached_property
    def place(self) -> dict[str, int]:
        return {code: n for n, code in enumerate(self.codes)}

    def rows(self, codes: tuple[str, ...]) -> list[int]:
        return [self.place[code] for code in codes]

    def weights(self, without: str | None = None) -> Weights:
        """Fitted as if the language had never been measured."""
        found = []
        for n, matrix in enumerate(self.matrices):
            if without in matrix.sources or without in matrix.targets:
                assert without is not None
                rest = matrix.without(without)
                found.append((matrix.task, moments(rest, self.distances, self.place)))
                continue
            if n not in self.moments:
                self.moments[n] = moments(matrix, self.distances, self.place)
            found.append((matrix.task, self.moments[n]))
        return fit(found)


def world(found: list[Matrix] | None = None) -> World:
    chosen = list(matrices()) if found is None else found
    codes = sorted({code for m in chosen for code in (*m.sources, *m.targets)})
    usual = usual_distances(codes)
    return World(chosen, codes, geometry(codes, codes, usual), usual)


@dataclass
class Row:
    """One target of one matrix: what every method says of its candidates.

    scores, features, expected: of the candidates, shapes (n,), (n, features), (n,).
    """

    matrix: str
    task: str
    target: str
    percent: bool
    candidates: list[str]
    scores: Values
    features: Values
    predicted: Values
    expected: Values


def leave_one_out(over: World) -> Iterator[Row]:
    """Every target of every matrix, ranked without anything measured on it."""
    asked: dict[str, list[tuple[Matrix, int]]] = defaultdict(list)
    for matrix in over.matrices:
        for n in some_targets(matrix):
            asked[matrix.targets[n]].append((matrix, n))
    for held, places in sorted(asked.items()):
        weights = over.weights(without=held)
        for matrix, n in places:
            yield ask(over, matrix, n, weights.of(matrix.task))


def ask(over: World, matrix: Matrix, column: int, weights: Values) -> Row:
    """One target of a matrix, from the rest of the matrix."""
    held, rest = matrix.targets[column], matrix.without(matrix.targets[column])
    query = over.rows((held,))
    relatives = over.distances.at(over.rows(rest.targets), query)
    pairs = over.distances.at(over.rows(rest.sources), query)
    given = features(rest.standard, relatives, pairs)[:, 0]
    predicted = (given - given.mean(0)) @ weights
    mean, spread = expectation(rest.scores, relatives)
    truth = dict(zip(matrix.sources, matrix.scores[:, column], strict=True))
    scores = np.array([truth[code] for code in rest.sources])
    known = ~np.isnan(scores)
    return Row(
        f"{matrix.name} {matrix.task}" if matrix.name.startswith("eusie") else matrix.name,
        matrix.task,
        held,
        matrix.percent,
        [code for code, is_known in zip(rest.sources, known, strict=True) if is_known],
        scores[known],
        given[known],
        predicted[known],
        (mean[0] + spread[0] * predicted)[known],
    )


METHODS: dict[str, Callable[[Row], Values]] = {
    "English": lambda row: np.array([float(code == "eng") for code in row.candidates]),
    "best on average": lambda row: row.features[:, FEATURES.index("quality")],
    "genetic + geographic": lambda row: (
        row.features[:, FEATURES.index("genetic")] + row.features[:, FEATURES.index("geographic")]
    ),
    "closed form": lambda row: row.features @ CLOSED,
    OURS: lambda row: row.predicted,
}


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
    ndcg = 100 * (gain[top] @ discount) / (np.sort(gain)[::-1][:3] @ discount)
    regret = [scores.max() - scores[top[:n]].max() if row.percent else np.nan for n in (1, 3)]
    return (ndcg, *regret, _spearman(predicted, scores))


def _spearman(a: Values, b: Values) -> float:
    from scipy.stats import rankdata

    if len(set(a)) == 1 or len(set(b)) == 1:
        return float("nan")
    return 100 * float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def lang_rank(over: World, rows: list[Row]) -> list[Values]:
    """LangRank's recipe on each matrix, all rows of the held-out language left out."""
    from lightgbm import LGBMRanker

    source = table()
    places = source.rows(over.codes)
    kinds = [kind for kind in KINDS if kind not in ("script", "morphological")]
    apart = np.stack([between(kind, places, places, source) for kind in kinds], -1)
    by_name = {(m.name, m.task): m for m in over.matrices}
    found = []
    for row in rows:
        matrix = by_name[row.matrix.partition(" ")[0], row.task].without(row.target)
        given, wanted, groups = [], [], []
        size = np.log1p((~np.isnan(matrix.scores)).sum(1))
        s = over.rows(matrix.sources)
        for n in some_targets(matrix):
            known = np.flatnonzero(~np.isnan(matrix.scores[:, n]))
            t = over.rows((matrix.targets[n],))[0]
            given.append(np.column_stack([apart[[s[k] for k in known], t], size[known]]))
            rank = (-matrix.scores[known, n]).argsort().argsort()
            wanted.append(np.maximum(0, min(10, len(known)) - rank))
            groups.append(len(known))
        ranker = LGBMRanker(
            n_estimators=100, num_leaves=16, min_child_samples=5, num_threads=1, verbose=-1
        )
        ranker.fit(np.concatenate(given), np.concatenate(wanted), group=groups)
        c, t = over.rows(tuple(row.candidates)), over.rows((row.target,))[0]
        sizes = dict(zip(matrix.sources, size, strict=True))
        own = np.column_stack([apart[c, t], [sizes[code] for code in row.candidates]])
        found.append(np.asarray(ranker.predict(own)))
    return found


def sample(rows: list[Row], most: int) -> list[int]:
    """Positions of at most so many rows of each matrix, evenly spaced."""
    places: dict[str, list[int]] = defaultdict(list)
    for n, row in enumerate(rows):
        places[row.matrix].append(n)
    return sorted(
        found[n]
        for found in places.values()
        for n in set(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
    )


def difference(ours: Values, theirs: Values, languages: list[str], seed: int = 0) -> str:
    """Mean difference with its 95 % interval; languages are drawn, with all their rows."""
    apart = ours - theirs
    names = sorted(set(languages))
    groups = [np.flatnonzero(np.array(languages) == name) for name in names]
    sums = np.array([np.nansum(apart[g]) for g in groups])
    counts = np.array([(~np.isnan(apart[g])).sum() for g in groups])
    drawn = np.random.default_rng(seed).integers(0, len(names), (10_000, len(names)))
    means = sums[drawn].sum(1) / np.maximum(counts[drawn].sum(1), 1)
    low, high = np.percentile(means, [2.5, 97.5])
    return (
        f"{np.nanmean(apart):+.1f} [{low:+.1f}, {high:+.1f}]{' *' if low > 0 or high < 0 else ''}"
    )


def report(rows: list[Row], predicted: dict[str, list[Values]], per_matrix: bool) -> None:
    judged = {
        method: np.array([judge(p, row) for p, row in zip(values, rows, strict=True)])
        for method, values in predicted.items()
    }
    names = [row.matrix for row in rows]
    groups = {name: [n for n, m in enumerate(names) if m == name] for name in dict.fromkeys(names)}
    print(
        f"{len(rows)} targets in {len(groups)} matrices, {len({r.target for r in rows})} languages"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the regrets of a matrix that is not in per cent
        for title, mean in {
            "mean over targets": lambda values: np.nanmean(values, 0),
            "mean over matrices": lambda values: np.nanmean(
                [np.nanmean(values[g], 0) for g in groups.values()],
                0,
            ),
        }.items():
            print(
                f"\n| {title} | " + " | ".join(METRICS) + " |\n|---" + "|---:" * len(METRICS) + "|"
            )
            for method, values in judged.items():
                print(
                    f"| {method} | "
                    + " | ".join(
                        f"{x:.1f}" if i != 1 else f"{x:.2f}" for i, x in enumerate(mean(values))
                    )
                    + " |"
                )
    print("\n| xlt against (mean over targets) | NDCG@3 | regret@1 |\n|---|---|---|")
    held = [row.target for row in rows]
    for method, values in judged.items():
        if method != OURS:
            cells = [difference(judged[OURS][:, i], values[:, i], held) for i in (0, 1)]
            print(f"| {method} | " + " | ".join(cells) + " |")
    if per_matrix:
        print(
            "\n| NDCG@3, regret@1 | targets | "
            + " | ".join(judged)
            + " |\n|---" * 1
            + "|---" * (len(judged) + 1)
            + "|"
        )
        for name, group in groups.items():
            cells = [
                f"{np.mean(v[group, 0]):.0f}, {np.mean(v[group, 1]):.1f}" for v in judged.values()
            ]
            print(f"| {name} | {len(group)} | " + " | ".join(cells) + " |")


def write(over: World, rows: list[Row], path: Path) -> None:
    """Weights from everything; median, 10th and 90th percentile of the errors on languages left
    out, from which an expected score has its interval."""
    weights = over.weights()
    errors: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        errors[f"{row.matrix.partition(' ')[0]} {row.task}"] += list(row.scores - row.expected)
    rounded = {task: [round(float(x), 3) for x in w] for task, w in sorted(weights.tasks.items())}
    value: dict[str, Any] = {
        "features": list(FEATURES),
        "shared": [round(float(x), 3) for x in weights.shared],
        "tasks": rounded,
        "usual": {kind: [round(x, 4) for x in values] for kind, values in over.usual.items()},
        "intervals": {
            name: [round(float(x), 2) for x in np.percentile(found, [50, 10, 90])]
            for name, found in sorted(errors.items())
        },
        "terms": list(TERMS),
    }
    write_json(path, value)
    print(f"wrote {path}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--langrank", type=int, metavar="N")
    for flag in ("--write", "--per-matrix"):
        parser.add_argument(flag, action="store_true")
    asked = parser.parse_args()
    over = world()
    rows = list(leave_one_out(over))
    predicted = {name: [method(row) for row in rows] for name, method in METHODS.items()}
    report(rows, predicted, asked.per_matrix)
    if asked.write:
        write(over, rows, Path(__file__).parents[1] / "xlt" / "typology" / "weights.json")
    if asked.langrank:
        some = sample(rows, asked.langrank)
        same = {name: [values[n] for n in some] for name, values in predicted.items()}
        few = [rows[n] for n in some]
        print()
        report(few, {"LangRank": lang_rank(over, few), **same}, False)


if __name__ == "__main__":
    main()
