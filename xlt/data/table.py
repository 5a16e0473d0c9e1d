"""Tables whose first line names the columns, separated by tabs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TextIO

from xlt.data.files import Source, check_characters, label, lines
from xlt.errors import XltError, choose


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

    Raises XltError with ``path:line`` for a row with another number of cells than the first line,
    two columns of one name, a name in `columns` that is none of them, and a quotation mark that
    nothing closes.
    """
    name = label(source)
    renamed = {theirs: ours for ours, theirs in (columns or {}).items()}
    rows = _quoted(source, name) if quoted else ((n, line.split("\t")) for n, line in lines(source))
    header: list[str] | None = None
    for number, cells in rows:
        if not any(cells):
            continue
        if header is None:
            names = {cell.strip() for cell in cells}
            if absent := [theirs for theirs in renamed if theirs not in names]:
                raise XltError(
                    f"there is no column {absent[0]!r}",
                    where=f"{name}:{number}",
                    fix=f"{choose(absent[0], names)}; check `columns`",
                )
            header = [renamed.get(cell.strip(), cell.strip()) for cell in cells]
            if twice := {column for column in header if header.count(column) > 1}:
                raise XltError(
                    f"two columns are called {sorted(twice)[0]!r}",
                    where=f"{name}:{number}",
                    fix="rename one of them",
                )
            continue
        if len(cells) != len(header):
            raise XltError(
                f"{len(cells)} cells in a table of {len(header)} columns",
                where=f"{name}:{number}",
                fix="separate cells with one tab each, without tabs inside",
            )
        yield number, dict(zip(header, cells, strict=True))


def _quoted(source: Source, name: str) -> Iterator[tuple[int, list[str]]]:
    numbers: list[int] = []

    def texts() -> Iterator[str]:
        for number, line in lines(source):
            numbers.append(number)
            yield line + "\n"

    begin = 0
    try:
        for cells in csv.reader(texts(), delimiter="\t", strict=True):
            yield numbers[begin], cells
            begin = len(numbers)
    except csv.Error as error:
        raise XltError(
            f"a quotation mark that does not fit ({error})",
            where=f"{name}:{numbers[begin]}",
            fix='double each quotation mark within a quoted cell (""), or, if they are text, '
            "say `quoted: false`",
        ) from error


def write_tsv(records: Iterable[Mapping[str, str]], stream: TextIO, columns: Sequence[str]) -> None:
    """Write a header and a row for each record.

    Raises XltError for what `read_tsv` could not give back: a tab or line break, nothing at all.
    """
    stream.write("\t".join(columns) + "\n")
    for record in records:
        where = f"record {record['id']!r}" if "id" in record else None
        cells = [record[column] for column in columns]
        for column, cell in zip(columns, cells, strict=True):
            if any(mark in cell for mark in "\t\n\r"):
                raise XltError(
                    f"{column} has a tab or a line break, which a table cannot hold: {cell[:40]!r}",
                    where=where,
                    fix="write JSON Lines (format jsonl)",
                )
            check_characters(cell, where=where)
        if not any(cells):
            raise XltError("a row of which every cell is empty", where=where, fix="leave it out")
        stream.write("\t".join(cells) + "\n")
