"""From what a network says of each row of a batch to what a task's decoder reads, in NumPy.

A network that is exported ends where its rows are put together, by one of `POOLINGS`: what comes
after has shapes that depend on the data, and costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scores = NDArray[np.float32]
Batch = Mapping[str, NDArray[Any]]


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


def of_words(rows: Scores, batch: Batch) -> dict[str, Scores]:
    """The log-probabilities of each word, of the mean of its subwords: (sentences, words, labels).

    rows: (rows, length, labels); batch: of `xlt.data.encode.word_arrays`.
    """
    sentences, words = batch["word_mask"].shape
    owner = batch["word_index"].reshape(-1)
    owned = owner >= 0
    total = np.zeros((sentences * words, rows.shape[-1]), np.float32)
    np.add.at(total, owner[owned], rows.reshape(-1, rows.shape[-1])[owned])
    number = np.bincount(owner[owned], minlength=len(total)).clip(min=1)
    means = total / number[:, None].astype(np.float32)
    return {"scores": log_softmax(means.reshape(sentences, words, -1))}


def of_windows(rows: Scores, batch: Batch) -> dict[str, Scores]:
    """The log-probabilities of each example, of the mean of its windows: (examples, labels).

    rows: (rows, labels); batch: of `xlt.data.encode_pairs.pair_arrays`.
    """
    windows = batch["windows"]
    total = np.add.reduceat(rows, np.concatenate([[0], windows.cumsum()[:-1]]), axis=0)
    return {"scores": log_softmax(total / windows[:, None].astype(np.float32))}


POOLINGS: Mapping[str, Callable[[Scores, Batch], dict[str, Scores]]] = {
    "words": of_words,
    "windows": of_windows,
}
OWNERS: Mapping[str, str] = {"words": "word_index", "windows": "windows"}
"""By pooling: what of a batch says which rows belong together."""
