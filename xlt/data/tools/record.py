"""What an annotation tool says of a text, by characters: the one shape of all its formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from xlt.document import Offsets
from xlt.errors import XltError


class Mark(NamedTuple):
    """Characters that somebody has marked, and as what.

    parts: in order, without white space at their ends; several of a discontinuous span.
    """

    kind: str
    parts: tuple[Offsets, ...]

    @property
    def start(self) -> int:
        """The first character."""
        return self.parts[0][0]

    @property
    def end(self) -> int:
        """The one after the last."""
        return self.parts[-1][1]


class Link(NamedTuple):
    """A relation from one mark to another, by their numbers (from 0): of an event, the role that
    the one has to its trigger."""

    kind: str
    head: int
    dependent: int


@dataclass(frozen=True, slots=True)
class Record:
    """One text of a file, with its annotation.

    texts:    name → text; marks stand on the first.
    where:    ``file:line``, for errors.
    triggers: which marks are triggers of events; None where the format does not say.
    classes:  of the whole text.
    score:    of a prediction that is to be written: the mean of its confidences, of which one may
        be that nothing else is there (`Document.confidence`).
    words:    where the tokens of the first text are, of a record that is to be written.
    extra:    what else the file has of it, to be written back.
    around:   of a format whose records have their texts and `extra` in a field of their own: what
        else is beside that field, to be written back.
    """

    id: str
    texts: Mapping[str, str]
    where: str = ""
    marks: tuple[Mark, ...] = ()
    links: tuple[Link, ...] = ()
    triggers: frozenset[int] | None = None
    classes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    around: Mapping[str, Any] = field(default_factory=dict)
    words: tuple[Offsets, ...] = ()
    score: float | None = None

    @property
    def text(self) -> str:
        """The first text."""
        return next(iter(self.texts.values()))


def check_offsets(start: int, end: int, text: str, *, where: object) -> Offsets:
    """The offsets, without the white space at their ends. Raises XltError where they are outside
    the text, or nothing but white space is between them."""
    if not 0 <= start < end <= len(text):
        raise XltError(
            f"a span from character {start} to {end} in a text of {len(text)}",
            where=where,
            fix="count characters from 0; the end is the one after the last",
        )
    if not text[start:end].strip():
        raise XltError(
            f"the span from character {start} to {end} holds nothing but white space",
            where=where,
            fix="mark words, or remove it",
        )
    return edges(text, (start, end))


def edges(text: str, part: Offsets) -> Offsets:
    """A part of a text without the white space at its ends."""
    start, end = part
    within = text[start:end]
    return end - len(within.lstrip()), start + len(within.rstrip())
