"""The schemes in which tags of words mark entities, and how each becomes IOB2.

IOB2: every entity starts with ``B-``. IOB1: only one that follows another of its type does
(Ramshaw and Marcus 1995). IOE2 and IOE1 mark ends with ``E-`` in the same way (Tjong Kim Sang and
Veenstra 1999). BIOES: starts, ends and entities of one word are marked; BILOU, BMES and BMEWO write
other letters for the same. Types alone (``PER PER O``) cannot tell an entity from the next.

What is an entity needs no scheme: as conlleval has it, one begins at ``B-`` and ``S-``, where the
type changes, and after ``O``, ``E-`` and ``S-``. The scheme says which tags are mistakes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from xlt.errors import XltError
from xlt.reader_options import advise
from xlt.yaml.write import scalar

Scheme = Literal["IOB2", "IOB1", "IOE2", "IOE1", "BIOES", "types"]

TAG = re.compile(r"O|[A-Z]-.+")
"""A tag with a prefix, of any scheme."""
_LETTERS: Mapping[Scheme, str] = {
    "IOB2": "BI",
    "BIOES": "BIESLUMW",
    "IOB1": "BI",
    "IOE2": "IE",
    "IOE1": "IE",
}
_SAME = {"L": "E", "M": "I", "U": "S", "W": "S"}
"""Letters of BILOU, BMES and BMEWO, and those of BIOES."""
NOTHING = ("_", "-", "*", "0")
"""What files have where there is nothing, or where nobody has looked."""


@dataclass(frozen=True, slots=True)
class TagRules:
    """How the tags of a file are read.

    name:    of the file, for errors.
    scheme:  what it uses.
    decided: the scheme is that of most sentences (`most_likely`), and nobody has said so.
    repair:  tags that contradict the scheme are read all the same; otherwise they are errors.
    types:   entity type in the file → type that comes out; None turns it into ``O``.
    outside: further tags that mean ``O``.
    """

    name: str
    scheme: Scheme = "IOB2"
    decided: bool = False
    repair: bool = False
    types: Mapping[str, str | None] = field(default_factory=dict)
    outside: frozenset[str] = frozenset()

    def error(self, number: int, what: str, fix: str) -> XltError:
        """An error in a line of the file."""
        return XltError(what, where=f"{self.name}:{number}", fix=fix)

    def tag(self, number: int, text: str) -> str:
        """The tag that `text` in line `number` is; a type alone gets ``I-``. Raises XltError if the
        scheme has none such."""
        if text == "O" or text in self.outside:
            return "O"
        if self.scheme == "types":
            return self._of_type(number, text)
        kind, _, name = text.partition("-")
        allowed = _LETTERS[self.scheme]
        if len(kind) == 1 and kind in allowed:
            if name:
                return text
            raise self.error(
                number, f"tag {text!r} has no type", f"write e.g. {kind}-PER, or O outside entities"
            )
        fix = f"{self.scheme} has O and, before a type, {', '.join(f'{p}-' for p in allowed)}"
        if not TAG.fullmatch(text):
            fix += "; if the tags are in another column, or types without such a prefix, "
            fix += advise("tag: COLUMN", "scheme: types")
            if text in NOTHING:
                fix += f"; or, if it means O, {advise(f'outside: [{scalar(text)}]')}"
        elif self.decided:
            fix += f"; most sentences are in {self.scheme}: {advise('scheme: SCHEME')} if not"
        else:
            fix += f"; if the file is in another scheme, {advise('scheme: auto')}"
        raise self.error(number, f"{text!r} is not a tag", fix)

    def _of_type(self, number: int, text: str) -> str:
        if not text or (TAG.fullmatch(text) and text[0] in _LETTERS["BIOES"]):
            raise self.error(
                number,
                f"{text!r} is not a type" + " but a type with a prefix" * bool(text),
                f"write a type, or O outside entities; if the tags have prefixes, "
                f"{advise('scheme: auto')}",
            )
        if text in NOTHING:
            raise self.error(
                number,
                f"{text!r} is not a type",
                f"write a type, or O outside entities; if it means O, "
                f"{advise(f'outside: [{scalar(text)}]')}",
            )
        return f"I-{text}"

    def iob2(self, numbers: Sequence[int], tags: Sequence[str]) -> list[str]:
        """The tags of a sentence in IOB2, with the types that come out. numbers: their lines.

        Raises XltError for a tag that contradicts the scheme, unless that is repaired.
        """
        converted = to_iob2(tags)
        if not self.repair and self.scheme != "types":
            self._check(numbers, tags, in_scheme(converted, self.scheme))
        return [self._renamed(tag) for tag in converted] if self.types else converted

    def _check(self, numbers: Sequence[int], tags: Sequence[str], expected: Sequence[str]) -> None:
        for i, (tag, wanted) in enumerate(zip(map(_canonical, tags), expected, strict=True)):
            if tag == wanted:
                continue
            before, after = ["O", *tags][i], [*tags, "O"][i + 1]
            what = f"{tags[i]} after {before} continues no entity"
            if tag[0] not in "IE" or self.scheme != "IOB2":
                what = f"{tags[i]} between {before} and {after}, where {self.scheme} has {wanted}"
            remedies = ["repair: true", *["scheme: auto"] * (not self.decided)]
            raise self.error(numbers[i], what, f"write {wanted}, or {advise(*remedies)}")

    def _renamed(self, tag: str) -> str:
        name = self.types.get(tag[2:], tag[2:])
        return "O" if tag == "O" or name is None else f"{tag[:2]}{name}"


def to_iob2(tags: Iterable[str]) -> list[str]:
    """Tags with prefixes of any scheme as IOB2."""
    converted: list[str] = []
    previous = "O"
    for tag in map(_canonical, tags):
        if tag != "O":
            begins = tag[0] in "BS" or previous[2:] != tag[2:] or previous[0] in "ES"
            converted.append(f"{'B' if begins else 'I'}{tag[1:]}")
        else:
            converted.append(tag)
        previous = tag
    return converted


def in_scheme(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """IOB2 tags in another scheme with prefixes."""
    written: list[str] = []
    for before, tag, after in zip(["O", *tags], tags, [*tags[1:], "O"], strict=False):
        if tag == "O":
            written.append(tag)
            continue
        starts, ends = tag[0] == "B", after != f"I{tag[1:]}"
        if scheme == "BIOES":
            kind = ("S" if ends else "B") if starts else "E" if ends else "I"
        elif scheme in ("IOB2", "IOB1"):
            kind = "B" if starts and (scheme == "IOB2" or before[1:] == tag[1:]) else "I"
        else:
            kind = "E" if ends and (scheme == "IOE2" or after == f"B{tag[1:]}") else "I"
        written.append(f"{kind}{tag[1:]}")
    return written


def most_likely(sentences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme that the tags of the fewest sentences contradict.

    No two schemes allow one sentence with an entity in it, but for IOB1 and IOE1 where no entity
    follows another of its type; there IOB1 is said.
    """
    wrong: Counter[Scheme] = Counter()
    for tags in sentences:
        canonical, converted = [*map(_canonical, tags)], to_iob2(tags)
        for scheme in _LETTERS:
            wrong[scheme] += in_scheme(converted, scheme) != canonical
    return min(_LETTERS, key=lambda scheme: wrong[scheme])


def _canonical(tag: str) -> str:
    """The tag with BIOES's letter for its prefix."""
    return f"{_SAME.get(tag[0], tag[0])}{tag[1:]}"
