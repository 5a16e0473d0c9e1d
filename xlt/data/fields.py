"""Fields of JSON objects, of the kind that is meant: a file may have any value anywhere.

Every function takes what somebody wrote, says what it is in the error (`what`: "`start` of an
entity"), and raises XltError at `where` for a value of another kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xlt.errors import XltError, choose


def required(item: object, key: str, *, where: object) -> Any:
    """The value of a field that has to be there."""
    found = mapping(item, f"what should have the field {key!r}", where=where)
    if key not in found:
        raise XltError(
            f"the field {key!r} is missing", where=where, fix=choose(key, map(str, found))
        )
    return found[key]


def mapping(value: object, what: str, *, where: object) -> Mapping[str, Any]:
    """An object."""
    if not isinstance(value, Mapping):
        raise _other(value, what, "object", where, 'write {"…": …}')
    return value


def sequence(value: object, what: str, *, where: object) -> list[Any]:
    """A list of anything."""
    if not isinstance(value, list):
        raise _other(value, what, "list", where, "write […]")
    return value


def objects(value: object, what: str, *, where: object) -> list[dict[str, Any]]:
    """A list of objects; empty for null, as files write what is not there."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _other(value, what, "list of objects", where, 'write [{"…": …}, …]')
    return value


def texts(value: object, what: str, *, where: object) -> list[str]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _other(value, what, "list of texts", where, 'write ["…", …]')
    return value


def text(value: object, what: str, *, where: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise _other(value, what, "text", where, 'write "…"')
    return value


class NumericId(str):
    """An id that was a number: a text for all else, and written to JSON as the number it was."""

    __slots__ = ()

    def __str__(self) -> str:
        return self  # so that readers who make sure that it is a text keep it


def identifier(value: object, default: object, *, where: object) -> str:
    """The id of a record, a text or a number; `default` where it is null or empty."""
    if value is None or value == "":
        return str(default)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return NumericId(value)
    raise _other(value, "the id", "text or number", where, "give each record one, or none")


class Ids:
    """The ids of a file's records, of which each may be there once."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def add(self, id: str, where: str) -> None:
        """Raises XltError for one that a record before has."""
        if id in self._seen:
            raise XltError(
                f"the id {id!r:.60} has been used before, in {self._seen[id]}",
                where=where,
                fix="give every record an id of its own, or none",
            )
        self._seen[id] = where


def id_as_given(id: str) -> str | int:
    """An id for JSON: a number where it was one."""
    return int(id) if isinstance(id, NumericId) else id


def _other(value: object, what: str, kind: str, where: object, fix: str) -> XltError:
    shown = "null" if value is None else f"{value!r:.60}"
    return XltError(f"{what} is {shown}, not {_article(kind)} {kind}", where=where, fix=fix)


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
