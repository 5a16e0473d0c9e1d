"""A set of sources by climbing a tree of languages, after TOWER (Glavaš and Vulić 2021, Findings).

The languages that have data are clustered by their syntax (URIEL; average linkage over cosine
distances). From the leaf that is nearest to the target the climb takes in what hangs below each
higher node, for as long as a proxy gains: the paper trains a parser at every node and looks at the
dev set of the nearest language. Nothing is trained here; what is taken in must transfer to that
language well, by what has been measured and the ranker expects, so it is an approximation of TOWER.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xlt.typology.evidence import geometry
from xlt.typology.measured import fitted
from xlt.typology.ranking import Rank

MIN_GAIN = 0.75
"""What is taken in must on average be so much better a source for the proxy than the average
candidate, in standard deviations. Set by `scripts/evaluate_sets`, for an earlier ranker."""


@dataclass(frozen=True)
class Climb:
    """The sources that a climb gathered, and the steps it took.

    proxy:   the leaf it began at; sources: what it gathered, proxy first, then as taken in.
    steps:   each node looked at: the languages it adds, what they are worth to the proxy (standard
        deviations above the average candidate), and whether they were taken in.
    imputed: languages whose syntax nobody has recorded; they hang where it is usual.
    """

    proxy: str
    sources: tuple[str, ...]
    steps: tuple[tuple[tuple[str, ...], float, bool], ...]
    imputed: tuple[str, ...]


def climb(target: str, candidates: Sequence[str], rank: Rank, most: int | None = None) -> Climb:
    """Gather sources for a target, all given as ISO 639-3 codes.

    most: stop before the set grows larger than this.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    codes = sorted(candidates)
    apart = geometry([target, *codes], [target, *codes], fitted()["usual"])
    syntax = apart.distances["syntactic"]
    unknown = np.diag(apart.imputed["syntactic"])
    leaf = int(np.lexsort((apart.distances["genetic"][0, 1:], syntax[0, 1:]))[0])
    taken, steps = [leaf], []
    if len(codes) > 1:
        worth = _worth(codes[leaf], codes, rank)
        # Unchecked: a language whose syntax is imputed has a distance to itself.
        merges = linkage(squareform(syntax[1:, 1:], checks=False), "average")
        for below in _nodes_above(leaf, merges):
            added = sorted(set(below) - set(taken))
            gain = float(np.mean([worth[codes[n]] for n in added]))
            good = gain > MIN_GAIN and (most is None or len(taken) + len(added) <= most)
            steps.append((tuple(codes[n] for n in added), gain, good))
            if not good:
                break
            taken += added
    return Climb(
        codes[leaf],
        tuple(codes[n] for n in taken),
        tuple(steps),
        tuple(code for code, lacks in zip([target, *codes], unknown, strict=True) if lacks),
    )


def _worth(proxy: str, codes: Sequence[str], rank: Rank) -> dict[str, float]:
    """What each other language is worth as a source for the proxy, in standard deviations."""
    ranking = rank(proxy, [code for code in codes if code != proxy])
    scores = np.array([source.score for source in ranking.sources])
    spread = scores.std() or 1.0
    return {
        source.language: float((source.score - scores.mean()) / spread)
        for source in ranking.sources
    }


def _nodes_above(leaf: int, merges: np.ndarray) -> list[list[int]]:
    """The leaves below every node on the way from a leaf to the root, the lowest node first.

    merges: of `scipy.cluster.hierarchy.linkage`; row n makes node len(merges) + 1 + n.
    """
    below = {n: [n] for n in range(len(merges) + 1)}
    ancestors = []
    for n, (one, other) in enumerate(merges[:, :2].astype(int)):
        node = below[one] + below[other]
        below[len(merges) + 1 + n] = node
        if leaf in node:
            ancestors.append(node)
    return ancestors
