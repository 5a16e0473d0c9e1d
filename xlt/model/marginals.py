"""How probable a part of a structure is, over all structures that a model may have given.

Spans under IOB2, and that there is no other, by forward and backward sums; arcs under trees with
one root by the matrix-tree theorem (Koo, Globerson, Carreras and Collins 2007, "Structured
Prediction Models via the Matrix-Tree Theorem", EMNLP). Log-probabilities are divided by a
temperature first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlt.document import Span
from xlt.model.bio import opening

Probabilities = NDArray[np.float64]

_MIN_SCORE = -1e6
"""Of what a mask rules out; finite, so that no sum is NaN."""


def span_marginals(
    log_probs: ArrayLike,
    word_mask: ArrayLike,
    labels: Sequence[str],
    spans: Sequence[Sequence[Span]],
    temperature: float = 1.0,
) -> list[Probabilities]:
    """The probability of each span, with its kind and both ends, over all valid tag sequences.

    log_probs, word_mask, labels: as of `xlt.model.bio.decode_bio`.
    spans: of each sentence; their kinds have B- and I- tags among the labels.

    Returns the probabilities of each sentence's spans, in their order.
    """
    scores = np.maximum(np.asarray(log_probs, np.float64) / temperature, _MIN_SCORE)
    lengths = np.asarray(word_mask, bool).sum(axis=1)
    ids = {label: number for number, label in enumerate(labels)}
    inside, opened_by = _starting(labels, "I-"), opening(labels)
    before = _forward(scores, inside, opened_by)
    after = _backward(scores, lengths, inside, opened_by)
    results = []
    for row, (length, of_sentence) in enumerate(zip(lengths, spans, strict=True)):
        chances = np.zeros(len(of_sentence))
        if len(of_sentence):
            total = np.logaddexp.reduce(before[row, length - 1])
        for number, (kind, start, end) in enumerate(of_sentence):
            begin, within = ids[f"B-{kind}"], ids.get(f"I-{kind}")
            chance = scores[row, start, begin] + after[row, end - 1]
            if start:
                chance += np.logaddexp.reduce(before[row, start - 1])
            if end - start > 1:
                chance += scores[row, start + 1 : end, within].sum()
            chances[number] = chance - total
        results.append(np.exp(np.minimum(chances, 0.0)))
    return results


def rest_marginals(
    log_probs: ArrayLike,
    word_mask: ArrayLike,
    labels: Sequence[str],
    spans: Sequence[Sequence[Span]],
    temperature: float = 1.0,
) -> Probabilities:
    """The probability that there is nothing beside these spans, over all valid tag sequences: that
    every word of none of them is outside of spans. Without spans, that there is none.

    Arguments as of `span_marginals`. Returns one for each sentence; 1 for one without words.
    """
    scores = np.maximum(np.asarray(log_probs, np.float64) / temperature, _MIN_SCORE)
    lengths = np.asarray(word_mask, bool).sum(axis=1)
    outside = np.ones(scores.shape[:2], bool)
    for row, of_sentence in enumerate(spans):
        for _, start, end in of_sentence:
            outside[row, start:end] = False
    inside, opened_by = _starting(labels, "I-"), opening(labels)
    of_spans = inside | _starting(labels, "B-")
    alone = np.where(outside[..., None] & of_spans, -np.inf, scores)
    sums = []
    for one in (alone, scores):
        before = _forward(one, inside, opened_by)
        last = before[np.arange(len(lengths)), np.maximum(lengths, 1) - 1]
        sums.append(np.logaddexp.reduce(last, axis=1))
    return np.where(lengths > 0, np.exp(np.minimum(sums[0] - sums[1], 0.0)), 1.0)


def _starting(labels: Sequence[str], prefix: str) -> NDArray[np.bool_]:
    return np.array([label.startswith(prefix) for label in labels], bool)


def _forward(
    scores: Probabilities, inside: NDArray[np.bool_], opened_by: NDArray[np.int64]
) -> Probabilities:
    """Logarithms of sums over valid sequences, (sentences, words, labels): up to a word that has
    this label, the word with it."""
    before = np.empty_like(scores)
    own = opened_by == np.arange(scores.shape[2])  # an I-X that only an I-X may precede
    before[:, 0] = np.where(inside, -np.inf, scores[:, 0])
    for word in range(1, scores.shape[1]):
        last = before[:, word - 1]
        anything = np.logaddexp.reduce(last, axis=1)[:, None]
        continued = np.where(own, last, np.logaddexp(last, last[:, opened_by]))
        before[:, word] = scores[:, word] + np.where(inside, continued, anything)
    return before


def _backward(
    scores: Probabilities,
    lengths: NDArray[np.int64],
    inside: NDArray[np.bool_],
    opened_by: NDArray[np.int64],
) -> Probabilities:
    """The same, (sentences, words), from the next word on, if that continues no span."""
    sentences, words, n_labels = scores.shape
    after = np.zeros((sentences, words))
    following = np.zeros((sentences, n_labels))  # from the next word on, given this one's label
    for word in range(words - 2, -1, -1):
        rest = scores[:, word + 1] + following
        begun = np.logaddexp.reduce(rest[:, ~inside], axis=1)
        there = lengths > word + 1
        after[:, word] = np.where(there, begun, 0.0)
        following = np.repeat(begun[:, None], n_labels, axis=1)
        for label in np.flatnonzero(inside):
            for source in {int(label), int(opened_by[label])}:
                following[:, source] = np.logaddexp(following[:, source], rest[:, label])
        following = np.where(there[:, None], following, 0.0)
    return after


MAX_TREE_WORDS = 1_000
"""Words of a sentence beyond which the sums over trees, cubic in time, are not made."""


def arc_marginals(
    arc_log_probs: ArrayLike, lengths: ArrayLike, temperature: float = 1.0
) -> Probabilities:
    """The probability of each arc over all trees with one root.

    arc_log_probs, lengths: as of `xlt.model.mst.decode_trees`.

    Returns (sentences, n+1, n+1), [s, d, h] for head h of word d, in the precision of the
    log-probabilities; 0 where there is no arc. Where a sentence's sums are too uneven for double
    precision, or it is longer than `MAX_TREE_WORDS`, each word's probability of its head alone.
    """
    scores = np.asarray(arc_log_probs)
    marginals = np.zeros_like(scores)
    for row, length in enumerate(np.asarray(lengths, np.int64).tolist()):
        if length:
            own = (row, slice(length + 1), slice(length + 1))
            marginals[own] = _arcs_of(scores[own], temperature)
    return marginals


def _arcs_of(scores: Probabilities, temperature: float) -> Probabilities:
    """The same of one sentence of n words: (n+1, n+1)."""
    n = len(scores) - 1
    if n > MAX_TREE_WORDS:  # in one copy: as many scores as the square of the length
        return _heads_alone(scores, temperature)
    # Tree probabilities do not change if all arcs into a word are multiplied by the same.
    weights = _heads_alone(scores.astype(np.float64), temperature)
    words, roots = weights[1:, 1:], weights[1:, 0]  # [d, h]
    # Koo et al., equations 5 to 7: the Laplacian, [h, d], whose first row the root arcs take.
    laplacian = np.diag(words.sum(axis=1)) - words.T
    laplacian[0] = roots
    try:
        inverse = np.linalg.inv(laplacian)
    except np.linalg.LinAlgError:
        return weights
    into = np.diagonal(inverse).copy()
    into[0] = 0.0
    out_of = inverse.copy()
    out_of[:, 0] = 0.0
    marginals = np.zeros_like(weights)
    marginals[1:, 0] = roots * inverse[:, 0]
    marginals[1:, 1:] = words * (into[:, None] - out_of)
    sums = marginals[1:].sum(axis=1)
    sound = np.isfinite(marginals).all() and marginals.min() > -1e-6
    return marginals.clip(0.0, 1.0) if sound and (np.abs(sums - 1) < 1e-6).all() else weights


def _heads_alone(scores: Probabilities, temperature: float) -> Probabilities:
    """The softmax over heads, of each word of a sentence by itself."""
    weights = scores / temperature
    weights[0] = -np.inf
    np.fill_diagonal(weights, -np.inf)
    weights -= np.maximum(weights.max(axis=1, keepdims=True), _MIN_SCORE)
    np.exp(weights, out=weights)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(weights.dtype).tiny)
    return np.minimum(weights, 1.0, out=weights)
