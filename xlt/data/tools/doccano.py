"""doccano's JSON Lines: ``{"id": 1, "text": "…", "label": [[0, 5, "PER"]]}``.

Projects with relations export ``entities`` (id, label, start_offset, end_offset) and ``relations``
(from_id, to_id, type); those of classification a list of classes, or one, as ``label``; those of
intents and slots classes as ``cats`` and spans as ``entities``. All other fields are what doccano
calls metadata.

https://doccano.github.io/doccano/tutorial/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xlt.data.fields import identifier, objects, required, sequence, text
from xlt.data.numbers import integer
from xlt.data.tools.record import Link, Mark, Record, check_offsets
from xlt.data.tools.tool import JsonLinesTool
from xlt.errors import XltError, choose

LABELS = ("label", "labels", "cats")
"""What doccano calls its annotation; the second is of versions before 1.5 and of classification,
the third of classes beside spans."""


class Doccano(JsonLinesTool):
    """Reads and writes what doccano exports and imports."""

    def records(self, where: str, content: Any) -> Iterator[Record]:
        row: Mapping[str, Any] = content
        texts = {name: self.given(row[name], f"`{name}`", where=where) for name in self.texts}
        surface = next(iter(texts.values()))
        known = {"id", *self.texts, *LABELS, "entities", "relations"}
        marks: list[Mark] = []
        links: list[Link] = []
        classes: list[str] = []
        present = [name for name in LABELS if name in row]
        if "entities" in row or "relations" in row:
            marks, links = _entities(row, surface, where)
        elif not present and self.told.labelled:
            raise XltError(
                "the field 'label' is missing",
                where=where,
                fix=f"{choose('label', map(str, row))}; export finished documents from doccano",
            )
        for name in present:
            found = row[name]
            if isinstance(found, str):
                found = [found]
            for item in [] if found is None else sequence(found, f"`{name}`", where=where):
                if isinstance(item, list) and name != "cats":
                    marks.append(_span(item, surface, where))
                else:
                    classes.append(text(item, f"a label in `{name}`", where=where))
        yield Record(
            identifier(row.get("id"), where.rpartition(":")[2], where=where),
            texts,
            where,
            tuple(marks),
            tuple(links),
            None,
            tuple(classes),
            {key: value for key, value in row.items() if key not in known},
        )

    @staticmethod
    def row(record: Record) -> dict[str, Any]:
        """As the kind of project has it that may have such annotation."""
        row = {**record.extra, "id": record.id, **record.texts}
        spans = [[mark.start, mark.end, mark.kind] for mark in record.marks]
        if record.links or record.triggers is not None:
            row["entities"] = [
                {"id": n, "label": kind, "start_offset": start, "end_offset": end}
                for n, (start, end, kind) in enumerate(spans, 1)
            ]
            row["relations"] = [
                {"id": n, "type": link.kind, "from_id": link.head + 1, "to_id": link.dependent + 1}
                for n, link in enumerate(record.links, 1)
            ]
        elif spans and record.classes:
            row["entities"] = spans
        if "entities" not in row:
            row["label"] = list(record.classes) or spans
        elif record.classes:
            row["cats"] = list(record.classes)
        return row


def _span(item: list[Any], surface: str, where: str) -> Mark:
    if len(item) != 3:
        raise XltError(
            f"a span is {item!r:.60}, not three values",
            where=where,
            fix='write [START, END, "LABEL"]',
        )
    start, end = (integer(value, "an end of a span", where=where) for value in item[:2])
    return Mark(
        text(item[2], "the label of a span", where=where),
        (check_offsets(start, end, surface, where=where),),
    )


def _entities(row: Mapping[str, Any], surface: str, where: str) -> tuple[list[Mark], list[Link]]:
    numbers: dict[Any, int] = {}
    marks: list[Mark] = []
    found = row.get("entities")
    for item in [] if found is None else sequence(found, "`entities`", where=where):
        if isinstance(item, list):
            marks.append(_span(item, surface, where))
            continue
        start, end = (
            integer(required(item, key, where=where), f"`{key}` of an entity", where=where)
            for key in ("start_offset", "end_offset")
        )
        name = identifier(item.get("id"), f"#{len(marks)}", where=where)
        if name in numbers:
            raise XltError(
                f"two entities have the id {name}", where=where, fix="give each one of its own"
            )
        numbers[name] = len(marks)
        label = text(required(item, "label", where=where), "`label` of an entity", where=where)
        marks.append(Mark(label, (check_offsets(start, end, surface, where=where),)))
    links = []
    for item in objects(row.get("relations"), "`relations`", where=where):
        ends = []
        for key in ("from_id", "to_id"):
            name = identifier(required(item, key, where=where), "", where=where)
            if name not in numbers:
                raise XltError(
                    f"`{key}` of a relation is {name!r}, which no entity has",
                    where=where,
                    fix=choose(name, numbers),
                )
            ends.append(numbers[name])
        kind = text(required(item, "type", where=where), "`type` of a relation", where=where)
        links.append(Link(kind, *ends))
    return marks, links
