"""Marks, links and classes as layers of documents, and back: written once a kind of layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from xlt.data.rows import rounded
from xlt.data.tools.options import ToolOptions
from xlt.data.tools.record import Link, Mark, Record
from xlt.data.tools.tally import Tally
from xlt.data.tools.words import apart, parts_of, spans_of, words_of
from xlt.document import (
    Document,
    Label,
    Layer,
    Span,
    Spans,
    Structure,
    Structures,
    Text,
    in_order,
)

KINDS = (Spans, Structures, Label)
"""Kinds of layers that the tools' annotation can be, with those derived from them."""

FIELDS, AROUND = "fields", "around"
"""The keys in a document's `meta` of what else a file has of its text (`Record`)."""

ARGUMENT = "Argument"
"""The label of what has a role in an event and is no entity; relations go from mark to mark."""

NO_RELATIONS = "relations are left out, which this task cannot have"
NO_TRIGGER = "relations are left out that go out from no trigger"
NO_SPANS = "spans are left out, which this task cannot have"
NO_CLASSES = "texts have classes, which this task cannot have"
SEVERAL_CLASSES = "texts of several classes are left out, of which this task cannot have but one"
NO_CLASS = "texts without a class are left out"
NO_WORDS = "texts without words are left out"


def documents_of(
    record: Record,
    layers: Mapping[str, type[Layer]],
    told: ToolOptions,
    tally: Tally,
) -> Iterator[Document]:
    """The documents of a record, with the language of `told`.

    layers: name → kind, of those that are to be filled; only `KINDS`.
    """
    structured = any(issubclass(kind, Structures) for kind in layers.values())
    if any(issubclass(kind, Label) for kind in layers.values()):
        if len(record.classes) != 1 and told.labelled:
            tally(SEVERAL_CLASSES if record.classes else NO_CLASS, record.where)
            return
    elif record.classes:
        tally(NO_CLASSES, record.where)
    label = record.classes[0] if len(record.classes) == 1 else None
    if not any(issubclass(kind, Spans | Structures) for kind in layers.values()):
        if record.marks:
            tally(NO_SPANS, record.where)
        # One of several texts has no words.
        text = words_of(record, told, tally) if len(record.texts) == 1 else Text(record.text)
        yield document_with(record, text, {name: Label(label) for name in layers}, told)
        return
    if record.links and not structured:
        for _ in record.links:
            tally(NO_RELATIONS, record.where)
    for part in parts_of(record, told, tally):
        text = words_of(part, told, tally)
        if not text.words:
            tally(NO_WORDS, part.where)
            continue
        spans = spans_of(part, text, told, tally)
        triggers = _triggers(part, told) if structured else frozenset()
        if structured:
            for link in part.links:
                if link.head not in triggers:
                    tally(NO_TRIGGER, part.where)
        filled: dict[str, Layer] = {}
        for name, kind in layers.items():
            if issubclass(kind, Structures):
                filled[name] = kind(_structures(part, spans, triggers))
            elif issubclass(kind, Spans):
                free = [
                    span
                    for n, span in enumerate(spans)
                    if span is not None
                    and n not in triggers
                    and not (structured and span.kind == ARGUMENT)
                ]
                chosen = apart(free, told, tally, part.where) if kind.exclusive else in_order(free)
                filled[name] = kind(chosen)
            elif issubclass(kind, Label):
                filled[name] = kind(label)
        yield document_with(part, text, filled, told)


def document_with(
    record: Record, text: Text, layers: Mapping[str, Layer], told: ToolOptions
) -> Document:
    """The document of a record with these layers. text: its first, with words."""
    first, *others = record.texts
    return Document(
        record.id,
        {first: text, **{name: Text(record.texts[name]) for name in others}},
        layers,
        told.language or "",
        meta={
            key: dict(value)
            for key, value in ((FIELDS, record.extra), (AROUND, record.around))
            if value
        },
    )


def _triggers(record: Record, told: ToolOptions) -> frozenset[int]:
    """Which marks are triggers."""
    if record.triggers is not None:
        return record.triggers
    if told.triggers is None:
        return frozenset(link.head for link in record.links)
    return frozenset(
        n
        for n, mark in enumerate(record.marks)
        if any(fnmatchcase(mark.kind, pattern) for pattern in told.triggers)
    )


def _structures(
    record: Record, spans: list[Span | None], triggers: frozenset[int]
) -> tuple[Structure, ...]:
    structures = []
    for n in sorted(triggers):
        head = spans[n]
        if head is None:
            continue
        parts = [
            place._replace(kind=link.kind)
            for link in record.links
            if link.head == n and (place := spans[link.dependent]) is not None
        ]
        structures.append(Structure(head, in_order(parts)))
    return tuple(structures)


# Back ---------------------------------------------------------------------------------------------


@dataclass
class _Marks:
    """The marks of a document that is written: each span once, unless it is a trigger."""

    text: Text
    marks: list[Mark]
    places: dict[Span, int]

    def add(self, span: Span) -> int:
        """The number of a new mark."""
        first, last = self.text.offsets[span.start], self.text.offsets[span.end - 1]
        self.marks.append(Mark(span.kind, ((first[0], last[1]),)))
        return len(self.marks) - 1


def record_of(document: Document, layers: Mapping[str, type[Layer]]) -> Record:
    """What a document says, by the characters of its text. layers: those that are written."""
    text = document.text
    marks = _Marks(text, [], {})
    links: list[Link] = []
    triggers: set[int] = set()
    classes: list[str] = []
    present = [document.layers[name] for name in layers]
    for layer in present:
        if isinstance(layer, Spans):
            for span in layer.spans:
                marks.places.setdefault(Span("", span.start, span.end), marks.add(span))
        elif isinstance(layer, Label) and layer.label is not None:
            classes.append(layer.label)
    for layer in present:
        if isinstance(layer, Structures):
            for head, parts in layer.structures:
                trigger = marks.add(head)
                triggers.add(trigger)
                for role, start, end in parts:
                    place = Span("", start, end)
                    if place not in marks.places:
                        marks.places[place] = marks.add(Span(ARGUMENT, start, end))
                    links.append(Link(role, trigger, marks.places[place]))
    structured = any(isinstance(layer, Structures) for layer in present)
    sure = [one for values in document.confidence.values() for one in values]
    return Record(
        document.id,
        {name: one.surface for name, one in document.texts.items()},
        marks=tuple(marks.marks),
        links=tuple(links),
        triggers=frozenset(triggers) if structured else None,
        classes=tuple(classes),
        extra=document.meta.get(FIELDS, {}),
        around=document.meta.get(AROUND, {}),
        words=tuple(dict.fromkeys(text.offsets)),
        score=rounded(sum(sure) / len(sure)) if sure else None,
    )
