"""Prodigy's JSON Lines: ``{"text": "…", "spans": [{"start": 0, "end": 5, "label": "PER"}], …}``.

``answer`` says whether an example was accepted; others are left out. ``relations`` go from a
span's ``head_span`` to its ``child_span``; choices are ``accept``, and of binary classification
``label``. What is written has tokens, by which Prodigy lets spans snap to words.

https://prodi.gy/docs/api-interfaces
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xlt.data.fields import id_as_given, identifier, mapping, objects, required, sequence, text
from xlt.data.numbers import integer
from xlt.data.tools.record import Link, Mark, Record, check_offsets
from xlt.data.tools.tool import JsonLinesTool

ANSWER = "accept"
OWN = ("tokens", "spans", "relations", "answer", "accept", "options", "label", "meta")
"""Fields with annotation, or that say how it came about."""


def meta_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What is shown beside a text. Where another tool's `meta` is no object, it is one value."""
    meta = fields.get("meta", {})
    return dict(meta) if isinstance(meta, Mapping) else {"meta": meta}


class Prodigy(JsonLinesTool):
    """Reads what `prodigy db-out` writes, and writes what it loads."""

    def records(self, where: str, content: Any) -> Iterator[Record]:
        row: Mapping[str, Any] = content
        answer = row.get("answer", ANSWER)
        if answer != ANSWER and self.told.labelled:
            self.tally(f"examples whose answer is {answer!r:.20} are left out", where)
            return
        texts = {name: self.given(row[name], f"`{name}`", where=where) for name in self.texts}
        surface = next(iter(texts.values()))
        marks = [
            _mark(item, surface, where)
            for item in objects(row.get("spans"), "`spans`", where=where)
        ]
        meta = row.get("meta")
        meta = {} if meta is None else mapping(meta, "`meta`", where=where)
        beside = {key: value for key, value in meta.items() if key != "id"}
        number = where.rpartition(":")[2]
        yield Record(
            identifier(row.get("id", meta.get("id")), number, where=where),
            texts,
            where,
            tuple(marks),
            tuple(self._links(row, marks, surface, where)),
            None,
            tuple(_classes(row, where)),
            {key: row[key] for key in row if key not in {"id", *self.texts, *OWN, "_view_id"}}
            | ({"meta": beside} if beside else {}),
        )

    def _links(
        self, row: Mapping[str, Any], marks: list[Mark], surface: str, where: str
    ) -> Iterator[Link]:
        numbers = {mark: n for n, mark in reversed([*enumerate(marks)])}
        for item in objects(row.get("relations"), "`relations`", where=where):
            kind = text(required(item, "label", where=where), "`label` of a relation", where=where)
            ends = []
            for key in ("head_span", "child_span"):
                found = mapping(required(item, key, where=where), f"`{key}`", where=where)
                if found.get("label") is None:
                    break
                mark = _mark(found, surface, where)
                if mark not in numbers:
                    break
                ends.append(numbers[mark])
            if len(ends) < 2:
                self.tally("relations of what is no labelled span are left out", where)
            else:
                yield Link(kind, *ends)

    @staticmethod
    def row(record: Record) -> dict[str, Any]:
        meta = {**meta_of(record.extra), "id": id_as_given(record.id)}
        row = {**record.extra, **record.texts, "meta": meta}
        if record.words:
            row["tokens"] = [
                {
                    "text": record.text[start:end],
                    "start": start,
                    "end": end,
                    "id": n,
                    "ws": record.text[end : end + 1].isspace(),
                }
                for n, (start, end) in enumerate(record.words)
            ]
        starts = {start: n for n, (start, _) in enumerate(record.words)}
        ends = {end: n for n, (_, end) in enumerate(record.words)}
        spans = [
            {
                "start": mark.start,
                "end": mark.end,
                "token_start": starts[mark.start],
                "token_end": ends[mark.end],
                "label": mark.kind,
            }
            for mark in record.marks
        ]
        if record.classes:
            row["options"] = [{"id": one, "text": one} for one in record.classes]
            row["accept"] = list(record.classes)
        if spans or not record.classes:
            row["spans"] = spans
        if record.links:
            row["relations"] = [
                {
                    "head": spans[link.head]["token_end"],
                    "child": spans[link.dependent]["token_end"],
                    "head_span": spans[link.head],
                    "child_span": spans[link.dependent],
                    "label": link.kind,
                }
                for link in record.links
            ]
        return row


def _mark(item: Mapping[str, Any], surface: str, where: str) -> Mark:
    start, end = (
        integer(required(item, key, where=where), f"`{key}` of a span", where=where)
        for key in ("start", "end")
    )
    label = text(required(item, "label", where=where), "`label` of a span", where=where)
    return Mark(label, (check_offsets(start, end, surface, where=where),))


def _classes(row: Mapping[str, Any], where: str) -> Iterator[str]:
    chosen = row.get("accept")
    for item in [] if chosen is None else sequence(chosen, "`accept`", where=where):
        number = isinstance(item, int) and not isinstance(item, bool)
        yield text(str(item) if number else item, "a choice in `accept`", where=where)
    if chosen is None and row.get("label") is not None:
        yield text(row["label"], "`label`", where=where)
