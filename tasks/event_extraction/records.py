"""Records of events, checked: every span is within the text, every label is wanted.

A row is what a reader found in a file: {id, words, entities, events, given?}, as in the JSON Lines
format. `Checker` makes a record of it or says, with file and line, what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from xlt.errors import XltError
from xlt.task import Record

if TYPE_CHECKING:
    from . import EventExtraction

Span = tuple[int, int]
"""Words from the first to the last, which is exclusive."""


def span_of(item: Mapping[str, Any]) -> Span:
    return item["start"], item["end"]


def trigger_spans(events: Iterable[Mapping[str, Any]]) -> list[Span]:
    """Each trigger once (two events may share one), in the order of the text."""
    return sorted({span_of(event["trigger"]) for event in events})


def apart(items: Sequence[Any], spans: Sequence[Span]) -> list[Any]:
    """Those items whose spans do not overlap, longer ones first: what BIO tags can say."""
    kept: list[tuple[Span, Any]] = []
    order = sorted(range(len(items)), key=lambda i: (spans[i][0] - spans[i][1], spans[i]))
    for i in order:
        start, end = spans[i]
        if all(end <= a or b <= start for (a, b), _ in kept):
            kept.append((spans[i], items[i]))
    return [item for _, item in sorted(kept, key=lambda pair: pair[0])]


def nested(items: Sequence[Any], levels: int) -> list[list[Any]]:
    """Spans in levels, none of which overlap; each level has the longest of what is left.

    (Layering: Alex et al. 2007, Recognising nested named entities in biomedical text.)
    """
    found = []
    for _ in range(levels):
        found.append(apart(items, [span_of(item) for item in items]))
        items = [item for item in items if not any(item is kept for kept in found[-1])]
    return found


class Checker:
    """Makes records of rows, after the task's options. One for each file: it knows the ids."""

    def __init__(self, options: EventExtraction.Options, repeated_ids: str = "refuse") -> None:
        self.options, self.repeated_ids = options, repeated_ids
        self._lines: dict[str, str] = {}

    def __call__(self, row: Mapping[str, Any], *, where: str) -> Record:
        """Raises XltError for a row that is no such record, or whose id has been there before."""
        words = row.get("words", row.get("tokens"))
        if not isinstance(words, list) or not all(isinstance(w, str) for w in words):
            raise XltError(
                "`words` is missing or no list of texts",
                where=where,
                fix="give the sentence as `words` (or `tokens`), a list",
            )
        if not words:
            raise XltError("the sentence has no words", where=where, fix="remove the line")
        spans = _Spans(len(words), where, heads=self.options.spans == "head")
        entities = self._labelled(row, "entities", "type", spans)
        events = self._events(_items(row, "events", where), spans, where)
        # Predictions keep what was asked for apart from what was found.
        given = (
            events
            if row.get("given") is None
            else self._events(_items(row, "given", where), spans, where)
        )
        return {
            "id": self._id(row.get("id"), where),
            "words": words,
            "entities": in_order(entities, "type"),
            "events": events,
            "given": given,
            "unknown": in_order(
                spans(item, "unknown trigger") for item in _items(row, "unknown", where)
            ),
        }

    def _events(
        self, items: Sequence[Mapping[str, Any]], spans: _Spans, where: str
    ) -> list[dict[str, Any]]:
        found = []
        for item in items:
            kind = self._label("events", _text(item, "type", "event", where))
            if not isinstance(item.get("trigger"), dict):
                raise XltError(
                    "an event has no trigger", where=where, fix="give `trigger: {start, end}`"
                )
            trigger = spans(item["trigger"], "trigger")
            arguments = self._labelled(item, "arguments", "role", spans)
            if kind is not None:
                found.append({"trigger": trigger, "type": kind, "arguments": arguments})
        return arranged(found)

    def _labelled(
        self, row: Mapping[str, Any], field: str, key: str, spans: _Spans
    ) -> list[dict[str, Any]]:
        """The spans in a field, with our name of what `key` calls them; unwanted ones left out."""
        what, layer = {"entities": ("entity", "entities"), "arguments": ("argument", "roles")}[
            field
        ]
        found = []
        for item in _items(row, field, spans.where):
            span, label = spans(item, what), _text(item, key, what, spans.where)
            name = self._label(layer, label)
            if name is not None:
                found.append({**span, key: name})
        return found

    def _label(self, layer: str, label: str) -> str | None:
        """Our name of a label; None if it is not wanted."""
        return mapped(
            label, getattr(self.options.rename, layer), getattr(self.options.types, layer)
        )

    def _id(self, given: object, where: str) -> str:
        """The record's own id; where it has none, the number of its line."""
        line = where.rpartition(":")[2].split()[-1]
        id = line if given is None or given == "" else str(given)
        if id in self._lines:
            if self.repeated_ids == "refuse":
                raise XltError(
                    f"the id {id!r} was there before ({self._lines[id]})",
                    where=where,
                    fix="give every record its own id, or set the reader's option "
                    "`repeated_ids: number` in the data card",
                )
            id = f"{id}#{line}"
        self._lines[id] = where
        return id


def mapped(label: str, rename: Mapping[str, str], wanted: Sequence[str] | None) -> str | None:
    """The label after renaming by the first pattern that fits; None if it is not wanted then."""
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

    def __call__(self, item: Mapping[str, Any], what: str) -> dict[str, int]:
        start, end = (self._number(item, key, what) for key in ("start", "end"))
        if not 0 <= start < end <= self.words:
            raise XltError(
                f"the {what} from word {start} to {end} is not in the text of {self.words} words",
                where=self.where,
                fix="`start` counts from 0, `end` is the word after the last",
            )
        if not self.heads or end - start == 1:
            return {"start": start, "end": end}
        head = item.get("head")
        if not isinstance(head, int) or not start <= head < end:
            raise XltError(
                f"the {what} from word {start} to {end} says no head word within it",
                where=self.where,
                fix="give `head`, or use `task.spans: exact`",
            )
        return {"start": head, "end": head + 1}

    def _number(self, item: Mapping[str, Any], key: str, what: str) -> int:
        value = item.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise XltError(
                f"`{key}` of {'an' if what[0] in 'aeu' else 'a'} {what} is {value!r}, not a number",
                where=self.where,
                fix="give `start` and `end` as numbers of words, counted from 0",
            )
        return value


def _items(row: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    value = row.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        fix = "see docs/tasks/event-extraction.md"
        raise XltError(f"`{key}` is no list of objects", where=where, fix=fix)
    return value


def _text(item: Mapping[str, Any], key: str, what: str, where: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise XltError(
            f"the {what} {dict(item)} has no `{key}`", where=where, fix=f"give its `{key}`"
        )
    return value


def in_order(items: Iterable[dict[str, Any]], label: str | None = None) -> list[dict[str, Any]]:
    """Sorted by place, each once: scores are of sets. label: the key of what an item is."""
    unique = {(*span_of(item), item[label] if label else ""): item for item in items}
    return [unique[key] for key in sorted(unique)]


def arranged(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sorted by trigger; events of one type with one trigger are one, with all the arguments."""
    found: dict[tuple[int, int, str], list[dict[str, Any]]] = {}
    for event in events:
        found.setdefault((*span_of(event["trigger"]), event["type"]), []).extend(event["arguments"])
    return [
        {
            "trigger": {"start": start, "end": end},
            "type": kind,
            "arguments": in_order(arguments, "role"),
        }
        for (start, end, kind), arguments in sorted(found.items())
    ]
