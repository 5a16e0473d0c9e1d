"""A text of words as part of a JSON-able row: ``{"words": [...], "text": "...", …}``.

`text` is the surface. Where the words do not say where in it they are (those of multiword tokens),
`offsets` does, [first character, one after the last] of each. A row without `text` may say with
`space_after` whether white space follows each word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xlt.document import Document, Offsets, Text
from xlt.errors import XltError

OPTIONAL = ("text", "offsets", "space_after")
"""Columns that a row of words may have beside `words`."""


def text_from_columns(row: Mapping[str, Any], *, where: object) -> Text:
    """The text of a row. Raises XltError where its words are no words, or not those of its text."""
    words = row.get("words", row.get("tokens"))
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise XltError(
            "`words` is missing or no list of texts",
            where=where,
            fix="give the sentence as `words` (or `tokens`), a list of texts",
        )
    if not words:
        raise XltError("the sentence has no words", where=where, fix="remove it")
    surface, offsets, spaces = (row.get(name) for name in OPTIONAL)
    if surface is None:
        if spaces is not None and (
            not isinstance(spaces, list)
            or len(spaces) != len(words)
            or not all(isinstance(space, bool) for space in spaces)
        ):
            raise XltError(
                f"`space_after` is no list of true and false, one for each of {len(words)} words",
                where=where,
                fix="say for each word whether white space follows, or leave `space_after` out",
            )
        return Text.from_words(words, spaces)
    if not isinstance(surface, str):
        raise XltError("`text` is no text", where=where, fix="give the sentence as it is written")
    try:
        if offsets is None:
            return Text.locate(surface, words)
        return Text(surface, tuple(words), _places(offsets))
    except ValueError as error:
        raise XltError(
            f"`words` are not those of `text`: {error}",
            where=where,
            fix="make them the same but for white space, give `offsets`, or leave `text` out",
        ) from error


def _places(offsets: Any) -> tuple[Offsets, ...]:
    """Raises ValueError for what is no list of pairs of whole numbers."""
    if not isinstance(offsets, list) or not all(
        isinstance(place, list) and [type(number) for number in place] == [int, int]
        for place in offsets
    ):
        raise ValueError("`offsets` is no list of [first character, one after the last]")
    return tuple((start, end) for start, end in offsets)


def text_columns(text: Text) -> dict[str, Any]:
    """The columns that `text_from_columns` makes an equal text of."""
    columns: dict[str, Any] = {"words": list(text.words)}
    if text.joined:
        return columns
    columns["text"] = text.surface
    try:
        located = Text.locate(text.surface, text.words) == text
    except ValueError:
        located = False
    return columns if located else {**columns, "offsets": [list(place) for place in text.offsets]}


def with_confidence(row: Mapping[str, Any], document: Document) -> dict[str, Any]:
    """The row of a prediction with how sure a model was of it, in a column that readers ignore:
    `Document.confidence`."""
    if not document.confidence:
        return dict(row)
    shown = {key: [rounded(one) for one in sure] for key, sure in document.confidence.items()}
    return {**row, "confidence": shown}


def rounded(confidence: float) -> float:
    """A confidence as files have it."""
    return round(confidence, 4)
