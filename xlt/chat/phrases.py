"""Where what a model has written stands in a text."""

from __future__ import annotations

from collections.abc import Sequence

import regex  # type: ignore[import-untyped]

from xlt.document import Offsets

_OF_WORDS = regex.compile(r"[\p{L}\p{M}\p{N}]")
"""Letters, digits and marks: in Indic scripts a vowel is a mark, which `str.isalnum` leaves out."""


def find(
    phrase: str, text: str, taken: Sequence[Offsets], near: Sequence[Offsets] = ()
) -> Offsets | None:
    """The first place of a phrase that is free; one of whole words before one within a word, and
    of these the one that shares characters with most of `near`."""

    def rank(place: Offsets) -> tuple[bool, int, int]:
        return not _is_whole(text, *place), -sum(_share(place, one) for one in near), place[0]

    places = (m.span() for m in regex.finditer(regex.escape(phrase), text, overlapped=True))
    free = (place for place in places if not any(_share(place, one) for one in taken))
    return min(free, key=rank, default=None)


def _share(one: Offsets, other: Offsets) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _is_whole(text: str, start: int, end: int) -> bool:
    def within(at: int) -> bool:
        return 0 < at < len(text) and all(map(_OF_WORDS.match, text[at - 1 : at + 1]))

    return not within(start) and not within(end)
