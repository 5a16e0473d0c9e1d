"""Words as parts that are translated one by one: EU-Mitgliedstaaten is EU, Mitglied and Staaten.

An aligner links word to word. A compound has one word where its translation has several, so what
is left over of these is linked to whatever stands nearby. Therefore parts are aligned, and a word
has the links of its parts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from math import log
from typing import Literal

from xlt.projection.align.base import WordPair
from xlt.projection.pair import Links

Parts = Literal["none", "hyphens", "compounds"]

MIN_PART_LETTERS = 4
"""Letters of a part of a compound."""
MIN_PART_COUNT = 2
"""Times that a word occurs by itself, to be taken for a part of a compound."""
FILLERS = ("", "s", "es", "n", "en")
"""What stands between the parts of a compound, in the Germanic languages."""

_HYPHEN = re.compile(r"(?<=\w)[-‐‑–/](?=\w)")


class Splitter:
    """Splits words at hyphens and, with `compounds`, into words that the sentences have as well.

    Koehn & Knight 2003 (EACL, "Empirical methods for compound splitting"): of all ways to make a
    word of known words, itself included, the one with the highest geometric mean of frequencies.
    """

    def __init__(self, sentences: Iterable[Sequence[str]], *, compounds: bool) -> None:
        self._compounds = compounds
        self._counts: Counter[str] = Counter()
        for words in sentences:
            self._counts.update(part.lower() for word in words for part in _HYPHEN.split(word))
        self._known: dict[str, list[str]] = {}

    def split(self, word: str) -> list[str]:
        """The parts, at least one, none empty."""
        if word not in self._known:
            parts = _HYPHEN.split(word)
            if self._compounds:
                parts = [inner for part in parts for inner in self._compound(part)]
            self._known[word] = parts
        return self._known[word]

    def _compound(self, word: str) -> Sequence[str]:
        text, size = word.lower(), len(word)
        if size < 2 * MIN_PART_LETTERS or not word.isalpha() or len(text) != size:
            return [word]
        # ways[end][n]: the best n parts up to there, as the sum of their log frequencies, and they.
        ways: list[dict[int, tuple[float, tuple[str, ...]]]] = [{} for _ in range(size + 1)]
        ways[0][0] = (0.0, ())
        for start in range(size - MIN_PART_LETTERS + 1):
            if not ways[start]:
                continue
            for end in range(start + MIN_PART_LETTERS, size + 1):
                seen = self._counts[text[start:end]]
                if seen < MIN_PART_COUNT:
                    continue
                for filler in FILLERS if end < size else ("",):
                    after = end + len(filler)
                    if not text.startswith(filler, end) or size - MIN_PART_LETTERS < after < size:
                        continue
                    for n, (total, parts) in ways[start].items():
                        new = (total + log(seen), (*parts, word[start:end]))
                        ways[after][n + 1] = max(new, ways[after].get(n + 1, new))
        splits = [(total / n, parts) for n, (total, parts) in ways[size].items() if n > 1]
        return max([(log(self._counts[text] or 1), (word,)), *splits])[1]


class SplitPairs:
    """Pairs whose words are split, and the way back from links of parts to links of words."""

    def __init__(self, pairs: Sequence[WordPair], how: Parts) -> None:
        self._splitters = None if how == "none" else tuple(
            Splitter((pair[side] for pair in pairs), compounds=how == "compounds")
            for side in (0, 1)
        )  # fmt: skip
        self._whole = pairs

    @cached_property
    def pairs(self) -> Sequence[WordPair]:
        if self._splitters is None:
            return self._whole
        one, other = self._splitters
        return [
            ([p for w in source for p in one.split(w)], [p for w in target for p in other.split(w)])
            for source, target in self._whole
        ]

    def joined(self, n: int, links: Links) -> Links:
        """The links of pair n, word by word: a link has the score of its parts' best one."""
        if self._splitters is None:
            return links
        source, target = (
            [k for k, word in enumerate(words) for _ in splitter.split(word)]
            for splitter, words in zip(self._splitters, self._whole[n], strict=True)
        )
        word_links: dict[tuple[int, int], float] = {}
        for (i, j), score in links.items():
            link = source[i], target[j]
            word_links[link] = max(score, word_links.get(link, 0.0))
        return word_links
