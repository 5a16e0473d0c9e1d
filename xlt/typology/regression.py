"""How much of a transfer score a few similarities explain, and how well they predict it.

A reading of Muller et al. 2022 ("Languages you know influence those you learn", arXiv 2212.01757),
whose code and exact features were never published: a table's scores are regressed on syntactic,
morphological, phonological and lexical similarity and on data sizes; here, the logarithms of the
source's and the target's tokens in CC-100, because no table says how much it trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlt.typology.distances import Points, between
from xlt.typology.scores import Matrix

Values = NDArray[np.float64]

SIMILARITIES = ("syntactic", "morphological", "phonological", "lexical")
SIZES = ("source tokens", "target tokens")
MIN_COMPLETE_PAIRS = 30
"""Fewest pairs with all features known: from fewer no regression is fitted."""
MIN_KNOWN_SHARE = 0.5
"""Least share of the pairs of which a similarity is known, or it takes no part."""


@dataclass(frozen=True)
class Term:
    """One feature of a regression.

    coefficient: points of the metric that one standard deviation of the feature is worth.
    error:       standard error of that, from leaving out one target at a time (jackknife).
    alone, without: mean absolute error on targets left out, of the feature alone and of all others.
    """

    feature: str
    coefficient: float
    error: float
    alone: float
    without: float


@dataclass(frozen=True)
class Regression:
    """A linear regression of the scores of a matrix on features of its pairs.

    pairs: that all features are known of. left_out: features that are known of too few.
    error: mean absolute error on targets left out; a target is left out as a source as well.
    constant: the same of the mean score. explained: share of the variance, in sample.
    """

    pairs: int
    targets: int
    left_out: tuple[str, ...]
    terms: tuple[Term, ...]
    error: float
    constant: float
    explained: float


def regress(matrix: Matrix) -> Regression | None:
    """Fit the regression; None where fewer than `MIN_COMPLETE_PAIRS` pairs have all features."""
    rows, columns = np.nonzero(~np.isnan(matrix.scores))
    sources = np.array(matrix.sources)[rows]
    targets = np.array(matrix.targets)[columns]
    features = _features(matrix)[rows, columns]
    enough = (~np.isnan(features)).mean(0) >= MIN_KNOWN_SHARE
    names = [*SIMILARITIES, *SIZES]
    complete = ~np.isnan(features[:, enough]).any(1)
    given = features[np.ix_(complete, enough)]
    varied = given.std(0) > 0 if len(given) else np.zeros(given.shape[1], dtype=bool)
    if complete.sum() < MIN_COMPLETE_PAIRS or not varied.any():
        return None
    given = (given[:, varied] - given[:, varied].mean(0)) / given[:, varied].std(0)
    used = [name for name, kept in zip(names, enough, strict=True) if kept]
    used = [name for name, kept in zip(used, varied, strict=True) if kept]
    scores = matrix.scores[rows, columns][complete]
    pairs = sources[complete], targets[complete]
    fitted = _fit(given, scores)
    rest = scores - _predict(given, fitted)
    errors = {
        n: _left_out(np.delete(given, n, 1), scores, *pairs)[0] for n in range(given.shape[1])
    }
    error, spread = _left_out(given, scores, *pairs)
    return Regression(
        len(scores),
        len(set(pairs[1])),
        tuple(name for name in names if name not in used),
        tuple(
            Term(
                name,
                float(fitted[n + 1]),
                float(spread[n + 1]),
                _left_out(given[:, [n]], scores, *pairs)[0],
                errors[n],
            )
            for n, name in enumerate(used)
        ),
        error,
        _left_out(given[:, :0], scores, *pairs)[0],
        float(1 - rest.var() / scores.var()) if scores.var() else 0.0,
    )


def _features(matrix: Matrix) -> Values:
    """The features of all pairs. Shape (sources, targets, features); NaN where unknown."""
    sources, targets = Points(matrix.sources), Points(matrix.targets)
    shape = matrix.scores.shape
    sizes = (sources.resources[:, None], targets.resources[None])
    similarities = [1 - between(kind, sources, targets) for kind in SIMILARITIES]
    return np.stack([*similarities, *(np.broadcast_to(size, shape) for size in sizes)], -1)


def _fit(given: Values, scores: Values) -> Values:
    """The constant and the coefficients, by least squares."""
    columns = np.column_stack([np.ones(len(given)), given])
    return np.asarray(np.linalg.lstsq(columns, scores, rcond=None)[0])


def _predict(given: Values, fitted: Values) -> Values:
    return np.asarray(fitted[0] + given @ fitted[1:])


def _left_out(
    given: Values, scores: Values, sources: NDArray[np.str_], targets: NDArray[np.str_]
) -> tuple[float, Values]:
    """Mean absolute error on targets left out, and the jackknife's standard errors.

    sources, targets: shape (pairs,).
    """
    errors, fits = [], []
    for held in sorted(set(targets)):
        asked = targets == held
        kept = ~asked & (sources != held)
        fits.append(_fit(given[kept], scores[kept]))
        errors.append(np.abs(scores[asked] - _predict(given[asked], fits[-1])))
    spread = np.sqrt((len(fits) - 1) * np.var(fits, axis=0))
    return float(np.concatenate(errors).mean()), spread
