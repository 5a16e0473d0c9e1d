"""Tables of texts with a class each: ``id,text,label``, quoted as in RFC 4180.

A table cannot mark parts of a text: only tasks whose layers are classes have this format. Values in
other columns are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from xlt.data.fields import identifier
from xlt.data.table import DELIMITERS, NO_HEADER, read_table, write_table
from xlt.data.tools.options import TableToolOptions
from xlt.data.tools.record import Record
from xlt.data.tools.tool import TextTool
from xlt.errors import XltError, choose
from xlt.reader_options import advise

LABEL = "label"


class Csv(TextTool):
    """Reads and writes tables whose first row names the columns, or without names."""

    suffixes = (".csv",)
    written = ".csv"
    Options = TableToolOptions
    pairs = True
    spans = False
    relations = False

    def raw(self, path: Path) -> Iterator[tuple[str, Any]]:
        told = self.told
        rows = read_table(
            path,
            columns=told.columns,
            delimiter=None if told.delimiter == "auto" else DELIMITERS[told.delimiter],
            quoted=True,
            header=told.header,
        )
        for number, row in rows:
            yield f"{path}:{number}", row

    def records(self, where: str, content: Any) -> Iterator[Record]:
        for name in (*self.texts, *[LABEL] * self.told.labelled):
            if name not in content:
                raise XltError(
                    f"the column {name!r} is missing",
                    where=where,
                    fix=f"{choose(name, content)}; {advise(f'columns: {{{name}: THEIRS}}')}"
                    + NO_HEADER * self.told.header,
                )
        texts = {name: self.given(content[name], f"`{name}`", where=where) for name in self.texts}
        label = content.get(LABEL, "").strip()
        for name, value in content.items():
            if value and name not in ("id", LABEL, *self.texts):
                self.tally(f"values in the column {name!r:.40} are left out", where)
        number = where.rpartition(":")[2]
        yield Record(
            identifier(content.get("id"), number, where=where),
            texts,
            where,
            classes=(label,) if label else (),
        )

    @classmethod
    def write(cls, records: Iterable[Record], stream: TextIO) -> None:
        rows = (
            {"id": record.id, **record.texts, LABEL: next(iter(record.classes), "")}
            for record in records
        )
        first = next(rows, None)
        if first is not None:
            write_table(chain([first], rows), stream, [*first], quoted=True)
