"""One alignment from those of two directions, for many sentence pairs at once.

Moses' names and definitions (Koehn et al. 2003, NAACL; Och & Ney 2003, CL 29(1)): `forward` links
say to which source word each target word belongs, `reverse` the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xlt.projection.pair import Links

Method = Literal["intersection", "union", "grow-diag-final-and", "forward", "reverse"]

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class LinkTable:
    """Links of many pairs, one a row: number of the pair, source word, target word, score."""

    pair: Ids
    source: Ids
    target: Ids
    score: NDArray[np.float64]

    def at_least(self, score: float) -> LinkTable:
        """Only the links with at least such a score."""
        kept = self.score >= score
        return LinkTable(self.pair[kept], self.source[kept], self.target[kept], self.score[kept])

    def links(self, pairs: int) -> list[Links]:
        """A mapping for each of the pairs, in order."""
        order = np.lexsort((self.target, self.source, self.pair))
        ends = np.cumsum(np.bincount(self.pair, minlength=pairs)).tolist()
        rows = zip(self.source[order].tolist(), self.target[order].tolist(), strict=True)
        items = list(zip(rows, self.score[order].tolist(), strict=True))
        return [dict(items[a:b]) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def symmetrise(forward: LinkTable, reverse: LinkTable, method: Method) -> LinkTable:
    """The links of both directions by `method`.

    A link's score is the mean of its scores in the two directions, 0 where it is missing.
    """
    width = 1 + max((int(t.max(initial=0)) for t in _positions(forward, reverse)), default=0)
    keys = [(t.pair * width + t.source) * width + t.target for t in (forward, reverse)]
    union, place = np.unique(np.concatenate(keys), return_inverse=True)
    size = len(union)
    ahead, back = place[: len(keys[0])], place[len(keys[0]) :]
    score = np.bincount(ahead, forward.score, size) + np.bincount(back, reverse.score, size)
    in_forward, in_reverse = np.zeros(size, bool), np.zeros(size, bool)
    in_forward[ahead], in_reverse[back] = True, True
    chosen = {
        "intersection": in_forward & in_reverse,
        "union": np.ones(size, bool),
        "forward": in_forward,
        "reverse": in_reverse,
    }.get(method)
    pair, rest = np.divmod(union, width * width)
    source, target = np.divmod(rest, width)
    if chosen is None:
        chosen = _grow_diag_final_and(pair, source, target, in_forward, in_reverse)
    return LinkTable(pair[chosen], source[chosen], target[chosen], score[chosen] / 2)


def _positions(*tables: LinkTable) -> list[Ids]:
    return [side for t in tables for side in (t.source, t.target)]


_NEIGHBOURS = [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]


def _grow_diag_final_and(
    pair: Ids,
    source: Ids,
    target: Ids,
    in_forward: NDArray[np.bool_],
    in_reverse: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which links of the union (sorted by pair, source, target) are kept."""
    kept = in_forward & in_reverse
    # Where both directions agree there is nothing to grow.
    starts = np.flatnonzero(np.diff(pair, prepend=-1))
    ends = np.append(starts[1:], len(pair))
    agree = np.logical_and.reduceat(kept, starts) if len(starts) else np.zeros(0, bool)
    for start, end in zip(starts[~agree].tolist(), ends[~agree].tolist(), strict=True):
        points = list(zip(source[start:end].tolist(), target[start:end].tolist(), strict=True))
        chosen = _grown(
            points,
            {p for p, k in zip(points, kept[start:end].tolist(), strict=True) if k},
            [in_forward[start:end].tolist(), in_reverse[start:end].tolist()],
        )
        kept[start:end] = [p in chosen for p in points]
    return kept


def _grown(
    points: list[tuple[int, int]], chosen: set[tuple[int, int]], directions: list[list[bool]]
) -> set[tuple[int, int]]:
    """Moses' GROW-DIAG, then FINAL-AND on each direction. points: the union, in order.

    Points are visited in order, and one that is added on the way is visited in its turn.
    """
    rows, columns = {i for i, _ in chosen}, {j for _, j in chosen}
    union = set(points)
    grown = True
    while grown:
        grown = False
        for i, j in points:
            if (i, j) not in chosen:
                continue
            for up, right in _NEIGHBOURS:
                new = (i + up, j + right)
                if (
                    new in union
                    and new not in chosen
                    and not (new[0] in rows and new[1] in columns)
                ):
                    chosen.add(new)
                    rows.add(new[0])
                    columns.add(new[1])
                    grown = True
    for direction in directions:
        for new, there in zip(points, direction, strict=True):
            if there and new[0] not in rows and new[1] not in columns:
                chosen.add(new)
                rows.add(new[0])
                columns.add(new[1])
    return chosen
