"""Constrained tag decoding against enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.errors import XltError
from xlt.model.bio import decode_bio

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "I-ORPHAN"]


def valid(labels, ids) -> bool:
    previous = "O"
    for index in ids:
        label = labels[index]
        if label.startswith("I-") and previous not in (f"B-{label[2:]}", label):
            return False
        previous = label
    return True


def best(labels, scores) -> float:
    return max(
        sum(scores[word, tag] for word, tag in enumerate(ids))
        for ids in itertools.product(range(len(labels)), repeat=len(scores))
        if valid(labels, ids)
    )


@settings(max_examples=150, deadline=None)
@given(
    labels=st.permutations(LABELS),
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=5),
    seed=st.integers(0, 2**32 - 1),
    ties=st.booleans(),
)
def test_equals_enumeration(labels, lengths, seed, ties):
    rng = np.random.default_rng(seed)
    scores = 3 * rng.normal(size=(len(lengths), 4, len(labels)))
    if ties:
        scores = np.round(scores / 3)
    mask = np.arange(4) < np.array(lengths)[:, None]
    decoded = decode_bio(scores, mask, labels)
    for ids, sentence, length in zip(decoded, scores, lengths, strict=True):
        assert len(ids) == length
        assert valid(labels, ids)
        assert sum(sentence[range(length), ids]) == pytest.approx(best(labels, sentence[:length]))


def test_a_valid_argmax_is_kept():
    labels = ["I-X", "O", "B-X"]
    scores = np.full((1, 5, 3), -5.0)
    wanted = [2, 0, 0, 1, 2]
    scores[0, range(5), wanted] = 0
    assert decode_bio(scores, np.ones((1, 5), bool), labels) == [wanted]


def test_impossible_scores_leave_a_valid_sequence():
    scores = np.full((1, 3, 3), -np.inf)
    scores[0, :, 1] = 0.0  # only I-X, which may not start
    decoded = decode_bio(scores, np.ones((1, 3), bool), ["O", "I-X", "B-X"])
    assert decoded in ([[2, 1, 1]], [[0, 2, 1]])
    assert decoded == [[2, 1, 1]]


def test_padding_may_hold_anything():
    scores = np.zeros((2, 3, 3))
    scores[0, 1:] = np.nan
    scores[1] = np.nan
    mask = np.array([[True, False, False], [False, False, False]])
    assert decode_bio(scores, mask, ["O", "B-X", "I-X"]) == [[0], []]


def test_errors():
    labels = ["O", "B-X", "I-X"]
    scores = np.zeros((1, 2, 3))
    scores[0, 1, 2] = np.nan
    with pytest.raises(XltError, match="sentence 0 of the batch, word 1"):
        decode_bio(scores, np.ones((1, 2), bool), labels)
    with pytest.raises(ValueError, match="must be"):
        decode_bio(scores, np.ones((1, 2), bool), labels[:2])
    with pytest.raises(ValueError, match="between words"):
        decode_bio(np.zeros((1, 2, 3)), [[False, True]], labels)
    with pytest.raises(ValueError, match="may start"):
        decode_bio(np.zeros((1, 2, 1)), [[True, True]], ["I-X"])
    assert decode_bio(np.zeros((2, 0, 3)), np.zeros((2, 0), bool), labels) == [[], []]
