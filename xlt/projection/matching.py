"""Source spans matched to whole target spans, as one assignment problem.

Politov et al. 2025 (arXiv 2501.18750): where a tagger of the target language proposes spans, the
entities of the source are assigned to them so that the links between the two have the highest
total score. What is matched is then said with links again, so that a task projects as always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from xlt.document import Span
from xlt.projection.pair import AlignedPair

Match = tuple[Span, Span, float]
"""A source span, its target span, and how sure it is (greater than 0, at most 1)."""

MIN_SCORE = 0.05
"""Score of a match; below it there is none."""

MIN_LINK_SCORE = 0.5
"""`link_score` of a span and a candidate; below it, the span is not linked to the candidate."""


def assign(
    sources: Sequence[Span],
    targets: Sequence[Span],
    score: Callable[[Span, Span], float],
    min_score: float = MIN_SCORE,
) -> list[Match]:
    """Pairs of spans, each in at most one, with the highest total score (0 to 1 a pair); without
    those that score below `min_score`."""
    if not sources or not targets:
        return []
    from scipy.optimize import linear_sum_assignment  # slow, and checking a config needs none

    table = np.array([[score(source, target) for target in targets] for source in sources])
    rows, columns = linear_sum_assignment(table, maximize=True)
    return [
        (sources[i], targets[j], min(1.0, float(table[i, j])))
        for i, j in zip(rows, columns, strict=True)
        if table[i, j] >= min_score
    ]


def match_candidates(
    sources: Sequence[Span], candidates: Sequence[Span], pair: AlignedPair
) -> list[Match]:
    """The candidates (spans of the target, of whatever kind) that the source spans are.

    The score of two spans is that of the links between them over the most that links of one word
    to one word could have: 2 Σ score / (words of the one + words of the other).
    """

    def score(one: Span, other: Span) -> float:
        return link_score(one, other, pair)

    return assign(sources, candidates, score, MIN_LINK_SCORE)


def link_score(source: Span, target: Span, pair: AlignedPair) -> float:
    """The links between two spans, 1 for as many as words can have that are linked one by one."""
    inside = sum(
        value
        for i in range(source.start, source.end)
        for j, value in pair.by_source.get(i, {}).items()
        if target.start <= j < target.end
    )
    return 2 * inside / (source.end - source.start + target.end - target.start)


def with_matches(pair: AlignedPair, matches: Sequence[Match]) -> AlignedPair:
    """The pair with every word of a matched span linked to every word of its target, and these
    words to nothing else; the other links as they are.

    Of spans that share words, those that they share are linked to the target words that their
    targets share, and those that one has for itself to those that its target has for itself: so
    each leads to its own target, and not to that of a span around it.
    """
    sources = _members(source for source, _, _ in matches)
    targets = _members(target for _, target, _ in matches)
    links = {
        (i, j): score
        for (i, j), score in pair.links.items()
        if i not in sources and j not in targets
    }
    for source, target, score in sorted(matches, key=_source_length):
        words, places = range(source.start, source.end), range(target.start, target.end)
        links |= {(i, j): score for i in words for j in places if sources[i] == targets[j]}
        missing = [j for j in places if not any((i, j) in links for i in words)]
        own = min(len(sources[i]) for i in words) if missing else 0
        links |= {(i, j): score for i in words if len(sources[i]) == own for j in missing}
    return replace(pair, links=links)


def _members(spans: Iterable[Span]) -> dict[int, set[int]]:
    """Word → the numbers of the spans that it is part of."""
    members: dict[int, set[int]] = {}
    for n, span in enumerate(spans):
        for word in range(span.start, span.end):
            members.setdefault(word, set()).add(n)
    return members


def _source_length(match: Match) -> int:
    return match[0].end - match[0].start
