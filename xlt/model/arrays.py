"""What a task computes of its network's outputs, in NumPy.

A network that is exported ends where its outputs' shapes depend on what is in the data: rows are
put together here, and what is scored only where something was found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlt.data.batch import Arrays

Scores = NDArray[np.float32]


def log_softmax(scores: ArrayLike) -> Scores:
    """Log-probabilities over the last axis."""
    values = np.asarray(scores, np.float32)
    values = values - values.max(axis=-1, keepdims=True)
    result: Scores = values - np.log(np.exp(values).sum(axis=-1, keepdims=True))
    return result


def softmax(scores: ArrayLike) -> Scores:
    """Probabilities over the last axis."""
    values: Scores = np.exp(log_softmax(scores))
    return values


def means_of_words(rows: Scores, batch: Arrays) -> Scores:
    """The mean of each word's subwords: (sentences, words, labels).

    rows: (rows, length, labels); batch: of `xlt.data.encode.word_arrays`.
    """
    sentences, words = batch["word_mask"].shape
    owner = batch["word_index"].reshape(-1)
    owned = owner >= 0
    total: Scores = np.zeros((sentences * words, rows.shape[-1]), np.float32)
    np.add.at(total, owner[owned], rows.reshape(-1, rows.shape[-1])[owned])
    number = np.bincount(owner[owned], minlength=len(total)).clip(min=1)
    means: Scores = np.divide(total, number[:, None], dtype=np.float32)
    return means.reshape(sentences, words, rows.shape[-1])


def means_of_windows(rows: Scores, batch: Arrays) -> Scores:
    """The mean of each example's windows: (examples, labels).

    rows: (rows, labels); batch: of `xlt.data.encode_pairs.pair_arrays`.
    """
    windows = batch["windows"]
    total = np.add.reduceat(rows, np.concatenate([[0], windows.cumsum()[:-1]]), axis=0)
    means: Scores = np.divide(total, windows[:, None], dtype=np.float32)
    return means


def biaffine(x: Scores, y: Scores, weight: Scores) -> Scores:
    """What `xlt.model.layers.Biaffine` scores each x with its own y's: (b, m, outputs).

    x (b, size), y (b, m, size), weight (outputs, size + 1, size + 1).
    """
    outputs, inner, _ = weight.shape
    left = _with_one(x) @ weight.transpose(1, 0, 2).reshape(inner, -1)
    scores: Scores = _with_one(y) @ left.reshape(len(x), outputs, inner).transpose(0, 2, 1)
    return scores


def _with_one(x: Scores) -> Scores:
    return np.concatenate([x, np.ones((*x.shape[:-1], 1), x.dtype)], -1)
