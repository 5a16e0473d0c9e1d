"""Intervals and p of several seeds against their definitions, resample by resample."""

from __future__ import annotations

from itertools import product
from statistics import mean, variance
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats

from xlt.document import Text
from xlt.errors import XltError
from xlt.evaluation import statistics
from xlt.evaluation.counts import count_matrix
from xlt.evaluation.report import Table, p_value, score_cell, score_table
from xlt.evaluation.statistics import Interval, bootstrap_interval, paired_difference

RECORDS, RESAMPLES, SEED = 12, 80, 5


def metric(counts):
    return {"ratio": 100 * counts[..., 0] / counts[..., 1]}


def runs(seeds: int, rate: float) -> list[np.ndarray]:
    random = np.random.default_rng(seeds)
    words = random.integers(5, 20, RECORDS)
    return [np.stack([random.binomial(words, rate), words], 1).astype(float) for _ in range(seeds)]


def ratio(run: np.ndarray, records) -> float:
    return 100 * sum(run[n, 0] for n in records) / sum(run[n, 1] for n in records)


def samples():
    return np.random.default_rng(SEED).integers(0, RECORDS, (RESAMPLES, RECORDS))


def parts(systems, signs):
    """The variance of records and that of each system's seeds: value, and its square by freedom."""
    drawn = [[[ratio(run, sample) for run in system] for system in systems] for sample in samples()]
    unbiased = RECORDS / (RECORDS - 1)
    means = [sum(s * mean(one) for s, one in zip(signs, each, strict=True)) for each in drawn]
    value = variance(means) * unbiased
    found = [(value, value**2 / (RECORDS - 1))]
    for k, system in enumerate(systems):
        if len(system) > 1:
            found.append(of_seeds([each[k] for each in drawn], system))
    return found


def of_seeds(drawn, system):
    n = len(system)
    observed = [ratio(run, range(RECORDS)) for run in system]
    apart = [[one - mean(each) for one in each] for each in drawn]
    by_records = sum(variance(column) for column in zip(*apart, strict=True))
    by_records *= RECORDS / (RECORDS - 1) / (n - 1)
    whole = variance(observed)
    return max(0.0, whole - by_records) / n, (whole / n) ** 2 / (n - 1)


def student(difference: float, found, confidence: float):
    value, error = (sum(one[k] for one in found) for k in (0, 1))
    freedom = max(1.0, value**2 / error)
    reach = scipy.stats.t.ppf((1 + confidence) / 2, freedom) * value**0.5
    p = 2 * scipy.stats.t.cdf(-abs(difference) / value**0.5, freedom)
    return difference - reach, difference + reach, p


@pytest.mark.parametrize(("first", "second"), [(2, 3), (4, 2), (3, None), (None, 2)])
@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_a_difference_between_seeds(first, second, confidence) -> None:
    systems = [runs(n or 1, rate) for n, rate in ((first, 0.8), (second, 0.55))]
    given = [system if n else system[0] for n, system in zip((first, second), systems, strict=True)]
    found = paired_difference(
        *given, metric, resamples=RESAMPLES, confidence=confidence, seed=SEED
    )["ratio"]
    whole = range(RECORDS)
    difference = mean(ratio(run, whole) for run in systems[0]) - mean(
        ratio(run, whole) for run in systems[1]
    )
    low, high, p = student(difference, parts(systems, (1, -1)), confidence)
    assert found.difference == pytest.approx(difference)
    assert (found.low, found.high) == pytest.approx((low, high))
    # All records differ: no p is below that of swapping them one by one.
    assert found.p == pytest.approx(max(p, 2.0 ** (1 - RECORDS)))
    assert (found.over, found.conclusive) == ("seeds and records", True)


def test_the_same_models_in_two_ways() -> None:
    a, b = runs(3, 0.7), runs(3, 0.7)[::-1]
    b = [run - [[1.0, 0.0]] for run in b]
    found = paired_difference(a, b, metric, paired_seeds=True, resamples=RESAMPLES, seed=SEED)
    drawn = [
        [ratio(x, sample) - ratio(y, sample) for x, y in zip(a, b, strict=True)]
        for sample in samples()
    ]
    apart = [ratio(x, range(RECORDS)) - ratio(y, range(RECORDS)) for x, y in zip(a, b, strict=True)]
    records = variance([mean(each) for each in drawn]) * RECORDS / (RECORDS - 1)
    centred = [[one - mean(each) for one in each] for each in drawn]
    by_records = sum(variance(column) for column in zip(*centred, strict=True))
    by_records *= RECORDS / (RECORDS - 1) / 2
    whole = variance(apart)
    low, high, p = student(
        mean(apart),
        [(records, records**2 / (RECORDS - 1)),
         (max(0.0, whole - by_records) / 3, (whole / 3) ** 2 / 2)],
        0.95,
    )  # fmt: skip
    assert found["ratio"].difference == pytest.approx(mean(apart))
    assert (found["ratio"].low, found["ratio"].high) == pytest.approx((low, high))
    assert found["ratio"].p == pytest.approx(max(p, 2.0 ** (1 - RECORDS)))


def test_the_interval_of_a_mean_over_seeds() -> None:
    system = runs(3, 0.7)
    found = bootstrap_interval(system, metric, resamples=RESAMPLES, confidence=0.8, seed=SEED)
    observed = mean(ratio(run, range(RECORDS)) for run in system)
    low, high, _ = student(observed, parts([system], (1,)), 0.8)
    assert found["ratio"] == pytest.approx((low, high))
    one = bootstrap_interval(system[:1], metric, resamples=RESAMPLES, confidence=0.8, seed=SEED)
    drawn = [ratio(system[0], sample) for sample in samples()]
    assert one["ratio"] == pytest.approx(tuple(np.quantile(drawn, [0.1, 0.9])))


def test_an_interval_is_within_0_and_100() -> None:
    def around(*rates: float) -> Interval:
        flat = [np.tile([[rate, 100.0]], (5, 1)) for rate in rates]
        return bootstrap_interval(flat, metric, resamples=9)["ratio"]

    assert around(0.0, 1.0).low == 0
    assert around(99.0, 100.0).high == 100
    assert around(50.0, 50.0) == (50, 50)


def test_resamples_are_of_as_many_records_and_as_many_as_asked(monkeypatch) -> None:
    for chunk, sizes in ((1 << 22, [10]), (35, [5, 5]), (21, [3, 3, 3, 1]), (1, [1] * 10)):
        monkeypatch.setattr(statistics, "_CHUNK", chunk)
        drawn = list(statistics._weights(7, 10, 0))
        assert [len(rows) for rows in drawn] == sizes
        assert (np.concatenate(drawn).sum(1) == 7).all()


# Counts and tables ----------------------------------------------------------------------------


def record(id: str, text: Text) -> SimpleNamespace:
    return SimpleNamespace(id=id, texts={"text": text}, text=text)


@pytest.mark.parametrize(
    ("gold", "predicted", "what"),
    [
        (Text.from_words(["a", "b"]), Text.from_words(["a", "c"]), "word 2 is 'c' and not 'b'"),
        (Text.from_words(["a", "b"]), Text.from_words(["a"]), "it has 1 words and not 2"),
        (Text("abc"), Text("xbc"), "character 1 is 'x' and not 'a'"),
        (Text("abc"), Text("abcd"), "it has 4 characters and not 3"),
    ],
)  # fmt: skip
def test_where_a_prediction_is_of_another_text(gold, predicted, what) -> None:
    task = SimpleNamespace(texts=("text",), count_names=("n",), name="t")
    with pytest.raises(XltError, match=what):
        count_matrix(task, [record("1", gold)], [record("1", predicted)])


def test_the_first_count_that_is_no_number() -> None:
    values = iter([[1.0, 2.0], [3.0, np.inf], [np.nan, 0.0]])
    task = SimpleNamespace(
        texts=(), count_names=("one", "two"), name="t",
        counts=lambda gold, predicted: np.array(next(values)),
    )  # fmt: skip
    some = [record(id, Text("")) for id in "abc"]
    with pytest.raises(XltError, match="t counts inf as 'two'") as error:
        count_matrix(task, some, some)
    assert error.value.where == "record 'b'"


def test_columns_are_as_wide_as_a_terminal_shows_them() -> None:
    table = Table(("a", "n"), (("東京", "1"), ("e\u0301", "22"), ("x\ty\nz", "")), frozenset({1}))
    assert table.text().splitlines() == [
        "a       n",
        "─────  ──",
        "東京    1",
        "e\u0301      22",
        "x y z",
    ]
    assert Table(("a|b",), (("<i> [x](y)",),)).markdown() == (
        "| a\\|b |\n| --- |\n| &lt;i> [x]\\(y) |"
    )
    assert Table(("a", "b"), (), frozenset({1})).markdown() == "| a | b |\n| --- | ---: |"


def test_cells() -> None:
    assert [p_value(p) for p in (1.0, 0.05, 0.0001, 0.00009, 0.0)] == [
        "1.0000", "0.0500", "0.0001", "<0.0001", "<0.0001",
    ]  # fmt: skip
    score = {"mean": 71.25, "sd": 1.26, "low": 69.04, "high": 73.96, "seeds": 3}
    assert score_cell(score) == "71.2 ± 1.3 [69.0, 74.0]"
    assert score_cell(score, interval=False) == "71.2 ± 1.3"
    for sd, low in product((None, float("nan")), (None, 0.0)):
        text = score_cell({"mean": 1.0, "sd": sd, "low": low, "high": 2.0})
        assert text == ("1.0" if low is None else "1.0 [0.0, 2.0]")
    line = {"target": "jav", "split": "test", "selected_on": "dev"}
    lines = [line | {"metrics": {"f1": score, "uas": score | {"seeds": 2}}}]
    subwords = {"jav": {"test": {"fertility": 1.234, "unknown_pieces": 0.0123,
                                 "truncated_words": 4}}}  # fmt: skip
    table = score_table(lines, subwords)
    assert table.header[3:] == ("seeds", "f1", "uas", "subwords/word", "unknown", "truncated")
    assert table.rows == (
        ("jav", "test", "dev", "3", "71.2 ± 1.3 [69.0, 74.0]", "71.2 ± 1.3", "1.23", "1.23 %", "4"),
    )
    assert table.numeric == frozenset(range(3, 9))
    assert score_table(lines, {}, ["uas"]).rows[0][3:] == ("2", score_cell(score), "", "", "")
