"""The Transfer Score, by figures that are worked out by hand."""

from math import cos, log, pi, sin

import numpy as np
import pytest

from xlt.evaluation.transfer_score import (
    MAX_POINTS,
    MIN_CLASSES,
    MIN_THINGS,
    Classified,
    clusters,
    hopkins,
    mutual_information,
    transfer_score,
    uniformity,
)


def test_weights_as_far_apart_as_in_a_simplex_are_uniform():
    corners = [(cos(2 * pi * n / 3), sin(2 * pi * n / 3)) for n in range(3)]
    assert uniformity(corners) == pytest.approx(0, abs=1e-12)
    assert uniformity(np.array(corners) * [[2], [3], [0.1]]) == pytest.approx(0, abs=1e-12)
    tetrahedron = [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]
    assert uniformity(tetrahedron) == pytest.approx(0, abs=1e-12)


def test_angles_of_weights_by_hand():
    """90, 135 and 135 degrees, where 120 are wanted: 30, 15 and 15 are missing."""
    expected = ((pi / 6) ** 2 + 2 * (pi / 12) ** 2) / 3
    assert expected == pytest.approx(0.137078, abs=1e-6)
    assert uniformity([(1, 0), (0, 1), (-1, -1)]) == pytest.approx(expected)
    with pytest.raises(ValueError, match="shape"):
        uniformity([(1, 0)])


def test_information_of_predictions_by_hand():
    sure = np.eye(3)
    assert mutual_information(sure) == pytest.approx(1)
    assert mutual_information(np.full((5, 4), 0.25)) == pytest.approx(0)
    assert mutual_information([sure[0]] * 7) == pytest.approx(0), "one class alone is no success"
    # The entropies of 0.5, 0.5, 0 and of 0.75, 0.25, 0 less that of the former, in ln 3.
    halves = [(1, 0, 0), (0.5, 0.5, 0)]
    expected = (-0.75 * log(0.75) - 0.25 * log(0.25) - 0.5 * log(2)) / log(3)
    assert mutual_information(halves) == pytest.approx(expected)
    with pytest.raises(ValueError, match="shape"):
        mutual_information(np.zeros((0, 3)))


def test_information_as_the_authors_code():
    """Which adds 1e-5 and 1e-6 to the probabilities in logarithms."""
    given = [(0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.6, 0.2, 0.2)]
    assert mutual_information(given) == pytest.approx(0.218779, abs=5e-5)


def test_the_statistic_of_clusters_by_hand():
    """From 5 it is 4 to the nearest, from 20 it is 9; from 0 it is 1 to another."""
    features = [[0.0], [1.0], [10.0], [11.0]]
    assert hopkins(features, [[5.0]], [0]) == pytest.approx(4 / 5)
    assert hopkins(features, [[5.0], [20.0]], [0, 3]) == pytest.approx(13 / 15)
    assert hopkins([[1.0]] * 4, [[1.0]], [2]) == 0.5


def test_clusters_are_told_from_none():
    draw = np.random.default_rng(3)
    even = draw.uniform(size=(800, 2)) * [3, 1]  # along the axes that are found
    assert clusters(even) == pytest.approx(0.5, abs=0.06)
    centres = draw.uniform(size=(4, 2)) * [3, 1]
    apart = centres[draw.integers(0, 4, 800)] + 0.01 * draw.normal(size=(800, 2))
    assert clusters(apart) > 0.9


def test_clusters_do_not_depend_on_how_the_space_is_turned():
    """Nor on dimensions in which nothing differs; and the same is said every time."""
    draw = np.random.default_rng(5)
    features = draw.normal(size=(300, 12)) * np.arange(12, 0, -1)
    turned, _ = np.linalg.qr(draw.normal(size=(12, 12)))
    found = clusters(features)
    assert clusters(features) == found
    assert clusters(np.hstack([features, np.ones((300, 3))])) == pytest.approx(found)
    assert clusters(features @ turned) == pytest.approx(found, abs=0.1)


def test_of_many_features_some_are_looked_at():
    features = np.random.default_rng(0).normal(size=(2 * MAX_POINTS + 1, 3))
    changed = features.copy()
    changed[1::3] = 1e6
    assert clusters(changed) == clusters(features)


def classified(things=60, classes=4, spread=0.05):
    """Features around the weights of their classes, which are orthogonal."""
    draw = np.random.default_rng(1)
    weights = np.eye(classes, 6)
    features = weights[np.arange(things) % classes] + spread * draw.normal(size=(things, 6))
    scores = np.exp(5 * features @ weights.T)
    return Classified(features, weights, scores / scores.sum(1, keepdims=True))


def test_the_score_is_the_sum_of_its_parts():
    given = classified()
    expected = clusters(given.features) + mutual_information(given.probabilities)
    assert transfer_score(given) == pytest.approx(expected - uniformity(given.weights))
    assert transfer_score(given) > transfer_score(classified(spread=1.0))


def test_of_two_classes_or_few_things_there_is_no_score():
    assert transfer_score(classified(classes=MIN_CLASSES)) is not None
    assert transfer_score(classified(classes=MIN_CLASSES - 1)) is None
    assert transfer_score(classified(things=MIN_THINGS)) is not None
    assert transfer_score(classified(things=MIN_THINGS - 1)) is None
