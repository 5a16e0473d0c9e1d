"""How far off is what is expected of a model without labels?

    python -m scripts.experiments.estimate FOLDER [FOLDER …]

FOLDER is a finished run, or a folder of runs (`runs/african-ner`, `runs`): those with gold
data, whose sentences are taken for text without labels. For each task, over all pairs of a run and
a target: mean absolute error and bias of each criterion, and of the source dev score taken for the
estimate; Spearman's rank correlation with the measured scores over all pairs, over the targets of
one run (which language is in need), and over the runs on one target (which source to take). Then
the same of what is fitted to the other languages' pairs, with the share of measured scores in its
80 % intervals and their mean width: of all that is known, and of the source dev score alone.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
from scipy.stats import spearmanr

from xlt.evaluation.combination import COVERAGE, MIN_LANGUAGES, Expected, Pair, left_out_predictions
from xlt.evaluation.criteria import CRITERIA
from xlt.results import RESULT, finished_runs, read_result
from xlt.runs.evidence import RANKER, SOURCE_DEV, gather

LEAST = 3
"""Of a group in which ranks are compared."""


def main() -> None:
    folders = [Path(text) for text in sys.argv[1:]]
    if not folders:
        raise SystemExit(__doc__)
    runs = [
        run
        for one in folders
        for run in ([one] if (one / RESULT).is_file() else finished_runs(one))
    ]
    for task in sorted({read_result(run)["task"] for run in runs}):
        found = gather(folders, task)
        for run, why in found.left_out.items():
            print(f"left out: {run}: {why}")
        measured(task, found.pairs)


def measured(task: str, pairs: Sequence[Pair]) -> None:
    """Print the tables of a task."""
    count = len({pair.language for pair in pairs})
    print(f"\n{task}: {len(pairs)} pairs of a run and a target, {count} languages\n")
    if not pairs:
        return
    header = ("expected", "pairs", "error", "bias", "rank", "of targets", "of runs")
    print("| " + " | ".join((*header, f"in {COVERAGE:.0%}", "width")) + " |")
    print("|---" + "|---:" * (len(header) + 1) + "|")
    for name in (SOURCE_DEV, *CRITERIA, RANKER):
        row(name, {number: pair.features.get(name) for number, pair in enumerate(pairs)}, pairs)
    row("mean of the criteria", {n: pair.plain for n, pair in enumerate(pairs)}, pairs)
    alone = [
        replace(
            pair,
            features={SOURCE_DEV: pair.features[SOURCE_DEV]},
            plain=pair.features[SOURCE_DEV],
        )
        for pair in pairs
    ]
    for name, given in (("fitted: source dev alone", alone), ("fitted: all", pairs)):
        expected = in_order(given)
        if expected is None:
            print(f"\n{name}: no interval, {MIN_LANGUAGES + 1} languages are needed")
        else:
            row(name, {n: one.score for n, one in enumerate(expected)}, pairs, expected)


def in_order(pairs: Sequence[Pair]) -> list[Expected] | None:
    """What the other languages let expect of each pair, in their order; None of too few."""
    numbered = [replace(pair, name=str(number)) for number, pair in enumerate(pairs)]
    found = {int(pair.name): expected for pair, expected in left_out_predictions(numbered)}
    return [found[number] for number in range(len(pairs))] if found else None


def row(
    name: str,
    expected: Mapping[int, float | None],
    pairs: Sequence[Pair],
    intervals: Sequence[Expected] | None = None,
) -> None:
    """Print a line of the table.

    expected: number of the pair → score; None where there is none.
    """
    known = {n: value for n, value in expected.items() if value is not None}
    if not known:
        return
    scores = {n: float(pairs[n].score or 0.0) for n in known}
    errors = [value - scores[n] for n, value in known.items()]
    cells = [
        str(len(known)),
        f"{fmean(map(abs, errors)):.1f}",
        f"{fmean(errors):+.1f}",
        within(known, scores, lambda n: ""),
        within(known, scores, lambda n: pairs[n].name.rpartition("/")[0]),
        within(known, scores, lambda n: pairs[n].language),
        "",
        "",
    ]
    if intervals is not None:
        inside = [one.low <= scores[n] <= one.high for n, one in enumerate(intervals)]
        cells[-2:] = [f"{fmean(inside):.0%}", f"{fmean(i.high - i.low for i in intervals):.1f}"]
    print(f"| {name} | " + " | ".join(cells) + " |")


def within(
    expected: Mapping[int, float], scores: Mapping[int, float], group: Callable[[int], str]
) -> str:
    """The mean rank correlation in the groups of `LEAST` and more; empty where there is none."""
    groups: dict[str, list[int]] = defaultdict(list)
    for number in expected:
        groups[group(number)].append(number)
    found = []
    for numbers in groups.values():
        given = np.array([[expected[n], scores[n]] for n in numbers])
        if len(numbers) >= LEAST and given.std(0).min() > 1e-9:
            found.append(float(spearmanr(given[:, 0], given[:, 1]).statistic))
    return f"{fmean(found):+.2f}" if found else ""


if __name__ == "__main__":
    main()
