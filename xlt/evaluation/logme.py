"""Which features suit labels: LogME, and the linear maps of ESM that stand in for a trained model.

LogME (You et al. 2021, arXiv 2102.11005) is the logarithm of the evidence of a Bayesian linear
regression of the labels on the features, the largest over the precisions of weights and noise, by
example. Embedding space maps (Schulte et al. 2024, arXiv 2410.15148) are linear maps from the
vectors of a base encoder to those of one that was trained on a source: with one for each source, a
target's examples are put through the base encoder alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]

STEPS = 11
"""Of the fixed point at most, as in the authors' code."""
CONVERGED = 1e-3
RIDGE = 1e-3
"""Of a map, in mean squares of the features."""
_TINY = 1e-5


def logme(features: ArrayLike, labels: ArrayLike, *, steps: int = STEPS) -> float:
    """The mean over classes, one against the rest, of the log evidence of an example.

    features: (examples, d). labels: (examples,), of any kind that can be sorted.
    Larger is better; comparable for the same examples only. Raises ValueError without an example.
    """
    given, classes = np.asarray(features, dtype=np.float64), np.asarray(labels)
    if given.ndim != 2 or classes.shape != given.shape[:1] or not len(given):
        raise ValueError(f"features of shape {given.shape} and labels of shape {classes.shape}")
    left, singular, _ = np.linalg.svd(given, full_matrices=False)
    wanted = (classes[:, None] == np.unique(classes)[None]).astype(np.float64)
    shape = given.shape
    return float(np.mean([_evidence(left, singular**2, y, shape, steps) for y in wanted.T]))


def _evidence(
    left: Values, squares: Values, wanted: Values, shape: tuple[int, ...], steps: int
) -> float:
    """Of one regression, by MacKay's fixed point in the singular vectors' coordinates.

    squares: of the singular values. shape: (examples, d).
    """
    count, size = shape
    along = (left.T @ wanted) ** 2
    beside = float(wanted @ wanted) - float(along.sum())
    weight = noise = 1.0
    for _ in range(steps):
        ratio = weight / noise
        free = float((squares / (squares + ratio)).sum())
        norm = float((squares * along / (squares + ratio) ** 2).sum())
        error = float((along / (1 + squares / ratio) ** 2).sum()) + beside
        weight, noise = free / (norm + _TINY), (count - free) / (error + _TINY)
        if abs(weight / noise - ratio) <= CONVERGED * ratio:
            break
    total = size * np.log(weight) + count * np.log(noise / (2 * np.pi))
    # Directions in which the features are 0 keep the prior's precision.
    total -= np.log(weight + noise * squares).sum() + (size - len(squares)) * np.log(weight)
    return float(total - noise * error - weight * norm) / (2 * count)


class Map(NamedTuple):
    """A linear map with its bias: `weights` (d + 1, d'), the last row the bias."""

    weights: Values

    def __call__(self, features: ArrayLike) -> Values:
        """(examples, d) → (examples, d')."""
        given = np.asarray(features, dtype=np.float64)
        return np.asarray(given @ self.weights[:-1] + self.weights[-1])


def embedding_map(base: ArrayLike, trained: ArrayLike) -> Map:
    """The map from a base encoder's vectors of a text to a trained one's, by ridge regression.

    In closed form, where the authors descend the gradient. base: (examples, d). trained:
    (examples, d'). Raises ValueError where the two are not of as many examples.
    """
    x, y = (np.asarray(one, dtype=np.float64) for one in (base, trained))
    if len(x) != len(y) or not len(x):
        raise ValueError(f"{len(x)} and {len(y)} examples")
    mean, goal = x.mean(0), y.mean(0)
    square = (x - mean).T @ (x - mean)
    square[np.diag_indices_from(square)] += RIDGE * max(np.trace(square) / len(square), _TINY)
    weights = np.linalg.solve(square, (x - mean).T @ (y - goal))
    return Map(np.vstack([weights, goal - mean @ weights]))
