"""From what the parser's network says to arcs and relations, in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlt.data.batch import Arrays
from xlt.model.arrays import Scores, biaffine, log_softmax
from xlt.task import Network

_NEVER = np.float32(-1e9)


def outputs(network: Network, arrays: Arrays, size: int, relations: int) -> Arrays:
    """Return what `model.Parser.forward` does.

    size: of the vectors that relations are scored by; relations: how many there are.
    """
    mask = arrays["word_mask"]
    sentences, words = mask.shape
    found = network(
        arrays,
        arcs=(sentences, 1 + words, 1 + words),
        dependents=(sentences, words, size),
        heads=(sentences, 1 + words, size),
        relation_weight=(relations, size + 1, size + 1),
    )
    impossible = ~np.pad(mask, ((0, 0), (1, 0)), constant_values=True)[:, None]
    impossible = impossible | np.eye(1 + words, dtype=bool)
    return {**found, "arcs": log_softmax(np.where(impossible, _NEVER, found["arcs"]))}


def relations_of(
    trees: NDArray[Any], outputs: Mapping[str, ArrayLike], root: int
) -> NDArray[np.int64]:
    """Choose the best relation of every word to its head.

    trees: heads (sentences, words) with -1 beyond a sentence's end; root: id of that relation,
        which the root's dependent always has and no other word may have.
    Returns ids, (sentences, words).
    """
    return np.where(trees == 0, root, relation_scores(trees, outputs, root).argmax(-1))


def relation_scores(trees: NDArray[Any], outputs: Mapping[str, ArrayLike], root: int) -> Scores:
    """Score the relations of every word to its head, but that of the root.

    Arguments as of `relations_of`. Returns (sentences, words, relations): log-probabilities, of an
    ensemble their sum.
    """
    chosen = np.maximum(trees, 0)[..., None].astype(np.int64)
    vectors = [np.asarray(outputs[k]) for k in ("dependents", "heads", "relation_weight")]
    members = [vectors] if vectors[0].ndim == 3 else zip(*vectors, strict=True)
    scores = []
    for dependents, heads, weight in members:  # more than one in an ensemble
        size = dependents.shape[-1]
        of_head = np.take_along_axis(heads, chosen, axis=1)
        paired = biaffine(dependents.reshape(-1, size), of_head.reshape(-1, 1, size), weight)
        scores.append(log_softmax(paired.reshape(*trees.shape, len(weight))))
    total: Scores = np.sum(scores, axis=0)
    total[..., root] = -np.inf
    return total
