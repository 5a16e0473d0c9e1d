"""JSON Lines: one object a line; and files that are one JSON array of objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from xlt.data.files import Source, label, lines, open_text
from xlt.data.malformed import malformed
from xlt.data.options import advise_format
from xlt.errors import XltError, choose


def read_jsonl(
    source: Source,
    *,
    required: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    problems: list[XltError] | None = None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of every line; empty lines are skipped.

    columns:  our field → the file's field; the object comes out with our names.
    required: fields (our names) that every object must have.
    problems: malformed lines are described here and left out, instead of raising.

    Raises XltError with ``path:line``.
    """
    name = label(source)
    renamed = {theirs: ours for ours, theirs in (columns or {}).items()}
    found = 0
    for number, line in lines(source):
        if not line.strip(" \t"):
            continue
        found += 1
        try:
            record = _parse(f"{name}:{number}", line, renamed, required)
        except XltError as error:
            malformed(error, problems)
            continue
        yield number, record
    if not found:
        raise XltError("there is no record in it", where=name, fix="check where it came from")


def read_json_array(
    source: Source,
    *,
    required: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """As `read_jsonl`, from one array of objects; positions in it, from 1, instead of lines."""
    name = label(source)
    with open_text(source) as stream:
        try:
            rows = json.load(stream)
        except json.JSONDecodeError as error:
            raise XltError(
                f"not one JSON value: {error.msg}",
                where=f"{name}:{error.lineno}",
                fix=f"if every line is an object of its own, {advise_format('jsonl')}",
            ) from error
    if not isinstance(rows, list):
        raise XltError(
            f"a JSON {type(rows).__name__} where an array was expected",
            where=name,
            fix=f"write an array of objects; or JSON Lines, and {advise_format('jsonl')}",
        )
    renamed = {theirs: ours for ours, theirs in (columns or {}).items()}
    for number, row in enumerate(rows, 1):
        yield number, _named(f"{name}:[{number}]", row, renamed, required)


def write_jsonl(records: Iterable[Mapping[str, Any]], stream: TextIO) -> None:
    """Write records, every script as it is."""
    for record in records:
        stream.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_json_array(records: Iterable[Mapping[str, Any]], stream: TextIO) -> None:
    """Write records as one array, each on a line of its own."""
    stream.write("[")
    for number, record in enumerate(records):
        stream.write(",\n" if number else "\n")
        stream.write(json.dumps(record, ensure_ascii=False))
    stream.write("\n]\n")


def _parse(
    where: str, line: str, renamed: Mapping[str, str], required: Sequence[str]
) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise XltError(
            f"not JSON: {error.msg} at column {error.colno}",
            where=where,
            fix="write one complete JSON object on each line",
        ) from error
    return _named(where, value, renamed, required)


def _named(
    where: str, value: Any, renamed: Mapping[str, str], required: Sequence[str]
) -> dict[str, Any]:
    """An object with our names for its fields, all that are required among them."""
    if not isinstance(value, dict):
        raise XltError(
            f"a JSON {type(value).__name__} where an object was expected",
            where=where,
            fix="write one JSON object on each line",
        )
    record = {renamed.get(key, key): item for key, item in value.items()}
    for key in required:
        if key not in record:
            raise XltError(f"the field {key!r} is missing", where=where, fix=choose(key, value))
    return record
