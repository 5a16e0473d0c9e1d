"""Aligned pairs of plain words, as tests write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xlt.document import Text
from xlt.projection.pair import AlignedPair


def aligned_pair(
    source: Sequence[str],
    target: Sequence[str],
    links: Mapping[tuple[int, int], float],
    warning: str | None = None,
) -> AlignedPair:
    """A pair of texts of these words, a space after each."""
    texts = (Text.from_words(words, [True] * len(words)) for words in (source, target))
    return AlignedPair(*texts, links, warning)
