"""One expected score of several criteria, and how sure it is."""

from dataclasses import replace

import numpy as np
import pytest

from xlt.evaluation.combination import MIN_LANGUAGES, Pair, comparable, fit, left_out_predictions


def pairs(languages, seed=0, noise=4.0, each=1):
    """The score is 10 below what is plainly expected, and 5 more for a criterion of its own."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(languages):
        for _ in range(each):
            plain, own = random.uniform(40, 80), random.normal()
            score = plain - 10 + 5 * own + noise * random.normal()
            features = {"threshold": plain, "own": own}
            made.append(Pair(f"l{number}", features, plain, float(np.clip(score, 0, 100))))
    return made


def test_too_few_languages_are_no_ground():
    assert fit(pairs(MIN_LANGUAGES - 1, each=5)) is None
    assert list(left_out_predictions(pairs(MIN_LANGUAGES))) == []
    assert fit(pairs(MIN_LANGUAGES)) is not None


def test_it_learns_the_offset_and_what_a_criterion_adds():
    found = fit(pairs(40, noise=0.0))
    assert found is not None
    score, low, high = found.expected(Pair("new", {"threshold": 60, "own": 1.0}, 60))
    assert score == pytest.approx(55, abs=0.5)
    assert high - low < 2


def test_the_languages_are_left_out_as_a_whole():
    """Every pair of a language is off by the same: the more pairs, the surer it would be."""
    random = np.random.default_rng(4)
    made = []
    for number in range(12):
        apart = random.normal() * 10
        made += [Pair(f"l{number}", {"t": 60.0}, 60.0, 60 + apart) for _ in range(20)]
    found = fit(made)
    assert found is not None
    assert [*found.without] == [f"l{n}" for n in range(12)]
    _, low, high = found.expected(Pair("new", {"t": 60.0}, 60.0))
    assert high - low > 15


def test_intervals_cover_what_they_say():
    covered = []
    for seed in range(30):
        found = fit(pairs(12, seed))
        assert found is not None
        for new in pairs(20, seed + 1000):
            _, low, high = found.expected(new)
            covered.append(low <= new.score <= high)
    assert 0.78 <= np.mean(covered) <= 0.95


def test_the_ends_by_hand():
    """Nothing is known but what is plainly expected. Of nine errors and one that may be anything,
    80 % are eight: the ends are the outermost but one."""
    apart = np.array([-7.0, -3.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0, 30.0])
    found = fit([Pair(f"l{n}", {"t": 60.0}, 60.0, 60 + x) for n, x in enumerate(apart)])
    assert found is not None
    others = (apart.sum() - apart) / 8  # the mean of the eight
    errors = np.abs(apart - others)
    assert found.expected(Pair("new", {"t": 60.0}, 50.0)) == (
        pytest.approx(50 + np.median(others)),
        pytest.approx(50 + np.sort(others - errors)[1]),
        pytest.approx(50 + np.sort(others + errors)[-2]),
    )


def test_a_language_with_many_pairs_counts_once():
    made = [Pair(f"l{n}", {"t": 60.0}, 60.0, 60.0) for n in range(9)]
    made += [Pair("many", {"t": 60.0}, 60.0, 80.0) for _ in range(50)]
    found = fit(made)
    assert found is not None
    assert found.expected(Pair("new", {"t": 60.0}, 60.0)).score == pytest.approx(60 + 20 / 9)


def test_nothing_is_read_off_a_line_beyond_what_was_fitted():
    made = pairs(30, noise=0.0)
    most = max(pair.features["own"] for pair in made)
    found = fit(made)
    assert found is not None
    far, edge = (Pair("new", {"threshold": 60.0, "own": x}, 60.0) for x in (50.0, most))
    assert found.expected(far) == found.expected(edge)


def test_each_language_is_predicted_by_the_others_alone():
    made = pairs(12, noise=0.0)
    off = Pair("off", {"threshold": 60.0, "own": 0.0}, 60.0, 5.0)
    found = {pair.language: expected for pair, expected in left_out_predictions([*made, off])}
    assert found["off"].score == pytest.approx(50, abs=1)
    assert found["off"].low > 5
    assert set(found) == {pair.language for pair in [*made, off]}


def test_what_is_not_known_of_a_pair_is_as_usual():
    made = pairs(30, noise=0.0)
    half = [
        Pair(p.language, {"threshold": p.plain} if n % 2 else p.features, p.plain, p.score)
        for n, p in enumerate(made)
    ]
    found = fit(half)
    assert found is not None
    without = found.expected(Pair("new", {"threshold": 60.0}, 60.0)).score
    known = [found.expected(Pair("n", {"threshold": 60.0, "own": x}, 60.0)).score for x in (-1, 1)]
    assert known[0] < without < known[1]
    assert found.expected(Pair("new", {"threshold": 60.0, "more": 3.0}, 60.0)).score == without


def test_a_score_and_its_interval_stay_in_range():
    found = fit([Pair(f"l{n}", {"t": 95.0 + n}, 95.0 + n / 2, 99.0) for n in range(9)])
    assert found is not None
    assert all(0 <= end <= 100 for end in found.expected(Pair("x", {"t": 300.0}, 100.0)))


def test_of_the_fewest_languages_one_that_is_far_off_is_no_end():
    apart = [*range(MIN_LANGUAGES - 1), 35]
    found = fit([Pair(f"l{n}", {"t": 60.0}, 60.0, 60.0 + x) for n, x in enumerate(apart)])
    assert found is not None
    assert found.expected(Pair("new", {"t": 60.0}, 60.0)).high < 80


def test_what_is_not_known_of_the_asked_pair_is_not_known_of_the_others():
    """Seeds agree 40 points less than confidences say; one model alone agrees with no other."""
    made = [
        Pair(
            p.language, {"threshold": p.plain, "agreement": p.plain - 40, "own": 1.0}, p.plain - 20
        )
        for p in pairs(12)
    ]
    made = [replace(pair, score=pair.features["threshold"]) for pair in made]
    known, asked = comparable(made, Pair("new", {"threshold": 60.0, "found": 1.0}, 60.0))
    assert all(set(pair.features) == {"threshold"} for pair in known)
    assert (asked.features, asked.plain) == ({"threshold": 60.0, "found": 1.0}, 60.0)
    found = fit(known)
    assert found is not None
    assert found.expected(asked).score == pytest.approx(60, abs=1)
    mixed = [*made[:6], *(replace(p, features={"threshold": p.plain + 20}) for p in made[6:])]
    known, asked = comparable(mixed, made[0])
    assert asked.plain == asked.features["threshold"]
    assert [pair.plain for pair in known] == [pair.features["threshold"] for pair in made]
    for pair, expected in left_out_predictions(mixed):
        assert expected.score == pytest.approx(pair.score, abs=1)
    only = Pair("new", {"agreement": 20.0}, 20.0)
    assert comparable(mixed, only)[0] == []


def test_it_says_what_lies_beyond_all_that_was_fitted():
    found = fit(pairs(10))
    assert found is not None
    assert found.outside(Pair("x", {"threshold": 5.0, "own": 0.0, "more": 1.0}, 5.0)) == [
        "threshold"
    ]
