"""Spans that a file gives by their text and the character at which it begins.

Published files count in characters (Unicode code points), in UTF-16 code units (Java, JavaScript)
or in UTF-8 bytes, write the number as ``40``, ``40.0`` or ``"40"``, and have stray white space
around the text. A span is therefore believed only where its text stands at its start; what is read
in another way is counted, and said once a file.
"""

from __future__ import annotations

from collections import Counter

from xlt.data.malformed import ReportAtEnd
from xlt.data.numbers import integer
from xlt.errors import XltError

_UNITS = (
    ("counted in UTF-16 code units", "utf-16-le", 2),
    ("counted in UTF-8 bytes", "utf-8", 1),
)
"""What else than characters starts count: what to call it, its encoding, bytes of one unit."""

WITH_STRAY_SPACE = "with stray white space"
TO_ONLY_OCCURRENCE = "to the only occurrence"
TO_NEAREST_OCCURRENCE = "to the nearest occurrence"
"""How a text was moved to where it stands."""


class SpanLocator(ReportAtEnd):
    """Finds the spans of one file in their texts, and says at its end which ones it moved.

    span: what a span is called: "answer".
    text: what it is in: "context".
    """

    def __init__(self, source: object, span: str, text: str) -> None:
        super().__init__(source)
        self.span, self.text = span, text
        self.total = 0
        self.moved: Counter[str] = Counter()
        """How → the number of spans that were moved so."""
        self.ambiguous = 0
        """Spans of no stated start that occur several times."""

    def __call__(self, text: str, start: object, surface: str, *, where: object) -> tuple[str, int]:
        """The span's text without white space around it, and its first character in the surface.

        start: as the file gives it; none, or a negative one, where it does not say.

        A start at which the text does not stand is read as UTF-16 code units, then as UTF-8 bytes;
        if the text stands at neither, it is taken where it occurs nearest to the start. Whether a
        file counts in characters is decided span by span: an occurrence that happens to stand
        where the number points is not doubted.

        Raises XltError for a start that is no number and a text that is not in the surface.
        """
        stripped = text.strip()
        shown = stripped if len(stripped) <= 60 else stripped[:57] + "…"
        named = f"the {self.span} {shown!r}"
        stated = None if start is None else integer(start, f"the start of {named}", where=where)
        at, how = _locate(text, stripped, stated, surface)
        if at is None:
            raise XltError(
                f"{named} is not in the {self.text}",
                where=where,
                fix=f"give a span of the {self.text}, letter for letter",
            )
        self.total += 1
        if how:
            self.moved[how] += 1
        if (stated is None or stated < 0) and surface.find(stripped, at + 1) >= 0:
            self.ambiguous += 1
        return stripped, at

    def report(self) -> str:
        """What was moved and what is ambiguous, in one line; empty for nothing."""
        said = []
        of = f"of {self.total} {self.span}{'s' * (self.total != 1)}"
        if self.moved:
            kinds = ", ".join(f"{count} {how}" for how, count in self.moved.most_common())
            said.append(f"{self.moved.total()} {of} moved: {kinds}")
        if self.ambiguous:
            said.append(
                f"{self.ambiguous} {of} without a start, in several places: the first one is taken"
            )
        return "; ".join(said)


def _locate(
    text: str, stripped: str, start: int | None, surface: str
) -> tuple[int | None, str | None]:
    """Where the text stands, None for nowhere; and how it was moved there, None if it was not."""
    stray = None if text == stripped else WITH_STRAY_SPACE
    if start is None or start < 0:
        at = surface.find(stripped)
        return (None if at < 0 else at), stray
    at_start = _at(text, stripped, start, surface)
    if at_start is not None:
        return at_start, stray
    for how, encoding, width in _UNITS:
        character = _character(surface, start, encoding, width)
        if character is not None:
            at_start = _at(text, stripped, character, surface)
            if at_start is not None:
                return at_start, how
    occurrences = []
    at = surface.find(stripped)
    while at >= 0:
        occurrences.append(at)
        at = surface.find(stripped, at + 1)
    if not occurrences:
        return None, None
    how = TO_ONLY_OCCURRENCE if len(occurrences) == 1 else TO_NEAREST_OCCURRENCE
    return min(occurrences, key=lambda occurrence: abs(occurrence - start)), how


def _at(text: str, stripped: str, start: int, surface: str) -> int | None:
    """Where the stripped text begins if it, or the text as it is given, begins at `start`."""
    lead = len(text) - len(text.lstrip())
    if surface.startswith(text, start):
        return start + lead
    # The start may count the white space before the answer without the text having the same one.
    places = (start, start + lead)
    return next((place for place in places if surface.startswith(stripped, place)), None)


def _character(surface: str, units: int, encoding: str, width: int) -> int | None:
    """The number of characters in so many code units; None where that is within a character."""
    encoded = surface.encode(encoding, "surrogatepass")
    try:
        return len(encoded[: units * width].decode(encoding))
    except UnicodeDecodeError:
        return None
