"""Marginals of spans and arcs, against sums over all structures one by one."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from xlt.document import Span
from xlt.model.bio import decode_bio
from xlt.model.marginals import arc_marginals, rest_marginals, span_marginals
from xlt.model.mst import decode_trees

LABELS = ["O", "B-A", "I-A", "B-B", "I-B"]


def log_softmax(scores: np.ndarray) -> np.ndarray:
    return scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True)


def valid(tags: tuple[str, ...]) -> bool:
    return all(
        tag[0] != "I" or (before[0] in "BI" and before[2:] == tag[2:])
        for before, tag in pairwise(("O", *tags))
    )


def spans_of(tags: tuple[str, ...]) -> set[Span]:
    found, start = set(), None
    for n, tag in enumerate((*tags, "O")):
        if start is not None and tag[0] != "I":
            found.add(Span(tags[start][2:], start, n))
            start = None
        if tag[0] == "B":
            start = n
    return found


@pytest.mark.parametrize("temperature", [1.0, 0.4, 2.5])
@pytest.mark.parametrize("labels", [LABELS, ["I-A", "O", "B-A", "B-B"]])
def test_spans(temperature, labels):
    """I-B may be missing: then a span of that kind has one word."""
    rng = np.random.default_rng(3)
    lengths = [4, 1, 3]
    scores = log_softmax(rng.normal(0, 2, (3, 4, len(labels))))
    mask = np.arange(4) < np.array(lengths)[:, None]
    wanted = []
    for row, length in enumerate(lengths):
        masses: dict[Span, float] = {}
        total = 0.0
        for ids in product(range(len(labels)), repeat=length):
            tags = tuple(labels[i] for i in ids)
            if not valid(tags):
                continue
            mass = np.exp(sum(scores[row, n, i] for n, i in enumerate(ids)) / temperature)
            total += mass
            for span in spans_of(tags):
                masses[span] = masses.get(span, 0.0) + mass
        wanted.append({span: mass / total for span, mass in masses.items()})
    found = span_marginals(scores, mask, labels, [list(one) for one in wanted], temperature)
    for chances, of_sentence in zip(found, wanted, strict=True):
        assert chances == pytest.approx(list(of_sentence.values()), abs=1e-12)


@pytest.mark.parametrize("labels", [LABELS, ["I-A", "O", "B-A", "B-B"]])
def test_that_there_is_no_other_span(labels):
    rng = np.random.default_rng(4)
    lengths, temperature = [4, 1, 3, 4], 0.7
    spans = [[Span("A", 1, 3)], [], [Span("B", 0, 1), Span("A", 2, 3)], []]
    scores = log_softmax(rng.normal(0, 2, (4, 4, len(labels))))
    mask = np.arange(4) < np.array(lengths)[:, None]
    wanted = []
    for row, (length, own) in enumerate(zip(lengths, spans, strict=True)):
        free = [n for n in range(length) if not any(a <= n < b for _, a, b in own)]
        alone = total = 0.0
        for ids in product(range(len(labels)), repeat=length):
            tags = tuple(labels[i] for i in ids)
            if valid(tags):
                mass = np.exp(sum(scores[row, n, i] for n, i in enumerate(ids)) / temperature)
                total += mass
                alone += mass * all(tags[n] == "O" for n in free)
        wanted.append(alone / total)
    found = rest_marginals(scores, mask, labels, spans, temperature)
    assert found == pytest.approx(wanted, abs=1e-12)
    assert rest_marginals(scores[:1], mask[:1] & False, labels, [[]]).tolist() == [1.0]


def test_a_sure_model_is_sure_and_extremes_are_no_nan():
    scores = np.full((2, 3, 5), -np.inf)
    scores[0, [0, 1, 2], [1, 2, 0]] = 0.0
    scores[1] = -1e9
    mask = np.array([[True] * 3, [True] * 3])
    tags = decode_bio(scores, mask, LABELS)
    assert tags[0] == [1, 2, 0]
    one, other = span_marginals(scores, mask, LABELS, [[Span("A", 0, 2)], [Span("B", 1, 2)]], 0.05)
    assert one == pytest.approx([1.0])
    assert 0 <= other[0] <= 1
    sure, odd = rest_marginals(scores, mask, LABELS, [[Span("A", 0, 2)], []], 0.05)
    assert sure == pytest.approx(1.0)
    assert 0 <= odd <= 1
    assert rest_marginals(scores[:1], mask[:1], LABELS, [[]])[0] == pytest.approx(0.0)
    assert span_marginals(scores, mask, LABELS, [[], []])[0].shape == (0,)
    assert span_marginals(np.zeros((0, 3, 5)), np.zeros((0, 3)), LABELS, []) == []


def is_tree(heads: tuple[int, ...]) -> bool:
    if heads.count(0) != 1:
        return False
    for word in range(1, len(heads) + 1):
        seen = set()
        while word:
            if word in seen:
                return False
            seen.add(word)
            word = heads[word - 1]
    return True


@pytest.mark.parametrize("temperature", [1.0, 0.3, 4.0])
def test_arcs(temperature):
    rng = np.random.default_rng(5)
    lengths = [4, 1, 0, 3]
    scores = rng.normal(0, 2, (4, 5, 5))
    scores[:, np.arange(5), np.arange(5)] = -1e9
    found = arc_marginals(scores, lengths, temperature)
    for row, length in enumerate(lengths):
        wanted = np.zeros((5, 5))
        total = 0.0
        for heads in product(range(length + 1), repeat=length):
            if length and is_tree(heads):
                mass = np.exp(sum(scores[row, d, h] for d, h in enumerate(heads, 1)) / temperature)
                total += mass
                for d, h in enumerate(heads, 1):
                    wanted[d, h] += mass
        assert found[row] == pytest.approx(wanted / max(total, 1e-300), abs=1e-9)


def test_arcs_of_a_long_sure_sentence():
    """Where the sums are too uneven, the head's own probability stands in; never a NaN."""
    rng = np.random.default_rng(1)
    scores = log_softmax(rng.normal(0, 40, (3, 61, 61)))
    lengths = [60, 45, 60]
    heads = decode_trees(scores, lengths)
    for temperature in (0.05, 1.0, 20.0):
        found = arc_marginals(scores, lengths, temperature)
        assert np.isfinite(found).all()
        for row, length in enumerate(lengths):
            assert found[row, 1 : length + 1].sum(axis=1) == pytest.approx(np.ones(length))
            assert (found[row, np.arange(1, length + 1), heads[row, :length]] >= 0).all()


def heads_alone(scores: np.ndarray, word: int, length: int) -> np.ndarray:
    """The softmax over the heads that a word can have; 0 for itself."""
    heads = [head for head in range(length + 1) if head != word]
    expected = np.zeros(len(scores))
    expected[heads] = np.exp(log_softmax(scores[word, heads].astype(float)))
    return expected


def test_a_very_long_sentence_has_heads_alone(monkeypatch):
    """And those beside it in the batch do not."""
    scores = np.random.default_rng(3).normal(size=(2, 6, 6)).astype(np.float32)
    (short,) = arc_marginals(scores[1:, :4, :4], [3], temperature=2.0)
    monkeypatch.setattr("xlt.model.marginals.MAX_TREE_WORDS", 3)
    found = arc_marginals(scores, [5, 3], temperature=2.0)
    for word in range(1, 6):
        assert found[0, word] == pytest.approx(heads_alone(scores[0] / 2, word, 5), abs=1e-5)
    assert found[1, :4, :4] == pytest.approx(short, abs=1e-6)
    assert not np.allclose(short[1], heads_alone(scores[1, :4, :4] / 2, 1, 3), atol=1e-2)
    assert not found[:, 0].any()
    assert not found[1, 4:].any()


def test_a_sentence_without_any_tree_leaves_the_others_as_they_are():
    """Two words that are each other's only head: their sums cannot be inverted."""
    scores = np.random.default_rng(4).normal(size=(2, 3, 3))
    (alone,) = arc_marginals(scores[1:], [2])
    scores[0] = -np.inf
    scores[0, [1, 2], [2, 1]] = 0.0
    found = arc_marginals(scores, [2, 2])
    assert found[0].tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert found[1] == pytest.approx(alone)
    assert not np.allclose(alone[1], heads_alone(scores[1], 1, 2), atol=1e-2)
