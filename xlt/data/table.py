"""Tables whose first line names the columns, separated by tabs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TextIO

from xlt.data.files import Source, label, lines
from xlt.errors import XltError


def read_tsv(
    source: Source,
    *,
    columns: Mapping[str, str] | None = None,
    quoted: bool = False,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of every row, by column; empty lines are skipped.

    columns: our column → the file's.
    quoted:  cells are quoted as in CSV, so that they may hold tabs; by default a quotation mark
        is text, as in most corpora.

    Raises XltError with ``path:line`` for a row with another number of cells than the first line.
    """
    name = label(source)
    renamed = {theirs: ours for ours, theirs in (columns or {}).items()}
    rows = _quoted(source) if quoted else ((n, line.split("\t")) for n, line in lines(source))
    header: list[str] | None = None
    for number, cells in rows:
        if not any(cells):
            continue
        if header is None:
            header = [renamed.get(cell.strip(), cell.strip()) for cell in cells]
            continue
        if len(cells) != len(header):
            raise XltError(
                f"{len(cells)} cells in a table of {len(header)} columns",
                where=f"{name}:{number}",
                fix="separate cells with one tab each, without tabs inside",
            )
        yield number, dict(zip(header, cells, strict=True))


def _quoted(source: Source) -> Iterator[tuple[int, list[str]]]:
    numbers: list[int] = []

    def texts() -> Iterator[str]:
        for number, line in lines(source):
            numbers.append(number)
            yield line + "\n"

    begin = 0
    for cells in csv.reader(texts(), delimiter="\t"):
        yield numbers[begin], cells
        begin = len(numbers)


def write_tsv(records: Iterable[Mapping[str, str]], stream: TextIO, columns: Sequence[str]) -> None:
    """Write a header and a row for each record. Raises XltError for a tab or line break in it."""
    stream.write("\t".join(columns) + "\n")
    for record in records:
        cells = [record[column] for column in columns]
        for column, cell in zip(columns, cells, strict=True):
            if any(mark in cell for mark in "\t\n\r"):
                raise XltError(
                    f"{column} has a tab or a line break, which a table cannot hold: {cell[:40]!r}",
                    where=record.get("id"),
                    fix="write JSON Lines",
                )
        stream.write("\t".join(cells) + "\n")
