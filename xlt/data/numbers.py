"""Numbers in files of users: ASCII digits of reasonable length, and nothing else.

Python's own `int` and `float` take more than any file format means: digits of other scripts
(``٣``), underscores (``6_0``), spaces, ``nan`` and ``inf``; and `int` raises for thousands of
digits. Whatever is read from a file goes through here.
"""

from __future__ import annotations

import math
import re

from xlt.errors import XltError

MAX_DIGITS = 15
"""Digits of a whole number: all of them are exact as float64, too, and fit into 64 bits."""

_WHOLE = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}")
_SIGNED = re.compile(rf"\s*[+-]?[0-9]{{1,{MAX_DIGITS}}}(?:\.0*)?\s*")
# Alternatives that begin differently: no text is tried in more than one way.
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


def whole(text: str) -> int | None:
    """The number that consists of these digits; None for any other text."""
    return int(text) if _WHOLE.fullmatch(text) else None


def decimal(text: str) -> float | None:
    """The number that is written so, with a point and in ASCII; None for any other text, and for
    what is beyond the range of floats."""
    if not _DECIMAL.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def integer(value: object, what: str, *, where: object) -> int:
    """The whole number that a JSON file writes as ``40``, ``40.0`` or ``"40"``.

    what: what the number is, for the error: "`start` of an entity".

    Raises XltError for anything else; JSON's true and false are no numbers.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) < 10**MAX_DIGITS and value == int(value):  # not so for NaN
            return int(value)
    elif isinstance(value, str) and _SIGNED.fullmatch(value):
        return int(value.partition(".")[0])
    raise XltError(
        f"{what} is {value!r:.60}, not a whole number",
        where=where,
        fix="write it as a number, such as 40",
    )
