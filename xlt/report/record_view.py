"""A record with errors as the page of `xlt report` shows it: gold beside prediction, errors marked.

Whatever is of the data stays text here; the template escapes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from xlt.document import Answers, Document, Offsets
from xlt.report.errors import Record
from xlt.report.pairs import RIGHT, Pair, Thing

MAX_TEXT = 3000
"""Characters of one text that are shown, around the first error."""
_BEFORE = 300
"""Of those, so many before the error."""


class Segment(NamedTuple):
    """A part of a text in which nothing begins or ends.

    state:  "", "right" or "wrong".
    labels: of what ends with it.
    """

    text: str
    state: str = ""
    labels: Sequence[str] = ()


class Line(NamedTuple):
    """A text, perhaps with marks. name: which one, or whose marks."""

    name: str
    segments: Sequence[Segment]


class Row(NamedTuple):
    """An error: what it is of, where, and what gold and prediction say; "" for nothing."""

    layer: str
    kind: str
    text: str
    gold: str
    predicted: str
    gold_label: str
    predicted_label: str
    confidence: str


@dataclass(frozen=True)
class RecordView:
    """id: of the document. words: its length."""

    id: str
    words: int
    lines: Sequence[Line]
    rows: Sequence[Row]


class Mark(NamedTuple):
    """Characters of the text, and what they are said to be."""

    start: int
    end: int
    label: str
    wrong: bool


def view(record: Record, written: Sequence[str]) -> RecordView:
    """A record for the page.

    written: names of texts that the model writes.
    """
    rows = [error_row(record.gold, key, pair, key in written) for key, pair in record.errors]
    return RecordView(record.gold.id, record.words, list(_lines(record, written)), rows)


def error_row(document: Document, layer: str, pair: Pair, is_text: bool) -> Row:
    """An error of a gold document; `is_text` of a text that the model writes."""
    gold, predicted = pair.gold, pair.predicted
    where = gold or predicted
    assert where is not None
    at = _characters(document, layer, where)
    sure = pair.confidence
    return Row(
        layer,
        pair.kind,
        "" if at is None else document.text.surface[slice(*at)],
        _said(document, gold),
        _said(document, predicted),
        "" if gold is None or is_text else gold.label,
        "" if predicted is None or is_text else predicted.label,
        "" if sure is None else f"{sure:.2f}",
    )


def _said(document: Document, thing: Thing | None) -> str:
    """A label; of a word in a tree with the word that it hangs on."""
    if thing is None:
        return ""
    return f"{thing.label} ← {document.words[thing.head - 1]}" if thing.head else thing.label


def _characters(document: Document, layer: str, thing: Thing) -> Offsets | None:
    """Where in the first text a thing stands; None for what is said of the whole document."""
    if thing.place is None:
        return None
    start, end = thing.place
    if isinstance(document.layers[layer.partition(".")[0]], Answers):
        return start, end
    offsets = document.text.offsets
    return offsets[start][0], offsets[end - 1][1]


def _lines(record: Record, written: Sequence[str]) -> Iterator[Line]:
    """The texts; the first one once for gold and once for the prediction of each layer with errors
    in it."""
    document = record.gold
    first, *others = document.texts
    marked = {
        key: pairs
        for key, pairs in record.pairs.items()
        if any(pair.kind != RIGHT and _is_placed(pair) for pair in pairs)
    }
    if not marked:
        yield Line(first if others else "", [Segment(_cut(document.text.surface))])
    for key, pairs in marked.items():
        # Every word has a tag or an arc: only the wrong ones are marked.
        every = not document.layers[key.partition(".")[0]].partial
        about = f"{key}: " if len(marked) > 1 else ""
        marks = {
            "gold": _marks(document, key, pairs, every, gold=True),
            "predicted": _marks(document, key, pairs, every, gold=False),
        }
        wrong = [mark.start for some in marks.values() for mark in some if mark.wrong]
        for side, some in marks.items():
            yield Line(about + side, segments(document.text.surface, some, min(wrong, default=0)))
    for name in others:
        if name not in written and document.texts[name].surface:
            yield Line(name, [Segment(_cut(document.texts[name].surface))])


def _is_placed(pair: Pair) -> bool:
    return any(one is not None and one.place is not None for one in (pair.gold, pair.predicted))


def _marks(
    document: Document, layer: str, pairs: Sequence[Pair], every: bool, *, gold: bool
) -> list[Mark]:
    marks = []
    for pair in pairs:
        thing = pair.gold if gold else pair.predicted
        wrong = pair.kind != RIGHT
        at = None if thing is None else _characters(document, layer, thing)
        if at is not None and (every or wrong):
            marks.append(Mark(*at, _said(document, thing), wrong))
    return marks


def segments(
    surface: str, marks: Sequence[Mark], first: int = 0, *, most: int = MAX_TEXT
) -> list[Segment]:
    """A text in parts, each of which is marked or not. Marks may overlap in any way.

    first: where the first error is; a long text is shown around it.
    most:  characters that are shown.
    """
    start, end = _shown(surface, first, most)
    edges = {start, end, *(edge for mark in marks for edge in mark[:2] if start < edge < end)}
    places = sorted(edges)
    parts = []
    for begin, stop in pairwise(places):
        over = [mark for mark in marks if mark.start <= begin and mark.end >= stop]
        state = "wrong" if any(mark.wrong for mark in over) else "right" if over else ""
        labels = [mark.label for mark in over if mark.end == stop]
        parts.append(Segment(surface[begin:stop], state, labels))
    before = [Segment("… ")] if start else []
    return [*before, *parts, *([Segment(" …")] if end < len(surface) else [])]


def _shown(surface: str, first: int, most: int) -> Offsets:
    if len(surface) <= most:
        return 0, len(surface)
    start = max(0, min(first - _BEFORE, len(surface) - most))
    return start, start + most


def _cut(surface: str) -> str:
    return surface if len(surface) <= MAX_TEXT else surface[:MAX_TEXT] + " …"
