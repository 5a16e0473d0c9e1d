"""Exact decoding of IOB2 tags: the best sequence in which every I-X follows B-X or I-X."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlt.errors import XltError

OUTSIDE = "O"
"""The label of a word that is in no span."""

# A finite floor keeps -inf out of the sums; low enough that no log-probability comes near it,
# high enough that sums with it still order by the true scores in the last digits.
_MIN_SCORE = -1e6


def outside(labels: Sequence[str]) -> int | None:
    """The place of the tag of words outside all spans among IOB2 tags; None if they are others."""
    spans = any(label.startswith("B-") for label in labels)
    return labels.index(OUTSIDE) if spans and OUTSIDE in labels else None


def decode_bio(
    log_probs: ArrayLike, word_mask: ArrayLike, labels: Sequence[str]
) -> list[list[int]]:
    """The valid tag sequence of greatest summed log-probability for each sentence of a batch.

    Sentences whose argmax is valid already keep it (it is the optimum); the others go through
    Viterbi together. No transition has a score: the constraint is the only thing that links
    neighbours, so a step costs O(labels), not O(labels²).

    log_probs: (sentences, words, labels).
    word_mask: (sentences, words), true for words; padding only after the last word.
    labels:    in the order of the last axis. ``I-X`` is bound to ``B-X``; any other label, ``O``
        or not, may stand anywhere.

    Returns label ids, one list a sentence, as long as the sentence has words.
    Raises XltError for NaN or +inf, ValueError for shapes that do not fit, for padding between
    words, and for labels none of which may start a sentence.
    """
    scores = np.asarray(log_probs, dtype=np.float64)
    mask = np.asarray(word_mask, dtype=bool)
    if scores.ndim != 3 or mask.shape != scores.shape[:2] or scores.shape[2] != len(labels):
        raise ValueError(
            f"log_probs {scores.shape} and word_mask {mask.shape} must be (sentences, words, "
            f"{len(labels)} labels) and (sentences, words)"
        )
    lengths = mask.sum(axis=1)
    if (mask[:, 1:] & ~mask[:, :-1]).any():
        raise ValueError("word_mask has padding between words")
    wrong = mask & ~(scores < np.inf).all(axis=2)  # NaN compares false too
    if wrong.any():
        sentence, word = np.argwhere(wrong)[0]
        raise XltError(
            f"the tag scores hold NaN or +inf (sentence {sentence} of the batch, word {word})",
            fix="the model's weights or inputs are damaged: try a lower learning rate or fp32",
        )
    inside = np.array([label.startswith("I-") for label in labels], bool)
    if inside.all():
        raise ValueError(f"no label may start a sentence: {list(labels)}")
    if not scores.shape[1]:
        return [[] for _ in lengths]

    opened_by = opening(labels)
    tags = scores.argmax(axis=2)
    follows = np.zeros((len(labels), len(labels)), bool)
    follows[:, ~inside] = True
    for label in np.flatnonzero(inside):
        follows[[label, opened_by[label]], label] = True
    valid = ~inside[tags[:, 0]] | (lengths == 0)
    valid &= (follows[tags[:, :-1], tags[:, 1:]] | ~mask[:, 1:]).all(axis=1)
    rest = np.flatnonzero(~valid)
    if len(rest):
        longest = int(lengths[rest].max())
        tags[rest, :longest] = _viterbi(scores[rest, :longest], lengths[rest], inside, opened_by)
    return [row[:length].tolist() for row, length in zip(tags, lengths, strict=True)]


def opening(labels: Sequence[str]) -> NDArray[np.int64]:
    """For each I-X the id of B-X, or its own where the labels have none; else its own."""
    ids = {label: index for index, label in enumerate(labels)}
    return np.array(
        [
            ids.get(f"B-{label[2:]}", index) if label.startswith("I-") else index
            for index, label in enumerate(labels)
        ],
        np.int64,
    )


def _viterbi(
    scores: NDArray[np.float64],
    lengths: NDArray[np.int64],
    inside: NDArray[np.bool_],
    opened_by: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Best valid tags (sentences, words); arbitrary beyond a sentence's length."""
    sentences, words, n_labels = scores.shape
    scores = np.maximum(scores, _MIN_SCORE)
    ids = np.arange(n_labels)
    before = np.zeros((sentences, words, n_labels), np.int64)
    total = np.where(inside, -np.inf, scores[:, 0])
    final = total.copy()
    for word in range(1, words):
        anything = total.argmax(axis=1)[:, None]
        opened = total[:, opened_by]
        own = np.where(opened > total, opened_by, ids)
        before[:, word] = np.where(inside, own, anything)
        total = np.take_along_axis(total, before[:, word], axis=1) + scores[:, word]
        final = np.where((lengths > word)[:, None], total, final)
    tags = np.zeros((sentences, words), np.int64)
    current = final.argmax(axis=1)
    rows = np.arange(sentences)
    for word in range(words - 1, -1, -1):
        tags[:, word] = current
        current = np.where(lengths > word, before[rows, word, current], current)
    return tags
