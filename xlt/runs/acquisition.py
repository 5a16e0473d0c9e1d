"""Which texts are worth correcting first: acquisition functions of pool-based active learning.

What a text is worth is how many of the model's predictions in it are expected to be wrong, for each
word that somebody has to read, less what a text that is chosen already teaches. They are chosen
greedily, the best first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from xlt.document import Document

WAYS = ("mixed", "uncertainty", "diversity", "random")
"""What texts may be chosen by."""

BY_CONFIDENCE, BY_SIMILARITY = ("mixed", "uncertainty"), ("mixed", "diversity")
"""Of these ways, those for which confidences count, and those for which similarity does."""

MIN_WORDS = 10
"""Words that a text counts as at least: opening and judging one takes time, however short it is. A
choice, not a measurement."""

DUPLICATE = 0.8
"""Similarity from which on two texts are near duplicates: they differ in a number, say. A
choice."""

_COLUMNS_LOG2 = 18
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Pick(NamedTuple):
    """text: its number, from 0; score: what it was worth when it was chosen."""

    text: int
    score: float


def expected_errors(document: Document) -> float:
    """How many of the predictions in a document are expected to be wrong: the sum over all things
    that have a confidence of 1 − confidence.

    Of one thing this is "least confidence" (Settles and Craven 2008, "An Analysis of Active
    Learning Strategies for Sequence Labeling Tasks", EMNLP). A sum grows with the text; it is
    divided by the words later (`values`), as MNLP is (Shen et al. 2018, arXiv 1707.05928), but is
    one over what is predicted, not over the tags of words. That nothing more is to be found has a
    confidence, too (`Document.confidence`): a text in which the model finds nothing is not thereby
    a sure one.
    """
    return float(sum(1.0 - sure for values in document.confidence.values() for sure in values))


def values(by: str, errors: ArrayLike, words: ArrayLike) -> NDArray[np.float64]:
    """What texts are worth, whatever else is chosen: (texts,).

    by: one of `WAYS`.
    errors: `expected_errors` of each; words: how many it has.

    Errors are counted for each word, as time is paid for by words (Settles, Craven and Friedland
    2008, "Active Learning with Real Annotation Costs"), of which a text has at least `MIN_WORDS`.
    For `diversity` and `random` all texts are worth the same.
    """
    found = np.asarray(errors, np.float64)
    if by not in BY_CONFIDENCE:
        return np.ones_like(found)
    return found / np.maximum(np.asarray(words, np.float64), MIN_WORDS)


def vectors(texts: Sequence[str], among: Sequence[str] | None = None) -> csr_array:
    """Texts as rows of length 1: (texts, 2**18), hashed character trigrams weighted by TF-IDF.

    among: texts in which a trigram is rare or frequent; by default these.

    They cost no pass through an encoder, read every script, and show near duplicates. Case and the
    amount of white space do not count. The products of rows are similarities, from 0 to 1. The row
    of a text without characters is 0.
    """
    counted = _trigrams(texts)
    collection = counted if among is None else _trigrams(among)
    having = np.bincount(collection.indices, minlength=collection.shape[1])
    rarity = np.log((1 + collection.shape[0]) / (1 + having)) + 1
    counted.data *= rarity[counted.indices].astype(np.float32)
    lengths = np.sqrt(np.asarray(counted.multiply(counted).sum(axis=1)).ravel())
    counted.data /= np.repeat(lengths, np.diff(counted.indptr))
    return counted


def _trigrams(texts: Sequence[str]) -> csr_array:
    """How often each text has each trigram: (texts, 2**18)."""
    plain = [f" {' '.join(text.casefold().split())} " for text in texts]
    codes = np.frombuffer("".join(plain).encode("utf-32-le", "surrogatepass"), np.uint32)
    row = np.repeat(np.arange(len(plain)), [len(text) for text in plain])
    hashed = codes[:-2].astype(np.uint64)
    for following in (codes[1:-1], codes[2:]):
        hashed = hashed * _MULTIPLIER + following  # modulo 2**64
    column = (hashed * _MULTIPLIER >> np.uint64(64 - _COLUMNS_LOG2)).astype(np.int64)
    within = row[:-2] == row[2:]
    shape = (len(plain), 1 << _COLUMNS_LOG2)
    ones = np.ones(int(within.sum()), np.float32)
    counted = csr_array((ones, (row[:-2][within], column[within])), shape=shape)
    counted.sum_duplicates()
    return counted


def greedy(
    rows: csr_array,
    worth: ArrayLike,
    words: ArrayLike,
    number: int,
    *,
    diverse: bool,
    max_words: int | None = None,
    seed: int = 1,
) -> list[Pick]:
    """The texts to correct, the best first; fewer than `number` where no more are left.

    rows: (texts, columns), of length 1, whose products are similarities.
    worth: (texts,), see `values`; words: (texts,).
    diverse: a text is worth that times 1 − its similarity to the most similar one that is chosen:
        with equal worth, the greedy solution of k-centre (Sener and Savarese 2018, arXiv
        1708.00489).
    max_words: of all together; texts that no longer fit are passed over.
    seed: decides between texts that are worth the same.

    Near duplicates (`DUPLICATE`) of what is chosen are never chosen. Each choice takes one product
    of all rows with one of them, and no memory for pairs.
    """
    order = np.random.default_rng(seed).permutation(rows.shape[0])  # the first of equal ones wins
    shuffled = rows[order]
    alone, length = np.asarray(worth, np.float64)[order], np.asarray(words, np.int64)[order]
    similar = np.zeros(len(order))
    free = np.ones(len(order), bool)
    picks: list[Pick] = []
    spent = 0
    while len(picks) < number:
        if max_words is not None:
            free &= length <= max_words - spent
        if not free.any():
            break
        score = alone * (1 - similar) if diverse else alone
        best = int(np.argmax(np.where(free, score, -np.inf)))
        picks.append(Pick(int(order[best]), float(score[best])))
        spent += int(length[best])
        to_it = shuffled @ shuffled[[best]].toarray().ravel()
        similar = np.maximum(similar, np.clip(to_it, 0, 1))
        free &= to_it < DUPLICATE
        free[best] = False
    return picks
