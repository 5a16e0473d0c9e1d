"""How probable a part of a structure is, over all structures that a model may have given.

Spans under IOB2 by forward and backward sums, arcs under trees with one root by the matrix-tree
theorem (Koo, Globerson, Carreras and Collins 2007, "Structured Prediction Models via the
Matrix-Tree Theorem", EMNLP). Log-probabilities are divided by a temperature first.
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
    mask = np.asarray(word_mask, bool)
    lengths = mask.sum(axis=1)
    ids = {label: number for number, label in enumerate(labels)}
    inside = np.array([label.startswith("I-") for label in labels], bool)
    before, after = _sums(scores, lengths, inside, opening(labels))
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


def _sums(
    scores: Probabilities,
    lengths: NDArray[np.int64],
    inside: NDArray[np.bool_],
    opened_by: NDArray[np.int64],
) -> tuple[Probabilities, Probabilities]:
    """Logarithms of sums over valid sequences.

    Returns, (sentences, words, labels), what is summed up to a word that has this label, the word
    with it; and, (sentences, words), from the next word on, if that continues no span.
    """
    sentences, words, n_labels = scores.shape
    own = opened_by == np.arange(n_labels)  # an I-X that only an I-X may precede
    before = np.empty_like(scores)
    before[:, 0] = np.where(inside, -np.inf, scores[:, 0])
    for word in range(1, words):
        last = before[:, word - 1]
        anything = np.logaddexp.reduce(last, axis=1)[:, None]
        continued = np.where(own, last, np.logaddexp(last, last[:, opened_by]))
        before[:, word] = scores[:, word] + np.where(inside, continued, anything)
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
    return before, after


MAX_TREE_WORDS = 1_000
"""Words of a sentence beyond which the sums over trees, cubic in time, are not made."""


def arc_marginals(
    arc_log_probs: ArrayLike, lengths: ArrayLike, temperature: float = 1.0
) -> Probabilities:
    """The probability of each arc over all trees with one root.

    arc_log_probs, lengths: as of `xlt.model.mst.decode_trees`.

    Returns (sentences, n+1, n+1), [s, d, h] for head h of word d; 0 where there is no arc. Where
    the sums are too uneven for double precision, or the sentence is longer than `MAX_TREE_WORDS`,
    that word's probability of its head alone.
    """
    sizes = np.asarray(lengths, np.int64)
    n = np.shape(arc_log_probs)[1] - 1
    position = np.arange(n + 1)
    there = position <= sizes[:, None]
    usable = there[:, :, None] & there[:, None, :] & (position[:, None] != position)
    usable[:, 0] = False
    if n > MAX_TREE_WORDS:
        return _heads_alone(arc_log_probs, usable, temperature)
    scores = np.asarray(arc_log_probs, np.float64) / temperature
    # Tree probabilities do not change if all arcs into a word are multiplied by the same.
    best = np.max(scores, axis=2, initial=_MIN_SCORE, where=usable, keepdims=True)
    weights = np.where(usable, np.exp(np.where(usable, scores - best, 0.0)), 0.0)
    alone: Probabilities = weights / np.maximum(weights.sum(axis=2, keepdims=True), 1e-300)
    if not n:
        return np.zeros_like(scores)
    words = weights[:, 1:, 1:]  # [s, d, h]
    roots = weights[:, 1:, 0]
    # Koo et al., equations 5 to 7: the Laplacian, [s, h, d], whose first row the root arcs take.
    laplacian = -np.swapaxes(words, 1, 2)
    diagonal = words.sum(axis=2)
    diagonal[~there[:, 1:]] = 1.0
    laplacian[:, position[:n], position[:n]] = diagonal
    laplacian[:, 0] = roots
    laplacian[:, 0, 0] += ~there[:, 1]
    try:
        inverse = np.linalg.inv(laplacian)
    except np.linalg.LinAlgError:
        return alone
    of_word = np.diagonal(inverse, axis1=1, axis2=2).copy()
    marginals = np.zeros_like(weights)
    marginals[:, 1:, 0] = roots * inverse[:, :, 0]
    into = np.where(position[:n] == 0, 0.0, of_word)[:, :, None]
    out_of = inverse.copy()
    out_of[:, :, 0] = 0.0
    marginals[:, 1:, 1:] = words * (into - out_of)
    sums = marginals[:, 1:].sum(axis=2)
    sound = np.isfinite(marginals).all(axis=(1, 2)) & (marginals > -1e-6).all(axis=(1, 2))
    sound &= (np.abs(sums - 1) < 1e-6).all(axis=1, where=there[:, 1:])
    chosen: Probabilities = np.where(sound[:, None, None], marginals, alone)
    return chosen.clip(0.0, 1.0)


def _heads_alone(
    arc_log_probs: ArrayLike, usable: NDArray[np.bool_], temperature: float
) -> Probabilities:
    """The softmax over heads, of each word by itself; in the scores' own precision and one copy of
    them, since there are as many as the square of a sentence's length."""
    weights: Probabilities = np.array(arc_log_probs)
    weights /= temperature
    weights -= np.max(weights, axis=2, initial=_MIN_SCORE, where=usable, keepdims=True)
    np.exp(weights, out=weights, where=usable)
    weights[~usable] = 0.0
    weights /= np.maximum(weights.sum(axis=2, keepdims=True), np.finfo(weights.dtype).tiny)
    return np.minimum(weights, 1.0, out=weights)
