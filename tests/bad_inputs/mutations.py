"""Systematic changes of valid input. All are values: name → what is then read."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

DEPTH = 100_000
"""Levels of nesting, far beyond what any parser's stack takes."""

NUMBERS = {
    "a number of 5,000 digits": "9" * 5000,
    "an Arabic digit": "٣",
    "a full-width digit": "３",
    "a superscript digit": "²",
    "a digit with an underscore": "6_0",
    "minus one": "-1",
    "2 to the 63": str(2**63),
    "NaN": "nan",
    "infinity": "inf",
    "a hexadecimal number": "0x1",
    "an exponent": "1e400",
    "nothing": "",
    "a space": " ",
    "a word": "many",
}
"""Texts where a number of a file was; none of them is one that a file may have there."""

CHARACTERS = {
    "NUL": "\0",
    "a lone surrogate": "\ud800",
    "a byte order mark": "\ufeff",
    "a line separator": "\u2028",
    "a no-break space": "\u00a0",
    "a carriage return": "\r",
    "a form feed": "\f",
    "a bidi override": "\u202e",
}
"""Characters that may stand in the middle of text that is otherwise good."""

JSON_VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "a number": 3,
    "a fraction": 0.5,
    "a negative number": -7,
    "a huge number": 10**30,
    "a text": "x",
    "an empty text": "",
    "an empty list": [],
    "a list in a list": [[]],
    "a list of null": [None],
    "an empty object": {},
    "an object": {"x": 1},
}
"""Values to put at each place of a JSON text."""

Path = tuple[str | int, ...]


def json_paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """The place of every value in a JSON value, itself first: keys and positions."""
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from json_paths(inner, (*path, key))


def replaced(value: Any, path: Path, new: Any) -> Any:
    """The JSON value with another one at a place."""
    if not path:
        return new
    first, *rest = path
    inner = replaced(value[first], tuple(rest), new)
    if isinstance(value, dict):
        return {**value, first: inner}
    return [*value[:first], inner, *value[first + 1 :]]


def without(value: Any, path: Path) -> Any:
    """The JSON value without what is at a place (which is not the whole value)."""
    *above, last = path
    holder = value
    for key in above:
        holder = holder[key]
    if isinstance(holder, dict):
        new: Any = {key: item for key, item in holder.items() if key != last}
    else:
        new = [item for position, item in enumerate(holder) if position != last]
    return replaced(value, tuple(above), new)


def shown(path: Path) -> str:
    """A place as text, for the name of a case."""
    return ".".join(map(str, path)) or "all"


def broken_lines(text: str) -> Iterator[tuple[str, str]]:
    """Each line of a text dropped, doubled, cut in half, and without its end."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        before, after = lines[: number - 1], lines[number:]
        yield f"line {number} dropped", "\n".join([*before, *after])
        yield f"line {number} doubled", "\n".join([*before, line, line, *after])
        yield f"line {number} cut", "\n".join([*before, line[: len(line) // 2], *after])
    yield "the end of the last line dropped", text.rstrip("\n")
    yield "cut in the middle", text[: len(text) // 2]


def encodings(text: str) -> Iterator[tuple[str, bytes]]:
    """A text in bytes that are no UTF-8, or hardly."""
    plain = text.encode()
    yield "UTF-16", text.encode("utf-16")
    yield "UTF-16 without a mark", text.encode("utf-16-le")
    yield "UTF-32", text.encode("utf-32")
    yield "Latin-1", "é".encode("latin-1") + plain
    yield "a surrogate in UTF-8", "\ud800".encode("utf-8", "surrogatepass") + plain
    yield "an overlong slash", b"\xc0\xaf" + plain
    yield "a cut character", plain.rstrip(b"\n") + "€".encode()[:2]
    yield "nothing", b""
    yield "only a byte order mark", b"\xef\xbb\xbf"
    yield "only line ends", b"\n\n\n"
    yield "only NUL", b"\0" * 64
    yield "gzip's first bytes", b"\x1f\x8b" + plain


def line_ends(text: str) -> Iterator[tuple[str, bytes]]:
    """A text with other line ends and marks, which readers take as they take the text."""
    plain = text.encode()
    yield "CRLF", plain.replace(b"\n", b"\r\n")
    yield "a byte order mark", b"\xef\xbb\xbf" + plain
    yield "no line end at the end", plain.rstrip(b"\n")


def noise(data: bytes, number: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Bytes with a few of them changed, left out or repeated, drawn from the seed."""
    draw = random.Random(seed)
    for count in range(number):
        changed = bytearray(data)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(changed) or 1)
            kind = draw.randrange(4)
            if kind == 0 and changed:
                changed[at] = draw.randrange(256)
            elif kind == 1:
                del changed[at : at + draw.randint(1, 8)]
            elif kind == 2:
                changed[at:at] = changed[at : at + draw.randint(1, 40)]
            else:
                changed[at:at] = draw.choice(
                    [b"\t", b"\n", b"\0", b"\r", b'"', b"{", b"\xff", b"-"]
                )
        yield f"noise {seed}.{count}", bytes(changed)
