"""What projection hands about: pairs with links, outcomes, and their means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs import aligned_pair

from xlt.document import Document, Span, Text
from xlt.projection.pair import AlignedPair, Outcome, Projection

tables = st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 3)), st.floats(0.01, 1))


@given(tables, st.integers(0, 2))
@settings(max_examples=60, deadline=None)
def test_both_sides_see_the_same_links(links, extra) -> None:
    pair = aligned_pair(list("abc"), list("wxyz"), links, "odd")
    assert {(i, j): s for i, row in pair.by_source.items() for j, s in row.items()} == links
    assert {(i, j): s for j, row in pair.by_target.items() for i, s in row.items()} == links
    assert all(pair.by_source.values())
    turned = pair.reversed()
    assert (turned.source, turned.target, turned.warning) == (pair.target, pair.source, "odd")
    assert turned.by_source == pair.by_target
    assert turned.reversed() == pair
    shares = pair.shares(extra=extra)
    assert shares.shape == (extra + 4, extra + 3)
    assert (shares[:extra, :extra] == np.eye(extra)).all()
    assert not shares[:extra, extra:].any()
    assert not shares[extra:, :extra].any()
    for j in range(4):
        column = pair.by_target.get(j, {})
        for i in range(3):
            expected = column[i] / sum(column.values()) if i in column else 0
            assert shares[extra + j, extra + i] == pytest.approx(expected)
    assert (pair.shares() == shares[extra:, extra:]).all()


@pytest.mark.parametrize("link", [(-1, 0), (0, -1), (2, 0), (0, 3), (2, 3)])
def test_links_are_between_words_that_are_there(link) -> None:
    texts = Text.from_words(["a", "b"]), Text.from_words(["x", "y", "z"])
    AlignedPair(*texts, {(0, 0): 1.0, (1, 2): 1.0})
    with pytest.raises(ValueError, match="between 2 and 3 words"):
        AlignedPair(*texts, {(0, 0): 1.0, link: 1.0})


def test_a_label_is_kept_or_lost() -> None:
    kept = Outcome("PER", (1, 3), (0, 2), 0.0, text="context")
    assert kept.span == Span("PER", 0, 2)
    lost = kept.lost("split")
    assert lost == Outcome("PER", (1, 3), reason="split", text="context")
    assert lost.span is None
    assert Outcome("x", (0, 1), None, 1.0).span is None
    for wrong in ({}, {"confidence": 1.0, "reason": "split"}):
        with pytest.raises(ValueError, match="with a confidence or lost for a reason"):
            Outcome("x", (0, 1), None, **wrong)


def test_the_confidence_of_a_document_is_the_mean_of_what_was_kept() -> None:
    document = Document("1", {"text": Text.from_words(["a"])})
    kept = [Outcome("x", (0, 1), (0, 1), value) for value in (0.0, 0.5, 0.7)]
    lost = Outcome("x", (0, 1), reason="split")
    assert Projection(document, (*kept, lost)).confidence == pytest.approx(0.4)
    assert Projection(document, (lost,)).confidence == 1.0
    assert Projection(None).confidence == 1.0
