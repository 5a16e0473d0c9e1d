"""How often a test calls two systems different that are not, and how often it finds what is there.

    python -m scripts.reliability.type_one [--trials 200] [--seed 1]

Two systems are drawn (`worlds`), trained with 1 to 10 seeds whose strength differs by 0 to 2
points, and tested on the same 100 to 2,000 records: F1 of spans, accuracy of one label and of
words, half of the time the same system twice, half of the time systems of equal strength that find
other records hard. Prints Markdown: how often each method says "different" (p < 0.05) where nothing
is, and where the first system is 2 points better; how often intervals of means hold the truth; and
what comes of eight targets at once.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import combinations, product

import numpy as np
from scipy.stats import ttest_ind, ttest_rel

from scripts.reliability.worlds import KINDS, Array, Kind
from xlt.evaluation.statistics import bootstrap_interval, holm, paired_difference

RECORDS, SEEDS, SDS, TASTES = (100, 500, 2000), (1, 2, 3, 5, 10), (0.0, 0.5, 1.0, 2.0), (0.0, 0.5)
EFFECT = 2.0
RESAMPLES = 400
MAX_PERMUTATIONS = 1000

Runs = Sequence[Array]
"""One matrix of counts a seed."""
Method = Callable[[Kind, Runs, Runs, int], float]
"""The p of no difference between two systems; the last is for what is drawn."""


# What could be used ----------------------------------------------------------------------------


def over_records(kind: Kind, a: Runs, b: Runs, draw: int) -> float:
    """The paired bootstrap over records of scores averaged over seeds: seeds are fixed."""
    return _shifted(*_drawn(kind, a, b, draw))


def hierarchical(kind: Kind, a: Runs, b: Runs, draw: int) -> float:
    """The bootstrap that draws seeds, too, of each side anew."""
    (scores_a, scores_b), (drawn_a, drawn_b) = _drawn(kind, a, b, draw)
    random = np.random.default_rng([draw, 1])
    chosen = random.integers(0, len(a), (2, RESAMPLES, len(a)))
    again = [np.take_along_axis(d, c, 1) for d, c in zip((drawn_a, drawn_b), chosen, strict=True)]
    return _shifted((scores_a, scores_b), (again[0], again[1]))


def welch(kind: Kind, a: Runs, b: Runs, draw: int) -> float:
    """Welch's t over the seeds' scores: records are fixed."""
    return _sure(ttest_ind(*_scores(kind, a, b), equal_var=False).pvalue)


def pairs_of_seeds(kind: Kind, a: Runs, b: Runs, draw: int) -> float:
    """Student's t over the differences of seeds of the same number."""
    return _sure(ttest_rel(*_scores(kind, a, b)).pvalue)


def permuted(kind: Kind, a: Runs, b: Runs, draw: int) -> float:
    """Seeds change sides, in all ways or in many."""
    scores = np.concatenate(_scores(kind, a, b))
    sides = _sides(len(a))
    apart = np.abs(sides @ scores)
    return float((apart >= apart[0] - 1e-9).mean())


def crossed(kind: Kind, a: Runs, b: Runs, draw: int, *, pairs: bool = False) -> float:
    """What xlt does."""
    return paired_difference(
        a, b, kind.metrics, paired_seeds=pairs, resamples=RESAMPLES, seed=draw
    )["score"].p


METHODS: dict[str, Method] = {
    "bootstrap over records": over_records,
    "hierarchical bootstrap": hierarchical,
    "Welch over seeds": welch,
    "t over pairs of seeds": pairs_of_seeds,
    "permutation of seeds": permuted,
    "**variance components** (xlt)": crossed,
}
NEED_SEEDS = frozenset(METHODS) - {"bootstrap over records", "hierarchical bootstrap"}


@cache
def _weights(records: int) -> Array:
    drawn = np.random.default_rng(0).multinomial(records, np.full(records, 1 / records), RESAMPLES)
    return drawn.astype(float)


@cache
def _sides(seeds: int) -> Array:
    """Rows of 1 / seeds and -1 / seeds, as they are first."""
    if seeds <= 5:
        chosen = [list(one) for one in combinations(range(2 * seeds), seeds)]
    else:
        random = np.random.default_rng(0)
        drawn = (random.permutation(2 * seeds)[:seeds] for _ in range(MAX_PERMUTATIONS - 1))
        chosen = [list(range(seeds)), *([int(n) for n in one] for one in drawn)]
    sides = np.full((len(chosen), 2 * seeds), -1 / seeds)
    for row, one in zip(sides, chosen, strict=True):
        row[one] = 1 / seeds
    return sides


def _scores(kind: Kind, a: Runs, b: Runs) -> tuple[Array, Array]:
    one, other = (kind.metrics(np.stack(runs).sum(axis=1))["score"] for runs in (a, b))
    return one, other


def _drawn(
    kind: Kind, a: Runs, b: Runs, draw: int
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Scores (seeds,), and on resampled records (resamples, seeds)."""
    weights = _weights(len(a[0]))
    one, other = (
        np.stack([kind.metrics(weights @ counts)["score"] for counts in runs], axis=1)
        for runs in (a, b)
    )
    return _scores(kind, a, b), (one, other)


def _shifted(scores: tuple[Array, Array], drawn: tuple[Array, Array]) -> float:
    seen = scores[0].mean() - scores[1].mean()
    apart = drawn[0].mean(axis=1) - drawn[1].mean(axis=1)
    return float((1 + (np.abs(apart - seen) >= abs(seen)).sum()) / (1 + len(apart)))


def _sure(p: float) -> float:
    return 1.0 if np.isnan(p) else float(p)  # no difference at all


# What comes of it ------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="of each kind of task and system")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "Precision loss")  # of scores that are equal
    for title, effect in ((f"different, % of {options.trials * 6} trials, the most of "
                           f"{len(RECORDS)} numbers of records", 0.0),
                          (f"{EFFECT:g} points found, %, the mean of them", EFFECT)):  # fmt: skip
        print(f"\n{title}\n")
        _print(_rates(options.trials, options.seed, effect), effect)
    print("\nThe same models used in two ways, 500 records, sd 2: different, and 2 points found\n")
    _print_pairs(options.trials, options.seed)
    print("\nIntervals of means that hold the truth, %, 500 records\n")
    _print_coverage(options.trials, options.seed)
    print("\nEight targets, 3 seeds, sd 1, 500 records: some difference that is none, %\n")
    _print_families(options.trials, options.seed)


def _trials(
    trials: int, seed: int, records: int, seeds: int, sd: float, effect: float, pairs: bool = False
) -> Iterator[tuple[Kind, Runs, Runs, int]]:
    """All kinds of task, the same systems and others."""
    random = np.random.default_rng([seed, records, seeds, int(10 * sd), int(effect)])
    for kind, taste, trial in product(KINDS, TASTES, range(trials)):
        yield kind, *kind.draw(random, records, seeds, sd, effect, taste, pairs=pairs), trial


def _rates(trials: int, seed: int, effect: float) -> dict[tuple[str, float, int], list[float]]:
    """Method, sd, seeds → per cent of trials with p < 0.05, for each number of records."""
    rates: dict[tuple[str, float, int], list[float]] = defaultdict(list)
    for records, seeds, sd in product(RECORDS, SEEDS, SDS):
        found = defaultdict(list)
        for kind, a, b, draw in _trials(trials, seed, records, seeds, sd, effect):
            for name, method in METHODS.items():
                if seeds > 1 or name not in NEED_SEEDS:
                    found[name].append(method(kind, a, b, draw) < 0.05)
        for name, each in found.items():
            rates[name, sd, seeds].append(100 * float(np.mean(each)))
    return rates


def _print(rates: dict[tuple[str, float, int], list[float]], effect: float) -> None:
    _line("", "sd of seeds", *(f"{n} seed{'s' if n > 1 else ''}" for n in SEEDS))
    _line(*["---"] * 2, *["---:"] * len(SEEDS))
    for name, sd in product(METHODS, SDS):
        cells = (rates.get((name, sd, n)) for n in SEEDS)
        shown = (
            "" if cell is None else f"{np.mean(cell):.0f}" if effect else f"{max(cell):.1f}"
            for cell in cells
        )  # fmt: skip
        _line(name if sd == SDS[0] else "", f"{sd:g}", *shown)


def _print_pairs(trials: int, seed: int) -> None:
    _line("", *(f"{n} seeds" for n in SEEDS[1:]))
    _line("---", *["---:"] * (len(SEEDS) - 1))
    for name, pairs in (("as if they were apart", False), ("in pairs", True)):
        method = partial(crossed, pairs=pairs)
        cells = []
        for seeds in SEEDS[1:]:
            both = [
                100 * np.mean([
                    method(kind, a, b, draw) < 0.05
                    for kind, a, b, draw in _trials(trials, seed, 500, seeds, 2.0, effect, True)
                ])
                for effect in (0.0, EFFECT)
            ]  # fmt: skip
            cells.append(f"{both[0]:.1f}, {both[1]:.0f}")
        _line(name, *cells)


def _print_coverage(trials: int, seed: int) -> None:
    _line("sd of seeds", *(f"{n} seed{'s' if n > 1 else ''}" for n in SEEDS))
    _line("---", *["---:"] * len(SEEDS))
    truth = {
        kind: float(kind.metrics(kind.draw(np.random.default_rng(3), 500_000, 1, 0, 0, 0)[0][0]
                                 .sum(axis=0))["score"])
        for kind in KINDS
    }  # fmt: skip
    for sd in SDS:
        cells = []
        for seeds in SEEDS:
            held = []
            random = np.random.default_rng([seed, seeds, int(10 * sd)])
            for kind, trial in product(KINDS, range(2 * trials)):
                runs, _ = kind.draw(random, 500, seeds, sd, 0, 0)
                interval = bootstrap_interval(
                    runs, kind.metrics, resamples=RESAMPLES, seed=trial
                )["score"]  # fmt: skip
                held.append(interval.low <= truth[kind] <= interval.high)
            cells.append(f"{100 * np.mean(held):.0f}")
        _line(f"{sd:g}", *cells)


def _print_families(trials: int, seed: int) -> None:
    some: dict[str, list[bool]] = defaultdict(list)
    random = np.random.default_rng(seed)
    for trial in range(trials):
        drawn = [kind.draw(random, 500, 3, 1.0, 0, 0.5) for kind in (*KINDS, *KINDS, *KINDS[:2])]
        kinds = (*KINDS, *KINDS, *KINDS[:2])
        p = [crossed(kind, *runs, trial) for kind, runs in zip(kinds, drawn, strict=True)]
        some["each for itself"].append(min(p) < 0.05)
        some["after Holm"].append(min(holm(p)) < 0.05)
        old = [over_records(kind, *runs, trial) for kind, runs in zip(kinds, drawn, strict=True)]
        some["bootstrap over records, each for itself"].append(min(old) < 0.05)
    for name, each in some.items():
        print(f"* {name}: {100 * np.mean(each):.0f}")


def _line(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
