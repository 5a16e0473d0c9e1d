"""Projection by markers (EasyProject, Chen et al. 2023, arXiv 2211.15613): spans are put in
brackets, the text is translated with them, and what stands in brackets there are the spans.

It needs a translator that leaves brackets alone (rule-based ones; NLLB fine-tuned for it). Which
brackets are which is decided by translating every span for itself and comparing.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from xlt.projection.matching import Match, assign
from xlt.projection.pair import Span

BRACKETS = (("[", "]"), ("{", "}"), ("(", ")"), ("<", ">"))
"""The first pair of which the text has neither is used."""


def brackets_for(words: Sequence[str]) -> tuple[str, str] | None:
    """Brackets that do not occur in the words; None if all do."""
    text = "".join(words)
    return next((pair for pair in BRACKETS if not set(pair) & set(text)), None)


def outermost(spans: Sequence[Span]) -> list[Span]:
    """The spans without those that overlap an earlier or a longer one: brackets cannot cross."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if not found or span.start >= found[-1].end:
            found.append(span)
    return found


def mark(words: Sequence[str], spans: Sequence[Span], brackets: tuple[str, str]) -> list[str]:
    """The words with brackets around spans that do not overlap."""
    left = {span.start for span in spans}
    right = {span.end - 1 for span in spans}
    marked: list[str] = []
    for n, word in enumerate(words):
        opened = brackets[0] if n in left else ""
        marked.append(opened + word + (brackets[1] if n in right else ""))
    return marked


def unmark(
    words: Sequence[str], spaces: Sequence[bool], brackets: tuple[str, str]
) -> tuple[list[str], list[bool], list[Span]]:
    """Words and spaces of a translation without brackets, and what stood in them.

    Where brackets do not match, as where they cross, there is nothing in them.
    """
    kept: list[str] = []
    after: list[bool] = []
    found: list[Span] = []
    begun: list[int] = []
    sound = True
    for word, space in zip(words, spaces, strict=True):
        text = word
        while text.startswith(brackets[0]):
            begun.append(len(kept))
            text = text[1:]
        closes = 0
        while text.endswith(brackets[1]):
            closes += 1
            text = text[:-1]
        inner = text.replace(brackets[0], "").replace(brackets[1], "")
        sound = sound and inner == text
        if inner:
            kept.append(inner)
            after.append(space)
        elif space and after:
            after[-1] = True
        for _ in range(closes):
            if not begun:
                sound = False
            elif begun[-1] < len(kept):
                found.append(Span("", begun.pop(), len(kept)))
            else:
                begun.pop()
    return kept, after, found if sound and not begun else []


def match(
    spans: Sequence[Span],
    translations: Sequence[Sequence[str]],
    regions: Sequence[Span],
    words: Sequence[str],
) -> list[Match]:
    """Which region each span is.

    translations: of each span for itself, as words.
    The score is how alike a region and that translation are, plus a little for the same order.
    """
    own = {span: "".join(text).casefold() for span, text in zip(spans, translations, strict=True)}
    places = {region: n / max(1, len(regions) - 1) for n, region in enumerate(regions)}
    order = {span: n / max(1, len(spans) - 1) for n, span in enumerate(spans)}

    def score(span: Span, region: Span) -> float:
        text = "".join(words[region.start : region.end]).casefold()
        alike = SequenceMatcher(None, own[span], text, autojunk=False).ratio()
        return 0.1 + 0.85 * alike + 0.05 * (1 - abs(order[span] - places[region]))

    return assign(spans, regions, score)
