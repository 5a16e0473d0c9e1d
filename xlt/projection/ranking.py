"""Spans of the target ranked by how well each translates the span of the source.

After T-Projection (García-Ferrero et al. 2023, arXiv 2212.10548), with two differences: what the
word links say is a part of the score, and the spans are assigned together, not one after another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from xlt.document import Span
from xlt.errors import XltError
from xlt.projection.matching import MIN_SCORE, Match
from xlt.projection.pair import AlignedPair
from xlt.projection.spans import groups_of, is_punctuation, project_spans

if TYPE_CHECKING:
    from xlt.config.schema import ProjectionSettings, Ranking
    from xlt.projection.translate.neural import Direction
    from xlt.projection.translate.transformers import Transformers

Texts = tuple[str, str]
"""A text and what may be its translation."""

MAX_GAPS = (0, 1, 3)
"""Words without a link that may lie together within a span that the links propose, by turns."""

MIN_UNLINKED_QUALITY = 0.5
"""Quality of a candidate that no projection speaks for."""

MAX_OUTSIDE, MAX_INSIDE = 1, 3
"""Words by which a candidate's begin and end may lie outside and inside of where the links say."""


def rank(
    asked: Sequence[tuple[Sequence[Span], Sequence[Span], AlignedPair]],
    settings: ProjectionSettings,
    quality: Callable[[Sequence[Texts]], Sequence[float]],
    weight: float,
) -> list[list[Match]]:
    """Which target spans the source spans of each pair are.

    asked:   the source's spans, spans that somebody proposes for them, and the pair.
    quality: of the translation of one text by another, 0 to 1.
    weight:  of the quality in a candidate's score; the rest is its agreement with the links: how
        much of it is the span that they project to. With 0 the projection along links comes out.
        Where they project to none, the quality has to be at least MIN_UNLINKED_QUALITY.
    """
    proposals = [candidates(*one, settings) for one in asked]
    wanted: dict[Texts, float] = {}
    for (sources, _, pair), per_source in zip(asked, proposals, strict=True):
        for source, some in zip(sources, per_source, strict=True):
            for target in some:
                wanted[_texts(source, target, pair)] = 0.0
    if weight > 0:
        wanted = dict(zip(wanted, quality(list(wanted)), strict=True))
    matches = []
    for (sources, _, pair), per_source in zip(asked, proposals, strict=True):
        targets = list(dict.fromkeys(target for some in per_source for target in some))
        table = np.full((len(sources), len(targets)), -1.0)
        for i, (source, some) in enumerate(zip(sources, per_source, strict=True)):
            for target, agreement in some.items():
                value = wanted[_texts(source, target, pair)]
                if agreement is None and value < MIN_UNLINKED_QUALITY:
                    continue
                value = weight * value + (1 - weight) * (agreement or 0.0)
                table[i, targets.index(target)] = value
        chosen = assign_apart(table, targets)
        matches.append([(sources[i], targets[j], min(1.0, float(table[i, j]))) for i, j in chosen])
    return matches


def candidates(
    sources: Sequence[Span],
    proposed: Sequence[Span],
    pair: AlignedPair,
    settings: ProjectionSettings,
) -> list[dict[Span, float | None]]:
    """For each source span its candidates, and how much of the span that the links project to each
    of them is; None where they project to none."""
    keep = settings.model_copy(update={"guard": "keep", "min_confidence": 0.0})
    outcomes = project_spans(sources, pair, keep)
    per_source = []
    for source, outcome in zip(sources, outcomes, strict=True):
        linked = sorted(
            {j for i in range(source.start, source.end) for j in pair.by_source.get(i, ())}
        )
        spans = {
            Span(source.kind, g[0], g[-1] + 1) for gap in MAX_GAPS for g in groups_of(linked, gap)
        }
        own = outcome.span
        if own is not None:
            spans |= _near(own, pair.target.words)
        spans |= {span._replace(kind=source.kind) for span in proposed}
        per_source.append(
            {span: None if own is None else _overlap(span, own) for span in sorted(spans)}
        )
    return per_source


def _near(own: Span, target: Sequence[str]) -> set[Span]:
    """The span, and those that begin and end about there, at words."""
    begins = range(max(0, own.start - MAX_OUTSIDE), min(own.start + MAX_INSIDE, own.end - 1) + 1)
    ends = range(
        max(own.start + 1, own.end - MAX_INSIDE), min(own.end + MAX_OUTSIDE, len(target)) + 1
    )
    nearby = {
        own._replace(start=start, end=end)
        for start in begins
        for end in ends
        if start < end and not (is_punctuation(target[start]) or is_punctuation(target[end - 1]))
    }
    return nearby | {own}


def assign_apart(table: NDArray[np.float64], targets: Sequence[Span]) -> list[tuple[int, int]]:
    """Rows and columns with the highest total, of columns whose spans do not overlap.

    An assignment problem, solved again without the worse of two spans wherever two overlap.
    """
    # What is too bad to be chosen counts as not chosen: no assignment is worse for having it.
    table = np.where(table < MIN_SCORE, 0.0, table)
    while True:
        rows, columns = linear_sum_assignment(table, maximize=True)
        chosen = [(i, j) for i, j in zip(rows, columns, strict=True) if table[i, j] >= MIN_SCORE]
        clash = next(
            (
                min(one, other, key=lambda cell: table[cell])
                for n, one in enumerate(chosen)
                for other in chosen[:n]
                if targets[one[1]].start < targets[other[1]].end
                and targets[other[1]].start < targets[one[1]].end
            ),
            None,
        )
        if clash is None:
            return [(int(i), int(j)) for i, j in chosen]
        table[clash] = 0.0


def _overlap(a: Span, b: Span) -> float:
    inside = max(0, min(a.end, b.end) - max(a.start, b.start))
    return 2 * inside / (a.end - a.start + b.end - b.start)


def _texts(source: Span, target: Span, pair: AlignedPair) -> Texts:
    return (
        pair.source.between(source.start, source.end),
        pair.target.between(target.start, target.end),
    )


class TranslationScore:
    """NMTScore (Vamvas & Sennrich 2022, arXiv 2204.13692), direct: p(b | a) ** (1 / subwords of b),
    over the same of p(b | b) where the model knows codes for languages; the mean of both
    directions, 0 to 1.

    Any model that the translator `transformers` takes.
    Raises XltError where it cannot translate between these languages.
    """

    def __init__(self, ranking: Ranking, source: str, target: str) -> None:
        self.ranking, self.languages = ranking, (source, target)
        self._checked()

    def _checked(self) -> None:
        source, target = self.languages
        for model, *direction in (
            (self._forward, source, target),
            (self._backward, target, source),
        ):
            try:
                model.check(*direction)
            except XltError as error:
                raise error.at("projection.ranking") from error

    def identity(self) -> str:
        """What the scores depend on."""
        source, target = self.languages
        both = self._forward.identity(source, target), self._backward.identity(target, source)
        return f"{both} {self.ranking.weight}"

    def __call__(self, pairs: Sequence[Texts]) -> list[float]:
        source, target = self.languages
        there = self._one_way(self._forward, pairs, source, target)
        back = self._one_way(self._backward, [(b, a) for a, b in pairs], target, source)
        return [(a + b) / 2 for a, b in zip(there, back, strict=True)]

    def _one_way(
        self, translator: Transformers, pairs: Sequence[Texts], source: str, target: str
    ) -> list[float]:
        direct = self._log_probabilities(translator, pairs, translator.direction(source, target))
        itself = dict.fromkeys(b for _, b in pairs)
        if translator.direction(source, target) != translator.direction(target, source):
            same = [(b, b) for b in itself]
            most = self._log_probabilities(translator, same, translator.direction(target, target))
            itself = dict(zip(itself, most, strict=True))
        return [
            math.exp(min(0.0, value - (itself[b] or 0.0)))
            for value, (_, b) in zip(direct, pairs, strict=True)
        ]

    def _log_probabilities(
        self, translator: Transformers, pairs: Sequence[Texts], direction: Direction
    ) -> list[float]:
        """The mean log-probability of the second text's subwords, given the first."""
        from xlt.data.batch import prediction_batches

        encoded = [translator.score_input(a, b, direction) for a, b in pairs]
        log_probabilities = [0.0] * len(pairs)
        sizes = [len(one) + 2 * len(other) for one, other in encoded]
        for batch in prediction_batches(sizes, translator.options.batch_tokens):
            scores = translator.score([encoded[i] for i in batch], direction)
            for i, score in zip(batch, scores, strict=True):
                log_probabilities[i] = score
        return log_probabilities

    @cached_property
    def _forward(self) -> Transformers:
        return _translator(self.ranking.model)

    @cached_property
    def _backward(self) -> Transformers:
        if self.ranking.backward is None:
            return self._forward
        return _translator(self.ranking.backward)


def _translator(model: str) -> Transformers:
    from xlt.projection.translate.transformers import Transformers, TransformersOptions

    return Transformers(TransformersOptions(model=model))
