"""Resampling: against direct computation, nominal error rates, and the tables made of results."""

from __future__ import annotations

import numpy as np
import pytest

from xlt.errors import XltError
from xlt.evaluation import statistics
from xlt.evaluation.report import Table, comparison_table, score_table
from xlt.evaluation.statistics import bootstrap_interval, mean_sd, paired_bootstrap


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
        paired_bootstrap(
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
    result = paired_bootstrap(better, worse, accuracy, resamples=1000)["accuracy"]
    assert result.difference == pytest.approx(
        accuracy(better.sum(0))["accuracy"] - accuracy(worse.sum(0))["accuracy"]
    )
    assert 0 < result.low < result.difference < result.high
    assert result.p == pytest.approx(1 / 1001)
    unpaired = paired_bootstrap(better, worse[rng.permutation(100)], accuracy, resamples=1000)
    assert unpaired["accuracy"].p > 0.05
    mirrored = paired_bootstrap(worse, better, accuracy, resamples=1000)["accuracy"]
    assert mirrored.difference == -result.difference
    assert (mirrored.low, mirrored.high) == pytest.approx((-result.high, -result.low))


def test_equal_runs_do_not_differ():
    counts = sentences(np.random.default_rng(4), 30, 0.8)
    result = paired_bootstrap(counts, counts.copy(), accuracy, resamples=100)["accuracy"]
    assert (result.difference, result.low, result.high, result.p) == (0, 0, 0, 1)


def test_seeds_are_averaged_inside_each_resample():
    rng = np.random.default_rng(5)
    runs = [sentences(rng, 50, rate) for rate in (0.6, 0.8)]
    single = sentences(rng, 50, 0.9)
    result = paired_bootstrap(runs, [single], accuracy, resamples=200)["accuracy"]
    means = [accuracy(run.sum(0))["accuracy"] for run in runs]
    assert result.difference == pytest.approx(np.mean(means) - accuracy(single.sum(0))["accuracy"])
    weights = np.concatenate(list(statistics._weights(50, 200, 0)))
    direct = np.mean([accuracy(weights @ run)["accuracy"] for run in runs], axis=0)
    interval = bootstrap_interval(runs, accuracy, resamples=200)["accuracy"]
    assert interval == pytest.approx(np.quantile(direct, [0.025, 0.975]))
    assert (weights.sum(1) == 50).all()


def test_errors():
    counts = sentences(np.random.default_rng(6), 5, 0.5)
    with pytest.raises(XltError, match="no sentence"):
        bootstrap_interval(counts[:0], accuracy)
    with pytest.raises(XltError, match="seeds were not scored on the same"):
        bootstrap_interval([counts, counts[:3]], accuracy)
    with pytest.raises(XltError, match=r"same sentences \(5 and 3\)"):
        paired_bootstrap(counts, counts[:3], accuracy)


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
    row |= {"difference": 0.7, "low": -1.2, "high": 2.6, "p": 0.4512}
    assert comparison_table([row]).rows == (
        ("jav", "test", "las", "79.1", "78.4", "+0.7", "[-1.2, +2.6]", "0.4512"),
    )
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


def test_the_p_value_counts_differences_as_large_as_the_one_seen():
    """By its formula, from the same resamples; one more on both sides, so that it is never 0."""
    rng = np.random.default_rng(7)
    a, b = sentences(rng, 40, 0.75), sentences(rng, 40, 0.72)
    b[:, 1] = a[:, 1]
    found = paired_bootstrap(a, b, accuracy, resamples=500, seed=2, confidence=0.9)["accuracy"]
    weights = np.concatenate(list(statistics._weights(40, 500, 2)))
    drawn = accuracy(weights @ a)["accuracy"] - accuracy(weights @ b)["accuracy"]
    seen = accuracy(a.sum(0))["accuracy"] - accuracy(b.sum(0))["accuracy"]
    assert found.difference == pytest.approx(seen)
    assert found.p == (1 + (abs(drawn - seen) >= abs(seen)).sum()) / 501
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.05, 0.95])))


def test_a_tie_counts_as_a_difference_as_large():
    """One sentence: every resample is the sample, and its distance from it is 0."""
    counts = np.array([[3.0, 4.0]])
    assert paired_bootstrap(counts, counts, accuracy, resamples=9)["right"].p == 1
    assert paired_bootstrap(counts, counts - 1, accuracy, resamples=9)["right"].p == 0.1
