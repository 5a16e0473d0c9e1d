"""The schemes in which tags of words mark entities, and how each becomes IOB2.

IOB2: every entity starts with ``B-``. IOB1: only one that follows another of its type does
(Ramshaw and Marcus 1995). BIOES: ends and entities of one word are marked, too; L and U are
other names of E and S.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from xlt.errors import XltError
from xlt.reader_options import advise

Scheme = Literal["IOB2", "IOB1", "BIOES"]

TAG = re.compile(r"O|[A-Z]-.+")
"""A tag of any scheme."""
_PREFIXES = {"IOB2": "BI", "IOB1": "BI", "BIOES": "BIESLU"}


@dataclass(frozen=True, slots=True)
class TagRules:
    """How the tags of a file are read.

    name:    of the file, for errors.
    scheme:  what it uses.
    repair:  an inside tag that continues nothing starts an entity; otherwise it is an error under
        IOB2 and BIOES.
    types:   entity type in the file → type that comes out; None turns it into ``O``.
    outside: further tags that mean ``O``.
    """

    name: str
    scheme: Scheme = "IOB2"
    repair: bool = False
    types: Mapping[str, str | None] = field(default_factory=dict)
    outside: frozenset[str] = frozenset()

    def error(self, number: int, what: str, fix: str) -> XltError:
        """An error in a line of the file."""
        return XltError(what, where=f"{self.name}:{number}", fix=fix)

    def tag(self, number: int, text: str) -> str:
        """The tag that `text` in line `number` is. Raises XltError if the scheme has none such."""
        if text == "O" or text in self.outside:
            return "O"
        kind, _, name = text.partition("-")
        allowed = _PREFIXES[self.scheme]
        if len(kind) == 1 and kind in allowed:
            if name:
                return text
            raise self.error(
                number, f"tag {text!r} has no type", f"write e.g. {kind}-PER, or O outside entities"
            )
        fix = f"{self.scheme} has O and, before a type, {', '.join(f'{p}-' for p in allowed)}"
        if not TAG.fullmatch(text):
            fix += f"; if the tags are in another column, {advise('tag: COLUMN')}"
        if kind in ("E", "S", "L", "U"):
            fix += f"; for this file {advise('scheme: BIOES')}"
        raise self.error(number, f"{text!r} is not a tag", fix)

    def iob2(self, numbers: Sequence[int], tags: Sequence[str]) -> list[str]:
        """The tags of a sentence in IOB2, with the types that come out. numbers: their lines.

        Raises XltError for an inside tag that continues no entity of its type.
        """
        converted = to_iob2(self._ordered(numbers, tags), self.scheme)
        return [self._renamed(tag) for tag in converted] if self.types else converted

    def _ordered(self, numbers: Sequence[int], tags: Sequence[str]) -> list[str]:
        """The tags, repaired if that is wanted."""
        tags = list(tags)
        if self.scheme == "IOB1":
            return tags
        previous = "O"
        for i, tag in enumerate(tags):
            inside = tag[0] in "IEL" and tag != "O"
            continues = previous[0] in "BI" and previous[2:] == tag[2:]
            if inside and not continues:
                if not self.repair:
                    remedies = ["repair: true", *["scheme: IOB1"] * (self.scheme == "IOB2")]
                    raise self.error(
                        numbers[i],
                        f"{tag} after {previous} continues no entity",
                        f"write B-{tag[2:]}, or {advise(*remedies)}",
                    )
                tags[i] = f"B-{tag[2:]}"
            previous = tags[i]
        return tags

    def _renamed(self, tag: str) -> str:
        name = self.types.get(tag[2:], tag[2:])
        return "O" if tag == "O" or name is None else f"{tag[:2]}{name}"


def to_iob2(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """IOB1 or BIOES tags as IOB2. Tags must be well formed."""
    converted: list[str] = []
    previous = "O"
    for tag in tags:
        if tag == "O":
            converted.append(tag)
        else:
            kind, _, name = tag.partition("-")
            begins = kind in "BSU" if scheme == "BIOES" else kind == "B" or previous[2:] != name
            converted.append(f"{'B' if begins else 'I'}-{name}")
        previous = tag
    return converted
