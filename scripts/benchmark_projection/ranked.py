"""Links after candidate spans were ranked, for several weights of the translation model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xlt.config.schema import ProjectionSettings, Ranking
from xlt.document import Document, Span
from xlt.projection.candidates import Candidates
from xlt.projection.matching import with_matches
from xlt.projection.pair import AlignedPair, Links
from xlt.projection.ranking import Texts, TranslationScore, rank
from xlt.tasks.ner import NER

from .gold import entities_of
from .speed import cpu_seconds


def ranked(
    source: Sequence[Document],
    target: Sequence[Document],
    links: Sequence[Links],
    chosen: Sequence[int],
    settings: ProjectionSettings,
    language: str,
    model: str,
    weights: Sequence[float],
    candidates: str | None = None,
) -> Iterator[tuple[float, list[Links], float]]:
    """Weight, the links of all pairs (ranked where `chosen`), seconds of CPU of the scores.

    candidates: a model that proposes spans beside those that the links lead to.
    """
    pairs = [
        AlignedPair(a.text, b.text, one) for a, b, one in zip(source, target, links, strict=True)
    ]
    proposed: list[Sequence[Span]] = [() for _ in chosen]
    if candidates is not None:
        propose = Candidates(NER(), candidates, target=language)
        proposed = propose([(source[n], {"text": pairs[n]}, False) for n in chosen])
    asked = [
        (entities_of(source[n]), own, pairs[n]) for n, own in zip(chosen, proposed, strict=True)
    ]
    score = TranslationScore(Ranking(model=model), "eng", language)
    known: dict[Texts, float] = {}

    def quality(texts: Sequence[Texts]) -> list[float]:
        new = [one for one in texts if one not in known]
        known.update(zip(new, score(new), strict=True))
        return [known[one] for one in texts]

    for weight in weights:
        reranked: list[Links] = [dict(one) for one in links]

        def work(weight: float = weight, reranked: list[Links] = reranked) -> None:
            for n, matches in zip(chosen, rank(asked, settings, quality, weight), strict=True):
                reranked[n] = with_matches(pairs[n], matches).links

        took = cpu_seconds(work)
        yield weight, reranked, took
