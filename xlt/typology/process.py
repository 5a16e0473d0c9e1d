"""Measured scores as a Gaussian process over pairs of languages: what a new pair is worth.

Within a target t, a source's standardised score is

    z(s, t) = β · x(s, t) + g(s, t) + noise

x are `features`. g is smooth: its covariance is k(s, s') · k(t, t').
Sources have much of their own, and those that encoders have read much of are better,

    k(s, s') = ([s = s'] + `ALIKE` exp(-D / `SOURCES`)) / (1 + `ALIKE`) + `READ` r(s) r(s');

a source that is good for one target is good for others, the more so for languages like it,

    k(t, t') = `QUALITY` + exp(-(D + `TEXT` |r(t) - r(t')|) / `TARGETS`);

r are the resources, log tokens in CC-100, English 1. β is drawn to what holds in all matrices
(`prior`); what the size of the training data is worth is no table's own. All of it is one
linear system a matrix (universal kriging: Rasmussen and Williams 2006, section 2.7), solved by
conjugate gradients with the Kronecker product of the two kernels as preconditioner; the matrix need
not be complete.

The level of a target (its mean score) and its unit (the spread of its sources) are two more such
processes, over targets alone, with the resources of the language as a trend.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlt.typology.evidence import Geometry
from xlt.typology.features import EXAMPLES, FEATURES, features, lacking, training_sizes
from xlt.typology.scores import Matrix

Values = NDArray[np.float64]
Among = Callable[[Sequence[str], Sequence[str]], Geometry]
"""Distances between two lists of languages."""

NOISE, QUALITY, ALIKE, FREEDOM = 1.0, 1.0, 1.0, 0.015
"""Variances, that of g's smooth part being 1; FREEDOM is that of β about the prior."""
TARGETS, SOURCES, TEXT, READ = 1.5, 1.0, 1.0, 1.0
"""Widths, and the weights of resources."""
MIDDLE = 0.5
"""Resources are taken about it."""
LEVELS, LEVEL_NOISE, LEVEL_QUALITY = 2.0, 0.3, 0.3
MAX_TARGETS = 250
"""Most targets of a matrix that are fitted: 800 Bible translations tell little more, but slowly."""
MAX_STEPS, TOLERANCE = 1000, 1e-6
"""Of the conjugate gradients."""


@dataclass(frozen=True)
class Posterior:
    """What a matrix says of pairs that it has not.

    pull:     shape (sources, targets): g(s, t) = k(s, sources) · pull · k(targets, t).
    weights:  β.
    levels, units: weights of the targets, with mean and scale, of the two processes over targets.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    pull: Values
    weights: Values
    levels: Trend
    units: Trend


@dataclass(frozen=True)
class Trend:
    """A number that targets have, as a process over targets."""

    weights: Values
    mean: float
    scale: float

    def at(self, kernel: Values) -> Values:
        """The expected number of m targets, shape (m,), or of one, shape ().

        kernel: `level_kernel` of the matrix's targets and these, shape (targets, m) or (targets,).
        """
        return np.asarray(self.mean + self.scale * (self.weights @ kernel))


def target_kernel(near: Geometry) -> Values:
    return np.asarray(QUALITY + np.exp(-(near.together + TEXT * near.resources) / TARGETS))


def source_kernel(near: Geometry, same: NDArray[np.bool_]) -> Values:
    """The covariance of two lists of sources. Shape (a, b). same: where two are one language."""
    alike = (same + ALIKE * near.kernel(SOURCES)) / (1 + ALIKE)
    return np.asarray(alike + READ * np.outer(near.read - MIDDLE, near.target_read - MIDDLE))


def fit(matrix: Matrix, among: Among, prior: Values) -> Posterior:
    """The posterior of one matrix. prior: mean of β."""
    chosen = some_targets(matrix)
    targets = [matrix.targets[n] for n in chosen]
    between = among(targets, targets)
    near = among(matrix.sources, matrix.sources)
    apart = source_kernel(near, np.eye(len(matrix.sources), dtype=bool))
    pull, weights = _solve(
        matrix.standard[:, chosen],
        apart,
        target_kernel(between),
        features(
            among(matrix.sources, targets),
            lacking(matrix.sources, training_sizes(matrix.name)),
        ),
        prior,
    )
    return Posterior(
        matrix.sources,
        tuple(targets),
        pull,
        weights,
        _trend(matrix.means[chosen], between),
        _trend(matrix.units[chosen], between),
    )


def _solve(
    scores: Values, sources: Values, targets: Values, given: Values, prior: Values
) -> tuple[Values, Values]:
    """Weights of the kernels, and β."""
    known = ~np.isnan(scores)
    count = np.maximum(known.sum(0), 1)

    def centred(values: Values) -> Values:
        # A target's mean is free: everything is seen from it.
        kept = np.where(known, values, 0)
        return np.where(known, kept - kept.sum(0) / count, 0)

    free = np.full(len(FEATURES), np.sqrt(FREEDOM))
    free[EXAMPLES] = 0
    columns = free * np.stack([centred(given[..., n]).ravel() for n in range(len(FEATURES))], 1)
    wanted = centred(scores - given @ prior)
    (a, left), (b, right) = np.linalg.eigh(sources), np.linalg.eigh(targets)
    divisor = np.outer(a, b) + NOISE

    def operator(values: Values) -> Values:
        linear = (columns @ (columns.T @ values.ravel())).reshape(values.shape)
        return centred(sources @ values @ targets) + linear + NOISE * values

    def precondition(values: Values) -> Values:
        return centred(left @ ((left.T @ values @ right) / divisor) @ right.T)

    pull = _conjugate_gradients(operator, precondition, wanted)
    return pull, prior + free * (columns.T @ pull.ravel())


def _conjugate_gradients(
    operator: Callable[[Values], Values], precondition: Callable[[Values], Values], wanted: Values
) -> Values:
    """The solution of `operator(x) = wanted`, until the rest's square is `TOLERANCE` of `wanted`'s.

    By hand, because importing scipy.sparse.linalg, whose `cg` finds the same to 2e-11, takes half
    as long as all of `xlt predict-source`.
    Raises ArithmeticError if `MAX_STEPS` steps are not enough (the packaged matrices need at most
    10).
    """
    solution, rest = np.zeros_like(wanted), wanted.copy()
    step = better = precondition(rest)
    slope, enough = float((rest * better).sum()), TOLERANCE * float((rest**2).sum())
    for _ in range(MAX_STEPS):
        if (rest**2).sum() <= enough:
            return solution
        applied = operator(step)
        length = slope / float((step * applied).sum())
        solution, rest = solution + length * step, rest - length * applied
        better = precondition(rest)
        before, slope = slope, float((rest * better).sum())
        step = better + slope / before * step
    raise ArithmeticError(f"conjugate gradients did not converge in {MAX_STEPS} steps")


def level_kernel(near: Geometry) -> Values:
    """The covariance of the numbers of two lists of targets."""
    together = near.together + TEXT * near.resources
    trend = np.outer(near.read - MIDDLE, near.target_read - MIDDLE)
    return np.asarray(LEVEL_QUALITY + np.exp(-together / LEVELS) + trend)


def _trend(values: Values, between: Geometry) -> Trend:
    """Fit a trend to the values known of some targets."""
    known = ~np.isnan(values)
    if not known.any():
        return Trend(np.zeros(len(values)), float("nan"), 0.0)
    mean, scale = float(values[known].mean()), float(values[known].std())
    if not scale:
        return Trend(np.zeros(len(values)), mean, 0.0)
    kernel = level_kernel(between)
    weights = np.zeros(len(values))
    place = np.ix_(known, known)
    weights[known] = np.linalg.solve(
        kernel[place] + LEVEL_NOISE * np.eye(int(known.sum())), (values[known] - mean) / scale
    )
    return Trend(weights, mean, scale)


def some_targets(matrix: Matrix, most: int = MAX_TARGETS) -> list[int]:
    """Columns that rank something, evenly spaced where there are more than `most`."""
    useful = np.flatnonzero(~np.isnan(matrix.standard).all(0))
    if len(useful) > most:
        useful = useful[np.linspace(0, len(useful) - 1, most).round().astype(int)]
    return [int(n) for n in useful]
