"""How alike two encoders' vectors of the same words are, and what can be read of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlt.evaluation.logme import embedding_map

FOLDS = 5


def linear_cka(one: ArrayLike, other: ArrayLike) -> float:
    """Linear centred kernel alignment (Kornblith et al. 2019, arXiv 1905.00414, equation 7):
    1 where vectors differ in rotation, a common factor and a common shift alone.

    one (words, d), other (words, d'): of the same words. Raises ValueError for others, and where
    all vectors of one are the same.
    """
    x, y = (np.asarray(given, dtype=np.float64) for given in (one, other))
    if len(x) != len(y) or not len(x):
        raise ValueError(f"{len(x)} and {len(y)} words")
    x, y = x - x.mean(0), y - y.mean(0)
    own = float(np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    if not own:
        raise ValueError("all vectors are the same")
    return float(np.linalg.norm(x.T @ y) ** 2 / own)


def probe(vectors: Sequence[NDArray[np.float32]], tags: Sequence[Sequence[str]]) -> float:
    """The accuracy, in percent, of a linear probe: a ridge regression of the tags of words on their
    vectors, on the sentences of each fifth by the others (Alain and Bengio 2016, arXiv 1610.01644).

    vectors: of each sentence, (words, d). tags: of each sentence, one a word.
    Raises ValueError for fewer sentences than fifths.
    """
    if len(vectors) < FOLDS:
        raise ValueError(f"{len(vectors)} sentences")
    known = sorted({tag for sentence in tags for tag in sentence})
    number = {tag: n for n, tag in enumerate(known)}
    gold = [np.array([number[tag] for tag in sentence]) for sentence in tags]
    right = 0
    for fold in range(FOLDS):
        x, y = (
            np.concatenate([one for n, one in enumerate(each) if n % FOLDS != fold])
            for each in (vectors, gold)
        )
        regression = embedding_map(x, np.eye(len(known))[y])
        asked, wanted = (np.concatenate(list(each[fold::FOLDS])) for each in (vectors, gold))
        right += int((regression(asked).argmax(1) == wanted).sum())
    return 100 * right / sum(map(len, gold))
