"""Tables: a row a line, whose cells are separated by tabs, commas or something else."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import TextIO

from xlt.data.files import Source, check_characters, label, open_text
from xlt.errors import XltError, choose
from xlt.reader_options import advise

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
"""What may separate the cells of a row, by name."""
LOOK_AHEAD = 1000
"""Lines from which it is decided what separates them."""
NO_HEADER = (
    "; if the first row names no columns, set `header: false`, too, and number them there, from 0"
)
"""Advice where a column is missing, after that to name it."""


def read_table(
    source: Source,
    *,
    columns: Mapping[str, str | int] | None = None,
    delimiter: str | None = "\t",
    quoted: bool = False,
    header: bool = True,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of every row, by column; empty lines are skipped.

    columns:   our column → the file's, by name or by number from 0.
    delimiter: what separates cells; None finds it out.
    quoted:    cells may be quoted as in CSV (RFC 4180), so that they hold delimiters and line ends;
        by default a quotation mark is text, as in most corpora.
    header:    the first row names the columns; otherwise those without a name of ours are called
        by their numbers.

    Raises XltError with ``path:line`` for a row with another number of cells than the first,
    two columns of one name, one in `columns` that is not there, a quotation mark that nothing
    closes, no row at all, and where more than one delimiter is possible.
    """
    name = label(source)
    with open_text(source) as stream:
        first = list(islice(stream, LOOK_AHEAD))
        mark = delimiter or _delimiter(first, name)
        text = chain(first, stream)
        if quoted:
            # Where tabs separate cells, quotation marks may be text.
            otherwise = ", or, if they are text, say `format: tsv` and `quoted: false`"
            rows = _quoted(text, name, mark, otherwise * (mark == "\t"))
        else:
            rows = ((n, line.rstrip("\r\n").split(mark)) for n, line in enumerate(text, 1))
        names: list[str] | None = None
        for number, cells in rows:
            if not any(cells):
                continue
            if names is None:
                where = f"{name}:{number}"
                given = [cell.strip() for cell in cells] if header else None
                names = _names(given, len(cells), columns or {}, where)
                if header:
                    continue
            if len(cells) != len(names):
                called = next(called for called, one in DELIMITERS.items() if one == mark)
                raise XltError(
                    f"{len(cells)} cells in a table of {len(names)} columns",
                    where=f"{name}:{number}",
                    fix=f"separate cells with one {called} each, without {called}s inside"
                    + " unless the cell is in quotation marks" * quoted,
                )
            yield number, dict(zip(names, cells, strict=True))
    if names is None:
        raise XltError("there is no row in it", where=name, fix="check where it came from")


def _names(
    given: Sequence[str] | None, width: int, columns: Mapping[str, str | int], where: str
) -> list[str]:
    """What the columns are called. given: in the file; None if it names none."""
    names = [str(number) for number in range(width)] if given is None else [*given]
    if given is None and not columns:
        raise XltError(
            "nothing says what the columns are, as the file has no header",
            where=where,
            fix="number them, from 0: " + advise("columns: {OURS: 0, OTHER: 1}"),
        )
    for ours, theirs in columns.items():
        if isinstance(theirs, int):
            if theirs >= width:
                raise XltError(
                    f"there is no column {theirs}: the first row has {width}",
                    where=where,
                    fix="number columns from 0; check `columns`, and what separates them",
                )
            names[theirs] = ours
        elif given is None or theirs not in given:
            fix = f"{choose(theirs, given or ())}; check `columns`"
            if given is None:
                fix = "the file has no header: number it, from 0; " + advise(
                    f"columns: {{{ours}: 0}}"
                )
            raise XltError(f"there is no column {theirs!r}", where=where, fix=fix)
        else:
            names[given.index(theirs)] = ours
    if twice := _named_twice(given or ()) or _named_twice(names):
        raise XltError(
            f"two columns are called {twice[0]!r}", where=where, fix="rename one of them"
        )
    return names


def _delimiter(first: Sequence[str], name: str) -> str:
    """What separates the cells of a table that begins with these lines.

    Raises XltError where it may be one thing or another: both make the first row several cells,
    and, unless just one does, all rows as many.
    """
    widths = {called: _widths(first, mark) for called, mark in DELIMITERS.items()}
    possible = [called for called, found in widths.items() if found and found[0] > 1]
    even = [called for called in possible if len({*widths[called]}) == 1]
    if len(possible) > 1 and len(even) != 1:
        raise XltError(
            f"the columns may be separated by {possible[0]}s or {possible[1]}s",
            where=f"{name}:1",
            fix=advise(*(f"delimiter: {called}" for called in possible)),
        )
    return DELIMITERS[(even if len(possible) > 1 else [*possible, "comma"])[0]]


def _widths(first: Sequence[str], mark: str) -> list[int]:
    """How many cells each row has, up to the first that is no row, or cut off."""
    widths: list[int] = []
    with suppress(csv.Error):
        widths += (len(row) for row in csv.reader(first, delimiter=mark, strict=True) if any(row))
    return widths


def read_csv(source: Source) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """The columns of a table separated by commas, and line number and cells of every row, by
    column, without the space around them; blank lines are skipped.

    Raises XltError with ``path:line``, from reading the rows too: no column, one without a name or
    two of one name, another number of cells than columns, a quotation mark that does not fit, and
    what `lines` raises.
    """
    name = label(source)

    def stripped() -> Iterator[tuple[int, list[str]]]:
        with open_text(source) as stream:
            for number, cells in _quoted(stream, name, ",", ", or remove it"):
                if any(cell.strip() for cell in cells):
                    yield number, [cell.strip() for cell in cells]

    rows = stripped()
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
    text: Iterable[str], name: str, separator: str, otherwise: str
) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row of a table that quotes cells.

    text:      its lines, with their ends.
    otherwise: what else to do about a quotation mark that does not fit.
    """
    begin = 1
    rows = csv.reader(text, delimiter=separator, strict=True)
    try:
        for cells in rows:
            yield begin, cells
            begin = rows.line_num + 1
    except csv.Error as error:
        long = f"a cell of more than {csv.field_size_limit():,} characters, or "
        raise XltError(
            f"{long * ('limit' in str(error))}a quotation mark that does not fit ({error})",
            where=f"{name}:{begin}",
            fix=f'double each quotation mark within a quoted cell (""){otherwise}',
        ) from error


def write_table(
    records: Iterable[Mapping[str, str]],
    stream: TextIO,
    columns: Sequence[str],
    *,
    quoted: bool = False,
) -> None:
    """Write a header and a row for each record: cells between tabs, or quoted between commas.

    Raises XltError for what `read_table` could not give back: nothing at all, and without `quoted`
    a tab or line break.
    """
    separator = "," if quoted else "\t"
    rows = iter(records)
    first = list(islice(rows, 1))  # what makes them may fail before there is one
    stream.write(separator.join(columns) + "\n")
    for record in chain(first, rows):
        where = f"record {record['id']!r}" if "id" in record else None
        cells = [record[column] for column in columns]
        for column, cell in zip(columns, cells, strict=True):
            if not quoted and any(mark in cell for mark in "\t\n\r"):
                raise XltError(
                    f"{column} has a tab or a line break, which a table cannot hold: {cell[:40]!r}",
                    where=where,
                    fix="write JSON Lines (format jsonl)",
                )
            check_characters(cell, where=where)
        if not any(cells):
            raise XltError("a row of which every cell is empty", where=where, fix="leave it out")
        stream.write(separator.join(map(_in_quotes, cells) if quoted else cells) + "\n")


def _in_quotes(cell: str) -> str:
    """The cell as CSV has it."""
    if not any(mark in cell for mark in ',"\n\r'):
        return cell
    doubled = cell.replace('"', '""')
    return f'"{doubled}"'
