"""How well a classifier suits text without labels: the Transfer Score.

Yang et al. 2024, "Can We Evaluate Domain Adaptation Models Without Target-Domain Labels?" (arXiv
2305.18712): a classifier transfers well if the weights of its classes point apart as far as they
can, if the features of the text lie in clusters, and if its predictions are sure and diverse. It is
no score in percent: of several models on one text, the one with the highest is expected to be best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import acos, log

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree
from scipy.special import xlogy

Values = NDArray[np.float64]

MIN_CLASSES = 3
"""Two weight vectors may be any angle apart: with a bias their difference alone decides."""
MIN_THINGS = 20
"""Of fewer, neither clusters nor diversity say anything."""
MAX_POINTS = 2000
"""Things, spread over all, whose features are looked at for clusters."""
DIMENSIONS = 10
"""To which features are reduced for it: in hundreds all points are equally far from each other, and
the statistic is 1 whatever they are (the authors take the features as they are)."""
SAMPLED, MIN_SAMPLED = 0.05, 50
"""Share of the things that the statistic samples, as in the authors' code; and at least so many,
half of few things."""


@dataclass(frozen=True)
class Classified:
    """What a linear layer makes of a text.

    features:      of each thing that it classifies, a word or a text, (things, d).
    weights:       of each class, (classes, d).
    probabilities: (things, classes).
    """

    features: Values
    weights: Values
    probabilities: Values


def transfer_score(given: Classified) -> float | None:
    """Hopkins statistic of the features, plus normalised mutual information of things and classes,
    less the weights' distance from uniformity (Yang et al. 2024).

    At most 2, and higher is better. The points that the statistic samples are the same at every
    call. None for fewer than `MIN_CLASSES` classes or `MIN_THINGS` things.
    """
    if len(given.weights) < MIN_CLASSES or len(given.features) < MIN_THINGS:
        return None
    return (
        clusters(given.features)
        + mutual_information(given.probabilities)
        - uniformity(given.weights)
    )


def uniformity(weights: ArrayLike) -> float:
    """The mean squared difference, over pairs of classes, of the angle between their weights from
    that of a regular simplex; in square radians.

    weights: (classes, d). 0 is best. Raises ValueError for fewer than two classes.
    """
    rows = np.asarray(weights, dtype=np.float64)
    if len(rows) < 2:
        raise ValueError(f"weights of shape {rows.shape}")
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    wanted = acos(-1 / (len(rows) - 1))
    cosines = np.array([a @ b for a, b in combinations(rows, 2)])
    return float(np.mean((np.arccos(cosines.clip(-1, 1)) - wanted) ** 2))


def mutual_information(probabilities: ArrayLike) -> float:
    """The entropy of the mean prediction less the mean entropy of predictions, divided by that of
    as many equally probable classes.

    probabilities: (things, classes). From 0 to 1, where each prediction is sure and each class as
    frequent. Raises ValueError without a thing.
    """
    given = np.asarray(probabilities, dtype=np.float64)
    if given.ndim != 2 or not given.size:
        raise ValueError(f"probabilities of shape {given.shape}")
    mean = given.mean(0)
    gained = -xlogy(mean, mean).sum() + xlogy(given, given).sum(1).mean()
    return float(gained / log(given.shape[1]))


def hopkins(features: ArrayLike, points: ArrayLike, sampled: Sequence[int]) -> float:
    """Hopkins' statistic of clustering (Hopkins and Skellam 1954): Σu / (Σu + Σw), where u are the
    distances of points from the nearest feature, and w those of features from the nearest other.

    features: (things, d). points: (any number, d), drawn from where the features lie. sampled:
    numbers of as many features. About 0.5 of features that lie at random, towards 1 of clusters;
    0.5 where all distances are 0.
    """
    given = np.asarray(features, dtype=np.float64)
    tree = KDTree(given)
    beside = float(tree.query(np.asarray(points, dtype=np.float64))[0].sum())
    among = float(tree.query(given[list(sampled)], k=2)[0][:, 1].sum())
    return beside / (beside + among) if beside + among else 0.5


def clusters(features: ArrayLike) -> float:
    """`hopkins` of features in their first principal components, for a sample of them and as many
    points from the box that they fill. features: (things, d)."""
    given = np.asarray(features, dtype=np.float64)
    given = given[:: -(-len(given) // MAX_POINTS)]
    given = _principal(given)
    number = max(int(SAMPLED * len(given)), min(MIN_SAMPLED, len(given) // 2))
    draw = np.random.default_rng(0)  # of the statistic, not of the model: it is no random result
    points = draw.uniform(given.min(0), given.max(0), (number, given.shape[1]))
    return hopkins(given, points, draw.choice(len(given), number, replace=False).tolist())


def _principal(features: Values) -> Values:
    """The coordinates in the first `DIMENSIONS` principal components, (things, at most so many)."""
    centred = features - features.mean(0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, : -DIMENSIONS - 1 : -1]
    # An axis has no direction of its own; one is chosen, so that the same points are drawn.
    axes *= np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    return np.asarray(centred @ axes)
