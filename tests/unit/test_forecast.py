"""How many labels are needed: the curve, what narrows it, and what it is fitted to."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small import make_world

from xlt.config.load import load_config
from xlt.errors import XltError
from xlt.runs.train import train
from xlt.typology.forecast import MOST, Observation, Prior, few_shots, fit, own_runs, prior_of
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
    assert fit(points(90, 9, 0, 10), PRIOR).at(MOST)[2] == 100


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
