"""Where what a model has written stands in a text."""

from __future__ import annotations

from collections.abc import Sequence

import regex  # type: ignore[import-untyped]

from xlt.document import Offsets


def find(phrase: str, text: str, taken: Sequence[Offsets]) -> Offsets | None:
    """The first place of a phrase that is free; one of whole words before one within a word."""
    free = [
        match.span()
        for match in regex.finditer(regex.escape(phrase), text, overlapped=True)
        if all(match.end() <= a or b <= match.start() for a, b in taken)
    ]
    whole = [place for place in free if _is_whole(text, *place)]
    return next(iter([*whole, *free]), None)


def _is_whole(text: str, start: int, end: int) -> bool:
    def within(at: int) -> bool:
        return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()

    return not within(start) and not within(end)
