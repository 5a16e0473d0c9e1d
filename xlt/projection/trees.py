"""Dependency trees carried along word links, under the assumption of direct correspondence.

Hwa et al. 2005 (Natural Language Engineering 11): if two source words are linked to two target
words, and one heads the other, so it does in the target. Only what the links say is carried: the
result is a partial tree, and the parser learns from the words that have a head. Several source
words on one target word (a preposition that is a case ending there) count as one if they hang
together in the source tree; their topmost word is the one whose head is carried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from xlt.projection.pair import AlignedPair, Outcome, Reason
from xlt.projection.spans import whole_loss

if TYPE_CHECKING:
    from xlt.config.schema import ProjectionSettings


class PartialTree(NamedTuple):
    """Of the target words, one entry each.

    heads:   word numbers from 1, 0 for the root, -1 where unknown. No cycle, at most one root.
    origins: the source word (from 0) that each stands for, -1 for none.
    """

    heads: list[int]
    relations: list[str | None]
    origins: list[int]


def project_tree(
    heads: Sequence[int],
    relations: Sequence[str],
    pair: AlignedPair,
    settings: ProjectionSettings,
    *,
    text: str = "text",
) -> tuple[PartialTree, list[Outcome]]:
    """The partial tree of the target, and what became of the edge above each source word.

    heads: of the source words, as in PartialTree; words without a head have no outcome.
    An edge's confidence is the product of the scores of the two links that it rests on.
    """
    size = len(pair.target.words)
    tree = PartialTree([-1] * size, [None] * size, [-1] * size)
    edges = [i for i, head in enumerate(heads) if head >= 0]
    reason = whole_loss(pair, settings)
    if reason is not None:
        return tree, [_lost(relations, i, reason, text) for i in edges]
    place, strength = _one_to_one(heads, pair)
    tops: dict[int, int] = {}  # target word → the topmost source word on it
    for i, j in place.items():
        if heads[i] <= 0 or place.get(heads[i] - 1) != j:
            tops[j] = i
            tree.origins[j] = i
    outcomes = []
    for i in edges:
        head = heads[i] - 1
        if i not in place:
            reason = "collision" if i in pair.by_source else "unaligned"
            outcomes.append(_lost(relations, i, reason, text))
        elif tops[place[i]] != i:  # its head is the same word now: there is no edge to carry
            outcomes.append(_lost(relations, i, "collision", text))
        elif head >= 0 and head not in place:
            reason = "collision" if head in pair.by_source else "unaligned"
            outcomes.append(_lost(relations, i, reason, text))
        else:
            confidence = strength[i] * (strength[head] if head >= 0 else 1.0)
            if confidence < settings.min_confidence:
                outcomes.append(_lost(relations, i, "filtered", text))
                continue
            j = place[i]
            tree.heads[j] = place[head] + 1 if head >= 0 else 0
            tree.relations[j] = relations[i]
            outcomes.append(Outcome(relations[i], (i, i + 1), (j, j + 1), confidence, text=text))
    return tree, outcomes


def _one_to_one(heads: Sequence[int], pair: AlignedPair) -> tuple[dict[int, int], dict[int, float]]:
    """Source word → its one target word, and the score of that link.

    A link counts if it is the best one of both its words. The others of a target word's source
    words count too where they hang on one that counts.
    """
    place: dict[int, int] = {}
    strength: dict[int, float] = {}
    best_of_source = {i: _best(row) for i, row in pair.by_source.items()}
    best_of_target = {j: _best(row) for j, row in pair.by_target.items()}
    for i, j in sorted(best_of_source.items()):
        if best_of_target[j] == i:
            place[i], strength[i] = j, pair.links[i, j]
    neighbours: list[list[int]] = [[] for _ in heads]
    for i, head in enumerate(heads):
        if head > 0:
            neighbours[i].append(head - 1)
            neighbours[head - 1].append(i)
    grown = list(place)
    while grown:
        i = grown.pop()
        for k in neighbours[i]:
            if k not in place and best_of_source.get(k) == place[i]:
                place[k], strength[k] = place[i], pair.links[k, place[i]]
                grown.append(k)
    return place, strength


def _best(row: Mapping[int, float]) -> int:
    return max(row, key=lambda word: (row[word], -word))


def _lost(relations: Sequence[str], i: int, reason: Reason, text: str) -> Outcome:
    return Outcome(relations[i], (i, i + 1), reason=reason, text=text)
