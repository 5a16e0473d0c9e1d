"""LogME and the maps of ESM."""

import numpy as np
import pytest
from scipy.optimize import minimize

from xlt.evaluation.logme import embedding_map, logme


def golden():
    return np.random.RandomState(0).randn(20, 4), np.arange(20) % 2


@pytest.mark.parametrize(("steps", "expected"), [(11, -1.0537998), (50, -1.0535468)])
def test_as_the_authors_code(steps, expected):
    """thuml/LogME takes at most 11 steps, hf-dataset-selector 50."""
    features, labels = golden()
    assert logme(features, labels, steps=steps) == pytest.approx(expected, abs=1e-6)


def test_features_that_hold_the_label_are_better():
    features, labels = golden()
    features[:, 0] += 3 * labels
    assert logme(features, labels) == pytest.approx(-0.8548301, abs=1e-6)


@pytest.mark.parametrize("size", [4, 30])
def test_it_is_the_largest_evidence_over_both_precisions(size):
    """The evidence written out as a Gaussian density of the labels, maximised directly.

    With more dimensions than examples, too, where the authors' code forgets those without any.
    """
    features = np.random.default_rng(5).normal(size=(20, size))
    labels = (features[:, 1] > 0.3).astype(int)

    def of(target):
        def negative(logs):
            weight, noise = np.exp(logs)
            covariance = np.eye(20) / noise + features @ features.T / weight
            _, log = np.linalg.slogdet(covariance)
            fit = target @ np.linalg.solve(covariance, target)
            return (20 * np.log(2 * np.pi) + log + fit) / 40

        return -minimize(negative, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-6}).fun

    expected = np.mean([of(labels == 0), of(labels == 1)])
    assert logme(features, labels, steps=500) == pytest.approx(expected, abs=1e-3)


def test_a_linear_map_is_recovered():
    draw = np.random.default_rng(0)
    base, weights, bias = draw.normal(size=(200, 8)), draw.normal(size=(8, 5)), draw.normal(size=5)
    found = embedding_map(base, base @ weights + bias)
    new = draw.normal(size=(30, 8))
    assert found(new) == pytest.approx(new @ weights + bias, abs=0.02)


def test_a_map_of_constant_vectors_is_finite():
    assert embedding_map(np.ones((4, 3)), np.full((4, 2), 7.0))(np.ones((1, 3))) == pytest.approx(7)


def test_examples_are_as_many():
    with pytest.raises(ValueError, match="shape"):
        logme(np.zeros((3, 2)), [0, 1])
    with pytest.raises(ValueError, match="3 and 2 examples"):
        embedding_map(np.zeros((3, 2)), np.zeros((2, 2)))
