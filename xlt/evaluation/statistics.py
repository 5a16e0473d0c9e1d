"""How sure a score is, and a difference between two: resampling of test sentences.

A score is a function of sums over sentences (`Task.counts` → `Task.metrics`), so one resample is
a vector of how often each sentence was drawn, and all resamples are one matrix product.

Runs with several seeds are resampled together: a resample draws sentences once, computes the
score of every seed on them, and averages. Intervals and p-values therefore speak about other
sentences of the same kind; how much another seed would change is the standard deviation over
seeds, which stands beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xlt.errors import XltError

Counts = NDArray[np.float64]
Metrics = Callable[[Counts], dict[str, Counts]]
"""Summed counts (..., K) → scores (...), as `Task.metrics`."""

_CHUNK = 1 << 22  # draws held in memory at a time: 32 MiB


class Interval(NamedTuple):
    """A confidence interval, in the units of the metric."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Score of A minus score of B (each the mean over its seeds).

    low, high: confidence interval of the difference.
    p:         two-sided; how often a difference this large comes from drawing sentences alone.
    """

    difference: float
    low: float
    high: float
    p: float


def mean_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n-1); the latter is NaN for a single value."""
    array = np.asarray(values, np.float64)
    if not array.size:
        raise ValueError("no values")
    return float(array.mean()), float(array.std(ddof=1)) if array.size > 1 else float("nan")


def bootstrap_interval(
    counts: Counts | Sequence[Counts],
    metrics: Metrics,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Percentile bootstrap interval of every metric (Efron and Tibshirani 1993).

    counts:  (sentences, K) of one run; or one such matrix a seed, over the same sentences, for
        the interval of the mean over seeds.
    metrics: see `Metrics`.
    Raises XltError if there are no sentences or the seeds have different ones.
    """
    (drawn,) = _resample([_runs(counts)], metrics, resamples, seed)
    return {name: _quantiles(values, confidence) for name, values in drawn.items()}


def paired_bootstrap(
    counts_a: Counts | Sequence[Counts],
    counts_b: Counts | Sequence[Counts],
    metrics: Metrics,
    *,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Paired bootstrap over sentences (Koehn 2004, "Statistical Significance Tests for MT").

    The interval is the percentile interval of the difference. The p-value shifts the resampled
    differences to a mean of no difference, as Berg-Kirkpatrick, Burkett and Klein (2012, "An
    Empirical Investigation of Statistical Significance in NLP") do, and is two-sided:
    (1 + #{|δ* - δ| ≥ |δ|}) / (1 + resamples), never 0 (Davison and Hinkley 1997, ch. 4).

    counts_a, counts_b: (sentences, K) each, or one matrix a seed; row i is the same sentence in
        all of them. A and B may have different numbers of seeds.
    Raises XltError if there are no sentences or not the same number of them.
    """
    a, b = _runs(counts_a), _runs(counts_b)
    if a.shape[1:] != b.shape[1:]:
        raise XltError(
            f"the two runs were not scored on the same sentences ({a.shape[1]} and {b.shape[1]})",
            fix="compare runs of the same task on the same test data",
        )
    value_a, value_b = _scores(a.sum(axis=1), metrics), _scores(b.sum(axis=1), metrics)
    drawn_a, drawn_b = _resample([a, b], metrics, resamples, seed)
    result = {}
    for name in value_a:
        observed = float(value_a[name] - value_b[name])
        differences = drawn_a[name] - drawn_b[name]
        # Summation order may differ in the last digits; a tie must count as one.
        slack = 1e-9 * max(1.0, abs(observed))
        extreme = int((np.abs(differences - observed) >= abs(observed) - slack).sum())
        p = (1 + extreme) / (1 + resamples)
        result[name] = Comparison(observed, *_quantiles(differences, confidence), p)
    return result


def _runs(counts: Counts | Sequence[Counts]) -> Counts:
    """(seeds, sentences, K)"""
    matrices = [counts] if isinstance(counts, np.ndarray) and counts.ndim == 2 else list(counts)
    arrays = [np.asarray(matrix, np.float64) for matrix in matrices]
    if not arrays or not len(arrays[0]):
        raise XltError("there is no sentence to resample", fix="evaluate on data that has some")
    if any(array.shape != arrays[0].shape for array in arrays):
        raise XltError(
            f"the seeds were not scored on the same sentences ({[len(a) for a in arrays]})",
            fix="evaluate all seeds on the same test data",
        )
    return np.stack(arrays)


def _scores(sums: Counts, metrics: Metrics) -> dict[str, Counts]:
    """Sums (seeds, ..., K) → scores (...), averaged over seeds."""
    return {name: np.asarray(value).mean(axis=0) for name, value in metrics(sums).items()}


def _resample(
    systems: list[Counts], metrics: Metrics, resamples: int, seed: int
) -> list[dict[str, NDArray[Any]]]:
    """Scores (resamples,) of each system; a resample is the same sentences for all of them."""
    sentences, columns = systems[0].shape[1:]
    flat = [runs.transpose(1, 0, 2).reshape(sentences, -1) for runs in systems]
    parts: list[list[dict[str, Counts]]] = [[] for _ in systems]
    for weights in _weights(sentences, resamples, seed):
        for matrix, runs, part in zip(flat, systems, parts, strict=True):
            sums = (weights @ matrix).reshape(len(weights), len(runs), columns)
            part.append(_scores(sums.transpose(1, 0, 2), metrics))
    return [
        {name: np.concatenate([scores[name] for scores in part]) for name in part[0]}
        for part in parts
    ]


def _weights(sentences: int, resamples: int, seed: int) -> Iterator[Counts]:
    """How often each sentence is drawn: rows are multinomial(sentences, uniform)."""
    random = np.random.default_rng(seed)
    step = max(1, _CHUNK // sentences)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = random.integers(0, sentences, (rows, sentences))
        drawn += np.arange(rows)[:, None] * sentences
        number = np.bincount(drawn.ravel(), minlength=rows * sentences)
        yield number.reshape(rows, sentences).astype(np.float64)


def _quantiles(values: NDArray[Any], confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))
