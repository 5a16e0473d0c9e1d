"""How alike two words look, across scripts: what tells an aligner about names, numbers, cognates.

A word is compared by its case-folded transliteration (`anyascii`: Москва, 東京 and Αθήνα become
moskva, dongjing and athina). All pairs are compared at once; edit distance is computed only for
those that share enough character bigrams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from anyascii import anyascii  # type: ignore[import-untyped]
from numpy.typing import NDArray

MAX_LETTERS = 16
"""Letters of a word that are compared."""
MIN_LETTERS = 4
"""Letters of a word; below this, alike is a coincidence: only the same word counts."""

MIN_SIMILARITY = 0.7
"""Similarity from which on two words are taken for the same name or cognate."""

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Forms:
    """What words look like. letters: (words, MAX_LETTERS) uint8, 0 after the end; length; whether
    there is a letter or digit in it; bigrams: (words,) 64 bits, one for each hashed bigram."""

    letters: NDArray[np.uint8]
    length: NDArray[np.int64]
    wordlike: NDArray[np.bool_]
    bigrams: NDArray[np.uint64]

    @classmethod
    def of(cls, words: Sequence[str]) -> Forms:
        letters = np.zeros((len(words), MAX_LETTERS), np.uint8)
        wordlike = np.zeros(len(words), np.bool_)
        for n, word in enumerate(words):
            text = (word if word.isascii() else anyascii(word)).lower()
            kept = "".join(c for c in text if c.isalnum())
            wordlike[n] = bool(kept)
            code = (kept or text).encode("ascii", "replace")[:MAX_LETTERS]
            letters[n, : len(code)] = np.frombuffer(code, np.uint8)
        length = (letters > 0).sum(1)
        wide = letters.astype(np.uint64)
        hashed = (wide[:, :-1] * np.uint64(31) + wide[:, 1:]) % np.uint64(61)
        bits = np.where(letters[:, 1:] > 0, np.uint64(1) << hashed, np.uint64(0))
        return cls(letters, length, wordlike, np.bitwise_or.reduce(bits, axis=1))


def similarity(one: Forms, other: Forms, first: Ids, second: Ids) -> Floats:
    """For each pair (one[first[k]], other[second[k]]) a value between 0 and 1.

    1 for words that read the same; else 1 - edit distance / letters of the longer word, or, if
    more, the share of a common beginning in the shorter word (at least `MIN_LETTERS` letters),
    times 0.9. Words without a letter or digit are like themselves only.
    """
    similarities = np.zeros(len(first), np.float32)
    length = np.minimum(one.length[first], other.length[second])
    common = np.bitwise_count(one.bigrams[first] & other.bigrams[second])
    fewer = np.minimum(
        np.bitwise_count(one.bigrams)[first], np.bitwise_count(other.bigrams)[second]
    )
    # Words of one letter have no bigram.
    hopeful = np.flatnonzero((2 * common >= fewer) & (length > 0))
    a, b = first[hopeful], second[hopeful]
    x, y = one.letters[a], other.letters[b]
    same = (x == y).all(1)
    similarities[hopeful[same]] = 1.0
    longer = ~same & (length[hopeful] >= MIN_LETTERS) & one.wordlike[a] & other.wordlike[b]
    hopeful, a, b, x, y = hopeful[longer], a[longer], b[longer], x[longer], y[longer]
    longest = np.maximum(one.length[a], other.length[b])
    near = 1 - _distance(x, y, one.length[a], other.length[b]) / np.maximum(1, longest)
    prefix = np.cumprod((x == y) & (x > 0), axis=1).sum(1)
    begun = np.where(prefix >= MIN_LETTERS, 0.9 * prefix / np.maximum(1, length[hopeful]), 0.0)
    similarities[hopeful] = np.maximum(near, begun)
    return similarities


def look_alikes(
    pairs: Sequence[tuple[Sequence[str], Sequence[str]]],
) -> dict[tuple[str, str], float]:
    """Word pairs of some sentence pair that are at least `MIN_SIMILARITY` alike, and how much."""
    words = [sorted({w for pair in pairs for w in pair[side]}) for side in (0, 1)]
    number = [{w: n for n, w in enumerate(side)} for side in words]
    keys = []
    for pair in pairs:
        one, other = (
            np.unique(np.array([number[side][w] for w in pair[side]], np.int64)) for side in (0, 1)
        )
        keys.append((one[:, None] * len(words[1]) + other[None]).ravel())
    unique = np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.int64)
    first, second = np.divmod(unique, max(1, len(words[1])))
    value = similarity(Forms.of(words[0]), Forms.of(words[1]), first, second)
    return {
        (words[0][first[k]], words[1][second[k]]): float(value[k])
        for k in np.flatnonzero(value >= MIN_SIMILARITY)
    }


def _distance(x: NDArray[np.uint8], y: NDArray[np.uint8], m: Ids, n: Ids) -> NDArray[np.float32]:
    """Levenshtein distance of all pairs at once: rows of the usual table, one letter at a time."""
    pairs, width = len(x), MAX_LETTERS + 1
    result: Floats
    # Transposed, so that every operation is over contiguous pairs.
    above = np.broadcast_to(np.arange(width, dtype=np.int8)[:, None], (width, pairs)).copy()
    result = np.take_along_axis(above, n[None], 0)[0].astype(np.float32)  # for m = 0
    x, y = np.ascontiguousarray(x.T), np.ascontiguousarray(y.T)
    for row in range(1, int(m.max(initial=0)) + 1):
        here = np.empty_like(above)
        here[0] = row
        for column in range(1, width):
            changed = above[column - 1] + (x[row - 1] != y[column - 1])
            here[column] = np.minimum(changed, np.minimum(above[column], here[column - 1]) + 1)
        above = here
        ended = m == row
        result[ended] = np.take_along_axis(above, n[None], 0)[0][ended]
    return result
