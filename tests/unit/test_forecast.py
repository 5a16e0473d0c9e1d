"""How many labels are needed: the curve, what narrows it, and what it is fitted to."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from small import make_world

from xlt.config.load import load_config
from xlt.errors import XltError
from xlt.runs.train import train
from xlt.typology.forecast import (
    MAX_EXAMPLES,
    Observation,
    Prior,
    few_shots,
    fit,
    own_runs,
    prior_of,
)
from xlt.typology.ranking import rank

PRIOR = Prior(0.05, 0.03, 1.0, "ner")


def points(a: float, b: float, *ns: int) -> list[Observation]:
    return [Observation(n, a + b * float(np.log1p(n)), "run") for n in ns]


def test_many_runs_outweigh_the_prior():
    found = fit(points(30, 6, *[0, 10, 100, 1000] * 5), PRIOR)
    assert found.mean == pytest.approx([30, 6], abs=0.5)
    score, low, high = found.at(500)
    assert low < score < high
    assert score == pytest.approx(30 + 6 * np.log(501), abs=1)


def test_without_runs_the_priors_speak():
    found = fit([], PRIOR, (40.0, 10.0))
    assert found.at(0)[0] == 40
    assert found.at(100)[0] == pytest.approx(40 + 0.05 * 60 * np.log(101))


def test_the_curve_is_that_of_bayesian_linear_regression():
    """Against the same posterior by conditioning the joint normal of parameters and scores."""
    observed = [Observation(0, 31.0, ""), Observation(9, 45.0, ""), Observation(99, 58.0, "")]
    found = fit(observed, Prior(0.05, 0.03, 1.5, "ner"), (40.0, 10.0))
    mean = np.array([40, 0.05 * (100 - 31)])
    before = np.diag([10.0**2, (0.03 * (100 - 31)) ** 2])
    design = np.array([[1, np.log(1 + seen.n)] for seen in observed])
    scores = np.array([seen.score for seen in observed])
    gain = before @ design.T @ np.linalg.inv(design @ before @ design.T + 1.5**2 * np.eye(3))
    after = before - gain @ design @ before
    np.testing.assert_allclose(found.mean, mean + gain @ (scores - design @ mean))
    np.testing.assert_allclose(found.covariance, after)
    x = np.array([1, np.log(51)])
    middle, low, high = found.at(50)
    assert middle == pytest.approx(x @ found.mean)
    apart = 1.2816 * np.sqrt(x @ after @ x + 1.5**2)  # 80 % of a normal distribution
    assert (low, high) == (pytest.approx(middle - apart), pytest.approx(middle + apart))


def test_without_an_expected_score_runs_say_the_level():
    """The zero-shot ones where there are some, and then only with 20 points of doubt."""
    zero = fit([Observation(0, 30.0, ""), Observation(50, 80.0, "")], PRIOR)
    wanted = fit([Observation(0, 30.0, ""), Observation(50, 80.0, "")], PRIOR, (30.0, 20.0))
    np.testing.assert_allclose(zero.mean, wanted.mean)
    few = [Observation(10, 40.0, ""), Observation(50, 60.0, "")]
    np.testing.assert_allclose(fit(few, PRIOR).mean, fit(few, PRIOR, (50.0, 20.0)).mean)


def test_the_level_without_runs_is_that_of_the_first_source(tmp_path):
    ranking = rank("jav", ["ind", "tur"], task="dependency_parsing", measured_as=("dep",))
    first, prior = ranking.sources[0], prior_of(("dep",))
    found = few_shots(ranking, ("dep",), tmp_path)
    row = found["curve"][0]
    assert (row["n"], row["expected"]) == (0, round(first.expected, 2))
    # A prediction's interval is that of the level, and of one score around it.
    half = (first.high - first.low) / 2
    apart = np.sqrt(half**2 + (1.2816 * prior.noise) ** 2)
    wanted = np.clip([first.expected - apart, first.expected + apart], 0, 100)
    assert row["interval"] == pytest.approx(wanted, abs=0.01)
    assert [row["n"] for row in found["curve"]] == [
        *(0, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10_000)
    ]
    assert found["fitted_to"].endswith(first.name)
    assert (found["reach"], found["runs"]) == ([], [])
    assert {row["expected"] for row in found["curve"]} != {row["expected"]}


@pytest.mark.parametrize(("own", "unsure"), [(True, 2.0), (False, 20.0)])
def test_a_level_without_an_interval(tmp_path, own, unsure):
    """A score that was measured is sure within 2 points, one without an interval within 20."""
    ranking = rank("jav", ["ind"], task="dependency_parsing", measured_as=("dep",))
    first = ranking.sources[0]._replace(expected=50.0, low=None, high=None, own=own)
    found = few_shots(replace(ranking, sources=(first,)), ("dep",), tmp_path)
    apart = 1.2816 * np.sqrt(unsure**2 + prior_of(("dep",)).noise ** 2)
    assert found["curve"][0]["interval"] == pytest.approx([50 - apart, 50 + apart], abs=0.01)


def test_a_prior_in_words():
    prior = Prior(0.051, 0.032, 1.0, "pos")
    assert prior.describe(("pos",)).startswith("5.1% ± 3.2% of the room above zero-shot a log unit")
    assert "borrowed" not in prior.describe(("pos",))
    assert "no curve of this task is published" in prior._replace(task="").describe(())


def test_the_first_number_that_is_enough():
    found = fit(points(30, 6, *[0, 10, 100, 1000] * 5), PRIOR)
    for name, place in {"expected": 0, "worst": 1, "best": 2}.items():
        n = found.needed(60)[name]
        assert n is not None
        assert found.at(n)[place] >= 60 > found.at(n - 1)[place]
    slow = fit(points(30, 3, *[0, 10, 100, 1000] * 5), PRIOR)
    most = slow.at(MAX_EXAMPLES)[0]
    assert slow.at(MAX_EXAMPLES - 1)[0] < most < 100
    assert slow.needed(most)["expected"] == MAX_EXAMPLES == 1_000_000
    assert slow.needed(most + 0.01)["expected"] is None


def test_a_run_narrows_the_interval():
    def width(observed, n):
        _, low, high = fit(observed, PRIOR, (40.0, 10.0)).at(n)
        return high - low

    one, two = points(35, 5, 0), points(35, 5, 0, 200)
    assert width([], 100) > width(one, 100) > width(two, 100)
    # And it widens with distance from what was measured.
    assert width(two, 100_000) > width(two, 200)


def test_what_is_left_counts():
    """The same share of less room: a language that does well already gains less."""
    gains = [
        fit(points(zero, 0, 0), PRIOR).at(1000)[0] - fit(points(zero, 0, 0), PRIOR).at(0)[0]
        for zero in (90, 40)
    ]
    assert 0 < gains[0] < gains[1]


def test_how_many():
    found = fit(points(30, 6, *[0, 10, 100, 1000] * 5), PRIOR)
    needed = found.needed(60)
    assert needed["best"] <= needed["expected"] <= needed["worst"]
    assert found.at(needed["expected"])[0] >= 60 > found.at(needed["expected"] - 1)[0]
    assert found.needed(20)["expected"] == 0
    assert fit(points(30, 0, *[0, 10, 100] * 9), PRIOR).needed(99)["expected"] is None


def test_scores_stay_within_the_metric():
    assert fit(points(90, 9, 0, 10), PRIOR).at(MAX_EXAMPLES)[2] == 100


def test_nothing_known():
    with pytest.raises(XltError, match="nothing is known of the score"):
        fit([], PRIOR)


def test_priors():
    assert prior_of(("ner",)).task == "ner"
    assert prior_of(("dep",)).task == "pos"
    assert "borrowed" in prior_of(("dep",)).describe(("dep",))
    assert prior_of(()).task == ""
    assert prior_of(("nli",)).slope < prior_of(("ner",)).slope < prior_of(("pos",)).slope


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A zero-shot run and two with target labels; and one from another source."""
    world = make_world(tmp_path_factory.mktemp("forecast"), size=8)
    settings = {"training__epochs": 1, "training__checkpoint_every": None}
    for name, strategy, source in [
        ("zero", {"name": "zero_shot"}, ["eng"]),
        ("two", {"name": "few_shot", "k": 2}, ["eng"]),
        ("six", {"name": "few_shot", "k": 6}, ["eng"]),
        ("other", {"name": "zero_shot"}, ["ind"]),
    ]:
        changes = settings | {"strategy": strategy, "source": source}
        train(load_config(world.config(name, **changes)), quiet=True)
    return world


def test_own_runs(runs):
    root, encoder = runs.runs(), str(runs.folder / "encoder")
    observed, whose = own_runs(root, "jav", "ner", encoder)
    assert [(seen.n, seen.origin) for seen in observed] == [(0, "zero"), (2, "two"), (6, "six")]
    assert whose == f"from eng with {encoder}, on test"
    result = json.loads((root / "six" / "result.json").read_text(encoding="utf-8"))
    assert observed[2].score == result["summary"][0]["metrics"]["f1"]["mean"]
    assert own_runs(root, "jav", "dependency_parsing") == ([], "")
    assert own_runs(root, "hau", "ner") == ([], "")
    assert own_runs(root, "jav", "ner", "xlm-roberta-base") == ([], "")

    ranking = rank("jav", ["eng", "ind"], task="ner", measured_as=("ner",))
    found = few_shots(ranking, ("ner",), root, encoder, reach=50)
    assert found["fitted_to"].startswith("3 of your runs from eng")
    by_n = {row["n"]: row for row in found["curve"]}
    assert by_n[6]["measured"] == [pytest.approx(observed[2].score, abs=0.01)]
    assert found["reach"][0]["score"] == 50
