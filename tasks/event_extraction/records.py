"""Documents of events, checked: every span is within the text, every label is wanted.

A row is what a reader found in a file: {id, words, entities, events, given?}, as in the JSON Lines
format. `Checker` makes a document of it or says, with file and line, what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from xlt.data.fields import identifier, objects
from xlt.data.rows import text_columns, text_from_columns
from xlt.document import Document, Span, Spans, Structure, Structures, in_order
from xlt.document.document import Row
from xlt.errors import XltError
from xlt.reader_options import advise

if TYPE_CHECKING:
    from . import EventExtraction

WordRange = tuple[int, int]
"""Words from the first to the last, which is exclusive."""

UNKNOWN = "unknown trigger"
"""The kind of the spans that are in the layer `unknown`."""


def place_of(span: Span) -> WordRange:
    """Return the words of a span, without its kind."""
    return span.start, span.end


def trigger_places(events: Iterable[Structure]) -> list[WordRange]:
    """Return each trigger once (two events may share one), in the order of the text."""
    return sorted({place_of(event.head) for event in events})


def apart(spans: Iterable[Span]) -> list[Span]:
    """Return spans that do not overlap, longer ones first: what BIO tags can say."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start - s.end, s.start, s.end)):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept, key=place_of)


def nested(spans: Sequence[Span], levels: int) -> list[list[Span]]:
    """Put spans into levels without overlap; each level has the longest of what is left.

    (Layering: Alex et al. 2007, Recognising nested named entities in biomedical text.)
    """
    by_level = []
    for _ in range(levels):
        by_level.append(apart(spans))
        spans = [span for span in spans if not any(span is kept for kept in by_level[-1])]
    return by_level


class Checker:
    """Makes documents of rows, after the task's options. One for each file: it knows the ids."""

    def __init__(self, options: EventExtraction.Options, repeated_ids: str = "refuse") -> None:
        self.options, self.repeated_ids = options, repeated_ids
        self._lines: dict[str, str] = {}

    def __call__(self, row: Mapping[str, Any], *, where: str) -> Document:
        """Raises XltError for a row that is no such record, or whose id has been there before."""
        text = text_from_columns(row, where=where)
        spans = _Spans(len(text.words), where, heads=self.options.spans == "head")
        entities = self._labelled(row, "entities", "type", spans)
        events = self._events(_items(row, "events", where), spans, where)
        # Predictions keep what was asked for apart from what was found.
        given = (
            events
            if row.get("given") is None
            else self._events(_items(row, "given", where), spans, where)
        )
        unknown = [Span(UNKNOWN, *spans(u, UNKNOWN)) for u in _items(row, "unknown", where)]
        return Document(
            self._id(row.get("id"), where),
            {"text": text},
            {
                "entities": Spans(in_order(entities)),
                "events": Structures(events),
                "given": Structures(given),
                "unknown": Spans(in_order(unknown)),
            },
        )

    def _events(
        self, items: Sequence[Mapping[str, Any]], spans: _Spans, where: str
    ) -> tuple[Structure, ...]:
        events = []
        for item in items:
            kind = self._label("events", _text(item, "type", "event", where))
            if not isinstance(item.get("trigger"), dict):
                raise XltError(
                    "an event has no trigger", where=where, fix="give `trigger: {start, end}`"
                )
            trigger = spans(item["trigger"], "trigger")
            arguments = self._labelled(item, "arguments", "role", spans)
            if kind is not None:
                events.append(Structure(Span(kind, *trigger), tuple(arguments)))
        return arranged(events)

    def _labelled(self, row: Mapping[str, Any], field: str, key: str, spans: _Spans) -> list[Span]:
        """The spans in a field, with our name of what `key` calls them; unwanted ones left out."""
        what, layer = {"entities": ("entity", "entities"), "arguments": ("argument", "roles")}[
            field
        ]
        wanted = []
        for item in _items(row, field, spans.where):
            place, label = spans(item, what), _text(item, key, what, spans.where)
            name = self._label(layer, label)
            if name is not None:
                wanted.append(Span(name, *place))
        return wanted

    def _label(self, layer: str, label: str) -> str | None:
        """Our name of a label; None if it is not wanted."""
        return mapped(
            label, getattr(self.options.rename, layer), getattr(self.options.types, layer)
        )

    def _id(self, given: object, where: str) -> str:
        """The record's own id; where it has none, the number of its line."""
        line = where.rpartition(":")[2].split()[-1]
        id = identifier(given, line, where=where)
        if id in self._lines:
            if self.repeated_ids == "refuse":
                raise XltError(
                    f"the id {id!r} was there before ({self._lines[id]})",
                    where=where,
                    fix="give every record its own id, or " + advise("repeated_ids: number"),
                )
            id = f"{id}#{line}"
        self._lines[id] = where
        return id


def mapped(label: str, rename: Mapping[str, str], wanted: Sequence[str] | None) -> str | None:
    """Rename a label by the first pattern that fits; return None if it is not wanted then."""
    for pattern, name in rename.items():
        if fnmatchcase(label, pattern):
            label = name
            break
    if wanted is None or any(fnmatchcase(label, pattern) for pattern in wanted):
        return label
    return None


class _Spans:
    """Reads spans of one sentence."""

    def __init__(self, words: int, where: str, *, heads: bool) -> None:
        self.words, self.where, self.heads = words, where, heads

    def __call__(self, item: Mapping[str, Any], what: str) -> WordRange:
        start, end = (self._number(item, key, what) for key in ("start", "end"))
        if not 0 <= start < end <= self.words:
            raise XltError(
                f"the {what} from word {start} to {end} is not in the text of {self.words} words",
                where=self.where,
                fix="`start` counts from 0, `end` is the word after the last",
            )
        if not self.heads or end - start == 1:
            return start, end
        head = item.get("head")
        if not isinstance(head, int) or isinstance(head, bool) or not start <= head < end:
            raise XltError(
                f"the {what} from word {start} to {end} says no head word within it",
                where=self.where,
                fix="give `head`, or use `task.spans: exact`",
            )
        return head, head + 1

    def _number(self, item: Mapping[str, Any], key: str, what: str) -> int:
        value = item.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise XltError(
                f"`{key}` of {'an' if what[0] in 'aeu' else 'a'} {what} is {value!r:.40}, not a "
                "number",
                where=self.where,
                fix="give `start` and `end` as numbers of words, counted from 0",
            )
        return value


def _items(row: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    return objects(row.get(key), f"`{key}`", where=where)


def _text(item: Mapping[str, Any], key: str, what: str, where: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value.strip():
        raise XltError(
            f"the {what} {dict(item)!r:.80} has no `{key}`", where=where, fix=f"give its `{key}`"
        )
    return value


def arranged(events: Iterable[Structure]) -> tuple[Structure, ...]:
    """Sort events by trigger, and merge those of one type with one trigger."""
    arguments: dict[Span, list[Span]] = {}
    for head, parts in events:
        arguments.setdefault(head, []).extend(parts)
    order = sorted(arguments, key=lambda head: (head.start, head.end, head.kind))
    return tuple(Structure(head, in_order(arguments[head])) for head in order)


def to_row(document: Document) -> Row:
    """Return the row that `Checker` makes an equal document of."""
    return {
        "id": document.id,
        **text_columns(document.text),
        "entities": _span_rows(document.layer(Spans, "entities").spans, "type"),
        "events": _event_rows(document.layer(Structures, "events").structures),
        "given": _event_rows(document.layer(Structures, "given").structures),
        "unknown": _span_rows(document.layer(Spans, "unknown").spans, None),
    }


def _span_rows(spans: Iterable[Span], key: str | None) -> list[Row]:
    return [
        {"start": start, "end": end, **({key: kind} if key else {})} for kind, start, end in spans
    ]


def _event_rows(events: Iterable[Structure]) -> list[Row]:
    return [
        {
            "trigger": {"start": head.start, "end": head.end},
            "type": head.kind,
            "arguments": _span_rows(parts, "role"),
        }
        for head, parts in events
    ]
