"""Whether heads make a tree."""

from __future__ import annotations

from collections.abc import Sequence


def tree_problem(heads: Sequence[int]) -> tuple[int, str] | None:
    """Why `heads` (0 is the root) is no tree with one root: the word's index and the reason."""
    size = len(heads)
    root = -1
    for i, head in enumerate(heads):
        if not 0 <= head <= size:
            return i, f"head {head} is out of range: the sentence has {size} words"
        if head == 0:
            if root >= 0:
                return i, f"a second root: word {root + 1} is a root already"
            root = i
    if root < 0:
        return 0, "no word is the root (HEAD 0)"
    settled = [0] * size  # 0 unseen, otherwise the number of the walk that came here
    settled[root] = -1
    for start in range(size):
        i = start
        while not settled[i]:
            settled[i] = start + 1
            i = heads[i] - 1
        if settled[i] == start + 1:
            return i, "a cycle: " + _cycle(heads, i)
        i = start
        while settled[i] == start + 1:
            settled[i] = -1
            i = heads[i] - 1
    return None


def _cycle(heads: Sequence[int], start: int) -> str:
    path = [start + 1]
    i = heads[start] - 1
    while i != start:
        path.append(i + 1)
        i = heads[i] - 1
    return " → ".join(map(str, [*path, start + 1]))
