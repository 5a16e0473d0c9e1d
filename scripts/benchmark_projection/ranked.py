"""Links after candidate spans were ranked, for several weights of the translation model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xlt.config.schema import ProjectionSettings, Ranking
from xlt.projection.matching import with_matches
from xlt.projection.pair import AlignedPair, Links
from xlt.projection.ranking import Texts, TranslationScore, rank

from .gold import Entities
from .speed import cpu_seconds


def ranked(
    source: Entities,
    target: Entities,
    links: Sequence[Links],
    chosen: Sequence[int],
    settings: ProjectionSettings,
    language: str,
    model: str,
    weights: Sequence[float],
) -> Iterator[tuple[float, list[Links], float]]:
    """Weight, the links of all pairs (ranked where `chosen`), seconds of CPU of the scores."""
    pairs = [
        AlignedPair(a, b, one) for a, b, one in zip(source.words, target.words, links, strict=True)
    ]
    asked = [(source.spans[n], (), pairs[n]) for n in chosen]
    score = TranslationScore(Ranking(model=model), "eng", language)
    known: dict[Texts, float] = {}

    def quality(texts: Sequence[Texts]) -> list[float]:
        new = [one for one in texts if one not in known]
        known.update(zip(new, score(new), strict=True))
        return [known[one] for one in texts]

    for weight in weights:
        found = [dict(one) for one in links]

        def work(weight: float = weight, found: list[Links] = found) -> None:
            for n, matches in zip(chosen, rank(asked, settings, quality, weight), strict=True):
                found[n] = with_matches(pairs[n], matches).links

        took = cpu_seconds(work)
        yield weight, found, took
