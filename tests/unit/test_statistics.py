"""Intervals and tests: against direct computation and scipy, nominal error rates, and the tables
made of results."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from xlt.errors import XltError
from xlt.evaluation import statistics
from xlt.evaluation.report import Table, comparison_table, scope, score_scope, score_table
from xlt.evaluation.statistics import (
    Comparison,
    bootstrap_interval,
    holm,
    judge,
    mean_sd,
    paired_difference,
)


def accuracy(counts):
    return {"accuracy": 100 * counts[..., 0] / counts[..., 1], "right": counts[..., 0]}


def sentences(rng, n, rate):
    words = rng.integers(5, 30, n)
    return np.stack([rng.binomial(words, rate), words], axis=1).astype(float)


def test_mean_sd():
    assert mean_sd([1, 2, 3]) == pytest.approx((2, 1))
    mean, sd = mean_sd([4.0])
    assert mean == 4
    assert np.isnan(sd)
    with pytest.raises(ValueError, match="no values"):
        mean_sd([])


def test_interval_equals_direct_resampling():
    rng = np.random.default_rng(0)
    counts = sentences(rng, 60, 0.7)
    interval = bootstrap_interval(counts, accuracy, resamples=4000)["accuracy"]
    draws = rng.integers(0, 60, (4000, 60))
    direct = 100 * counts[draws, 0].sum(1) / counts[draws, 1].sum(1)
    assert interval == pytest.approx(np.quantile(direct, [0.025, 0.975]), abs=0.35)
    assert interval.low < accuracy(counts.sum(0))["accuracy"] < interval.high
    narrower = bootstrap_interval(counts, accuracy, resamples=4000, confidence=0.5)["accuracy"]
    assert interval.low < narrower.low < narrower.high < interval.high


def test_seeded_and_independent_of_the_chunk(monkeypatch):
    counts = sentences(np.random.default_rng(0), 40, 0.7)
    first = bootstrap_interval(counts, accuracy, resamples=500, seed=3)
    assert first == bootstrap_interval(counts, accuracy, resamples=500, seed=3)
    assert first != bootstrap_interval(counts, accuracy, resamples=500, seed=4)
    monkeypatch.setattr(statistics, "_CHUNK", 40 * 7)
    assert first == bootstrap_interval(counts, accuracy, resamples=500, seed=3)


def test_interval_covers_the_truth_at_about_its_rate():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        low, high = bootstrap_interval(sentences(rng, 80, 0.8), accuracy, resamples=300)["accuracy"]
        covered += low <= 80 <= high
    assert 0.89 <= covered / 200 <= 0.985


def test_no_difference_is_found_at_about_the_nominal_rate():
    rng = np.random.default_rng(2)
    p = [
        paired_difference(
            sentences(rng, 80, 0.8), sentences(rng, 80, 0.8), accuracy, resamples=300, seed=i
        )["right"].p
        for i in range(300)
    ]
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.085
    assert 0.4 <= np.mean(np.array(p) < 0.5) <= 0.6


def test_a_difference_is_found_sooner_in_pairs():
    rng = np.random.default_rng(3)
    words = rng.integers(5, 30, 100)
    shared = rng.binomial(words, rng.uniform(0.3, 1.0, 100))  # hard and easy sentences
    worse = np.stack([shared, words], axis=1).astype(float)
    better = worse.copy()
    better[:, 0] = np.minimum(words, shared + (rng.random(100) < 0.3))
    result = paired_difference(better, worse, accuracy, resamples=1000)["accuracy"]
    assert result.difference == pytest.approx(
        accuracy(better.sum(0))["accuracy"] - accuracy(worse.sum(0))["accuracy"]
    )
    assert 0 < result.low < result.difference < result.high
    assert result.p == pytest.approx(1 / 1001)
    unpaired = paired_difference(better, worse[rng.permutation(100)], accuracy, resamples=1000)
    assert unpaired["accuracy"].p > 0.05
    mirrored = paired_difference(worse, better, accuracy, resamples=1000)["accuracy"]
    assert mirrored.difference == -result.difference
    assert (mirrored.low, mirrored.high) == pytest.approx((-result.high, -result.low))


def test_equal_runs_do_not_differ():
    counts = sentences(np.random.default_rng(4), 30, 0.8)
    result = paired_difference(counts, counts.copy(), accuracy, resamples=100)["accuracy"]
    assert (result.difference, result.low, result.high, result.p) == (0, 0, 0, 1)


def test_means_over_seeds_are_what_is_compared():
    rng = np.random.default_rng(5)
    runs = [sentences(rng, 50, rate) for rate in (0.6, 0.8)]
    single = sentences(rng, 50, 0.9)
    result = paired_difference(runs, [single], accuracy, resamples=200)["accuracy"]
    means = [accuracy(run.sum(0))["accuracy"] for run in runs]
    assert result.difference == pytest.approx(np.mean(means) - accuracy(single.sum(0))["accuracy"])
    weights = np.concatenate(list(statistics._weights(50, 200, 0)))
    assert (weights.sum(1) == 50).all()
    direct = np.mean([accuracy(weights @ run)["accuracy"] for run in runs], axis=0)
    direct -= accuracy(weights @ single)["accuracy"]  # one seed of B: over records alone
    assert (result.low, result.high) == pytest.approx(tuple(np.quantile(direct, [0.025, 0.975])))


def test_errors():
    counts = sentences(np.random.default_rng(6), 5, 0.5)
    with pytest.raises(XltError, match="no record"):
        bootstrap_interval(counts[:0], accuracy)
    with pytest.raises(XltError, match="seeds were not scored on the same"):
        bootstrap_interval([counts, counts[:3]], accuracy)
    with pytest.raises(XltError, match=r"same records \(5 and 3\)"):
        paired_difference(counts, counts[:3], accuracy)


def test_score_table():
    summary = [
        {
            "target": "jav",
            "split": "test",
            "selected_on": "dev:ind",
            "metrics": {
                "las": {"mean": 79.06, "sd": 0.44, "seeds": 3, "low": 77.0, "high": 81.25},
                "uas": {"mean": 87.1, "sd": None, "seeds": 1},
            },
        },
        {
            "target": "ジャワ",
            "split": "dev",
            "selected_on": "dev:ind",
            "metrics": {
                "las": {"mean": 5.0, "sd": float("nan"), "seeds": 1},
                "uas": {"mean": 6.0, "sd": 0.0, "seeds": 3},
            },
        },
    ]
    subwords = {
        "jav": {"test": {"fertility": 1.804, "unknown_pieces": 0.0012, "truncated_words": 0}}
    }
    table = score_table(summary, subwords)
    assert table.rows[0] == (
        *("jav", "test", "dev:ind", "3", "79.1 ± 0.4 [77.0, 81.2]", "87.1"),
        *("1.80", "0.12 %", "0"),
    )
    assert table.rows[1][4:] == ("5.0", "6.0 ± 0.0", "", "", "")
    assert score_table(summary, metrics=["uas"]).header[-2:] == ("seeds", "uas")
    lines = table.text().splitlines()
    assert len(lines) == 4
    assert lines[2].index("test") == lines[3].index("dev") + 3  # wide characters take two columns
    assert table.markdown().splitlines()[1].startswith("| --- | --- | --- | ---: |")
    assert score_table([]).text().splitlines()[0].split() == [
        "target",
        "split",
        "selected",
        "on",
        "seeds",
    ]


def test_comparison_table():
    row = {"target": "jav", "split": "test", "metric": "las", "a": 79.1, "b": 78.4}
    row |= {"difference": 0.7, "low": -1.2, "high": 2.6, "p_adjusted": 0.4512, "sure": False}
    table = comparison_table([row, {**row, "p_adjusted": 1e-7, "sure": True}])
    same = ("jav", "test", "las", "79.1", "78.4", "+0.7", "[-1.2, +2.6]")
    assert table.rows == ((*same, "0.4512", ""), (*same, "<0.0001", "*"))
    assert table.header[-2] == "adjusted p"
    assert comparison_table([row]).header[-2] == "p"
    assert "a\\|b" in Table(("x",), (("a|b",),)).markdown()


def test_a_table_as_text_and_as_markdown():
    """Wide characters take two columns and combining ones none; numbers stand to the right."""
    table = Table(("name", "n"), (("e\u0301té", "1"), ("日本", "22"), ("a|b", "")), frozenset({1}))
    assert table.text().splitlines() == [
        "name   n",
        "────  ──",
        "e\u0301té    1",
        "日本  22",
        "a|b",
    ]
    assert table.markdown().splitlines() == [
        "| name | n |",
        "| --- | ---: |",
        "| e\u0301té | 1 |",
        "| 日本 | 22 |",
        "| a\\|b |  |",
    ]
    compared = comparison_table([])
    assert compared.numeric == {3, 4, 5, 6, 7}
    assert score_table([], {}, ["f1"]).numeric == {3, 4, 5, 6, 7}


@pytest.mark.parametrize("width", [14, 20, 30])
def test_a_table_fits_its_line(width):
    """What finds no place follows below; every part says what its rows are of."""
    header = ("who", "of what", *(f"n{number}" for number in range(9)))
    rows = tuple((name, "a", *(f"{name}{n}0" for n in range(9))) for name in "xy")
    table = Table(header, rows, frozenset(range(2, 11)))
    parts = [part.splitlines() for part in table.text(width).split("\n\n")]
    assert len(parts) > 1
    assert all(len(line) <= width for part in parts for line in part)
    first = 2 if width == 30 else 1  # both leave half of the line, or one
    assert [part[0].split("  ")[:first] for part in parts] == [list(header[:first])] * len(parts)
    assert all(part[2].startswith("x") and part[3].startswith("y") for part in parts)
    values = [part[2].split()[first:] for part in parts]
    assert [value for some in values for value in some] == list(rows[0][first:])
    assert table.text(200) == table.text()


def test_a_column_too_wide_for_any_line_stands_alone():
    table = Table(("a", "b", "c"), (("x", "y" * 30, "z"),))
    assert [part.splitlines()[2] for part in table.text(10).split("\n\n")] == [
        f"x  {'y' * 30}",
        "x  z",
    ]
    assert Table(("a",), (("x" * 30,),)).text(10).splitlines()[2] == "x" * 30


def test_the_p_value_counts_differences_as_large_as_the_one_seen():
    """By its formula, from the same resamples; one more on both sides, so that it is never 0."""
    rng = np.random.default_rng(7)
    a, b = sentences(rng, 40, 0.75), sentences(rng, 40, 0.72)
    b[:, 1] = a[:, 1]
    found = paired_difference(a, b, accuracy, resamples=500, seed=2, confidence=0.9)["accuracy"]
    weights = np.concatenate(list(statistics._weights(40, 500, 2)))
    drawn = accuracy(weights @ a)["accuracy"] - accuracy(weights @ b)["accuracy"]
    seen = accuracy(a.sum(0))["accuracy"] - accuracy(b.sum(0))["accuracy"]
    assert found.difference == pytest.approx(seen)
    assert found.p == (1 + (abs(drawn - seen) >= abs(seen)).sum()) / 501
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.05, 0.95])))


def test_a_tie_counts_as_a_difference_as_large():
    """Equal records: every resample is the sample, and its distance from it is 0."""
    counts = np.tile([[3.0, 4.0]], (12, 1))
    assert paired_difference(counts, counts, accuracy, resamples=9)["right"].p == 1
    assert paired_difference(counts, counts - 1, accuracy, resamples=9)["right"].p == 0.1


def test_few_records_that_differ_prove_little():
    """Three records, all better: swapping A and B record by record gives as much in 2 of 8."""
    rng = np.random.default_rng(8)
    worse = sentences(rng, 100, 0.5)
    better = worse.copy()
    better[:3, 0] += 1
    for a, b in ((better, worse), ([better, better], [worse, worse])):
        assert paired_difference(a, b, accuracy)["accuracy"].p >= 0.25
    assert paired_difference(better[:1], worse[:1], accuracy)["accuracy"].p == 1


# Seeds and records ---------------------------------------------------------------------------


def trained(rng, difficulty, seeds, sd, shift=0.0):
    """A system trained with several seeds, of which each has a strength of its own: its answers
    to the same questions, 0 or 1. sd, shift: of its strength, in logits."""
    strength = 0.8 + shift + sd * rng.normal(size=(seeds, 1))
    logits = strength + difficulty + 0.5 * rng.normal(size=(seeds, len(difficulty)))
    right = rng.random(logits.shape) < 1 / (1 + np.exp(-logits))
    return [np.stack([one, np.ones(len(one))], axis=1).astype(float) for one in right]


def found(seeds, sd, shift, trials, records=300, **options):
    """Share of trials in which two systems differ, `shift` logits apart: with seeds as chance, and
    as if they were all the seeds there are."""
    rng = np.random.default_rng(9)
    random, fixed = [], []
    for trial in range(trials):
        difficulty = rng.normal(size=records)
        a, b = (trained(rng, difficulty, seeds, sd, s) for s in (shift, 0.0))
        both = {"metrics": accuracy, "resamples": 200, "seed": trial}
        random.append(paired_difference(a, b, **both, **options)["accuracy"].p < 0.05)
        means = (np.mean(a, axis=0), np.mean(b, axis=0))
        fixed.append(paired_difference(*means, **both)["accuracy"].p < 0.05)
    return np.mean(random), np.mean(fixed)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_training_again_is_not_called_better(seeds):
    """The same system twice; with seeds as fixed, more than a quarter is called different."""
    random, fixed = found(seeds, sd=0.3, shift=0.0, trials=200)
    assert random <= 0.085
    assert fixed >= 0.25


def test_seeds_that_differ_by_their_records_alone_cost_little():
    random, fixed = found(5, sd=0.0, shift=0.0, trials=200)
    assert random <= 0.085
    assert fixed <= 0.085
    random, fixed = found(5, sd=0.0, shift=0.2, trials=200)
    assert fixed >= 0.5
    assert random >= fixed - 0.2


def test_a_difference_beyond_seeds_is_found():
    random, _ = found(5, sd=0.1, shift=0.6, trials=50)
    assert random >= 0.9


def flat(rates):
    """Seeds that differ, on records that are all alike."""
    return [np.tile([[rate, 100.0]], (40, 1)) for rate in rates]


def test_where_records_are_alike_it_is_welchs_test():
    a, b = [71.0, 73.0, 78.0], [70.0, 68.0, 71.0, 66.0, 69.0]
    result = paired_difference(flat(a), flat(b), accuracy, resamples=50)["accuracy"]
    welch = scipy.stats.ttest_ind(a, b, equal_var=False)
    assert result.p == pytest.approx(welch.pvalue)
    assert (result.low, result.high) == pytest.approx(tuple(welch.confidence_interval()))
    assert (result.over, result.conclusive) == ("seeds and records", True)
    rule = flat([70.0])[0]  # no chance in it
    result = paired_difference(flat(a), rule, accuracy, resamples=50)["accuracy"]
    student = scipy.stats.ttest_1samp(a, 70.0)
    assert result.p == pytest.approx(student.pvalue)
    assert (result.low, result.high) == pytest.approx(
        tuple(x - 70 for x in student.confidence_interval())
    )
    interval = bootstrap_interval(flat(a), accuracy, resamples=50)["accuracy"]
    assert interval == pytest.approx(tuple(student.confidence_interval()))


def test_seeds_in_pairs():
    """Two ways of using the same models: what a seed is good at, it is good at in both."""
    a, b = [71.0, 78.0, 85.0], [70.0, 76.5, 84.2]
    pairs = paired_difference(flat(a), flat(b), accuracy, paired_seeds=True)["accuracy"]
    assert pairs.p == pytest.approx(scipy.stats.ttest_rel(a, b).pvalue)
    assert paired_difference(flat(a), flat(b), accuracy)["accuracy"].p > 10 * pairs.p
    with pytest.raises(ValueError, match="no pairs"):
        paired_difference(flat(a), flat(b)[:2], accuracy, paired_seeds=True)


def test_where_seeds_are_alike_it_is_a_paired_test_over_records():
    rng = np.random.default_rng(10)
    a, b = (np.stack([rng.normal(m, 3, 60), np.full(60, 10.0)], axis=1) for m in (6, 5))
    result = paired_difference([a, a], [b, b], accuracy, resamples=20_000)["accuracy"]
    student = scipy.stats.ttest_rel(a[:, 0], b[:, 0])
    assert result.p == pytest.approx(student.pvalue, rel=0.1)
    low, high = student.confidence_interval()
    assert (result.low, result.high) == pytest.approx((10 * low, 10 * high), rel=0.03)


def test_the_interval_of_a_mean_covers_training_again():
    rng = np.random.default_rng(11)
    questions = 1_000_000
    truth = np.mean(
        [accuracy(one.sum(0))["accuracy"] for one in trained(rng, rng.normal(size=questions), 3, 0)]
    )
    covered = 0
    for trial in range(300):
        runs = trained(rng, rng.normal(size=300), 3, 0.2)
        low, high = bootstrap_interval(runs, accuracy, resamples=200, seed=trial)["accuracy"]
        covered += low <= truth <= high
    assert 0.91 <= covered / 300 <= 0.995


def test_an_interval_of_a_mean_ends_where_scores_do():
    good = [flat([rate])[0] for rate in (99.0, 100.0)]
    assert bootstrap_interval(good, accuracy, resamples=9)["accuracy"].high == 100


def test_one_seed_is_never_conclusive():
    rng = np.random.default_rng(12)
    a, b = sentences(rng, 50, 0.9), sentences(rng, 50, 0.4)
    for left, right in (([a], [b]), ([a, a], [b]), ([a], b)):
        result = paired_difference(left, right, accuracy, resamples=100)["accuracy"]
        assert (result.over, result.conclusive) == ("records", False)
        assert result.low > 0
        assert not judge([result])[0]["sure"]
    rules = paired_difference(a, b, accuracy, resamples=100)["accuracy"]
    assert (rules.over, rules.conclusive) == ("records", True)
    assert judge([rules])[0]["sure"]
    assert Comparison.of(judge([rules])[0]) == rules


def test_holm():
    """The example of R's p.adjust, and its order and bounds."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1, 1]
    assert holm([0.3]) == [0.3]
    assert holm([]) == []
    family = [Comparison(1.0, 0.5, 1.5, p, "records", True) for p in (0.02, 0.03)]
    assert [row["sure"] for row in judge(family)] == [True, True]
    assert [row["sure"] for row in judge([*family, family[1]])] == [False] * 3


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_counts_that_are_no_numbers_are_refused(value):
    """They would compare as equal to nothing, and p would be as small as it can be."""
    rng = np.random.default_rng(13)
    good = sentences(rng, 20, 0.5)
    bad = good.copy()
    bad[7, 1] = value
    with pytest.raises(XltError, match=r"column 1 of the counts is (nan|inf)") as error:
        paired_difference(good, bad, accuracy)
    assert error.value.where == "record 7"
    with pytest.raises(XltError, match="column 1") as error:
        bootstrap_interval([good, bad], accuracy)
    assert error.value.where == "record 7 of seed number 1"


def test_scores_that_are_no_numbers_are_refused():
    counts = np.array([[1.0, 2.0], [0.0, 0.0]])

    def ratio(sums):
        with np.errstate(invalid="ignore"):
            return {"ratio": sums[..., 0] / sums[..., 1]}  # 0 / 0 where the second is drawn twice

    with pytest.raises(XltError, match="ratio is not a finite number") as error:
        bootstrap_interval(counts, ratio)
    assert error.value.where == "metric ratio"


def test_what_is_said_under_a_table():
    row = {"conclusive": True, "over": "seeds and records"}
    once = {"conclusive": False, "over": "records"}
    assert scope([row]) == ["95 % intervals over seeds and records; * sure: p < 0.05"]
    assert scope([row, row], "better")[0].endswith("* better: p < 0.05 after Holm (2 comparisons)")
    (line,) = scope([once])
    assert line.startswith("95 % intervals and p over records alone")
    assert "*" not in line
    assert scope([row, once])[1].startswith("where a side has one seed")
    assert scope([]) == []
    assert score_scope([{"sd": None, "over": "records"}]) == (
        "[ ] 95 % interval over records alone: one seed"
    )
    assert score_scope([{"sd": 0.5, "over": "seeds and records"}]) == (
        "± standard deviation over seeds; [ ] 95 % interval over seeds and records"
    )
    assert score_scope([{"sd": 0.5}]) == "± standard deviation over seeds"  # of an older version
