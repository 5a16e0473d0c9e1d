"""How sure a score is, and a difference between two.

A score is a function of sums over records (`Task.counts` → `Task.metrics`), so one resample of
the records is a vector of how often each was drawn, and all resamples are one matrix product.

A system that learns has two sources of chance: which records it is tested on, and its seed. They
are crossed, since every seed is tested on the same records. The variance of a score is therefore
put together as in an analysis of variance with two random factors (Searle, Casella and McCulloch
1992, ch. 4): what resampling the records says, and what seeds differ by beyond what resampling
makes each differ from their mean. The former has as many degrees of freedom as records (less
one), the latter as seeds, and together they have as many as Satterthwaite (1946) gives them.
`docs/statistics.md` has the simulation by which this test was chosen.

A system that was trained once has told nothing about its seeds: then intervals speak of records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xlt.errors import XltError

Counts = NDArray[np.float64]
Metrics = Callable[[Counts], dict[str, Counts]]
"""Summed counts (..., K) → scores (...) in percent, as `Task.metrics`."""

System = Counts | Sequence[Counts]
"""What was counted of a system: (records, K) where no chance is in it, such as a rule; or a
sequence of such matrices, one a seed, over the same records."""

RECORDS, SEEDS_AND_RECORDS = "records", "seeds and records"
"""What an interval speaks of: other records; or other seeds, too."""
LEVEL = 0.05
"""A difference is sure if its adjusted p is below."""

_CHUNK = 1 << 22  # draws held in memory at a time: 32 MiB


class Interval(NamedTuple):
    """A confidence interval, in the units of the metric."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Score of A minus score of B (each the mean over its seeds).

    low, high:  confidence interval of the difference.
    p:          two-sided.
    over:       what interval and p speak of, `RECORDS` or `SEEDS_AND_RECORDS`.
    conclusive: False where a system was trained once: then nobody knows how much of the
        difference would be left if it were trained again.
    of_seeds:   the share of the difference's variance that seeds have; the rest is of records.
        None where nothing is known of seeds.
    """

    difference: float
    low: float
    high: float
    p: float
    over: str
    conclusive: bool
    of_seeds: float | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Comparison:
        """The comparison that a row of `judge` is about."""
        return cls(*(row[field.name] for field in fields(cls)))


def mean_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n-1); the latter is NaN for a single value."""
    array = np.asarray(values, np.float64)
    if not array.size:
        raise ValueError("no values")
    return float(array.mean()), float(array.std(ddof=1)) if array.size > 1 else float("nan")


def bootstrap_interval(
    counts: System,
    metrics: Metrics,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Interval of every metric; of its mean over seeds, where there are several.

    Of one matrix the percentile interval (Efron and Tibshirani 1993), which speaks of other
    records. Of several the interval of Student's t (see above), which speaks of other seeds, too,
    and ends at 0 and 100 at the latest.
    metrics: see `Metrics`.
    Raises XltError if there are no records, the seeds have different ones, or a count or a score
    is no number.
    """
    runs = _runs(counts)
    observed = _scores(runs.sum(axis=1), metrics)
    (drawn,) = _resample([runs], metrics, resamples, seed)
    intervals = {}
    for name, scores in observed.items():
        values = drawn[name].mean(axis=1)
        if len(scores) == 1:
            intervals[name] = _quantiles(values, confidence)
            continue
        records = runs.shape[1]
        variance = _of_records(values, records) + _of_seeds(scores, drawn[name], records)
        low, high = variance.around(float(scores.mean()), confidence)
        intervals[name] = Interval(max(low, 0.0), min(high, 100.0))
    return intervals


@dataclass(frozen=True, slots=True)
class Resampled:
    """What a system scores, and what it would score on other records.

    counts: its mean over seeds, (records, K). has_seeds: whether chance is in it (see `System`).
    scores: metric → (seeds,); drawn: metric → (resamples, seeds), on resampled records.
    """

    counts: Counts
    has_seeds: bool
    scores: dict[str, Counts]
    drawn: dict[str, Counts]

    @property
    def seeds(self) -> int:
        return len(next(iter(self.scores.values())))


def resampled(
    systems: Sequence[System], metrics: Metrics, *, resamples: int = 10_000, seed: int = 0
) -> list[Resampled]:
    """Every system on the same resamples of its records, so that any two can be compared.

    Raises XltError if there are no records or not the same number of them, or if a count or a
    score is no number.
    """
    runs = [_runs(system) for system in systems]
    for one in runs[1:]:
        if one.shape[1:] != runs[0].shape[1:]:
            raise XltError(
                f"the two runs were not scored on the same records ({runs[0].shape[1]} and "
                f"{one.shape[1]})",
                fix="compare runs of the same task on the same test data",
            )
    scores = [_scores(one.sum(axis=1), metrics) for one in runs]
    drawn = _resample(runs, metrics, resamples, seed)
    return [
        Resampled(one.mean(axis=0), not _is_matrix(system), *both)
        for system, one, both in zip(systems, runs, zip(scores, drawn, strict=True), strict=True)
    ]


def paired_difference(
    counts_a: System,
    counts_b: System,
    metrics: Metrics,
    *,
    paired_seeds: bool = False,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Comparison]:
    """`difference` of two systems, for every metric.

    counts_a, counts_b: see `System`; row i is the same record in all matrices.
    Raises XltError if there are no records or not the same number of them, or if a count or a
    score is no number.
    """
    a, b = resampled((counts_a, counts_b), metrics, resamples=resamples, seed=seed)
    return difference(a, b, paired_seeds=paired_seeds, confidence=confidence)


def difference(
    a: Resampled, b: Resampled, *, paired_seeds: bool = False, confidence: float = 0.95
) -> dict[str, Comparison]:
    """Score of A minus score of B for every metric, on the same resamples of the same records.

    With two seeds or more of each (or of the one that has any) interval and p are those of
    Student's t with the variance of records and seeds (see above). Otherwise they are those of the
    paired bootstrap over records (Koehn 2004, "Statistical Significance Tests for MT"): the
    percentile interval, and (1 + #{|δ* - δ| ≥ |δ|}) / (1 + resamples), after Berg-Kirkpatrick,
    Burkett and Klein (2012, "An Empirical Investigation of Statistical Significance in NLP").
    No p is below 2 ** (1 - n), with n records on which A and B differ: the least that swapping
    them record by record could give.

    paired_seeds: seed i of A and of B are the same model, used in two ways.
    """
    if paired_seeds and a.seeds != b.seeds:
        raise ValueError(f"{a.seeds} and {b.seeds} seeds are no pairs")
    chance = [one for one in (a, b) if one.has_seeds]
    conclusive = all(one.seeds > 1 for one in chance)
    records, least = len(a.counts), _least_p(a.counts, b.counts)
    result = {}
    for name in a.scores:
        observed = float(a.scores[name].mean() - b.scores[name].mean())
        apart = a.drawn[name].mean(axis=1) - b.drawn[name].mean(axis=1)
        if not (chance and conclusive):
            # Summation order may differ in the last digits; a tie must count as one.
            slack = 1e-9 * max(1.0, abs(observed))
            extreme = int((np.abs(apart - observed) >= abs(observed) - slack).sum())
            p = max(least, (1 + extreme) / (1 + len(apart)))
            interval = _quantiles(apart, confidence)
            result[name] = Comparison(observed, *interval, p, RECORDS, conclusive)
            continue
        variance = of_records = _of_records(apart, records)
        if paired_seeds:
            seeds_apart = a.scores[name] - b.scores[name], a.drawn[name] - b.drawn[name]
            variance += _of_seeds(*seeds_apart, records)
        else:
            for one in (a, b):
                if one.seeds > 1:
                    variance += _of_seeds(one.scores[name], one.drawn[name], records)
        interval = variance.around(observed, confidence)
        p = max(least, variance.p(observed))
        share = 1 - of_records.value / variance.value if variance.value else None
        result[name] = Comparison(observed, *interval, p, SEEDS_AND_RECORDS, conclusive, share)
    return result


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted for their number, so that any false one among them is as rare as each
    would be alone (Holm 1979); in the order given."""
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    raised = np.minimum(1.0, np.maximum.accumulate(factors * np.asarray(p, float)[order]))
    adjusted = np.empty(len(p))
    adjusted[order] = raised
    return [float(one) for one in adjusted]


def judge(family: Sequence[Comparison]) -> list[dict[str, Any]]:
    """All comparisons that are shown together, JSON-able.

    p_adjusted: after Holm, over the family.
    sure: whether A and B differ for sure: p_adjusted is below `LEVEL`, and no system was trained
        only once.
    """
    adjusted = holm([one.p for one in family])
    return [
        {**asdict(one), "p_adjusted": p, "sure": one.conclusive and p < LEVEL}
        for one, p in zip(family, adjusted, strict=True)
    ]


# Variances -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Variance:
    """An estimate of a part of a score's variance. error: the square of the mean square that it
    was estimated from, by its degrees of freedom; proportional to the estimate's own variance."""

    value: float
    error: float

    @classmethod
    def of(cls, value: float, freedom: float) -> Variance:
        """A part that was estimated with so many degrees of freedom."""
        return cls(value, value**2 / freedom)

    def __add__(self, other: Variance) -> Variance:
        return Variance(self.value + other.value, self.error + other.error)

    @property
    def freedom(self) -> float:
        """Degrees of freedom (Satterthwaite 1946)."""
        return max(1.0, self.value**2 / self.error)

    def around(self, score: float, confidence: float) -> Interval:
        if not self.value:
            return Interval(score, score)
        from scipy.special import stdtrit  # slow, and `xlt predict-source` needs no interval

        reach = float(stdtrit(self.freedom, (1 + confidence) / 2)) * self.value**0.5
        return Interval(score - reach, score + reach)

    def p(self, difference: float) -> float:
        """Two-sided, of no difference."""
        if not self.value:
            return float(difference == 0)
        from scipy.special import stdtr

        return float(2 * stdtr(self.freedom, -abs(difference) / self.value**0.5))


def _of_records(drawn: Counts, records: int) -> Variance:
    """drawn: a score (resamples,) on resampled records, averaged over seeds."""
    value = float(drawn.var(ddof=1)) * _unbiased(records)
    return Variance.of(value, max(records - 1, 1))


def _of_seeds(scores: Counts, drawn: Counts, records: int) -> Variance:
    """What seeds add to the variance of their mean, beyond what records make of it.

    scores: (seeds,); drawn: (resamples, seeds), the same on resampled records. Seeds differ on
    these records by their own effect, and by how each meets these records; the latter is a part
    of what resampling has said already, and is taken off.
    """
    seeds = len(scores)
    apart = drawn - drawn.mean(axis=1, keepdims=True)
    by_records = float(apart.var(axis=0, ddof=1).sum()) * _unbiased(records) / (seeds - 1)
    all_of_it = float(scores.var(ddof=1))
    return Variance(
        max(0.0, all_of_it - by_records) / seeds, (all_of_it / seeds) ** 2 / (seeds - 1)
    )


def _unbiased(records: int) -> float:
    """The bootstrap divides by n where the sample variance divides by n - 1."""
    return records / max(records - 1, 1)


def _least_p(a: Counts, b: Counts) -> float:
    different = int((a != b).any(axis=1).sum())
    return min(1.0, 2.0 ** (1 - different))


# Resampling ------------------------------------------------------------------------------------


def _is_matrix(counts: System) -> bool:
    return isinstance(counts, np.ndarray) and counts.ndim == 2


def _runs(counts: System) -> Counts:
    """(seeds, records, K)"""
    matrices = [counts] if _is_matrix(counts) else list(counts)
    arrays = [np.asarray(matrix, np.float64) for matrix in matrices]
    if not arrays or not len(arrays[0]):
        raise XltError("there is no record to resample", fix="evaluate on data that has some")
    if any(array.shape != arrays[0].shape for array in arrays):
        raise XltError(
            f"the seeds were not scored on the same records ({[len(a) for a in arrays]})",
            fix="evaluate all seeds on the same test data",
        )
    runs = np.stack(arrays)
    if not np.isfinite(runs).all():
        seed, record, column = np.argwhere(~np.isfinite(runs))[0]
        raise XltError(
            f"column {column} of the counts is {runs[seed, record, column]}",
            where=f"record {record}" + (f" of seed number {seed}" if len(runs) > 1 else ""),
            fix="counts are finite numbers: mend the task's `counts`, and evaluate again",
        )
    return runs


def _scores(sums: Counts, metrics: Metrics) -> dict[str, Counts]:
    """Sums (seeds, ..., K) → scores (..., seeds)."""
    scores = {}
    for name, values in metrics(sums).items():
        scores[name] = np.moveaxis(np.asarray(values, np.float64), 0, -1)
        if not np.isfinite(scores[name]).all():
            raise XltError(
                f"{name} is not a finite number on (some of) the records",
                where=f"metric {name}",
                fix="let the task's `metrics` give a number where there is nothing to count, "
                "such as 0",
            )
    return scores


def _resample(
    systems: list[Counts], metrics: Metrics, resamples: int, seed: int
) -> list[dict[str, Counts]]:
    """Scores (resamples, seeds) of each system; a resample is the same records for all of them."""
    records, columns = systems[0].shape[1:]
    flat = [runs.transpose(1, 0, 2).reshape(records, -1) for runs in systems]
    parts: list[list[dict[str, Counts]]] = [[] for _ in systems]
    for weights in _weights(records, resamples, seed):
        for matrix, runs, part in zip(flat, systems, parts, strict=True):
            sums = (weights @ matrix).reshape(len(weights), len(runs), columns)
            part.append(_scores(sums.transpose(1, 0, 2), metrics))
    return [
        {name: np.concatenate([scores[name] for scores in part]) for name in part[0]}
        for part in parts
    ]


def _weights(records: int, resamples: int, seed: int) -> Iterator[Counts]:
    """How often each record is drawn: rows are multinomial(records, uniform)."""
    random = np.random.default_rng(seed)
    step = max(1, _CHUNK // records)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = random.integers(0, records, (rows, records))
        drawn += np.arange(rows)[:, None] * records
        number = np.bincount(drawn.ravel(), minlength=rows * records)
        yield number.reshape(rows, records).astype(np.float64)


def _quantiles(values: NDArray[Any], confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))
