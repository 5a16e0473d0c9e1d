"""Tables whose first line names the columns, separated by tabs or commas."""

from __future__ import annotations

import csv
from collections import Counter
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
    rows = (
        _quoted(source, name, "\t", "or, if they are text, say `quoted: false`")
        if quoted
        else ((n, line.split("\t")) for n, line in lines(source))
    )
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
            if twice := _named_twice(header):
                raise XltError(
                    f"two columns are called {twice[0]!r}",
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


def read_csv(source: Source) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """The columns of a table separated by commas, and line number and cells of every row, by
    column, without the space around them; blank lines are skipped.

    Raises XltError with ``path:line``, from reading the rows too: no column, one without a name or
    two of one name, another number of cells than columns, a quotation mark that does not fit, and
    what `lines` raises.
    """
    name = label(source)
    rows = (
        (number, [cell.strip() for cell in cells])
        for number, cells in _quoted(source, name, ",", "or remove it")
        if any(cell.strip() for cell in cells)
    )
    first = next(rows, None)
    if first is None:
        raise XltError("there is no row in it", where=name, fix="name the columns in its first row")
    number, header = first
    where = f"{name}:{number}"
    for mark, called in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and mark in header[0]:
            raise XltError(
                f"the columns are separated by {called}, not commas",
                where=where,
                fix="save it as CSV with commas, and with points in its numbers",
            )
    unnamed, twice = "" in header, _named_twice(header)
    if unnamed or twice:
        raise XltError(
            "a column without a name" if unnamed else f"two columns are called {twice[0]!r}",
            where=where,
            fix="name each column in the first row, each differently",
        )

    def records() -> Iterator[tuple[int, dict[str, str]]]:
        for number, cells in rows:
            if len(cells) != len(header):
                raise XltError(
                    f"{len(cells)} cells under {len(header)} columns",
                    where=f"{name}:{number}",
                    fix="give every row a cell for each column; put text that holds a comma into "
                    "quotation marks",
                )
            yield number, dict(zip(header, cells, strict=True))

    return header, records()


def _named_twice(header: Sequence[str]) -> list[str]:
    """The names of more than one column."""
    return [column for column, count in Counter(header).items() if count > 1]


def _quoted(
    source: Source, name: str, separator: str, otherwise: str
) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row of a table that quotes cells.

    otherwise: what else to do about a quotation mark that does not fit.
    """
    number = 0

    def texts() -> Iterator[str]:
        nonlocal number
        for number, line in lines(source):  # noqa: B007
            yield line + "\n"

    begin = 1
    try:
        for cells in csv.reader(texts(), delimiter=separator, strict=True):
            yield begin, cells
            begin = number + 1
    except csv.Error as error:
        raise XltError(
            f"a quotation mark that does not fit ({error})",
            where=f"{name}:{begin}",
            fix=f'double each quotation mark within a quoted cell (""), {otherwise}',
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
