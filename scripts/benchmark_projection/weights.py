"""The weights of the aligner `combined`, by logistic regression on gold alignments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from xlt.projection.align.combined import Combined, CombinedOptions, Weights

from .gold import gold_sets, parallel, words_of

HELD_OUT = "ita"
"""A language that nothing is fitted on, to see what a language has that was not there."""
RIDGE = 1.0
"""Squared weights, of values with a standard deviation of 1, are penalised by half of it."""


def fit(options: CombinedOptions, choices: Sequence[Sequence[str]], rows: int) -> Weights:
    """On the dev parts of XL-WA in all languages but one, with each choice of parallel text."""
    values, gold = [], []
    for _, source, target, of in gold_sets("dev"):
        if HELD_OUT in (source, target):
            continue
        for names in choices:
            aligner = Combined(options)
            aligner.learn_from(words_of(parallel(names, source, target, rows)))
            for n, evidence in aligner.evidence(of.pairs, source, target):
                linked = np.zeros(evidence.shape[:2])
                linked[tuple(np.array(sorted(of.sure[n]), np.int64).reshape(-1, 2).T)] = 1
                values.append(evidence.reshape(-1, evidence.shape[-1]))
                gold.append(linked.ravel())
    weights, bias = logistic_regression(np.concatenate(values), np.concatenate(gold))
    return Weights._make(round(value, 3) for value in (*weights.tolist(), bias))


def logistic_regression(
    values: NDArray[np.float32], gold: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Weights and bias. values: (rows, columns); gold: (rows,), 0 or 1."""
    mean, deviation = values.mean(0, np.float64), values.std(0, dtype=np.float64)
    model = LogisticRegression(C=1 / RIDGE, solver="newton-cholesky", tol=1e-10)
    model.fit((values - mean) / deviation, gold)
    weights = model.coef_[0] / deviation
    return weights, float(model.intercept_[0] - weights @ mean)
