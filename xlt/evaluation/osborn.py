"""Which source models decide well together on a target: OSBORN, without a label of the target.

Vimal K. B. et al. 2023, "Building a Winning Team: Selecting Source Model Ensembles using a
Submodular Transferability Estimation Approach" (arXiv 2309.02429): a set costs the sum, without
weights, of three parts.

    domain   how far the features of its target data lie from those of its source data, by optimal
             transport: of each member
    task     the conditional entropy of the target's labels given the source's, coupled by that
             transport (OTCE; Tan et al. 2021, arXiv 2103.13843): of each member
    cohesion the conditional entropy of what one member says of the target given what another says,
             of each two, both ways: how far they disagree

The more members there are, the more does one more cost: the negative cost is submodular, and the
set is chosen greedily. The authors have labels of the target; here they are what most of the other
models say. Features are scaled to length 1 and entropies divided by their maximum, so that the
parts of models with other features can be compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

Class = Hashable


@dataclass(frozen=True)
class Member:
    """A candidate: its costs by domain and task, and what it says of each unit of the target."""

    domain: float
    task: float
    said: Sequence[Class]


def transport(source: ArrayLike, target: ArrayLike) -> tuple[float, NDArray[np.intp]]:
    """The Wasserstein distance of two sets of as many features, each scaled to length 1: from 0 to
    2; and the number of that of `target` which each of `source` is carried to.

    Both (n, d). Of equal sets with equal weights the optimal transport is an assignment, which is
    computed exactly. Raises ValueError for sets that are not equally large, and for empty ones.
    """
    a, b = (np.asarray(one, dtype=np.float64) for one in (source, target))
    if a.shape != b.shape or not len(a):
        raise ValueError(f"features of shapes {a.shape} and {b.shape}")
    a, b = (one / np.maximum(np.linalg.norm(one, axis=1, keepdims=True), 1e-12) for one in (a, b))
    costs = cdist(a, b)
    rows, places = linear_sum_assignment(costs)
    return float(costs[rows, places].mean()), places


def conditional_entropy(of: Sequence[Class], given: Sequence[Class]) -> float:
    """How little the classes of some things tell those that the same things have elsewhere, H(of |
    given), divided by its maximum: from 0 to 1.

    Raises ValueError for sequences that are empty or not equally long.
    """
    if len(of) != len(given) or not of:
        raise ValueError(f"{len(of)} and {len(given)} classes")
    number = len({*of})
    if number == 1:
        return 0.0
    both, alone = Counter(zip(of, given, strict=True)), Counter(given)
    entropy = -sum(n * log(n / alone[one]) for (_, one), n in both.items()) / len(of)
    return entropy / log(number)


def disagreement(one: Sequence[Class], other: Sequence[Class]) -> float:
    """What two members that say this cost by cohesion: from 0 to 2."""
    return conditional_entropy(one, other) + conditional_entropy(other, one)


def most_say(said: Sequence[Sequence[Class]]) -> list[Class]:
    """What most of several models say of each unit; the first of them where as many say another."""
    return [Counter(classes).most_common(1)[0][0] for classes in zip(*said, strict=True)]


def cost(members: Mapping[str, Member], chosen: Sequence[str]) -> float:
    """Of a set."""
    alone = sum(members[name].domain + members[name].task for name in chosen)
    return alone + sum(
        disagreement(members[one].said, members[other].said)
        for place, one in enumerate(chosen)
        for other in chosen[:place]
    )


def choose(members: Mapping[str, Member], count: int) -> list[str]:
    """So many members, the best first: each is the one that adds least to the cost of the set.

    Raises ValueError where there are fewer.
    """
    if count > len(members):
        raise ValueError(f"{count} of {len(members)} members")
    added = {name: one.domain + one.task for name, one in members.items()}
    taken: list[str] = []
    while len(taken) < count:
        best = min(sorted(added), key=lambda name: added[name])
        del added[best]
        taken.append(best)
        for name in added:
            added[name] += disagreement(members[name].said, members[best].said)
    return taken


def balanced(classes: Sequence[Class], most: int) -> list[int]:
    """The numbers of at most so many units, spread over all and in order: the most frequent class
    has no more of them than all others together, so that words in no span do not hide the rest.

    Of units of one class alone they are of this one.
    """
    if not classes:
        return []
    ((frequent, number),) = Counter(classes).most_common(1)
    inside = [n for n, one in enumerate(classes) if one != frequent]
    outside = [n for n, one in enumerate(classes) if one == frequent]
    room = min(number, max(len(inside), 1), -(-most // 2)) if inside else most
    return sorted([*_spread(inside, most - room), *_spread(outside, room)])


def _spread(numbers: Sequence[int], most: int) -> list[int]:
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[int(place)] for place in np.linspace(0, len(numbers) - 1, most)]
