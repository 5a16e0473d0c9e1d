"""The report of a projection: how labels are grouped, counted and shown."""

from __future__ import annotations

import pytest
from pairs import aligned_pair

from xlt.document import Document
from xlt.projection.pair import Outcome, Projection
from xlt.projection.project import Projected
from xlt.projection.report import ProjectionStatistics, lines, movement


def projected(*outcomes: Outcome, moved: float | None = None, warning: str | None = None):
    """A document whose words all move so many places; without links if None."""
    words = [str(n) for n in range(24)]
    links = {} if moved is None else {(n, n + int(moved)): 1.0 for n in range(0, 8)}
    if moved is not None and moved % 1:  # as many that move one place further
        links |= {(n, n + int(moved) + 1): 1.0 for n in range(0, 8)}
    pair = aligned_pair(words, words, links, warning)
    document = Document("1", {"text": pair.source})
    return Projected(document, {"text": pair}, Projection(document, outcomes))


def kept(length: int, confidence: float = 1.0, kind: str = "PER", text: str = "text") -> Outcome:
    return Outcome(kind, (2, 2 + length), (0, 1), confidence, text=text)


def lost(length: int, reason: str = "split", kind: str = "PER") -> Outcome:
    return Outcome(kind, (2, 2 + length), reason=reason)


def counted(*some: Projected) -> ProjectionStatistics:
    statistics = ProjectionStatistics()
    assert list(statistics.watch(some)) == list(some)
    return statistics


@pytest.mark.parametrize(
    ("length", "group"),
    [(1, "1 word"), (2, "2 words"), (3, "3 words"), (4, "4–5 words"), (5, "4–5 words"),
     (6, "6–10 words"), (10, "6–10 words"), (11, "more"), (20, "more")],
)  # fmt: skip
def test_groups_by_length(length: int, group: str) -> None:
    report = counted(projected(kept(length), lost(length))).as_dict()
    assert report["by"]["length"] == {group: {"labels": 2, "kept": 1, "lost": {"split": 1}}}


@pytest.mark.parametrize(
    ("moved", "group"),
    [(0, "≤ 0.5"), (0.5, "≤ 0.5"), (1, "≤ 1"), (1.5, "≤ 2"), (2, "≤ 2"), (2.5, "≤ 4"), (4, "≤ 4"),
     (4.5, "≤ 8"), (8, "≤ 8"), (8.5, "more"), (12, "more"), (None, "no links")],
)  # fmt: skip
def test_groups_by_movement(moved: float | None, group: str) -> None:
    one = projected(kept(1), moved=moved)
    assert moved is None or movement(one.pairs["text"]) == moved
    assert list(counted(one).as_dict()["by"]["places moved"]) == [group]


def test_movement_is_measured_in_places_of_the_source() -> None:
    half = aligned_pair(list("abcd"), list("xy"), {(0, 0): 1.0, (3, 0): 1.0, (2, 1): 0.1})
    # Word x stands at 1 of the source's places, y at 3: from 0.5, 3.5 and 2.5.
    assert movement(half) == pytest.approx((0.5 + 2.5 + 0.5) / 3)


def test_texts_have_groups_of_their_own() -> None:
    one = projected(kept(1), kept(1, text="other"), kept(1, text="third"), moved=1)
    still = aligned_pair(["a"], ["b"], {(0, 0): 1.0})
    two = Projected(one.source, {**one.pairs, "other": still}, one.projection)
    found = counted(two).as_dict()["by"]["places moved"]
    assert {name: group["labels"] for name, group in found.items()} == {
        "≤ 0.5": 1, "≤ 1": 1, "no links": 1,
    }  # fmt: skip


def test_a_histogram_of_confidence() -> None:
    values = [0.0, 0.05, 0.0999, 0.1, 0.55, 0.95, 0.99, 1.0]
    report = counted(projected(*(kept(1, value) for value in values))).as_dict()
    assert report["confidence"] == [3, 1, 0, 0, 0, 1, 0, 0, 0, 3]


def test_the_report_for_a_person() -> None:
    warnings = ["3.5 times as long as the source", "12 times as long as the source", "copied"]
    statistics = counted(
        projected(kept(1, 0.95), kept(2, 0.9), lost(1), lost(12), moved=0, warning=warnings[0]),
        projected(kept(1, 0.55, "LOC"), lost(1, "unaligned", "ORG"), lost(1), warning=warnings[1]),
        Projected(
            projected().source, projected(moved=3, warning=warnings[2]).pairs, Projection(None)
        ),
    )
    assert statistics.as_dict() == {
        "records": 3, "used": 2, "labels": 7, "kept": 3, "lost": {"split": 3, "unaligned": 1},
        "by": {
            "type": {
                "PER": {"labels": 5, "kept": 2, "lost": {"split": 3}},
                "LOC": {"labels": 1, "kept": 1, "lost": {}},
                "ORG": {"labels": 1, "kept": 0, "lost": {"unaligned": 1}},
            },
            "length": {
                "1 word": {"labels": 5, "kept": 2, "lost": {"split": 2, "unaligned": 1}},
                "2 words": {"labels": 1, "kept": 1, "lost": {}},
                "more": {"labels": 1, "kept": 0, "lost": {"split": 1}},
            },
            "places moved": {
                "≤ 0.5": {"labels": 4, "kept": 2, "lost": {"split": 2}},
                "no links": {"labels": 3, "kept": 1, "lost": {"split": 1, "unaligned": 1}},
            },
        },
        "confidence": [0, 0, 0, 0, 0, 1, 0, 0, 0, 2],
        "warnings": {"n times as long as the source": 2, "copied": 1},
    }  # fmt: skip
    assert (
        "\n".join(lines(statistics.as_dict()))
        == """\
2 of 3 records (66.7 %), 3 of 7 labels (42.9 %)

type  labels     kept      split  unaligned
PER        5   40.0 %          3          0
LOC        1  100.0 %          0          0
ORG        1    0.0 %          0          1

length   labels     kept      split  unaligned
1 word        5   40.0 %          2          1
2 words       1  100.0 %          0          0
more          1    0.0 %          1          0

places moved  labels     kept      split  unaligned
≤ 0.5              4   50.0 %          2          0
no links           3   33.3 %          1          1

confidence  labels
0.0 – 0.1        0
0.1 – 0.2        0
0.2 – 0.3        0
0.3 – 0.4        0
0.4 – 0.5        0
0.5 – 0.6        1  ████████████████████
0.6 – 0.7        0
0.7 – 0.8        0
0.8 – 0.9        0
0.9 – 1.0        2  ████████████████████████████████████████
warning: 2 translations: n times as long as the source
warning: 1 translations: copied"""
    )
