"""JSON Lines: one object a line; and files that are one JSON value.

All JSON that users give is read here, so that what Python's parser lets pass and nothing else can
hold (half of a surrogate pair, NUL) or means (a key twice, NaN, a hundred levels) is an error with
its line.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from xlt.data.fields import id_as_given
from xlt.data.files import Source, check_characters, half_a_pair, label, lines, nul, open_text
from xlt.data.malformed import malformed
from xlt.errors import XltError, choose
from xlt.reader_options import advise_format

MAX_DEPTH = 100
"""Levels of lists and objects in one another; data have ten."""

_ESCAPED = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Escapes are taken one after the other, so that the backslash in "\\ud83d" begins none.
_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    r"|\\u(?P<half>[dD][89a-fA-F][0-9a-fA-F]{2})|\\u(?P<nul>0000)|\\.|(?P<raw>[\ud800-\udfff])"
)


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

    Raises XltError with ``path:line``, and at the end for a field of `columns` that none has.
    """
    name = label(source)
    renamed = {theirs: ours for ours, theirs in (columns or {}).items()}
    unseen = set(renamed)
    n_lines = 0
    for number, line in lines(source):
        if not line.strip(" \t"):
            continue
        n_lines += 1
        try:
            value = _value(line, name, number, "write one complete JSON object on each line")
            record = _named(f"{name}:{number}", value, renamed, required)
        except XltError as error:
            malformed(error, problems)
            continue
        unseen.difference_update(value)
        yield number, record
    if not n_lines:
        raise XltError("there is no record in it", where=name, fix="check where it came from")
    _check_seen(unseen, name)


def read_json_array(
    source: Source,
    *,
    required: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """As `read_jsonl`, from one array of objects; positions in it, from 1, instead of lines."""
    name = label(source)
    rows = load_json(source, fix=f"if every line is an object of its own, {advise_format('jsonl')}")
    if not isinstance(rows, list):
        raise XltError(
            f"a JSON {type(rows).__name__} where an array was expected",
            where=name,
            fix=f"write an array of objects; or JSON Lines, and {advise_format('jsonl')}",
        )
    renamed = {theirs: ours for ours, theirs in (columns or {}).items()}
    unseen = set(renamed)
    for number, row in enumerate(rows, 1):
        record = _named(f"{name}:[{number}]", row, renamed, required)
        unseen.difference_update(row)
        yield number, record
    _check_seen(unseen, name)


def _check_seen(unseen: Iterable[str], name: str) -> None:
    """Raises XltError if there are fields that `columns` names and no record has."""
    for field in unseen:
        raise XltError(f"no record has the field {field!r}", where=name, fix="check `columns`")


def load_json(source: Source, *, fix: str) -> Any:
    """The JSON value that a whole file is.

    fix: what to do if it is none.
    Raises XltError with ``path:line``.
    """
    with open_text(source) as stream:
        return _value(stream.read(), label(source), 1, fix)


def to_json(record: Mapping[str, Any]) -> str:
    """A record in one line, every script as it is. Raises XltError for NUL and half of a surrogate
    pair."""
    if "id" in record:
        record = {**record, "id": id_as_given(record["id"])}
    text = json.dumps(record, ensure_ascii=False)
    where = f"record {record['id']!r}" if "id" in record else None
    if "\\u0000" in text and any(match["nul"] for match in _ESCAPES.finditer(text)):
        raise nul(where=where)
    check_characters(text, where=where)
    return text


def write_jsonl(records: Iterable[Mapping[str, Any]], stream: TextIO) -> None:
    """Write records, one a line, as `to_json` makes them."""
    for record in records:
        stream.write(to_json(record) + "\n")


def write_json_array(records: Iterable[Mapping[str, Any]], stream: TextIO) -> None:
    """Write records as one array, each on a line of its own."""
    before = "[\n"  # written with the first record: what makes them may fail before there is one
    for record in records:
        stream.write(before + to_json(record))
        before = ",\n"
    stream.write("[\n]\n" if before == "[\n" else "\n]\n")


def _value(text: str, name: str, line: int, fix: str) -> Any:
    """The JSON value of a text that begins in this line."""
    where = f"{name}:{line}"
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise XltError(
            f"not JSON: {error.msg} at column {error.colno}",
            where=f"{name}:{line + error.lineno - 1}",
            fix=fix,
        ) from error
    except RecursionError as error:
        raise _too_deep(where) from error
    except ValueError as error:  # what the decoder's functions refuse, and thousands of digits
        raise XltError(f"not JSON: {error}", where=where, fix=fix) from error
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth_exceeds(value):
        raise _too_deep(where)
    if ("\\u" in text and _ESCAPED.search(text)) or (
        not text.isascii() and _SURROGATE.search(text)
    ):
        _check_escapes(text, name, line)
    return value


def _check_escapes(text: str, name: str, line: int) -> None:
    """Raises XltError for an escape, or a character, that no text may have."""
    bad = next((m for m in _ESCAPES.finditer(text) if m["half"] or m["raw"] or m["nul"]), None)
    if bad is None:
        return
    where = f"{name}:{line + text.count(chr(10), 0, bad.start())}"
    if bad["nul"]:
        raise nul(where=where)
    raise half_a_pair(int(bad["half"], 16) if bad["half"] else ord(bad["raw"]), where=where)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ValueError for a key that is there twice: Python would take the last."""
    value = dict(pairs)
    if len(value) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice!r} is there twice")
    return value


def _constant(name: str) -> None:
    """Raises ValueError for NaN, Infinity and -Infinity, which Python takes and JSON has not."""
    raise ValueError(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _depth_exceeds(value: Any) -> bool:
    """Whether a value has more than `MAX_DEPTH` levels."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _too_deep(where: str) -> XltError:
    return XltError(
        f"JSON that is nested too deeply: more than {MAX_DEPTH} levels",
        where=where,
        fix="write lists and objects as the format has them",
    )


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
