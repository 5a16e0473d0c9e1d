"""Projection by markers (EasyProject, Chen et al. 2023, arXiv 2211.15613): spans are put in
brackets, the text is translated with them, and what stands in brackets there are the spans.

It needs a translator that leaves brackets alone (rule-based ones; NLLB fine-tuned for it). Which
brackets are which is decided by translating every span for itself and comparing.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from xlt.document import Offsets, Span, Text
from xlt.projection.matching import Match, assign

BRACKETS = (("[", "]"), ("{", "}"), ("(", ")"), ("<", ">"))
"""The first pair of which the text has neither is used."""


def brackets_for(surface: str) -> tuple[str, str] | None:
    """Brackets that do not occur in the text; None if all do."""
    return next((pair for pair in BRACKETS if not set(pair) & set(surface)), None)


def outermost(spans: Sequence[Span]) -> list[Span]:
    """The spans without those that overlap an earlier or a longer one: brackets cannot cross."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def mark(text: Text, spans: Sequence[Span], brackets: tuple[str, str]) -> Text:
    """The text with brackets around spans that do not overlap.

    A span that begins or ends within a multiword token takes all of it.
    """
    opening, closing = brackets
    left = {text.offsets[span.start][0] for span in spans}
    right = {text.offsets[span.end - 1][1] for span in spans}
    parts: list[str] = []
    at = 0
    for start, end in dict.fromkeys(text.offsets):
        before, after = opening * (start in left), closing * (end in right)
        parts += [text.surface[at:start], before, text.surface[start:end], after]
        at = end
    parts.append(text.surface[at:])
    return Text("".join(parts))


def unmark(surface: str, brackets: tuple[str, str]) -> tuple[str, list[Offsets]]:
    """A translation without brackets, and where in it stood what was in them.

    Where brackets do not match, as where they cross, nothing is known to have been in them.
    """
    clean: list[str] = []
    regions: list[Offsets] = []
    opened: list[int] = []
    sound = True
    for character in surface:
        if character == brackets[0]:
            opened.append(len(clean))
        elif character == brackets[1]:
            if not opened:
                sound = False
            elif "".join(clean[opened[-1] :]).strip():
                regions.append((opened.pop(), len(clean)))
            else:
                opened.pop()
        elif not (character == " " and clean and clean[-1] == " "):
            clean.append(character)
    return "".join(clean), regions if sound and not opened else []


def match(
    spans: Sequence[Span],
    translations: Sequence[str],
    regions: Sequence[Span],
    target: Text,
) -> list[Match]:
    """Which region of the target each span is.

    translations: of each span for itself.
    The score is how alike a region and that translation are, plus a little for the same order.
    """
    own = {span: _letters(text) for span, text in zip(spans, translations, strict=True)}
    places = {region: n / max(1, len(regions) - 1) for n, region in enumerate(regions)}
    order = {span: n / max(1, len(spans) - 1) for n, span in enumerate(spans)}

    def score(span: Span, region: Span) -> float:
        text = _letters(target.between(region.start, region.end))
        alike = SequenceMatcher(None, own[span], text, autojunk=False).ratio()
        return 0.1 + 0.85 * alike + 0.05 * (1 - abs(order[span] - places[region]))

    return assign(spans, regions, score)


def _letters(text: str) -> str:
    return "".join(text.split()).casefold()
