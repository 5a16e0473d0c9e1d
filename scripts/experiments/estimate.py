"""How far off is what is expected of a model without labels?

    python -m scripts.experiments.estimate FOLDER [FOLDER …] [--checkpoints NUMBER]

FOLDER is a finished run, or a folder of runs (`runs/african-ner`, `runs`): those with gold
data, whose sentences are taken for text without labels. For each task, over all pairs of a run and
a target: mean absolute error and bias of each criterion, and of the source dev score taken for the
estimate; Spearman's rank correlation with the measured scores over all pairs, over the targets of
one run (which language is in need), and over the runs on one target (which source to take), with
the regret of the run that comes first there. Then the same of what is fitted to the other
languages' pairs, with the share of measured scores in its 80 % intervals and their mean width: of
each criterion alone, of all together, and of all but the Transfer Score, which has no error of its
own: it is not in percent. Behind each error is how much larger it is than that of all together,
with its 95 % interval (languages are drawn).

--checkpoints: as many pairs are drawn, and the same is asked of the checkpoints that the runs'
stages have kept: does a criterion order them as their scores do, and how much does the first one
lose? Each is predicted with anew, the first 300 records of dev and test data.

What has been computed of models is kept in the cache: a second time it is there at once.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
from scipy.stats import spearmanr

from scripts.evaluate_ranker.report import difference
from scripts.experiments.estimate_checkpoints import checkpoints
from xlt.evaluation.combination import (
    COVERAGE,
    MIN_LANGUAGES,
    Combination,
    Expected,
    Pair,
    comparable,
    fit,
    left_out_predictions,
)
from xlt.evaluation.criteria import CRITERIA, TRANSFER_SCORE
from xlt.results import RESULT, finished_runs, read_result
from xlt.runs.evidence import RANKER, SOURCE_DEV, gather

LEAST = 3
"""Of a group in which ranks are compared."""
SINGLE = (SOURCE_DEV, *CRITERIA, TRANSFER_SCORE, RANKER)
"""What may be known of a pair, each by itself."""
MEAN, ALL = "mean of the criteria", "fitted: all"

Values = Mapping[int, float]
"""Number of a pair → a figure of it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--checkpoints", type=int, default=0, metavar="NUMBER")
    asked = parser.parse_args()
    runs = [
        run
        for one in asked.folders
        for run in ([one] if (one / RESULT).is_file() else finished_runs(one))
    ]
    for task in sorted({read_result(run)["task"] for run in runs}):
        found = gather(asked.folders, task)
        for run, why in found.left_out.items():
            print(f"left out: {run}: {why}")
        measured(task, found.pairs)
        if asked.checkpoints and found.pairs:
            of_checkpoints(found.pairs, checkpoints(found.pairs, asked.checkpoints))


def measured(task: str, pairs: Sequence[Pair]) -> None:
    """Print the table of a task."""
    count = len({pair.language for pair in pairs})
    print(f"\n{task}: {len(pairs)} pairs of a run and a target, {count} languages\n")
    if not pairs:
        return
    header = ["expected", "pairs", "error", "bias", "rank", "of targets", "of runs", "regret"]
    header += [f"in {COVERAGE:.0%}", "width", "error beyond all"]
    print("| " + " | ".join(header) + " |")
    print("|---" + "|---:" * (len(header) - 1) + "|")
    fitted = {name: in_order(given) for name, given in variants(pairs)}
    best = fitted[ALL]
    for name in SINGLE:
        known = {n: p.features[name] for n, p in enumerate(pairs) if name in p.features}
        row(name, known, pairs, best, percent=name != TRANSFER_SCORE)
    row(MEAN, {n: pair.plain for n, pair in enumerate(pairs)}, pairs, best)
    for name, expected in fitted.items():
        if expected:
            row(name, {n: one.score for n, one in expected.items()}, pairs, best, expected)
        else:
            print(f"\n{name}: no interval, {MIN_LANGUAGES + 1} languages are needed")


def variants(pairs: Sequence[Pair]) -> Iterator[tuple[str, dict[int, Pair]]]:
    """Name → pairs, by their numbers, as if no more were known of them."""
    for name in SINGLE:
        # Under another name, so that it is not averaged with criteria that are not there.
        alone = {
            n: replace(
                pair,
                features={"alone": pair.features[name]},
                plain=0.0 if name == TRANSFER_SCORE else pair.features[name],
            )
            for n, pair in enumerate(pairs)
            if name in pair.features
        }
        if alone:
            yield f"fitted: {name} alone", alone
    if any(TRANSFER_SCORE in pair.features for pair in pairs):
        less = [
            {name: value for name, value in pair.features.items() if name != TRANSFER_SCORE}
            for pair in pairs
        ]
        yield (
            f"fitted: all but {TRANSFER_SCORE}",
            {n: replace(pair, features=less[n]) for n, pair in enumerate(pairs)},
        )
    yield ALL, dict(enumerate(pairs))


def in_order(pairs: Mapping[int, Pair]) -> dict[int, Expected]:
    """What the other languages let expect of each pair; nothing of too few."""
    numbered = [replace(pair, name=str(number)) for number, pair in pairs.items()]
    found = {int(pair.name): expected for pair, expected in left_out_predictions(numbered)}
    return {number: found[number] for number in pairs} if found else {}


def row(
    name: str,
    expected: Values,
    pairs: Sequence[Pair],
    best: Mapping[int, Expected],
    intervals: Mapping[int, Expected] | None = None,
    *,
    percent: bool = True,
) -> None:
    """Print a line of the table; none where nothing is known.

    expected: the score, or what orders scores. best: what is expected by all that is known.
    percent: whether it is in percent, so that it can be off.
    """
    if not expected:
        return
    scores = {n: float(pairs[n].score or 0.0) for n in expected}
    errors = {n: value - scores[n] for n, value in expected.items()} if percent else {}
    inside, width, beyond = "", "", ""
    if intervals is not None:
        of = [(intervals[n], scores[n]) for n in expected]
        inside = f"{fmean(one.low <= score <= one.high for one, score in of):.0%}"
        width = f"{fmean(one.high - one.low for one, _ in of):.1f}"
    if name != ALL and errors and best:
        both = [n for n in errors if n in best]
        ours = np.abs([errors[n] for n in both])
        theirs = np.abs([best[n].score - scores[n] for n in both])
        beyond = difference(ours, theirs, [pairs[n].language for n in both])
    cells = [
        str(len(expected)),
        f"{fmean(map(abs, errors.values())):.1f}" if errors else "",
        f"{fmean(errors.values()):+.1f}" if errors else "",
        within(expected, scores, lambda n: ""),
        within(expected, scores, lambda n: pairs[n].name.rpartition("/")[0]),
        within(expected, scores, lambda n: pairs[n].language),
        regret(expected, scores, lambda n: pairs[n].language),
        *(inside, width, beyond),
    ]
    print(f"| {name} | " + " | ".join(cells) + " |")


def within(expected: Values, scores: Values, group: Callable[[int], str]) -> str:
    """The mean rank correlation in the groups of `LEAST` and more; empty where there is none."""
    found = []
    for numbers in _groups(expected, group):
        given = np.array([[expected[n], scores[n]] for n in numbers])
        if len(numbers) >= LEAST and given.std(0).min() > 1e-9:
            found.append(float(spearmanr(given[:, 0], given[:, 1]).statistic))
    return f"{fmean(found):+.2f}" if found else ""


def regret(expected: Values, scores: Values, group: Callable[[int], str]) -> str:
    """What the first of a group loses against the best, the mean over groups of two and more; the
    mean of those that come first alike."""
    found = []
    for numbers in _groups(expected, group):
        if len(numbers) > 1:
            most = max(expected[n] for n in numbers)
            first = fmean(scores[n] for n in numbers if expected[n] == most)
            found.append(max(scores[n] for n in numbers) - first)
    return f"{fmean(found):.1f}" if found else ""


def _groups(expected: Values, group: Callable[[int], str]) -> list[list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for number in expected:
        groups[group(number)].append(number)
    return list(groups.values())


def of_checkpoints(pairs: Sequence[Pair], kept: Sequence[Pair]) -> None:
    """Print the table of checkpoints: of those of which all is known that is known of most.

    kept: a pair each, named after the run and target. pairs: what is fitted to, but for those of
    its language.
    """
    ways: dict[str, Values] = {
        name: {n: one.features[name] for n, one in enumerate(kept) if name in one.features}
        for name in (SOURCE_DEV, *CRITERIA, TRANSFER_SCORE)
    }
    ways[MEAN] = {n: one.plain for n, one in enumerate(kept)}
    ways[ALL] = by_others(pairs, kept)
    usual = [known for known in ways.values() if len(known) > len(kept) / 2]
    common = {n for n in range(len(kept)) if all(n in known for known in usual)}
    ways = {
        name: {n: value for n, value in known.items() if n in common}
        for name, known in ways.items()
    }
    count = len({kept[n].name for n in common})
    print(f"\n{len(common)} checkpoints of {count} pairs of a run and a target\n")
    print("| checkpoints by | checkpoints | rank | regret |\n|---|---:|---:|---:|")
    scores = {n: float(one.score or 0.0) for n, one in enumerate(kept)}
    for name, known in ways.items():
        if known:
            found = (of(known, scores, lambda n: kept[n].name) for of in (within, regret))
            print(f"| {name} | {len(known)} | " + " | ".join(found) + " |")


def by_others(pairs: Sequence[Pair], asked: Sequence[Pair]) -> dict[int, float]:
    """What the pairs of the other languages let expect of each; nothing of too few."""
    fitted: dict[tuple[str, frozenset[str]], Combination | None] = {}
    found = {}
    for number, one in enumerate(asked):
        others = [pair for pair in pairs if pair.language != one.language]
        known, alike = comparable(others, one)
        key = one.language, frozenset(alike.features)
        if key not in fitted:
            fitted[key] = fit(known)
        if (combination := fitted[key]) is not None:
            found[number] = combination.expected(alike).score
    return found


if __name__ == "__main__":
    main()
