"""Exact dependency trees: the best tree with exactly one child of the root.

The argmax of every word is used as it is when it already is such a tree (it then is the
optimum); that check is one pass over the whole batch. Only the rest is searched, by
Chu-Liu/Edmonds with contraction along a growing path (Tarjan 1977) on a dense matrix, O(n²).
The single root is exact: when the unconstrained optimum has several, all arcs from the root are
made dearer by a constant larger than any gain another arc could bring (Gabow and Tarjan 1984;
Zmigrod, Vieira and Cotterell 2020, "Please Mind the Root: Decoding Arborescences for Dependency
Parsing", EMNLP).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlt.errors import XltError

Scores = NDArray[np.float64]
Heads = NDArray[np.int32]

PADDING = -1

# Masks are written as -inf, as -1e9 or as the smallest float: none is a log-probability, and
# a finite one would cost the true scores their last digits in every sum.
_IMPOSSIBLE = -1e6


def decode_trees(arc_log_probs: ArrayLike, lengths: ArrayLike) -> Heads:
    """The one-root tree of greatest summed score for each sentence of a batch.

    arc_log_probs: (sentences, n+1, n+1); [s, d, h] is the log-probability that word d of
        sentence s has head h. Words count from 1, 0 is the root; row 0, the diagonal and what
        lies beyond a sentence's length are ignored. Any finite scores will do. Arcs at -inf (or
        below -1e6) are used only where no tree can avoid them, and then as few as possible.
    lengths: (sentences,) number of words, each from 0 to n.

    Returns (sentences, n): the head of word d at [s, d-1], -1 beyond the sentence's length.
    Raises XltError for NaN or +inf, ValueError for shapes that do not fit.
    """
    scores = np.asarray(arc_log_probs, dtype=np.float64)
    sizes = np.asarray(lengths, dtype=np.int64)
    if scores.ndim != 3 or scores.shape[1] != scores.shape[2] or scores.shape[1] < 1:
        raise ValueError(f"arc_log_probs must be (sentences, n+1, n+1), not {scores.shape}")
    n = scores.shape[1] - 1
    if sizes.shape != (len(scores),) or (len(sizes) and not 0 <= sizes.min() <= sizes.max() <= n):
        raise ValueError(f"lengths must be {len(scores)} numbers from 0 to {n}")
    if not len(scores) or not n:
        return np.full((len(scores), n), PADDING, np.int32)

    position = np.arange(n + 1)
    inside = position <= sizes[:, None]
    usable = inside[:, :, None] & inside[:, None, :] & (position[:, None] != position)
    usable[:, 0] = False
    wrong = usable & ~(scores < np.inf)  # NaN compares false too
    if wrong.any():
        sentence, dependent, head = np.argwhere(wrong)[0]
        raise XltError(
            f"the arc scores hold {scores[sentence, dependent, head]} "
            f"(sentence {sentence} of the batch, word {dependent}, head {head})",
            fix="the model's weights or inputs are damaged: try a lower learning rate or fp32",
        )
    scores = np.where(usable, scores, -np.inf)
    best = scores.argmax(axis=2)
    best[:, 0] = 0
    best[~inside] = 0
    heads: Heads = best[:, 1:].astype(np.int32)
    for sentence in np.flatnonzero(~_are_trees(best, inside)):
        size = int(sizes[sentence])
        heads[sentence, :size] = _one_root_tree(scores[sentence, : size + 1, : size + 1])[1:]
    heads[~inside[:, 1:]] = PADDING
    return heads


def _are_trees(heads: NDArray[Any], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each row of heads (column 0 is the root, its own head) is a one-root tree."""
    roots = ((heads[:, 1:] == 0) & inside[:, 1:]).sum(axis=1)
    reached = heads
    for _ in range(int(heads.shape[1]).bit_length()):
        reached = np.take_along_axis(reached, reached, axis=1)
    trees: NDArray[np.bool_] = (reached == 0).all(axis=1)
    trees &= (roots == 1) | ~inside[:, 1:].any(axis=1)
    return trees


def _one_root_tree(scores: Scores) -> NDArray[np.int64]:
    """Heads (position 0 unused) of the best one-root tree; the diagonal of `scores` is -inf."""
    n = len(scores) - 1
    words = scores[1:].copy()
    possible = words > _IMPOSSIBLE
    # Every tree has n arcs, so a constant on all of them changes no comparison; with the best arc
    # at 0, n times the worst bounds what any arcs together can lose.
    words -= words.max(initial=_IMPOSSIBLE, where=possible)
    forbidden = n * float(words.min(initial=0.0, where=possible)) - 1.0
    words[~possible] = forbidden
    words[np.arange(n), np.arange(1, n + 1)] = -np.inf
    heads = _arborescence(words)
    if (heads[1:] == 0).sum() > 1:
        words[:, 0] += n * forbidden - 1.0
        heads = _arborescence(words)
    return heads


def _arborescence(words: Scores) -> NDArray[np.int64]:
    """Heads of the best tree, any number of roots.

    words: (n, n+1), row d-1 for word d. Nodes are 0..n, then one new number for every
    contracted cycle. A node's row holds, for every word outside it as head, the best score of an
    arc into the node; `entry` holds the word inside at which that arc ends. Columns are never
    merged: `top` says which node a head lies in now.
    """
    n = len(words)
    most = 2 * n + 1
    rows = np.empty((most, n + 1))
    rows[1 : n + 1] = words
    entry = np.empty((most, n + 1), np.int64)
    entry[1 : n + 1] = np.arange(1, n + 1)[:, None]
    columns = np.arange(n + 1)
    head = [0, *words.argmax(axis=1).tolist()]
    members: list[list[int]] = [[node] for node in range(n + 1)]
    parts: list[list[int]] = [[] for _ in range(n + 1)]
    parent = list(range(n + 1))
    top = list(range(n + 1))  # word → outermost node
    finished = [True] + [False] * n
    on_path = [False] * (n + 1)

    for word in range(1, n + 1):
        node = top[word]
        path: list[int] = []
        while not finished[node]:
            path.append(node)
            on_path[node] = True
            following = top[head[node]]
            if on_path[following]:
                cycle = path[path.index(following) :]
                del path[-len(cycle) :]
                for part in cycle:
                    on_path[part] = False
                following = len(parts)
                chosen = rows[cycle, [head[part] for part in cycle]]
                losses = rows[cycle] - chosen[:, None]
                which = losses.argmax(axis=0)
                inner = [member for part in cycle for member in members[part]]
                rows[following] = losses[which, columns]
                rows[following, inner] = -np.inf
                entry[following] = entry[np.asarray(cycle)[which], columns]
                head.append(int(rows[following].argmax()))
                members.append(inner)
                parts.append(cycle)
                parent.append(following)
                finished.append(False)
                on_path.append(False)
                for part in cycle:
                    parent[part] = following
                for member in inner:
                    top[member] = following
            node = following
        for part in path:
            finished[part] = True
            on_path[part] = False

    heads = np.zeros(n + 1, np.int64)
    # The arc into a node decides where its cycle is broken; the other parts keep their own arcs.
    open_nodes = list({top[word] for word in range(1, n + 1)})
    while open_nodes:
        node = open_nodes.pop()
        word = int(entry[node, head[node]])
        heads[word] = head[node]
        while word != node:
            outer = parent[word]
            open_nodes += [part for part in parts[outer] if part != word]
            word = outer
    return heads
