"""Span F1 equals seqeval's in strict IOB2 mode, tag by tag soup included."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.v1 import precision_recall_fscore_support
from seqeval.scheme import IOB2, Entities

from xlt.errors import XltError
from xlt.tasks.ner.spans import span_counts, span_counts_by_type, span_metrics, spans

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-A-B", "I-A-B", "B", "I"]
sentence = st.integers(1, 9).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from(TAGS), min_size=n, max_size=n),
        st.lists(st.sampled_from(TAGS), min_size=n, max_size=n),
    )
)
corpus = st.lists(sentence, min_size=1, max_size=6)


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns where a score is undefined
        yield


@settings(max_examples=100, deadline=None)
@given(sentence)
def test_spans(pair):
    reference = [(e.tag, e.start, e.end) for e in Entities([pair[0]], IOB2).entities[0]]
    assert [tuple(span) for span in spans(pair[0])] == reference


@settings(max_examples=200, deadline=None)
@given(corpus)
def test_micro(pairs):
    gold, predicted = [p[0] for p in pairs], [p[1] for p in pairs]
    ours = span_metrics(np.sum([span_counts(*pair) for pair in pairs], axis=0))
    keywords = {"mode": "strict", "scheme": IOB2, "zero_division": 0}
    assert ours["f1"] == pytest.approx(100 * f1_score(gold, predicted, **keywords))
    assert ours["precision"] == pytest.approx(100 * precision_score(gold, predicted, **keywords))
    assert ours["recall"] == pytest.approx(100 * recall_score(gold, predicted, **keywords))


@settings(max_examples=100, deadline=None)
@given(corpus)
def test_by_type(pairs):
    gold, predicted = [p[0] for p in pairs], [p[1] for p in pairs]
    types = sorted({span.kind for side in (*gold, *predicted) for span in spans(side)})
    counts = span_counts_by_type(pairs)
    assert list(counts) == types
    if not types:
        return
    precision, recall, f1, support = precision_recall_fscore_support(
        gold, predicted, average=None, scheme=IOB2, zero_division=0
    )
    ours = span_metrics(np.stack(list(counts.values())))
    np.testing.assert_allclose(ours["precision"], 100 * precision)
    np.testing.assert_allclose(ours["recall"], 100 * recall)
    np.testing.assert_allclose(ours["f1"], 100 * f1)
    np.testing.assert_array_equal([row[2] for row in counts.values()], support)


def test_no_sentence_hides_words():
    with pytest.raises(ValueError, match="3 gold tags but 2"):
        span_counts(["O"] * 3, ["O"] * 2)


@pytest.mark.parametrize("tag", ["", "X-PER", "b-PER", "S-PER"])
def test_other_schemes_are_refused(tag):
    with pytest.raises(XltError, match="not an IOB2 tag"):
        spans(["O", tag])
