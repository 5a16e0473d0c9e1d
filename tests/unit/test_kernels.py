"""Numbers that the ranking is made of, each against its formula, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xlt.typology import process
from xlt.typology.distances import Points, between
from xlt.typology.evidence import TERMS, Geometry, geometry, usual_distances
from xlt.typology.features import EXAMPLES, FEATURES, features, lacking
from xlt.typology.fitting import SIZE_WEIGHT, likeness, moments, shared_weights, shares
from xlt.typology.scores import Matrix

NOTHING = dict.fromkeys(("paper", "model", "origin", "licence"), "")


def pair(read: float = 0.9, target_read: float = 0.6) -> Geometry:
    """One pair of languages. D = 0.1 + 2 · 0.2 + 1.5 · 0.4 + 1 = 2.1"""
    apart = dict(zip(TERMS, (0.1, 0.2, 0.4, 0.7, 1.0), strict=True))
    return Geometry(
        {kind: np.array([[value]]) for kind, value in apart.items()},
        {kind: np.array([[False]]) for kind in TERMS},
        *(np.array([value]) for value in (read, 1.0, target_read)),
    )


def table(scores: list[list[float]]) -> Matrix:
    """Sources a, b, … and targets A, B, …"""
    values = np.array(scores)
    letters = "abcdefghijklmnopqrstuvwxyz"
    sources, targets = letters[: len(values)], letters[: values.shape[1]].upper()
    return Matrix("made", "up", "F1", True, tuple(sources), tuple(targets), values, NOTHING)


# Kernels ---------------------------------------------------------------------------------------


def test_the_distance_of_a_pair():
    assert pair().together == pytest.approx(2.1)
    assert pair().kernel(0.7) == pytest.approx(math.exp(-3))


def test_the_kernel_of_targets_has_a_quality_that_all_share():
    assert process.target_kernel(pair()) == pytest.approx(1 + math.exp(-(2.1 + 0.3) / 1.5))


@pytest.mark.parametrize("same", [True, False])
def test_the_kernel_of_sources(same):
    """Half its own, half of what is like it, and resources about 0.5."""
    found = process.source_kernel(pair(0.9, 0.2), np.array([[same]]))
    assert found == pytest.approx((same + math.exp(-2.1)) / 2 + 0.4 * -0.3)


def test_features_are_larger_for_what_is_better():
    found = dict(zip(FEATURES, features(pair(), np.array([2.0]))[0, 0].tolist(), strict=True))
    assert found == {
        "genetic": pytest.approx(-0.1 / 0.15),
        "geographic": pytest.approx(-0.2 / 0.2),
        "neighbours": pytest.approx(math.exp(-4) / 0.2),
        "syntactic": pytest.approx(-0.4 / 0.13),
        "lexical": pytest.approx(-0.7 / 0.1),
        "script": pytest.approx(-1 / 0.5),
        "read": pytest.approx(0.9 / 0.3),
        "covered": pytest.approx(1 / 0.5),
        "both read": pytest.approx((1 - math.exp(-0.9 / 0.25)) * (0.6 - 0.5) / 0.1),
        "examples": -2,
    }
    assert features(pair())[0, 0, EXAMPLES] == 0


def test_data_are_lacking_below_3000_examples():
    sizes = {"aaa": 30, "bbb": 300_000, "ccc": 0}
    found = lacking(["aaa", "bbb", "ccc", "ddd"], sizes)
    assert found.tolist() == pytest.approx([2 / 0.3, 0, math.log10(3000) / 0.3, 0])


def test_a_trend_at_a_new_target():
    trend = process.Trend(np.array([2.0]), mean=50.0, scale=10.0)
    kernel = 0.3 + math.exp(-(2.1 + 0.3) / 2) + (0.9 - 0.5) * (0.6 - 0.5)
    assert trend.at(process.level_kernel(pair())) == pytest.approx(50 + 10 * 2 * kernel)


def test_a_trend_is_the_process_s_mean():
    codes = ("ces", "eus", "jpn", "spa")
    near = geometry(codes, codes, usual_distances(codes))
    values, resources = np.array([3.0, np.nan, 5.0, 10.0]), near.read - 0.5
    found = process._trend(values, near)
    known = [0, 2, 3]
    standard = (values[known] - 6) / np.std(values[known])
    smooth = 0.3 + np.exp(-(near.together + near.resources) / 2) + np.outer(resources, resources)
    weights = np.linalg.solve(smooth[np.ix_(known, known)] + 0.3 * np.eye(3), standard)
    assert (found.mean, found.scale) == (pytest.approx(6), pytest.approx(np.std(values[known])))
    np.testing.assert_allclose(found.weights[known], weights)
    assert found.weights[1] == 0


def test_a_trend_of_equal_values_is_their_mean():
    codes = ("ces", "eus")
    near = geometry(codes, codes, usual_distances(codes))
    kernel = process.level_kernel(near)
    assert process._trend(np.array([4.0, 4.0]), near).at(kernel).tolist() == [4, 4]
    assert np.isnan(process._trend(np.full(2, np.nan), near).at(kernel)).all()


# The linear system -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def system():
    """Kernels of 9 sources and 30 targets of unequal weight, features, scores with gaps."""
    draw = np.random.default_rng(4)
    sources, targets = (
        root @ np.diag(np.geomspace(0.01, 20, len(root))) @ root.T
        for root in (np.linalg.qr(draw.normal(size=(n, n)))[0] for n in (9, 30))
    )
    scores = draw.normal(size=(9, 30))
    scores[draw.uniform(size=scores.shape) < 0.4] = np.nan
    scores[:, 7] = np.nan  # a target that nothing is known of
    return (
        scores,
        sources,
        targets,
        draw.normal(size=(9, 30, len(FEATURES))),
        np.linspace(0.1, 0.3, len(FEATURES)),
    )


def dense(scores, sources, targets, given, prior):
    """The same system as one matrix: seen from each target's mean, unknown scores left out."""
    known = ~np.isnan(scores)
    seen = np.zeros((scores.size,) * 2)
    for target in range(scores.shape[1]):
        rows = np.flatnonzero(known[:, target]) * scores.shape[1] + target
        if len(rows):
            seen[np.ix_(rows, rows)] = np.eye(len(rows)) - 1 / len(rows)
    columns = seen @ given.reshape(-1, given.shape[-1])
    columns[:, EXAMPLES] = 0  # how much the size of data matters is no table's own
    covariance = seen @ np.kron(sources, targets) @ seen + 0.015 * columns @ columns.T
    wanted = seen @ np.where(known, scores - given @ prior, 0).ravel()
    pull = np.linalg.solve(covariance + np.eye(len(wanted)), wanted)
    return pull.reshape(scores.shape), prior + 0.015 * columns.T @ pull, wanted


def test_the_system_is_solved_as_exactly_as_it_says(system):
    pull, weights = process._solve(*system)
    exact, beta, wanted = dense(*system)
    # The rest is at most a thousandth of the right side, and no eigenvalue is below the noise, 1.
    assert np.linalg.norm(pull - exact) <= 1e-3 * np.linalg.norm(wanted)
    np.testing.assert_allclose(weights, beta, atol=1e-3)


def test_too_few_steps_are_no_solution(system, monkeypatch):
    monkeypatch.setattr(process, "MAX_STEPS", 3)
    with pytest.raises(ArithmeticError, match="3 steps"):
        process._solve(*system)


def test_the_preconditioner_saves_steps(system, monkeypatch):
    """14 of them are enough with it, 38 without."""
    _, sources, targets, given, prior = system
    monkeypatch.setattr(process, "MAX_STEPS", 20)
    process._solve(np.random.default_rng(5).normal(size=(9, 30)), sources, targets, given, prior)


def test_many_targets_are_thinned_evenly():
    matrix = table(np.tile(np.arange(6.0)[:, None], (1, 20)).tolist())
    assert process.some_targets(matrix) == list(range(20))
    assert process.some_targets(matrix, 20) == list(range(20))
    assert process.some_targets(matrix, 3) == [0, 10, 19]
    assert process.MAX_TARGETS == 250


# Scores ----------------------------------------------------------------------------------------


def test_scores_about_their_target_s_mean_in_its_units():
    nan = np.nan
    matrix = table(
        [[10, 1, 5, 1], [20, 1, nan, 2], [30, 1, nan, 3], [40, 1, nan, 4], [50, 1, 7, 15]]
    )
    np.testing.assert_allclose(matrix.means, [30, 1, 6, 5])
    squares = 20**2 + 10**2 + 0 + 10**2 + 20**2, 4**2 + 3**2 + 2**2 + 1 + 10**2
    typical = math.sqrt(sum(squares) / 10)
    units = [math.sqrt(math.sqrt(square / 5) * typical) for square in squares]
    # Of five equal sources, and of two, none is better: such targets rank nothing.
    np.testing.assert_allclose(matrix.units, [units[0], nan, nan, units[1]])
    np.testing.assert_allclose(matrix.standard[:, 0], np.array([-20, -10, 0, 10, 20]) / units[0])
    assert np.isnan(table([[1.0], [2], [3], [5]]).units).all()


def test_a_matrix_without_a_language():
    matrix = Matrix("m", "t", "F1", True, ("x", "y"), ("y", "z"), np.eye(2), NOTHING)
    less = matrix.without("y")
    assert (less.sources, less.targets) == (("x",), ("z",))
    np.testing.assert_array_equal(less.scores, [[0]])


def test_moments_are_about_the_mean_of_each_target():
    """As least squares with a constant for each target has it."""
    draw = np.random.default_rng(0)
    scores, given = draw.normal(size=(6, 4)), draw.normal(size=(6, 4, len(FEATURES)))
    scores[2, 1] = scores[5, 3] = np.nan
    found = moments(scores, given)
    known = ~np.isnan(scores)
    constants = np.broadcast_to(np.eye(4), (6, 4, 4))[known]
    rest = np.eye(known.sum()) - constants @ np.linalg.pinv(constants)
    np.testing.assert_allclose(found.xx, given[known].T @ rest @ given[known], atol=1e-9)
    np.testing.assert_allclose(found.xz, given[known].T @ rest @ scores[known], atol=1e-9)
    assert found.pairs == 22


def test_shared_weights_are_a_ridge_regression_and_none_is_negative():
    draw = np.random.default_rng(1)
    truth = np.linspace(-0.2, 0.7, len(FEATURES))
    given = draw.normal(size=(40, 25, len(FEATURES)))
    table = moments(given @ truth, given)
    found = shared_weights([(table, 1.0)])
    assert (found >= 0).all()
    assert found[0] == found[1] == 0
    assert found[EXAMPLES] == pytest.approx(SIZE_WEIGHT, abs=1e-3)
    free = [n for n in range(3, len(FEATURES)) if n != EXAMPLES]
    np.testing.assert_allclose(found[free], truth[free], atol=0.12)
    nothing = shared_weights([])
    assert nothing[EXAMPLES] == pytest.approx(SIZE_WEIGHT)
    assert nothing.sum() == nothing[EXAMPLES]


def test_tables_of_a_paper_and_task_count_as_one():
    def of(paper: str, task: str, model: str = "mbert") -> Matrix:
        about = NOTHING | {"paper": paper, "model": model}
        return Matrix("made", task, "F1", True, ("x",), ("y",), np.eye(1), about)

    tables = [of("one", "ner"), of("one", "ner"), of("two", "ner"), of("one", "pos")]
    assert shares(tables).tolist() == [0.5, 0.5, 1, 1]
    assert likeness(tables[0]) == 1 > likeness(of("one", "ner", "lin2019-bilstm")) > 0


# Distances that are not known ------------------------------------------------------------------

USUAL = {
    "genetic": [0.9, 0, 0], "geographic": [0.3, 0, 0], "syntactic": [0.1, 0.2, 0.5],
    "script": [0.4, 1.0, 9.0], "lexical": [0.5, 0.1, 0.2],
}  # fmt: skip


def test_what_is_usual_stands_for_what_is_unknown():
    """Naija's syntax is not recorded; Klingon has neither place nor family."""
    found = geometry(["pcm", "tlh", "eng"], ["yor"], USUAL)
    raw = {k: between(k, Points(["pcm", "tlh", "eng"]), Points(["yor"]))[:, 0] for k in TERMS}
    assert found.imputed["syntactic"][:, 0].tolist() == [True, True, False]
    assert found.imputed["geographic"][:, 0].tolist() == [False, True, False]
    expected = 0.1 + 0.2 * raw["genetic"][0] + 0.5 * raw["geographic"][0]
    assert found.distances["syntactic"][0, 0] == pytest.approx(expected)
    far = {kind: found.distances[kind][1, 0] for kind in ("genetic", "geographic", "syntactic")}
    genetic = 0.9 if np.isnan(raw["genetic"][1]) else raw["genetic"][1]
    assert far["geographic"] == pytest.approx(0.3)
    assert far["syntactic"] == pytest.approx(0.1 + 0.2 * genetic + 0.5 * 0.3)
    for kind in TERMS:
        assert found.distances[kind][2, 0] == raw[kind][2]


def test_what_is_usual_stays_a_distance():
    high = USUAL | {"syntactic": [3.0, 0, 0]}
    assert geometry(["pcm"], ["yor"], high).distances["syntactic"] == [[1]]
    low = USUAL | {"syntactic": [-3.0, 0, 0]}
    assert geometry(["pcm"], ["yor"], low).distances["syntactic"] == [[0]]


def test_resources_differ_by_their_size():
    found = geometry(["eng", "wol"], ["eng", "wol"], USUAL).resources
    resources = Points(["eng", "wol"]).resources
    assert resources[0] == 1
    assert found[0, 1] == found[1, 0] == resources[0] - resources[1] > 0.5


def test_usual_distances_are_least_squares_over_pairs():
    codes = ("eng", "eus", "jpn", "pcm", "swa", "tam", "tlh", "tur", "yor")
    found = usual_distances(codes)
    points = Points(codes)
    pairs = [(a, b) for a in range(len(codes)) for b in range(a + 1, len(codes))]
    raw = {k: np.array([between(k, points, points)[ab] for ab in pairs]) for k in TERMS}
    for kind in ("genetic", "geographic"):
        assert found[kind] == [pytest.approx(np.nanmean(raw[kind])), 0, 0]
    clear = ~np.isnan(raw["genetic"] + raw["geographic"] + raw["syntactic"])
    design = np.stack([np.ones(len(pairs)), raw["genetic"], raw["geographic"]], 1)[clear]
    normal = np.linalg.solve(design.T @ design, design.T @ raw["syntactic"][clear])
    np.testing.assert_allclose(found["syntactic"], normal)
    assert 0 < clear.sum() < len(pairs)


def test_geometries_are_cut_and_put_together():
    whole = geometry(["eng", "pcm", "tur"], ["yor", "jpn"], USUAL)
    again = whole.at([0], [0, 1]).and_(whole.at([1, 2], [0, 1]))
    for kind in TERMS:
        np.testing.assert_array_equal(again.distances[kind], whole.distances[kind])
        np.testing.assert_array_equal(again.imputed[kind], whole.imputed[kind])
    for name in ("read", "covered", "target_read", "resources"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
    assert whole.at([2], [1]).distances["syntactic"] == whole.distances["syntactic"][2, 1]


# Constants are 1 in many places: with others a formula shows each of its terms ------------------

OTHERS = {
    "NOISE": 1.7, "QUALITY": 0.6, "ALIKE": 2.5, "FREEDOM": 0.04, "TARGETS": 0.9, "SOURCES": 0.7,
    "TEXT": 1.4, "READ": 0.3, "MIDDLE": 0.4, "LEVELS": 1.3, "LEVEL_NOISE": 0.8,
    "LEVEL_QUALITY": 0.2,
}  # fmt: skip


@pytest.fixture
def others(monkeypatch):
    for name, value in OTHERS.items():
        monkeypatch.setattr(process, name, value)


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("same", [True, False])
def test_kernels_with_other_constants(same):
    found = process.source_kernel(pair(0.9, 0.2), np.array([[same]]))
    alike = (same + 2.5 * math.exp(-2.1 / 0.7)) / (1 + 2.5)
    assert found == pytest.approx(alike + 0.3 * (0.9 - 0.4) * (0.2 - 0.4))
    assert process.target_kernel(pair()) == pytest.approx(0.6 + math.exp(-(2.1 + 1.4 * 0.3) / 0.9))
    level = 0.2 + math.exp(-(2.1 + 1.4 * 0.3) / 1.3) + (0.9 - 0.4) * (0.6 - 0.4)
    assert process.level_kernel(pair()) == pytest.approx(level)


@pytest.mark.usefixtures("others")
def test_the_system_with_other_constants(system):
    pull, weights = process._solve(*system)
    scores, sources, targets, given, prior = system
    known = ~np.isnan(scores)
    seen = np.zeros((scores.size,) * 2)
    for target in range(scores.shape[1]):
        rows = np.flatnonzero(known[:, target]) * scores.shape[1] + target
        if len(rows):
            seen[np.ix_(rows, rows)] = np.eye(len(rows)) - 1 / len(rows)
    columns = seen @ given.reshape(-1, given.shape[-1])
    columns[:, EXAMPLES] = 0
    covariance = seen @ np.kron(sources, targets) @ seen + 0.04 * columns @ columns.T
    wanted = seen @ np.where(known, scores - given @ prior, 0).ravel()
    exact = np.linalg.solve(covariance + 1.7 * np.eye(len(wanted)), wanted)
    np.testing.assert_allclose(pull.ravel(), exact, atol=2e-3)
    np.testing.assert_allclose(weights, prior + 0.04 * columns.T @ exact, atol=3e-3)


@pytest.mark.usefixtures("others")
def test_a_trend_with_other_constants():
    codes = ("ces", "eus", "jpn", "spa")
    near = geometry(codes, codes, USUAL)
    values = np.array([3.0, 8.0, 5.0, 10.0])
    found = process._trend(values, near)
    kernel = process.level_kernel(near) + 0.8 * np.eye(4)
    np.testing.assert_allclose(kernel @ found.weights, (values - 6.5) / values.std())


# Weights that all tables share -------------------------------------------------------------------


def made_moments(seed: int, pairs: int, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, object]:
    given = np.random.default_rng(seed).normal(size=(pairs, 1, len(FEATURES)))
    return given[:, 0], (given @ truth)[:, 0], moments(given @ truth, given)


@pytest.mark.parametrize("pairs", [(40, 60), (40, 2000)])
def test_a_table_counts_by_its_weight_and_like_500_pairs_at_most(pairs):
    truth = np.linspace(0.1, 0.8, len(FEATURES))
    left, right = 30 * np.eye(len(FEATURES)), np.zeros(len(FEATURES))
    left[EXAMPLES, EXAMPLES], right[EXAMPLES] = 1e6, 1e6 * 0.3
    given = []
    for seed, (number, weight) in enumerate(zip(pairs, (0.2, 3.0), strict=True)):
        x, z, found = made_moments(seed, number, truth + seed)
        x, z = x - x.mean(0), z - z.mean()
        share = weight * min(1, 500 / number)
        left, right = left + share * x.T @ x, right + share * x.T @ z
        given.append((found, weight))
    wanted = np.linalg.solve(left, right)
    assert (wanted > 0).all()
    np.testing.assert_allclose(shared_weights(given), wanted)


def test_a_weight_below_0_is_0_and_the_others_are_as_if_its_column_were_not_there():
    truth = np.linspace(-0.5, 0.5, len(FEATURES))
    x, z, table = made_moments(5, 300, truth)
    found = shared_weights([(table, 1.0)])
    assert (found >= 0).all()
    kept = np.flatnonzero(found > 0)
    assert EXAMPLES in kept
    assert 3 < len(kept) < len(FEATURES)
    x, z = (x - x.mean(0))[:, kept], z - z.mean()
    left, right = x.T @ x + 30 * np.eye(len(kept)), x.T @ z
    place = kept.tolist().index(EXAMPLES)
    left[place, place] += 1e6 - 30
    right[place] += 1e6 * 0.3
    np.testing.assert_allclose(found[kept], np.linalg.solve(left, right))


def test_a_table_without_pairs_says_nothing():
    nothing = moments(np.full((3, 2), np.nan), np.ones((3, 2, len(FEATURES))))
    assert nothing.pairs == 0
    assert not nothing.xx.any()
    assert not nothing.xz.any()
    np.testing.assert_array_equal(shared_weights([(nothing, 1.0)]), shared_weights([]))


def test_a_table_of_models_trained_from_scratch_counts_a_fifth():
    def of(paper: str, model: str) -> Matrix:
        about = NOTHING | {"paper": paper, "model": model}
        return Matrix("made", "ner", "F1", True, ("x",), ("y",), np.eye(1), about)

    assert likeness(of("one", "lin2019 BiLSTM")) == 0.2
    assert likeness(of("one", "mbert, as lin2019 did")) == 1
    tables = [of("one", "lin2019"), of("one", "mbert"), of("two", "lin2019")]
    assert shares(tables).tolist() == [0.1, 0.5, 0.2]


def test_a_table_of_ours_counts_half():
    def of(paper: str) -> Matrix:
        about = NOTHING | {"paper": paper, "model": "e5-small"}
        return Matrix("made", "ner", "F1", True, ("x",), ("y",), np.eye(1), about)

    assert likeness(of("xlt")) == 0.5
    assert likeness(of("one")) == likeness(of("your own runs")) == 1
