"""Comments above a sentence, ``# key = value``, as CoNLL-U and tag columns have them."""

from __future__ import annotations

from collections.abc import Iterable

from xlt.errors import XltError

_SPACE = " \t\r"


def comment_value(comments: Iterable[str], key: str) -> str | None:
    """The value of ``# key = value``; "" for ``# key`` alone; None if there is none."""
    for comment in comments:
        name, _, value = comment.lstrip("#").partition("=")
        if comment.startswith("#") and name.strip(_SPACE) == key:
            return value.strip(_SPACE)
    return None


def comment_line(key: str, value: str, *, where: object) -> str:
    """``# key = value``, from which `comment_value` gives the value back.

    Raises XltError for a value that is empty, has line breaks, or begins or ends with a space.
    """
    if not value or "\n" in value or value != value.strip(_SPACE):
        raise XltError(
            f"the {key} {value[:40]!r} is empty, has a line break or a space at an end, which a "
            "comment cannot hold",
            where=where,
            fix="write JSON Lines (format jsonl), or change it",
        )
    return f"# {key} = {value}"
