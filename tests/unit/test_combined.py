"""The aligner `combined` against its definition, in plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scripts.benchmark_projection.weights import RIDGE, logistic_regression
from xlt.projection.align import combined
from xlt.projection.align.agreement import Agreement
from xlt.projection.align.base import WordPair
from xlt.projection.align.combined import Combined, CombinedOptions, Weights
from xlt.projection.align.encoder import Encoder, Similarities

# The first word of the first pair has two subwords, its last one none.
PAIRS: list[WordPair] = [
    (["Hamburg", "is", "x"], ["es", "Hamburgo"]),
    ([], ["a"]),
    (["a"], ["b"]),
]
SEEN = [
    Similarities(2, np.array([[0.3]], np.float32), np.array([0]), np.array([0])),
    Similarities(
        0,
        np.array([[0.1, 0.5, 0.9], [0.3, 0.2, 0.7], [0.8, -0.2, 0.1]], np.float32),
        np.array([0, 0, 1]),
        np.array([0, 1, 1]),
    ),
]
COUNTED = [{(0, 1): 0.75, (1, 0): 0.002}, {}, {(0, 0): 0.5}]


@pytest.fixture
def aligner(monkeypatch: pytest.MonkeyPatch) -> Combined:
    """Of `PAIRS`, without a model."""
    monkeypatch.setattr(Agreement, "align", lambda self, pairs, source, target: COUNTED)
    monkeypatch.setattr(Encoder, "similarities", lambda self, *given: iter(SEEN))
    return Combined(CombinedOptions(encoder="none", layer=3))


def expected(n: int) -> np.ndarray:
    seen = next(one for one in SEEN if one.pair == n)
    table, rows, columns = seen.table.tolist(), seen.rows.tolist(), seen.columns.tolist()
    height, width = len(rows), len(columns)
    whole = sum(map(sum, table)) / (height * width)
    centred = [
        [
            table[i][j]
            - sum(table[i]) / width
            - sum(table[k][j] for k in range(height)) / height
            + whole
            for j in range(width)
        ]
        for i in range(height)
    ]
    deviation = math.sqrt(sum(v * v for row in centred for v in row) / (height * width))
    z = [[v / (deviation + 1e-6) for v in row] for row in centred]
    sharp = [[math.exp(combined.SHARPNESS * v) for v in row] for row in z]
    across = [[sharp[i][j] / sum(sharp[i]) for j in range(width)] for i in range(height)]
    down = [
        [sharp[i][j] / sum(sharp[k][j] for k in range(height)) for j in range(width)]
        for i in range(height)
    ]
    source, target = PAIRS[n]

    def word(values: list[list[float]], a: int, b: int, missing: float) -> float:
        found = [
            values[i][j]
            for i in range(height)
            for j in range(width)
            if rows[i] == a and columns[j] == b
        ]
        return max(found, default=missing)

    def odds(value: float) -> float:
        value = min(max(value, combined.MIN_PROBABILITY), 1 - combined.MIN_PROBABILITY)
        return math.log(value / (1 - value))

    least = min(map(min, z))
    best = [[word(z, a, b, least) for b in range(len(target))] for a in range(len(source))]
    values = np.zeros((len(source), len(target), 4))
    for a in range(len(source)):
        for b in range(len(target)):
            others = [best[a][k] for k in range(len(target)) if k != b]
            above = [best[k][b] for k in range(len(source)) if k != a]
            margin = sum(best[a][b] - max(some) for some in (others, above) if some)
            softmax = odds(word(across, a, b, 0)) + odds(word(down, a, b, 0))
            distance = abs((a + 0.5) / len(source) - (b + 0.5) / len(target))
            values[a, b] = COUNTED[n].get((a, b), 0), softmax, margin, distance
    return values


def test_what_is_known_of_two_words(aligner: Combined) -> None:
    found = dict(aligner.evidence(PAIRS, "eng", "spa"))
    assert found.keys() == {0, 2}
    for n, values in found.items():
        np.testing.assert_allclose(values, expected(n), rtol=1e-4, atol=1e-4)


def test_a_link_has_the_probability_of_the_model(aligner: Combined, monkeypatch) -> None:
    weights = Weights(2.0, 0.1, 0.3, -1.5, 0.25)
    monkeypatch.setattr(combined, "CONTEXTUAL", weights)
    numbers = []
    for threshold in (0.001, 0.4, 0.9):
        made = Combined(CombinedOptions(encoder="none", layer=3, threshold=threshold))
        found = made.align(PAIRS, "eng", "spa")
        for n in (0, 2):
            odds = expected(n) @ np.array(weights[:4]) + weights.bias
            score = 1 / (1 + np.exp(-odds))
            wanted = {(i, j): p for (i, j), p in np.ndenumerate(score) if p > threshold}
            assert found[n] == pytest.approx(wanted, rel=1e-4)
        assert found[1] == {}
        numbers.append(sum(map(len, found)))
    assert numbers[0] > numbers[1] > numbers[2]


def test_weights_go_by_what_the_vectors_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoder, "_layers", 12)
    monkeypatch.setattr(Encoder, "_downsamples", False)
    monkeypatch.setattr(Encoder, "_scheme", None)
    assert Combined(CombinedOptions(encoder="some")).weights is combined.CONTEXTUAL
    assert Combined(CombinedOptions(encoder="some", layer=0)).weights is combined.EMBEDDINGS
    assert Combined(CombinedOptions(encoder="xlt-mini")).weights is combined.EMBEDDINGS


def test_other_weights_are_another_aligner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xlt.model.backbone.Backbone.content", "the same")
    made = Combined(CombinedOptions(layer=3))
    before = made.identity("eng", "spa")
    assert before == Combined(CombinedOptions(layer=3)).identity("eng", "spa")
    with monkeypatch.context() as patch:
        patch.setattr(combined, "CONTEXTUAL", Weights(1, 1, 1, 1, 1))
        assert made.identity("eng", "spa") != before
    assert made.identity("eng", "spa") == before
    monkeypatch.setattr(combined, "SHARPNESS", 1.5)
    assert made.identity("eng", "spa") != before


def test_both_parts_do_as_the_options_say() -> None:
    given = {"encoder": "some", "layer": 3, "batch_tokens": 5, "precision": "fp32"}
    made = Combined(CombinedOptions(**given, threshold=0.7))
    assert made._encoder.options.model_dump(include=set(given)) == given
    assert made._encoder.options.threshold is None
    assert made.min_score == combined.MIN_POSTERIOR


def test_logistic_regression_is_at_its_optimum() -> None:
    draw = np.random.default_rng(0)
    values = (draw.normal(size=(500, 2)) * [1.0, 3.0] + [2.0, 0.0]).astype(np.float32)
    gold = (draw.random(500) < 1 / (1 + np.exp(-(values @ [1.5, -0.5] - 2)))).astype(float)
    weights, bias = logistic_regression(values, gold)
    np.testing.assert_allclose(weights, [1.5, -0.5], atol=0.3)
    missed = gold - 1 / (1 + np.exp(-(values @ weights + bias)))
    scale = values.std(0)
    x = (values - values.mean(0)) / scale
    np.testing.assert_allclose(missed @ x, RIDGE * weights * scale, atol=1e-4)
    assert abs(missed.sum()) < 1e-4
