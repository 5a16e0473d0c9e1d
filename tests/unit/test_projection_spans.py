"""Projected spans: the gap rule as documented, nothing lost to reordering, nothing twice."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairs import aligned_pair

from xlt.config.schema import ProjectionSettings
from xlt.document import Span, Structure
from xlt.projection.pair import AlignedPair, Outcome, Projection
from xlt.projection.spans import (
    groups_of,
    project_answer,
    project_label,
    project_spans,
    project_structures,
)

SETTINGS = ProjectionSettings(gap=1, majority=0.5)


def pair(source: str, target: str, links: str, **other) -> AlignedPair:
    """Words separated by spaces; links as `0-1` or `0-1:0.5`."""
    parsed = {}
    for link in links.split():
        words, _, score = link.partition(":")
        i, _, j = words.partition("-")
        parsed[int(i), int(j)] = float(score or 1)
    return aligned_pair(source.split(), target.split(), parsed, **other)


def places(outcomes: list[Outcome]) -> list[tuple[int, int] | str]:
    return [o.target or o.reason for o in outcomes]


# By hand --------------------------------------------------------------------------------------


def test_two_entities_swapped_by_the_translation_are_both_kept():
    """Of the reference projector one is lost, or it makes B I of two types (EVIDENCE.md)."""
    swapped = pair("Ana likes Bob Marley", "Bob Marley gefällt Ana", "0-3 1-2 2-0 3-1")
    spans = [Span("PER", 0, 1), Span("PER", 2, 4)]
    assert places(project_spans(spans, swapped, SETTINGS)) == [(3, 4), (0, 2)]
    crossed = pair("a b c d", "c d a b", "0-2 1-3 2-0 3-1")
    outcomes = project_spans([Span("X", 0, 2), Span("Y", 2, 4)], crossed, SETTINGS)
    assert places(outcomes) == [(2, 4), (0, 2)]
    assert [o.confidence for o in outcomes] == [1, 1]


@pytest.mark.parametrize("length", [1, 2, 3, 6])
def test_the_gap_is_what_lies_between_and_not_how_long_the_parts_are(length):
    """The reference measures from the start of one part to the end of the next."""
    source = [f"s{i}" for i in range(2 * length)]
    target = ["t"] * length + ["gap"] + ["t"] * length
    links = {(i, i + (i >= length)): 1.0 for i in range(2 * length)}
    outcomes = project_spans(
        [Span("ORG", 0, 2 * length)], aligned_pair(source, target, links), SETTINGS
    )
    assert places(outcomes) == [(0, 2 * length + 1)]
    assert outcomes[0].confidence < 1


def test_gap_setting():
    split = pair("a b c", "A x y B C", "0-0 1-3 2-4")
    wide = SETTINGS.model_copy(update={"gap": 2})
    assert places(project_spans([Span("X", 0, 3)], split, SETTINGS)) == [(3, 5)]
    assert places(project_spans([Span("X", 0, 3)], split, wide)) == [(0, 5)]


def test_of_parts_that_lie_apart_none_without_a_majority():
    apart = pair("a b", "A x y B", "0-0:0.6 1-3:0.7")
    assert places(project_spans([Span("X", 0, 2)], apart, SETTINGS)) == [(3, 4)]
    strict = SETTINGS.model_copy(update={"majority": 0.6})
    assert places(project_spans([Span("X", 0, 2)], apart, strict)) == ["split"]


def test_a_span_does_not_swallow_the_word_of_another():
    """`b` stands between the two parts of `a`, which would otherwise be joined over it."""
    nested = pair("a a b", "A B A", "0-0 1-2 2-1")
    outcomes = project_spans([Span("X", 0, 2), Span("Y", 2, 3)], nested, SETTINGS)
    assert places(outcomes)[1] == (1, 2)
    strict = SETTINGS.model_copy(update={"majority": 0.6})
    outcomes = project_spans([Span("X", 0, 2), Span("Y", 2, 3)], nested, strict)
    assert places(outcomes) == ["collision", (1, 2)]


def test_the_more_confident_span_has_the_place():
    shared = pair("a b", "A", "0-0:0.4 1-0:0.9")
    outcomes = project_spans([Span("X", 0, 1), Span("Y", 1, 2)], shared, SETTINGS)
    assert places(outcomes) == ["collision", (0, 1)]


def test_overlapping_source_spans_do_not_overlap_in_the_target():
    same = pair("a b c", "A B C", "0-0 1-1 2-2")
    outcomes = project_spans([Span("X", 0, 2), Span("Y", 1, 3)], same, SETTINGS)
    assert places(outcomes) == [(0, 2), (2, 3)]
    free = project_spans([Span("X", 0, 2), Span("Y", 1, 3)], same, SETTINGS, exclusive=False)
    assert places(free) == [(0, 2), (1, 3)]


PUNCTUATED = pair("New York , U.S. !", "« Nueva York » , EE.UU. !", "0-1 1-2 1-3 2-4 3-5 4-6 0-0")


@pytest.mark.parametrize(
    ("policy", "place", "all_of_it"),
    [("edges", (1, 3), (1, 6)), ("none", (1, 3), (1, 3)), ("any", (0, 4), (0, 6))],
)
def test_punctuation(policy, place, all_of_it):
    settings = SETTINGS.model_copy(update={"punctuation": policy})
    spans = [Span("LOC", 0, 2)]
    assert places(project_spans(spans, PUNCTUATED, settings)) == [place]
    spans = [Span("LOC", 0, 4)]  # across the comma
    assert places(project_spans(spans, PUNCTUATED, settings)) == [all_of_it]


def test_a_span_that_ends_in_punctuation_keeps_it():
    quoted = pair("the film Her !", "film Ona ! tak", "1-0 2-1 3-2")
    assert places(project_spans([Span("W", 2, 4)], quoted, SETTINGS)) == [(1, 3)]
    mark = pair("a !", "A !", "0-0 1-1")
    for policy in ("edges", "none", "any"):
        settings = SETTINGS.model_copy(update={"punctuation": policy})
        assert places(project_spans([Span("X", 1, 2)], mark, settings)) == [(1, 2)]


def test_reasons():
    spans = [Span("X", 0, 1)]
    assert places(project_spans(spans, pair("a", "A", ""), SETTINGS)) == ["unaligned"]
    assert places(project_spans(spans, pair("a", "", ""), SETTINGS)) == ["empty"]
    assert places(project_spans([Span("X", 1, 1)], pair("a", "A", "0-0"), SETTINGS)) == ["empty"]
    bad = pair("a", "A", "0-0", warning="9 times as long")
    assert places(project_spans(spans, bad, SETTINGS)) == ["guard"]
    trusting = SETTINGS.model_copy(update={"guard": "keep"})
    assert places(project_spans(spans, bad, trusting)) == [(0, 1)]
    doubtful = pair("a", "A", "0-0:0.3")
    strict = SETTINGS.model_copy(update={"min_confidence": 0.5})
    assert places(project_spans(spans, doubtful, strict)) == ["filtered"]


def test_confidence_is_score_agreement_and_coverage():
    def confidence(text: str) -> float:
        (outcome,) = project_spans([Span("X", 0, 2)], pair("a b c", "A B C", text), SETTINGS)
        return outcome.confidence

    assert confidence("0-0 1-1 2-2") == 1
    assert confidence("0-0:0.5 1-1:0.5") == 0.5
    assert confidence("0-0") == pytest.approx(0.5**0.5)  # half of its words are linked
    assert confidence("0-0 1-1 2-1") == pytest.approx(2 / 2.5)  # a foreign link into it
    assert confidence("0-0 1-1 0-1 0-2") == pytest.approx(1.0)  # the third word belongs to it


# Structures, answers, labels ------------------------------------------------------------------


def test_structures_whole_or_not_at_all():
    crossing = pair("Ann sold Bob a car", "Bob bekam Auto von Ann", "0-4 1-1 2-0 4-2")
    sold = Structure(Span("Sale", 1, 2), (Span("Seller", 0, 1), Span("Buyer", 2, 3)))
    with_article = Structure(Span("Sale", 1, 2), (Span("Thing", 3, 4), Span("Buyer", 2, 3)))
    alone = Structure(Span("Sale", 1, 2))
    found = project_structures([sold, with_article, alone], crossing, SETTINGS)
    assert [places(outcomes) for outcomes in found] == [
        [(1, 2), (4, 5), (0, 1)],
        ["structure", "unaligned", "structure"],
        [(1, 2)],
    ]


def test_answer_bridges_wider_gaps():
    split = pair("a b", "A x y z B", "0-0 1-4")
    outcome = project_answer(0, 2, split, SETTINGS)
    assert (outcome.kind, outcome.target) == ("answer", (0, 5))
    narrow = SETTINGS.model_copy(update={"answer_gap": 2, "majority": 0.6})
    assert project_answer(0, 2, split, narrow).reason == "split"


def test_label_holds_for_the_translation():
    assert project_label("neutral", pair("a", "A B", ""), SETTINGS).target == (0, 2)
    assert project_label("neutral", pair("a", "", ""), SETTINGS).reason == "empty"
    bad = pair("a", "A A A", "", warning="repeats itself")
    assert project_label("neutral", bad, SETTINGS).reason == "guard"


# Values ---------------------------------------------------------------------------------------


def test_outcome_is_kept_or_lost():
    for confidence, reason in ((None, None), (1.0, "split")):
        with pytest.raises(ValueError, match="kept with a confidence or lost"):
            Outcome("X", (0, 1), (0, 1), confidence, reason)
    kept = Outcome("X", (0, 1), (2, 4), 0.5)
    assert kept.span == Span("X", 2, 4)
    assert kept.lost("structure") == Outcome("X", (0, 1), reason="structure")


def test_confidence_of_a_record_is_the_mean():
    kept = [Outcome("X", (0, 1), (0, 1), c) for c in (0.5, 1.0)]
    assert Projection({}, (*kept, Outcome("X", (1, 2), reason="split"))).confidence == 0.75
    assert Projection({}).confidence == 1


def test_links_must_lie_inside():
    for link in ((0, 1), (1, 0), (-1, 0)):
        with pytest.raises(ValueError, match="between 1 and 1 words"):
            aligned_pair(["a"], ["A"], {link: 1.0})


# Properties -----------------------------------------------------------------------------------


@st.composite
def problems(draw, *, overlapping=False):
    """Spans, a pair with arbitrary links, and settings."""
    rows, columns = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    cell = st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1))
    links = draw(st.dictionaries(cell, st.floats(0.01, 1), max_size=20))
    words = st.sampled_from(["a", "B", ",", "«", "7"])
    source = draw(st.lists(words, min_size=rows, max_size=rows))
    target = draw(st.lists(words, min_size=columns, max_size=columns))
    bounds = draw(st.lists(st.integers(0, rows), max_size=8, unique=not overlapping))
    if not overlapping:
        bounds.sort()
    starts_and_ends = zip(bounds[::2], bounds[1::2], strict=False)
    spans = [Span("XY"[n % 2], min(p), max(p)) for n, p in enumerate(starts_and_ends)]
    settings = ProjectionSettings(
        gap=draw(st.integers(0, 3)),
        majority=draw(st.sampled_from([0, 0.5, 0.9])),
        punctuation=draw(st.sampled_from(["edges", "none", "any"])),
        min_confidence=draw(st.sampled_from([0, 0.3])),
    )
    return spans, aligned_pair(source, target, links), settings


@given(problems(overlapping=True))
def test_every_label_is_kept_once_or_lost_for_a_reason(problem):
    spans, aligned, settings = problem
    outcomes = project_spans(spans, aligned, settings)
    assert [(o.kind, *o.source) for o in outcomes] == spans
    used: set[int] = set()
    for outcome in outcomes:
        if outcome.target is None:
            continue
        start, end = outcome.target
        assert 0 <= start < end <= len(aligned.target.words)
        assert settings.min_confidence <= outcome.confidence <= 1
        assert outcome.confidence > 0
        place = set(range(start, end))
        assert not place & used
        used |= place
        own = {j for (i, j) in aligned.links if outcome.source[0] <= i < outcome.source[1]}
        assert {start, end - 1} <= own  # it begins and ends with words of its own


@given(problems(), st.randoms())
def test_the_order_of_the_spans_is_no_matter(problem, random):
    spans, aligned, settings = problem
    shuffled = random.sample(spans, len(spans))
    found = dict(zip(spans, project_spans(spans, aligned, settings), strict=True))
    again = dict(zip(shuffled, project_spans(shuffled, aligned, settings), strict=True))
    assert found == again


@given(problems())
def test_alone_a_span_is_found_at_least_as_well(problem):
    """Others only take places away: what is kept among others is kept alone."""
    spans, aligned, settings = problem
    for span, outcome in zip(spans, project_spans(spans, aligned, settings), strict=True):
        (alone,) = project_spans([span], aligned, settings)
        if outcome.target is not None and settings.min_confidence == 0:
            assert alone.target is not None
        free = project_spans(spans, aligned, settings, exclusive=False)
        assert alone in free


@given(st.data())
def test_any_reordering_of_whole_spans_keeps_all(data):
    """Blocks of words in another order, each block a span: all are found, fully confident."""
    lengths = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    order = data.draw(st.permutations(range(len(lengths))))
    starts = [sum(lengths[:n]) for n in range(len(lengths))]
    words = [f"w{n}" for n in range(sum(lengths))]
    moved = [k for n in order for k in range(starts[n], starts[n] + lengths[n])]
    links = {(i, j): 1.0 for j, i in enumerate(moved)}
    spans = [Span("X", s, s + n) for s, n in zip(starts, lengths, strict=True)]
    aligned = aligned_pair(words, [words[i] for i in moved], links)
    outcomes = project_spans(spans, aligned, SETTINGS)
    assert [o.confidence for o in outcomes] == [1] * len(spans)
    for span, outcome in zip(spans, outcomes, strict=True):
        assert aligned.target.words[slice(*outcome.target)] == tuple(words[span.start : span.end])
    back = project_spans([o.span for o in outcomes], aligned.reversed(), SETTINGS)
    assert [o.span for o in back] == spans


@given(st.sets(st.integers(0, 30)), st.integers(0, 4), st.sets(st.integers(0, 30), max_size=3))
def test_groups(positions, gap, walls):
    groups = groups_of(sorted(positions), gap, walls)
    assert [p for group in groups for p in group] == sorted(positions)
    for a, b in itertools.pairwise(groups):
        between = set(range(a[-1] + 1, b[0]))
        assert b[0] - a[-1] - 1 > gap or between & walls
    for group in groups:
        for a, b in itertools.pairwise(group):
            assert b - a - 1 <= gap
