"""What the ranker is compared with. Each says something of a row's candidates, larger is better."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from scripts.evaluate_ranker.world import Row, World
from xlt.typology.distances import Points, between
from xlt.typology.process import some_targets
from xlt.typology.scores import Matrix

Values = NDArray[np.float64]
OURS = "xlt"
URIEL = ("genetic", "geographic", "syntactic", "phonological", "inventory")
"""LangRank's sixth distance, featural, is all of them together: their mean."""


def english(over: World, row: Row) -> Values:
    return np.array([float(code == "eng") for code in row.candidates])


def best_on_average(over: World, row: Row) -> Values:
    """Mean standardised score over the other targets; measured once is still mostly average."""
    rest, scores, known = _others(row)
    mean: Values = scores.sum(1)[rest] / (known.sum(1)[rest] + 1)
    return mean


def near(over: World, row: Row) -> Values:
    """Genetic and geographic distance."""
    apart = over.between(row.candidates, [row.target]).distances
    return -(apart["genetic"] + apart["geographic"])[:, 0]


def closed_form(over: World, row: Row) -> Values:
    """Kernel prior and typology: mean score over targets, weighed by exp(-D / 1.05), falling back
    on the plain mean; minus genetic, geographic and syntactic distance."""
    rest, scores, known = _others(row)
    kernel = over.between(_targets(row), [row.target]).kernel(1.05)[:, 0]
    relatives = (scores @ kernel)[rest] + 0.3 * best_on_average(over, row)
    apart = over.between(row.candidates, [row.target]).distances["syntactic"][:, 0]
    return relatives / ((known @ kernel)[rest] + 0.3) - apart + near(over, row)


def told_averages(over: World, row: Row) -> Values:
    """The ranker's score, and what nobody knows without the table: each source's average in it."""
    return row.predicted + best_on_average(over, row)


METHODS: dict[str, Callable[[World, Row], Values]] = {
    "English": english,
    "genetic + geographic": near,
    OURS: lambda over, row: row.predicted,
}
WITHIN: dict[str, Callable[[World, Row], Values]] = {
    "best on average": best_on_average,
    "closed form": closed_form,
}
"""These know the other targets of the very table."""


def _targets(row: Row) -> list[str]:
    return [code for code in row.matrix.targets if code != row.target]


def _others(row: Row) -> tuple[list[int], Values, Values]:
    """Rows of the candidates, standardised scores (0 where unknown) and which are known, of all
    targets but the row's."""
    standard = _standardised(row.matrix)[:, [t != row.target for t in row.matrix.targets]]
    known = ~np.isnan(standard)
    rows = [row.matrix.sources.index(code) for code in row.candidates]
    return rows, np.where(known, standard, 0), known.astype(float)


def _standardised(matrix: Matrix) -> Values:
    """Mean 0 and standard deviation 1 within targets, as upstream."""
    with np.errstate(all="ignore"):
        standard = matrix.standard / np.sqrt(np.nanmean(matrix.standard**2, 0))
    return np.asarray(standard)


def lang_rank(over: World, rows: Sequence[Row], *, sizes: bool) -> list[Values]:
    """LangRank's recipe on each matrix, all rows of the held-out language left out.

    sizes: also the tokens in CC-100 of both languages and their ratio; no matrix says how much it
        trained on.
    """
    from lightgbm import LGBMRanker

    points = Points(over.codes)
    apart = [between(kind, points, points) for kind in URIEL]
    pairs = np.stack([*apart, np.nanmean(apart, 0)], -1)
    if sizes:
        one, other = np.meshgrid(points.resources, points.resources, indexing="ij")
        pairs = np.concatenate([pairs, np.stack([one, other, one - other], -1)], -1)
    predictions = []
    for row in rows:
        matrix = row.matrix.without(row.target)
        sources = over.rows(matrix.sources)
        given, wanted, groups = [], [], []
        for n in some_targets(matrix, 100):
            known = np.flatnonzero(~np.isnan(matrix.scores[:, n]))
            target = over.place[matrix.targets[n]]
            given.append(pairs[[sources[k] for k in known], target])
            rank = (-matrix.scores[known, n]).argsort().argsort()
            wanted.append(np.maximum(0, min(10, len(known)) - rank))
            groups.append(len(known))
        ranker = LGBMRanker(
            n_estimators=100, num_leaves=16, min_child_samples=5, num_threads=1, verbose=-1
        )
        ranker.fit(np.concatenate(given), np.concatenate(wanted), group=groups)
        asked = pairs[over.rows(row.candidates), over.place[row.target]]
        predictions.append(np.asarray(ranker.predict(asked)))
    return predictions


def second_experiments(over: World, rows: Sequence[Row]) -> dict[str, list[tuple[float, int]]]:
    """Row's matrix → regret of choosing by what another matrix of the task has measured on this
    very target, for each other matrix and target: what knowledge of the target is worth, where only
    the experiment is another (encoder, data, seed). Candidates are those that both have.
    """
    regrets = defaultdict(list)
    for row in rows:
        for n, other in enumerate(over.matrices):
            if other is row.matrix or other.task != row.matrix.task or not row.matrix.percent:
                continue
            if row.target not in other.targets:
                continue
            column = other.scores[:, other.targets.index(row.target)]
            said = dict(zip(other.sources, column, strict=True))
            values = np.array([said.get(code, np.nan) for code in row.candidates])
            both = ~np.isnan(values)
            if both.sum() >= 5:
                chosen = row.scores[both][np.argmax(values[both])]
                regrets[row.key].append((float(row.scores[both].max() - chosen), n))
    return regrets
