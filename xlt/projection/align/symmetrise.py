"""One alignment from those of two directions, for many sentence pairs at once.

Moses' names and definitions (Koehn et al. 2003, NAACL; Och & Ney 2003, CL 29(1)): `forward` links
say to which source word each target word belongs, `reverse` the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    """Which links of the union (sorted by pair, source, target) are kept: Moses' GROW-DIAG, then
    FINAL-AND on each direction.

    The definition is sequential: a pair's links are visited in order, until none is added, and one
    that is added on the way is visited in its turn. Pairs do not depend on each other, so the n-th
    links of all pairs are visited at once; and no link needs a second visit, for what keeps a
    neighbour out (it is in, or both its words have a link) stays true.
    """
    if not len(pair):
        return np.zeros(0, np.bool_)
    chosen = in_forward & in_reverse
    width = 3 + max(int(source.max()), int(target.max()))  # no neighbour in the next row or pair
    keys = (pair * width + source + 1) * width + target + 1
    rows = np.unique(pair * width + source, return_inverse=True)[1]
    columns = np.unique(pair * width + target, return_inverse=True)[1]
    full = (np.zeros(len(pair), np.bool_), np.zeros(len(pair), np.bool_))
    full[0][rows[chosen]], full[1][columns[chosen]] = True, True
    neighbours = []
    for up, right in _NEIGHBOURS:
        wanted = keys + up * width + right
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        neighbours.append(np.where(keys[place] == wanted, place, -1))
    starts = np.flatnonzero(np.diff(pair, prepend=-1))
    sizes = np.diff(np.append(starts, len(pair)))
    longest_first = np.argsort(-sizes, kind="stable")

    def visit(of: NDArray[np.bool_]) -> Iterator[Ids]:
        """The first links of these pairs, their second ones, ..."""
        active = longest_first[of[longest_first]]
        first, size = starts[active], -sizes[active]
        for n in range(-int(size.min(initial=0))):
            yield first[: np.searchsorted(size, -n)] + n

    def add(links: Ids) -> None:
        chosen[links] = full[0][rows[links]] = full[1][columns[links]] = True

    waiting = chosen.copy()
    while waiting.any():
        for links in visit(np.logical_or.reduceat(waiting, starts)):
            links = links[waiting[links]]
            waiting[links] = False
            for neighbour in neighbours:
                new = neighbour[links]
                new = new[new >= 0]
                new = new[~(chosen[new] | (full[0][rows[new]] & full[1][columns[new]]))]
                if len(new):
                    add(new)
                    waiting[new] = True
    everywhere = np.ones(len(starts), np.bool_)
    for direction in (in_forward, in_reverse):
        for links in visit(everywhere):
            add(links[direction[links] & ~full[0][rows[links]] & ~full[1][columns[links]]])
    return chosen
