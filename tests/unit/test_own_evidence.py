"""How a user's own scores take part: each step against what the module says, by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from xlt.typology import own_evidence, own_scores
from xlt.typology.evidence import geometry
from xlt.typology.measured import PARTS, fitted
from xlt.typology.own_evidence import Own, _chosen, _levels, _moved, _own_table, _placed
from xlt.typology.own_scores import OwnScore
from xlt.typology.ranking import Source
from xlt.typology.scores import of_task

USUAL = fitted()["usual"]


def source(code: str, score: float, spread: float | None = 10.0, **changes: object) -> Source:
    plain = Source(
        *(1, code, score, None, None, None),
        parts=(0.0,) * len(PARTS),
        imputed=(),
        source_measured=True,
        measured=None,
        spread=spread,
    )
    return plain._replace(**changes)


def predicted(spread: float | None = 10.0, **scores: float) -> dict[str, Source]:
    return {code: source(code, score, spread) for code, score in scores.items()}


def own(**scores: dict[str, float]) -> Own:
    return Own("ner", "f1", "some-model", scores, ("mine", "more"), 3)


# Where measured sources are placed ---------------------------------------------------------------


def test_a_measured_source_is_placed_by_the_spread_expected_and_found():
    """z = p̄ + (y - ȳ) / b; b² is the mean of 4 times 10² and of what three sources add, 2 of
    which are free: ȳ = 50, Σ(y - ȳ)² = 800."""
    found = _placed({"a": 70.0, "b": 30.0, "c": 50.0}, predicted(a=1.0, b=0.0, c=0.5, d=9.0))
    b = math.sqrt((4 * 10**2 + 800) / (4 + 3 - 1))
    wanted = {"a": 0.5 + 20 / b, "b": 0.5 - 20 / b, "c": 0.5}
    assert found == {code: pytest.approx(z) for code, z in wanted.items()}


def test_the_spread_that_was_expected_is_the_mean_over_the_sources_that_have_one():
    given = {"a": source("a", 1.0, 6.0), "b": source("b", 0.0, 10.0), "c": source("c", 2.0, None)}
    found = _placed({"a": 70.0, "b": 30.0, "c": 50.0}, given)
    b = math.sqrt((4 * 8**2 + 800) / 6)
    assert found["a"] == pytest.approx(1 + 20 / b)


def test_without_an_expected_spread_the_typical_one_stands_for_that_of_all_predictions():
    found = _placed({"a": 70.0, "b": 30.0}, predicted(None, a=1.0, b=0.0, c=3.0, d=0.0))
    unit = 6 / math.sqrt(1.5)  # the scores' variance: 10 / 4 - 1
    b = math.sqrt((4 * unit**2 + 800) / 5)
    assert found == {"a": pytest.approx(0.5 + 20 / b), "b": pytest.approx(0.5 - 20 / b)}
    equal = _placed({"a": 70.0, "b": 30.0}, predicted(None, a=1.0, b=1.0))
    assert equal["a"] == pytest.approx(1 + 20 / math.sqrt((4 * 6**2 + 800) / 5))


def test_one_alone_is_where_it_was_and_what_was_not_predicted_is_nowhere():
    assert _placed({"a": 70.0}, predicted(a=1.25, b=0.0)) == {"a": 1.25}
    assert _placed({"x": 70.0, "a": 1.0}, predicted(a=1.25)) == {"a": 1.25}
    assert _placed({"x": 70.0}, predicted(a=1.0)) == {}


# The level ---------------------------------------------------------------------------------------


def test_a_level_is_the_mean_of_what_the_predictions_were_off():
    given = {
        "jav": {
            "eng": source("eng", 0, expected=40.0),
            "ind": source("ind", 0, expected=70.0),
            "spa": source("spa", 0),
        },
        "sun": {"eng": source("eng", 0)},
    }
    scores = {"jav": {"eng": 50.0, "ind": 65.0, "spa": 9.0}, "sun": {"eng": 5.0}}
    assert _levels(scores, given) == {"jav": 2.5}


def test_other_targets_move_by_their_likeness_to_those_that_were_measured():
    """Drawn to 0 by 0.3 of a target."""
    level = {"jav": 10.0, "swa": -20.0}
    found = replace(own(), level=level)._shift("sun", USUAL)
    near = [
        math.exp(-geometry([code], ["sun"], USUAL).together[0, 0] / 1.05) for code in ("jav", "swa")
    ]
    assert found == pytest.approx((10 * near[0] - 20 * near[1]) / (sum(near) + 0.3))
    assert found > 0
    assert own()._shift("sun", USUAL) == 0


def test_what_is_expected_moves_within_the_metric_and_what_was_measured_stays():
    given = source("eng", 1.0, expected=50.0, low=5.0, high=98.0, measured=49.0)
    for shift, wanted in [(4.0, (54, 9, 100)), (-6.0, (44, 0, 92)), (0.0, (50, 5, 98))]:
        found = _moved(given, shift)
        assert (found.expected, found.low, found.high) == wanted
        assert found._replace(expected=50.0, low=5.0, high=98.0) == given
    half = _moved(source("eng", 1.0, expected=50.0), 4.0)
    assert (half.expected, half.low, half.high) == (54, None, None)
    nothing = source("eng", 1.0, low=3.0)
    assert _moved(nothing, 4.0) == nothing


def test_on_a_measured_target_what_was_measured_stands_and_the_rest_moves():
    given = {
        "eng": source("eng", 1.0, expected=50.0, low=40.0, high=60.0, extra=(("text", 0.1),)),
        "ind": source("ind", 0.0, expected=40.0, low=30.0, high=50.0),
        "spa": source("spa", 0.5, expected=45.0, low=35.0, high=55.0),
    }
    mine = replace(own(jav={"eng": 30.0, "ind": 70.0, "tur": 1.0}), level={"jav": 13.0})
    found = mine.settled("jav", given, USUAL)
    shift = 13 * 1 / (1 + 0.3)  # the target itself is as like as can be
    b = math.sqrt((4 * 10**2 + 800) / 5)
    for code, score, z in [("eng", 30, 0.5 - 20 / b), ("ind", 70, 0.5 + 20 / b)]:
        settled = found[code]
        assert settled.score == pytest.approx(z)
        assert (settled.expected, settled.measured, settled.own) == (score, score, True)
        assert (settled.low, settled.high) == (None, None)
        assert settled.extra[:-1] == given[code].extra
        assert settled.extra[-1] == ("own runs", pytest.approx(z - given[code].score))
    assert found["spa"].score == 0.5
    assert (found["spa"].own, found["spa"].measured) == (False, None)
    assert found["spa"].expected == pytest.approx(45 + shift)
    assert list(found) == ["eng", "ind", "spa"]


def test_what_took_part_is_said():
    mine = own(jav={"eng": 1.0, "ind": 2.0}, sun={"eng": 3.0}, ban={"a": 1.0, "b": 1.0})
    about = {"names": ["mine", "more"], "task": "ner", "metric": "f1", "encoder": "some-model"}
    assert mine.about("jav") == about | {"on_target": 2, "on_others": 3, "ignored": 3}
    assert mine.about("xho") == about | {"on_target": 0, "on_others": 5, "ignored": 3}


# Which scores ------------------------------------------------------------------------------------


def row(source: str, score: float, encoder: str = "a", metric: str = "f1", task: str = "ner"):
    return OwnScore(task, source, "jav", metric, score, encoder, "here")


@pytest.fixture
def store(monkeypatch):
    def keep(**scores: list[OwnScore]) -> None:
        monkeypatch.setattr(own_scores, "stored", lambda: scores)

    return keep


def test_scores_of_one_encoder_and_metric_take_part(store):
    store(
        one=[row("ind", 1), row("eng", 2), row("eng", 4)],
        two=[row("ind", 10, "b"), row("eng", 20, "b", "accuracy"), row("spa", 3)],
        three=[row("ind", 50, "c", task="dep"), row("ind", 51, "c", task="no such task")],
    )
    found = _chosen("ner", ("ner",), "")
    assert (found.task, found.metric, found.encoder) == ("ner", "f1", "a")
    assert found.scores == {"jav": {"ind": 1, "eng": 3, "spa": 3}}
    assert found.names == ("one", "two")
    assert found.ignored == 2
    asked = _chosen("ner", ("ner",), "b")
    # Of two metrics with as many scores, the first by name.
    assert (asked.encoder, asked.metric, asked.ignored) == ("b", "accuracy", 5)
    assert asked.names == ("two",)
    assert _chosen("ner", ("ner",), "never used").encoder == "a"
    assert _chosen("pos", ("pos",), "a") is None


def test_scores_of_no_encoder_are_not_asked_for_by_none(store):
    store(one=[row("ind", 1, ""), row("ind", 2, "b"), row("eng", 2, "b")])
    assert _chosen("ner", ("ner",), "").encoder == "b"


def test_a_task_has_the_name_of_its_tables_too(store):
    """dependency_parsing is measured as dep."""
    store(one=[row("ind", 1, task="dependency_parsing"), row("eng", 2, task="dep")])
    for task in ("dep", "dependency_parsing", "other"):
        found = _chosen(task, ("dep",), "")
        assert found.scores == {"jav": {"ind": 1, "eng": 2}}
    assert _chosen("dep", (), "").scores == {"jav": {"ind": 1, "eng": 2}}
    assert _chosen("dependency_parsing", (), "").scores == {"jav": {"ind": 1}}


# As one more table -------------------------------------------------------------------------------


def test_targets_with_two_sources_are_one_more_table():
    (first, *_) = of_task(("ner",))
    mine = own(
        jav={"ind": 70.0, "eng": 30.0}, sun={"eng": 5.0}, ban={"spa": 10.0, "eng": 90.0, "tur": 2.0}
    )
    guesses = {
        target: predicted(**{code: 0.1 * n for n, code in enumerate(scores)})
        for target, scores in mine.scores.items()
    }
    found = _own_table(mine, first, guesses)
    assert (found.name, found.task, found.metric) == ("own", first.task, first.metric)
    assert (found.percent, found.own) == (first.percent, True)
    assert (found.sources, found.targets) == (("eng", "ind", "spa", "tur"), ("jav", "ban"))
    nan = np.nan
    np.testing.assert_array_equal(found.scores, [[30, 90], [70, nan], [nan, 10], [nan, 2]])
    for column, target in enumerate(found.targets):
        placed = _placed(mine.scores[target], guesses[target])
        for n, code in enumerate(found.sources):
            assert found.standard[n, column] == pytest.approx(placed.get(code, nan), nan_ok=True)
    assert found.about["origin"] == "mine, more"
    assert found.about["model"] == "some-model"
    assert _own_table(own(sun={"eng": 5.0}), first, {"sun": predicted(eng=1.0)}) is None


FIVE = {"eng": 10.0, "ind": 20.0, "spa": 30.0, "tur": 40.0, "zho": 50.0}


def test_of_a_task_that_no_paper_has_five_sources_are_a_table():
    four = {code: FIVE[code] for code in ("eng", "ind", "spa", "tur")}
    found = own_evidence._with_own_matrix(own(jav=FIVE, sun=four))
    (table,) = found.evidence
    assert (table.name, table.task, table.metric) == ("own", "ner", "f1")
    assert table.percent
    assert table.own
    assert (table.sources, table.targets) == (tuple(FIVE), ("jav", "sun"))
    np.testing.assert_array_equal(table.scores.T, [[*FIVE.values()], [10, 20, 30, 40, np.nan]])
    assert own_evidence._with_own_matrix(own(sun=four, jav=four)).evidence == ()


def test_sources_that_are_all_equal_are_no_table():
    """Nothing would be ranked by it."""
    equal = dict.fromkeys(FIVE, 50.0)
    assert own_evidence._with_own_matrix(own(jav=equal)).evidence == ()
    assert len(own_evidence._with_own_matrix(own(jav=equal, sun=FIVE)).evidence) == 1


def test_nothing_stored_takes_no_part(monkeypatch):
    def never(*_):
        raise AssertionError("asked for a prediction")

    monkeypatch.setattr(own_scores, "stamp", lambda: ("nowhere", 0, 0))
    monkeypatch.setattr(own_scores, "stored", never)
    assert own_evidence.of("ner", ("ner",), None, never) is None


def test_packaged_tables_come_first_and_predict_what_was_measured(monkeypatch, store):
    store(one=[row("ind", 70.0), row("eng", 30.0)])
    asked = []

    def predict(target, sources, matrices, encoder):
        asked.append((target, sources, encoder))
        assert matrices == of_task(("ner",), "a")
        return {code: source(code, 0.0, expected=40.0) for code in sources}

    monkeypatch.setattr(own_scores, "stamp", lambda: ("here", 1, 1))
    found = own_evidence.of("ner", ("ner",), "a", predict)
    assert asked == [("jav", ["ind", "eng"], "a")]
    assert list(found.evidence[:-1]) == of_task(("ner",), "a")
    assert found.evidence[-1].own
    assert found.level == {"jav": 10.0}
    store(one=[row("ind", 70.0)])
    # Of what another process has stored, this one has changed nothing.
    monkeypatch.setattr(own_scores, "stamp", lambda: ("here", 2, 0))
    assert list(own_evidence.of("ner", ("ner",), "a", predict).evidence) == of_task(("ner",), "a")
