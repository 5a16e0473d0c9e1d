"""The page of examples: what it draws of a stream, and that it is valid HTML."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from pairs import aligned_pair

from xlt.document import Document
from xlt.errors import XltError
from xlt.projection import page
from xlt.projection.pair import Outcome, Projection
from xlt.projection.project import Projected


def projected(id: str, *, lost: bool = False, **pair) -> Projected:
    texts = {"source": ["<b>", "b"], "target": ["B", "&"], "links": {(0, 1): 0.5}}
    found = aligned_pair(**texts | pair)
    outcomes = (
        Outcome("PER", (0, 2), (0, 2), 0.25),
        Outcome("LOC", (0, 1), reason="split") if lost else Outcome("LOC", (0, 1), (1, 2), 1.0),
    )
    document = Document(id, {"text": found.source})
    return Projected(document, {"text": found}, Projection(document, outcomes))


class Balanced(HTMLParser):
    """Fails for a tag that is closed where it is not open; remembers what it saw."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_figure():
    drawn = page.figure(projected("1 < 2", lost=True, warning="too <long>"))
    parsed = Balanced(drawn)
    assert parsed.seen.count("mark") == 2 + 1
    assert parsed.seen.count("line") == 1
    assert 'class="lost"' in drawn
    for text in ("1 < 2", "<b>", "PER 0.25", "LOC split", "too <long>"):
        assert text in parsed.text
    assert 'title="&amp; 0.50"' in drawn
    assert "<b>LOC split b" in parsed.text  # a space between words, none before a mark's label


def test_empty_translations_and_other_directions():
    pair = aligned_pair(["a"], [], {})
    empty = Projected(Document("1", {"text": pair.source}), {"text": pair}, Projection(None))
    assert "not used" in page.figure(empty)
    Balanced(page.figure(empty))
    arabic = projected("1", source=["القاهرة", "b"])
    assert '<div dir="rtl">' in page.figure(arabic)


def test_sample_is_bounded_repeatable_and_half_of_losses():
    stream = [projected(str(n), lost=n % 10 == 0) for n in range(500)]
    sample, again = page.Sample(20), page.Sample(20)
    assert list(sample.watch(stream)) == stream
    for one in stream:
        again.add(one)
    found = sample.records()
    assert found == again.records()
    assert len({one.source.id for one in found}) == 20
    assert sum(o.projection.outcomes[1].reason is not None for o in found) == 10
    assert max(int(one.source.id) for one in found) > 100
    few = page.Sample(20)
    for one in stream[:12]:
        few.add(one)
    assert len(few.records()) == 12


def test_write(tmp_path):
    path = tmp_path / "a & b.html"
    page.write([projected("1"), projected("2")], path)
    parsed = Balanced(path.read_text(encoding="utf-8").removeprefix("<!DOCTYPE html>"))
    assert parsed.seen.count("figure") == 2
    with pytest.raises(XltError, match="cannot write"):
        page.write([], tmp_path / "none" / "x.html")


def test_a_small_figure_in_full():
    pair = aligned_pair(["ab", "東", "c"], ["x", "y"], {(0, 1): 0.25, (1, 0): 1.0, (0, 0): 0.5})
    outcomes = (
        Outcome("IN", (1, 2), (0, 1), 0.5),
        Outcome("OUT", (0, 2), (0, 2), 0.75),
        Outcome("LOST", (2, 3), reason="unaligned"),
        Outcome("OTHER", (0, 1), (0, 1), 1.0, text="another text"),
    )
    document = Document("1", {"text": pair.source})
    drawn = page.figure(Projected(document, {"text": pair}, Projection(document, outcomes)))
    assert "not used" not in drawn
    for line in (
        # The outer mark opens first and closes last; a title says what a word is linked to.
        '<mark><span title="y 0.25, x 0.50">ab</span>',
        '<mark><span title="x 1.00">東</span><b>IN 0.50</b></mark><b>OUT 0.75</b></mark>',
        '<mark class="lost"><span title="">c</span><b>LOST unaligned</b></mark>',
        '<mark><mark><span title="東 1.00, ab 0.50">x</span><b>IN 0.50</b></mark>',
        '<span title="ab 0.25">y</span><b>OUT 0.75</b></mark>',
        # A letter is 8 wide, an ideograph 16, a space 14; lines go from middle to middle.
        '<svg width="96" height="100"',
        '<line x1="22" y1="20" x2="40" y2="70" stroke="#357" stroke-opacity="0.25"/>',
        '<line x1="52" y1="20" x2="18" y2="70" stroke="#357" stroke-opacity="1.00"/>',
        '<text x="22" y="14" text-anchor="middle">ab</text>',
        '<text x="52" y="14" text-anchor="middle">東</text>',
        '<text x="78" y="14" text-anchor="middle">c</text>',
        '<text x="18" y="84" text-anchor="middle">x</text>',
        '<text x="40" y="84" text-anchor="middle">y</text>',
    ):
        assert line in drawn
    assert "OTHER" not in drawn


def test_each_record_is_as_likely_to_be_drawn_and_the_last_ones_too():
    stream = [projected(str(n)) for n in range(40)]
    drawn = [0] * 40
    for seed in range(400):
        sample = page.Sample(10, seed)
        for one in stream:
            sample.add(one)
        for one in sample.records():
            drawn[int(one.source.id)] += 1
    assert sum(drawn) == 400 * 10
    assert min(drawn) > 60  # of 100; with seeds that are given
    assert max(drawn) < 140


def test_a_sample_is_filled_with_what_there_is():
    def drawn(whole: int, lossy: int) -> list[bool]:
        sample = page.Sample(5)
        for n in range(whole):
            sample.add(projected(str(n)))
        for n in range(lossy):
            sample.add(projected(str(n), lost=True))
        return [one.projection.outcomes[1].reason is not None for one in sample.records()]

    assert drawn(9, 9) == [True] * 2 + [False] * 3
    assert drawn(9, 1) == [True] + [False] * 4
    assert drawn(1, 9) == [True] * 4 + [False]
    assert drawn(0, 9) == [True] * 5
    assert drawn(0, 0) == []
