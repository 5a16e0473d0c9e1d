"""From characters to words: a text is split by the rules of its language, and marks move to whole
words. What is lost or changed on the way is counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from xlt.data.segment import placed_sentences, tokenised, with_words
from xlt.data.tools.options import ToolOptions
from xlt.data.tools.record import Link, Mark, Record, edges
from xlt.data.tools.tally import Tally
from xlt.document import Offsets, Span, Text
from xlt.errors import XltError
from xlt.reader_options import advise

DROPPED = "spans with gaps are left out"
COVERED = "spans with gaps now cover them"
WIDENED = "spans that ended within a word now have all of it"
SPLIT = "words were split where a span ends within them"
OVERLAPPING = "spans that overlap others are left out, which this task cannot have"
ACROSS = "relations between records are left out"


def words_of(record: Record, told: ToolOptions, tally: Tally) -> Text:
    """The first text of a record with its words, split at the ends of marks if that is wanted."""
    surface = record.text
    text = tokenised(surface, told.language) if told.language else with_words(surface)
    if told.cut == "widen":
        return text
    ends = {at for mark in record.marks for part in mark.parts for at in part}
    offsets: list[Offsets] = []
    for start, end in text.offsets:
        cuts = sorted(at for at in ends if start < at < end)
        if cuts:
            tally(SPLIT, record.where)
        offsets += pairwise([start, *cuts, end])
    return Text(surface, tuple(surface[a:b] for a, b in offsets), tuple(offsets))


def spans_of(record: Record, text: Text, told: ToolOptions, tally: Tally) -> list[Span | None]:
    """The words of each mark; None of those that are left out."""
    return [_span(mark, record, text, told, tally) for mark in record.marks]


def _span(mark: Mark, record: Record, text: Text, told: ToolOptions, tally: Tally) -> Span | None:
    if len(mark.parts) > 1:
        tally(DROPPED if told.discontinuous == "drop" else COVERED, record.where)
        if told.discontinuous == "drop":
            return None
    first, last = text.words_at(mark.start, mark.end)
    if (text.offsets[first][0], text.offsets[last - 1][1]) != (mark.start, mark.end):
        tally(WIDENED, record.where)
    return Span(mark.kind, first, last)


def apart(
    spans: Sequence[Span], told: ToolOptions, tally: Tally, where: object
) -> tuple[Span, ...]:
    """Spans of which no two share a word: of those that do the longest stay, or the shortest."""
    sign = -1 if told.nested == "outer" else 1
    kept: list[Span] = []
    for span in sorted(set(spans), key=lambda s: (sign * (s.end - s.start), s.start, s.kind)):
        if any(span.start < other.end and other.start < span.end for other in kept):
            tally(OVERLAPPING, where)
        else:
            kept.append(span)
    return tuple(sorted(kept, key=lambda span: span.start))


def parts_of(record: Record, told: ToolOptions, tally: Tally) -> Iterator[Record]:
    """The record, or one of each of its sentences or lines; no mark is cut, they are rather joined.

    Their ids are the record's with a number: ``7.1``. Classes of the whole text are in all.

    Raises XltError where sentences are wanted of a language that nobody has named.
    """
    if told.split == "none":
        yield record
        return
    name, text = next(iter(record.texts.items()))
    number = 0
    for start, end in _pieces(record, told):
        if not text[start:end].strip():
            continue
        start, end = edges(text, (start, end))
        number += 1
        own = {
            n: i
            for i, n in enumerate(
                n for n, mark in enumerate(record.marks) if start <= mark.start < end
            )
        }
        for link in record.links:
            if link.head in own and link.dependent not in own:
                tally(ACROSS, record.where)
        yield replace(
            record,
            id=f"{record.id}.{number}",
            texts={**record.texts, name: text[start:end]},
            marks=tuple(_moved(record.marks[n], -start) for n in own),
            links=tuple(
                Link(link.kind, own[link.head], own[link.dependent])
                for link in record.links
                if link.head in own and link.dependent in own
            ),
            triggers=None
            if record.triggers is None
            else frozenset(own[n] for n in record.triggers if n in own),
        )


def _moved(mark: Mark, by: int) -> Mark:
    return Mark(mark.kind, tuple((start + by, end + by) for start, end in mark.parts))


def _pieces(record: Record, told: ToolOptions) -> Iterator[Offsets]:
    """From where to where sentences or lines go; those that share a mark are one."""
    text = record.text
    if told.split == "lines":
        starts = [at + 1 for at, character in enumerate(text) if character == "\n"]
    elif told.language is None:
        raise XltError(
            "sentences are found by the rules of a language, which nobody has named",
            where=record.where,
            fix=advise("language: LANGUAGE"),
        )
    else:
        starts = [start for start, _ in placed_sentences(text, told.language)]
    apart = [at for at in starts if not any(mark.start < at < mark.end for mark in record.marks)]
    return pairwise(sorted({0, *apart, len(text)}))
