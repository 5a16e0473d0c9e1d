"""Labelled spans, answers, structures and sentence labels, carried along word links.

A span's target words are those that its words are linked to. Runs of them with at most
`settings.gap` other words between are one group (``groups[i + 1][0] - groups[i][-1] - 1 <= gap``:
what lies between counts, and not how long the groups are, which is what the reference projector
of García-Ferrero et al. 2022, arXiv 2210.12623, compares). The group with the most link score is
the span. Two spans never share a target word: the more confident one has it, wherever the spans
stand in the source, so a translation that swaps two entities keeps both.

All functions are pure.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from xlt.document import Span, Structure
from xlt.projection.pair import AlignedPair, Outcome, Reason

if TYPE_CHECKING:
    from xlt.config.schema import ProjectionSettings


def project_spans(
    spans: Sequence[Span],
    pair: AlignedPair,
    settings: ProjectionSettings,
    *,
    exclusive: bool = True,
    text: str = "text",
) -> list[Outcome]:
    """What becomes of each span, in the order of `spans`.

    exclusive: no two spans share a target word. Without it, each goes its own way.
    """
    if not spans:
        return []
    reason = whole_loss(pair, settings)
    if reason is not None:
        return [Outcome(s.kind, (s.start, s.end), reason=reason, text=text) for s in spans]
    links = _Links(pair, settings)
    taken: set[int] = set()
    decided: dict[int, _Group | Reason] = {}
    waiting = {n: links.group(span, taken) for n, span in enumerate(spans)}
    while waiting:
        # The most confident first; of equals the first of the source: the order is no matter.
        n = max(waiting, key=lambda k: (_rank(waiting[k]), -spans[k].start, -spans[k].end))
        group = decided[n] = waiting.pop(n)
        if not exclusive or not isinstance(group, _Group):
            continue
        place = range(group.start, group.end)
        taken.update(place)
        for other, rival in waiting.items():
            if isinstance(rival, _Group) and rival.start < group.end and group.start < rival.end:
                waiting[other] = links.group(spans[other], taken)
    return [_outcome(span, decided[n], settings, text) for n, span in enumerate(spans)]


def project_answer(
    start: int, end: int, pair: AlignedPair, settings: ProjectionSettings, *, text: str = "text"
) -> Outcome:
    """An answer in a passage: as a span, but with `settings.answer_gap` for `settings.gap`."""
    wider = settings.model_copy(update={"gap": settings.answer_gap})
    (outcome,) = project_spans([Span("answer", start, end)], pair, wider, text=text)
    return outcome


def project_structures(
    structures: Sequence[Structure],
    pair: AlignedPair,
    settings: ProjectionSettings,
    *,
    text: str = "text",
) -> list[list[Outcome]]:
    """Each structure's outcomes, its head first: all of them kept, or none.

    An event without one of its arguments would teach that the argument is none. The parts that
    would have been kept are lost for the reason "structure". A span may be part of several
    structures, and spans may overlap.
    """
    every = [span for structure in structures for span in (structure.head, *structure.parts)]
    one_by_one = iter(project_spans(every, pair, settings, exclusive=False, text=text))
    by_structure = []
    for structure in structures:
        outcomes = [next(one_by_one) for _ in range(1 + len(structure.parts))]
        if any(outcome.reason for outcome in outcomes):
            outcomes = [o if o.reason else o.lost("structure") for o in outcomes]
        by_structure.append(outcomes)
    return by_structure


def project_label(
    kind: str, pair: AlignedPair, settings: ProjectionSettings, *, text: str = "text"
) -> Outcome:
    """The label of a whole text: it holds for the translation, unless that is no translation."""
    source = (0, len(pair.source.words))
    reason = whole_loss(pair, settings)
    if reason is not None:
        return Outcome(kind, source, reason=reason, text=text)
    return Outcome(kind, source, (0, len(pair.target.words)), 1.0, text=text)


def whole_loss(pair: AlignedPair, settings: ProjectionSettings) -> Reason | None:
    """Why nothing at all can be projected on this pair, if so."""
    if not pair.source.surface.strip() or not pair.target.surface.strip():
        return "empty"
    return "guard" if pair.warning and settings.guard == "drop" else None


@lru_cache(maxsize=100_000)
def is_punctuation(word: str) -> bool:
    """Whether a word is made of punctuation alone."""
    return bool(word) and all(unicodedata.category(character)[0] == "P" for character in word)


def groups_of(positions: Iterable[int], gap: int, walls: Collection[int] = ()) -> list[list[int]]:
    """Sorted positions, in runs with at most `gap` others between two neighbours, none in walls."""
    groups: list[list[int]] = []
    for position in positions:
        if groups:
            between = range(groups[-1][-1] + 1, position)
            if len(between) <= gap and not any(b in walls for b in between):
                groups[-1].append(position)
                continue
        groups.append([position])
    return groups


# One span ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Group:
    """A place for a span."""

    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class _Links:
    """The links that count, and what a word is, on both sides. Only what a span leads to is ever
    looked at: most words are in no span."""

    pair: AlignedPair
    settings: ProjectionSettings

    def source_mark(self, i: int) -> bool:
        return is_punctuation(self.pair.source.words[i])

    def target_mark(self, j: int) -> bool:
        return is_punctuation(self.pair.target.words[j])

    def row(self, i: int) -> Mapping[int, float]:
        """The links of a source word; punctuation only stands for punctuation."""
        row = self.pair.by_source.get(i, {})
        if self.settings.punctuation == "any":
            return row
        mark = self.source_mark(i)
        return {j: score for j, score in row.items() if self.target_mark(j) == mark}

    def into(self, j: int) -> float:
        """The score of all links of a target word."""
        column = self.pair.by_target.get(j, {})
        if self.settings.punctuation == "any":
            return sum(column.values())
        mark = self.target_mark(j)
        return sum(score for i, score in column.items() if self.source_mark(i) == mark)

    def group(self, span: Span, taken: Collection[int]) -> _Group | Reason:
        """The place of a span where `taken` target words belong to others."""
        words = range(span.start, span.end)
        if not words:
            return "empty"
        counted: Sequence[int] = words
        if self.settings.punctuation == "none":
            counted = [i for i in words if not self.source_mark(i)] or words
        rows = {i: self.row(i) for i in counted}
        score: dict[int, float] = {}
        for row in rows.values():
            for j, s in row.items():
                score[j] = score.get(j, 0.0) + s
        if not score:
            return "unaligned"
        groups = groups_of(sorted(j for j in score if j not in taken), self.settings.gap, taken)
        groups = [g for g in (self._trim(group, span) for group in groups) if g]
        whole = sum(score.values())

        def mass(group: list[int]) -> float:
            return sum(score[j] for j in group)

        best = max(groups, key=lambda g: (mass(g), len(g), -g[0]), default=[])
        if not best or mass(best) < self.settings.majority * whole:
            return (
                "collision"
                if any(j in taken for j in range(min(score), max(score) + 1))
                else ("split")
            )
        confidence = self._confidence(rows, best, score, whole)
        if not confidence:  # nothing but punctuation leads there
            return "unaligned"
        return _Group(best[0], best[-1] + 1, confidence)

    def _trim(self, group: list[int], span: Span) -> list[int]:
        """Without punctuation at an edge where the source has none."""
        if self.settings.punctuation == "any":
            return group
        begin, end = 0, len(group)
        if not self.source_mark(span.start):
            while begin < end and self.target_mark(group[begin]):
                begin += 1
        if not self.source_mark(span.end - 1):
            while begin < end and self.target_mark(group[end - 1]):
                end -= 1
        return group[begin:end]

    def _confidence(
        self,
        rows: Mapping[int, Mapping[int, float]],
        group: list[int],
        score: Mapping[int, float],
        whole: float,
    ) -> float:
        """Mean link score × share of the score that agrees × coverage of both sides.

        rows: the links of the span's words.
        Score disagrees that leads from the span elsewhere, or from elsewhere to its place.
        Coverage is the geometric mean of the shares of source and target words with a link between
        the two, punctuation aside.
        """
        place = range(group[0], group[-1] + 1)
        kept = sum(score[j] for j in group)
        away = whole - kept
        foreign = sum(self.into(j) - score.get(j, 0.0) for j in place)
        inside = {i: sum(j in place for j in row) for i, row in rows.items()}
        linked = [i for i, number in inside.items() if number]
        agreement = kept / (kept + (away + max(foreign, 0.0)) / 2)
        coverage = _share(linked, rows, self.source_mark) * _share(group, place, self.target_mark)
        return min(1.0, kept / sum(inside.values()) * agreement * math.sqrt(coverage))


def _share(part: Iterable[int], whole: Iterable[int], mark: Callable[[int], bool]) -> float:
    """Of the words that are no punctuation (of all words, if there are no others)."""
    every = sum(not mark(k) for k in whole)
    return sum(not mark(k) for k in part) / every if every else 1.0


def _rank(group: _Group | Reason) -> float:
    return group.confidence if isinstance(group, _Group) else -1.0


def _outcome(
    span: Span, group: _Group | Reason, settings: ProjectionSettings, text: str
) -> Outcome:
    source = (span.start, span.end)
    if not isinstance(group, _Group):
        return Outcome(span.kind, source, reason=group, text=text)
    if group.confidence < settings.min_confidence:
        return Outcome(span.kind, source, reason="filtered", text=text)
    return Outcome(span.kind, source, (group.start, group.end), group.confidence, text=text)
