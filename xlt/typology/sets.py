"""Several sources together, and chains: heuristics over a ranking of single sources.

No public table measures source → intermediate → target, and the published ones on sets of sources
are few: both are guesses with a reason, and are said to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xlt.typology.evidence import WIDTHS, Matrix, geometry
from xlt.typology.measured import fitted
from xlt.typology.ranking import Rank, Ranking

DIVERSITY = 0.5
"""What a source loses, in units of the score, for being the same as one already taken."""
FIRST_STEP = 0.5
"""How much the step into the intermediate counts beside the step into the target."""


@dataclass(frozen=True)
class Chain:
    """A way to the target through one intermediate: source → via → target.

    score: of the last step, and `FIRST_STEP` times that of the first.
    """

    source: str
    via: str
    score: float


def choose_set(ranking: Ranking, count: int) -> list[str]:
    """Choose `count` sources greedily, the best first.

    Each next one by its score, less what it has in common with those taken: a third Romance
    language adds less than a first Turkic one.
    """
    scores = {source.language: source.score for source in ranking.sources}
    codes = list(scores)
    alike = geometry(codes, codes, fitted()["usual"]).kernel(WIDTHS[-1])
    place = {code: n for n, code in enumerate(codes)}
    taken: list[str] = []
    while len(taken) < min(count, len(codes)):
        rest = [code for code in codes if code not in taken]
        taken.append(
            max(rest, key=lambda code: scores[code] - DIVERSITY * _most(alike, place, code, taken))
        )
    return taken


def _most(alike: Matrix, place: dict[str, int], code: str, taken: Sequence[str]) -> float:
    values = [float(alike[place[code], place[other]]) for other in taken]
    return max(values, default=0.0)


def chains(ranking: Ranking, sources: Sequence[str], rank: Rank, most: int = 3) -> list[Chain]:
    """The best intermediates for hierarchical transfer, each with its best source.

    sources: where there is plenty of data; the intermediates are the candidates of the ranking.
    rank: ranks the sources for an intermediate.
    """
    routes = []
    for step in ranking.sources:
        firsts = [code for code in sources if code != step.language and code != ranking.target]
        if not firsts:
            continue
        best = rank(step.language, firsts).sources[0]
        routes.append(Chain(best.language, step.language, step.score + FIRST_STEP * best.score))
    return sorted(routes, key=lambda chain: -chain.score)[:most]
