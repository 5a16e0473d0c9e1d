"""The process over pairs of languages, against the textbook's dense formulas."""

from __future__ import annotations

import numpy as np
import pytest

from xlt.typology import process
from xlt.typology.evidence import Geometry, geometry, usual_distances
from xlt.typology.features import EXAMPLES, FEATURES, features
from xlt.typology.scores import Matrix

SOURCES = ("deu", "eng", "fra", "hin", "rus", "tur", "zho")
TARGETS = ("ces", "eng", "eus", "jpn", "spa", "swa", "tam", "ukr")
USUAL = usual_distances(sorted({*SOURCES, *TARGETS}))
PRIOR = np.linspace(0.1, 0.3, len(FEATURES))


def among(a, b) -> Geometry:
    return geometry(list(a), list(b), USUAL)


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    scores = np.random.default_rng(0).uniform(20, 90, (len(SOURCES), len(TARGETS)))
    scores[1, 1] = scores[4, 6] = np.nan
    about = dict.fromkeys(("paper", "model", "origin", "licence"), "")
    return Matrix("made", "up", "F1", True, SOURCES, TARGETS, scores, about)


def test_the_solution_is_that_of_the_dense_system(matrix):
    """Column means are free: a large variance for each stands for that in the dense formula."""
    found = process.fit(matrix, among, PRIOR)
    sources = process.source_kernel(among(SOURCES, SOURCES), np.eye(len(SOURCES), dtype=bool))
    targets = process.target_kernel(among(TARGETS, TARGETS))
    given = features(among(SOURCES, TARGETS)).reshape(-1, len(FEATURES))
    assert not given[:, EXAMPLES].any()
    known = ~np.isnan(matrix.standard).ravel()
    column = np.kron(np.ones((len(SOURCES),) * 2), np.eye(len(TARGETS)))
    prior = np.kron(sources, targets) + process.FREEDOM * given @ given.T
    covariance = prior + 1e5 * column + process.NOISE * np.eye(len(known))
    wanted = matrix.standard.ravel()[known] - (given @ PRIOR)[known]
    weights = np.linalg.solve(covariance[np.ix_(known, known)], wanted)
    beta = PRIOR + process.FREEDOM * given[known].T @ weights
    np.testing.assert_allclose(found.weights, beta, atol=2e-3)
    pull = np.zeros(len(known))
    pull[known] = weights
    np.testing.assert_allclose(found.pull, pull.reshape(found.pull.shape), atol=2e-3)


def test_without_scores_the_prior_is_all(matrix):
    empty = Matrix(
        *(matrix.name, matrix.task, "F1", True, SOURCES, TARGETS),
        np.full(matrix.scores.shape, np.nan),
        matrix.about,
    )
    found = process.fit(empty, among, PRIOR)
    np.testing.assert_array_equal(found.weights, PRIOR)
    assert found.pull.size == 0


def test_the_level_follows_like_languages_and_their_resources():
    """Levels 80 for European targets and 30 for African ones: a new one is where its like are."""
    targets = ("ces", "deu", "fra", "ita", "pol", "spa", "hau", "ibo", "swa", "wol", "yor", "zul")
    level = np.array([80.0] * 6 + [30.0] * 6)
    draw = np.random.default_rng(1).normal(0, 3, (6, 12))
    sources = ("eng", "rus", "tur", "hin", "zho", "ara")
    about = dict.fromkeys(("paper", "model", "origin", "licence"), "")
    matrix = Matrix("made", "up", "F1", True, sources, targets, level + draw, about)
    found = process.fit(matrix, among, np.zeros(len(FEATURES)))
    new = ["por", "xho"]
    kernel = process.level_kernel(among(targets, new))
    european, african = found.levels.at(kernel)
    assert european > 65
    assert african < 45
    assert (found.units.at(kernel) > 0).all()
