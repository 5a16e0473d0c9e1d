"""How often a test calls two systems different that are not, and how often it finds what is there.

    python -m scripts.reliability.type_one [--trials 100] [--seed 1]

Two systems are drawn (`worlds`), trained with 1 to 10 seeds whose strength differs by 0 to 2
points, and tested on the same 100 to 2,000 records: F1 of spans, accuracy of one label and of
words, half of the time the same system twice, half of the time systems of equal strength that find
other records hard. Prints Markdown: how often each method says "different" (p < 0.05) where nothing
is, and where the first system is 2 points better; how often intervals of means hold the truth; and
what comes of eight targets at once.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations, product

import numpy as np
from scipy.special import stdtr

from scripts.reliability.worlds import KINDS, Array, Kind
from xlt.evaluation.statistics import bootstrap_interval, holm, paired_difference

RECORDS, SEEDS, SDS, TASTES = (100, 500, 2000), (1, 2, 3, 5, 10), (0.0, 0.5, 1.0, 2.0), (0.0, 0.5)
EFFECT = 2.0
RESAMPLES = 200
"""Enough for a rate over many trials; xlt takes 10,000."""
MAX_PERMUTATIONS = 1000

Runs = Sequence[Array]
"""One matrix of counts a seed."""


@dataclass(frozen=True)
class Trial:
    """Two systems on the same records. number: for what is drawn."""

    kind: Kind
    a: Runs
    b: Runs
    number: int

    @cached_property
    def scores(self) -> Array:
        """(systems, seeds)"""
        return self.kind.metrics(np.stack([self.a, self.b]).sum(axis=2))["score"]

    @cached_property
    def drawn(self) -> Array:
        """On resampled records, (resamples, systems, seeds)."""
        runs = np.stack([*self.a, *self.b], axis=1)
        sums = _weights(len(runs)) @ runs.reshape(len(runs), -1)
        return self.kind.metrics(sums.reshape(RESAMPLES, 2, len(self.a), -1))["score"]


# What could be used, each a p of no difference -------------------------------------------------


def over_records(trial: Trial) -> float:
    """The paired bootstrap over records of scores averaged over seeds: seeds are fixed."""
    return _shifted(trial.scores, trial.drawn)


def hierarchical(trial: Trial) -> float:
    """The bootstrap that draws seeds, too, of each side anew."""
    seeds = len(trial.a)
    random = np.random.default_rng([trial.number, seeds])
    chosen = random.integers(0, seeds, trial.drawn.shape)
    return _shifted(trial.scores, np.take_along_axis(trial.drawn, chosen, axis=2))


def welch(trial: Trial) -> float:
    """Welch's t over the seeds' scores: records are fixed."""
    parts = trial.scores.var(axis=1, ddof=1) / len(trial.a)
    if not parts.any():
        return 1.0
    freedom = parts.sum() ** 2 / ((parts**2).sum() / (len(trial.a) - 1))
    return _student(trial.scores[0].mean() - trial.scores[1].mean(), parts.sum(), freedom)


def pairs_of_seeds(trial: Trial) -> float:
    """Student's t over the differences of seeds of the same number."""
    apart = trial.scores[0] - trial.scores[1]
    return _student(apart.mean(), apart.var(ddof=1) / len(apart), len(apart) - 1)


def permuted(trial: Trial) -> float:
    """Seeds change sides, in all ways or in many."""
    apart = np.abs(_sides(len(trial.a)) @ trial.scores.ravel())
    return float((apart >= apart[0] - 1e-9).mean())


def components(trial: Trial) -> float:
    """What xlt does."""
    return _components(trial, paired_seeds=False)


def components_in_pairs(trial: Trial) -> float:
    """What xlt does with runs of the same models."""
    return _components(trial, paired_seeds=True)


METHODS: dict[str, Callable[[Trial], float]] = {
    "bootstrap over records": over_records,
    "hierarchical bootstrap": hierarchical,
    "Welch over seeds": welch,
    "t over pairs of seeds": pairs_of_seeds,
    "permutation of seeds": permuted,
    "**variance components** (xlt)": components,
}
NEED_SEEDS = frozenset(METHODS) - {"bootstrap over records", "hierarchical bootstrap"}


def _components(trial: Trial, *, paired_seeds: bool) -> float:
    return paired_difference(
        trial.a, trial.b, trial.kind.metrics, paired_seeds=paired_seeds, resamples=RESAMPLES,
        seed=trial.number,
    )["score"].p  # fmt: skip


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


def _shifted(scores: Array, drawn: Array) -> float:
    seen = scores[0].mean() - scores[1].mean()
    apart = drawn[:, 0].mean(axis=1) - drawn[:, 1].mean(axis=1)
    return float((1 + (np.abs(apart - seen) >= abs(seen)).sum()) / (1 + len(apart)))


def _student(difference: float, variance: float, freedom: float) -> float:
    return float(2 * stdtr(freedom, -abs(difference) / variance**0.5)) if variance else 1.0


# What comes of it ------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100, help="of each kind of task and system")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    each = options.trials * len(KINDS) * len(TASTES)
    print(f"Different, %: mean over {len(RECORDS)} numbers of records, the most in brackets; ")
    print(f"{each} trials each\n")
    _print_rates(options.trials, options.seed, 0.0)
    print(
        f"\n{EFFECT:g} points found, %, mean over the numbers of records; {each // 2} trials each\n"
    )
    _print_rates(options.trials // 2, options.seed, EFFECT)
    print("\nThe same models used in two ways, 500 records, sd 2: different, and 2 points found\n")
    _print_pairs(options.trials // 2, options.seed)
    print(f"\nIntervals of means that hold the truth, %, 500 records, {each} trials\n")
    _print_coverage(options.trials, options.seed)
    print("\nEight targets, 3 seeds, sd 1, 500 records: some difference that is none, %\n")
    _print_families(2 * options.trials, options.seed)


def _trials(
    trials: int, seed: int, records: int, seeds: int, sd: float, effect: float, pairs: bool = False
) -> Iterator[Trial]:
    """All kinds of task, the same system twice and others."""
    random = np.random.default_rng([seed, records, seeds, int(10 * sd), int(effect)])
    for kind, taste, number in product(KINDS, TASTES, range(trials)):
        yield Trial(
            kind, *kind.draw(random, records, seeds, sd, effect, taste, pairs=pairs), number
        )


def _print_rates(trials: int, seed: int, effect: float) -> None:
    """How often each method finds a difference, p < 0.05."""
    rates: dict[tuple[str, float, int], list[float]] = defaultdict(list)
    for records, seeds, sd in product(RECORDS, SEEDS, SDS):
        found = defaultdict(list)
        for trial in _trials(trials, seed, records, seeds, sd, effect):
            for name, method in METHODS.items():
                if seeds > 1 or name not in NEED_SEEDS:
                    found[name].append(method(trial) < 0.05)
        for name, each in found.items():
            rates[name, sd, seeds].append(100 * float(np.mean(each)))
    _head("", "sd of seeds")
    for name, sd in product(METHODS, SDS):
        cells = []
        for seeds in SEEDS:
            cell = rates.get((name, sd, seeds))
            most = "" if effect or cell is None else f" ({max(cell):.1f})"
            cells.append("" if cell is None else f"{np.mean(cell):.{0 if effect else 1}f}{most}")
        _line(name if sd == SDS[0] else "", f"{sd:g}", *cells)


def _print_pairs(trials: int, seed: int) -> None:
    _head("", seeds=SEEDS[1:])
    ways = {"as if they were apart": components, "in pairs": components_in_pairs}
    for name, method in ways.items():
        cells = []
        for seeds in SEEDS[1:]:
            found = [
                100 * np.mean([method(t) < 0.05
                               for t in _trials(trials, seed, 500, seeds, 2.0, effect, True)])
                for effect in (0.0, EFFECT)
            ]  # fmt: skip
            cells.append(f"{found[0]:.1f}, {found[1]:.0f}")
        _line(name, *cells)


def _print_coverage(trials: int, seed: int) -> None:
    truth = {
        kind: float(kind.metrics(kind.draw(np.random.default_rng(3), 500_000, 1, 0, 0, 0)[0][0]
                                 .sum(axis=0))["score"])
        for kind in KINDS
    }  # fmt: skip
    _head("sd of seeds")
    for sd in SDS:
        cells = []
        for seeds in SEEDS:
            held = []
            random = np.random.default_rng([seed, seeds, int(10 * sd)])
            for kind, number in product(KINDS, range(2 * trials)):
                runs, _ = kind.draw(random, 500, seeds, sd, 0, 0)
                low, high = bootstrap_interval(
                    runs, kind.metrics, resamples=RESAMPLES, seed=number
                )["score"]  # fmt: skip
                held.append(low <= truth[kind] <= high)
            cells.append(f"{100 * np.mean(held):.0f}")
        _line(f"{sd:g}", *cells)


def _print_families(trials: int, seed: int) -> None:
    some: dict[str, list[bool]] = defaultdict(list)
    random = np.random.default_rng(seed)
    for number in range(trials):
        family = [
            Trial(kind, *kind.draw(random, 500, 3, 1.0, 0, 0.5), number)
            for kind in (*KINDS, *KINDS, *KINDS[:2])
        ]
        old, p = ([method(t) for t in family] for method in (over_records, components))
        some["bootstrap over records, each for itself"].append(min(old) < 0.05)
        some["variance components, each for itself"].append(min(p) < 0.05)
        some["variance components, after Holm"].append(min(holm(p)) < 0.05)
    for name, each in some.items():
        print(f"* {name}: {100 * np.mean(each):.1f}")


def _head(*cells: str, seeds: Sequence[int] = SEEDS) -> None:
    _line(*cells, *(f"{n} seed{'s' if n > 1 else ''}" for n in seeds))
    _line(*["---"] * len(cells), *["---:"] * len(seeds))


def _line(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
