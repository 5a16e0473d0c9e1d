"""Comments above a sentence, ``# key = value``, as CoNLL-U and tag columns have them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from xlt.errors import XltError

_SPACE = " \t\r"
_BEGINS_DOCUMENT = re.compile(r"#[ \t]*newdoc\b|-DOCSTART-")

NEW_DOCUMENT = "# newdoc"
"""The comment above the first sentence of a document."""
DOCUMENT = "document"
"""In `Document.meta`: which document of its file a sentence is of, where the file says."""


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


def begins_document(comments: Iterable[str]) -> bool:
    """Whether a document begins with the sentence that these lines stand above: ``# newdoc`` of
    CoNLL-U, ``-DOCSTART-`` of CoNLL-2003."""
    return any(_BEGINS_DOCUMENT.match(comment) for comment in comments)


def document_meta(number: int) -> dict[str, str]:
    """`Document.meta` of a sentence of the document with this number; 0: before any began."""
    return {DOCUMENT: str(number)} if number else {}
