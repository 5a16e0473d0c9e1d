"""Vectors of subwords, old and new, in one space, by which they can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlt.model.extension.pieces import Splitter

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from xlt.model.extension.initialise import Vectors
    from xlt.model.extension.pieces import Piece

Ids = NDArray[np.int64]

WINDOW, DIMENSIONS = 5, 100
MIN_COUNT = 10
"""Of a subword that stands fewer times in the text, nothing is known from it (as in FOCUS)."""
_SMOOTHING = 0.75


def of_text(lines: Sequence[Ids], size: int) -> tuple[Ids, Vectors]:
    """Vectors of the subwords of a text from what stands beside them.

    lines: ids below `size`, in the order of the text.
    Returns the ids that stand in it at least `MIN_COUNT` times, ascending, and their vectors (of
    `DIMENSIONS`, or of as many as there are ids): a truncated singular value decomposition of the
    positive pointwise mutual information within `WINDOW` subwords, contexts smoothed by 0.75 (Levy,
    Goldberg and Dagan 2015, "Improving Distributional Similarity with Lessons Learned from Word
    Embeddings", TACL 3).
    """
    flat = np.concatenate([*lines, np.zeros(0, np.int64)])
    counts = np.bincount(flat, minlength=size)
    known = np.flatnonzero(counts >= MIN_COUNT)
    if len(known) < 2:
        return known, np.ones((len(known), 1))
    place = np.full(size, -1)
    place[known] = np.arange(len(known))
    owner = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    return known, _factors(_information(_pairs(place[flat], owner, len(known))))


def _pairs(ids: Ids, owner: Ids, size: int) -> csr_matrix:
    """How often each stands within the window of each, both ways: (size, size). Ids below 0 are no
    subwords, but take up room."""
    from scipy.sparse import csr_matrix

    pairs = csr_matrix((size, size))
    for distance in range(1, WINDOW + 1):
        left, right = ids[:-distance], ids[distance:]
        both = (owner[:-distance] == owner[distance:]) & (left >= 0) & (right >= 0)
        left, right = left[both], right[both]
        near = csr_matrix((np.ones(len(left)), (left, right)), shape=(size, size))
        pairs = pairs + near + near.T
    return pairs


def _information(pairs: csr_matrix) -> csr_matrix:
    from scipy.sparse import csr_matrix

    found = pairs.tocoo()
    row = np.asarray(pairs.sum(1)).ravel()
    context = row**_SMOOTHING
    share = row[found.row] * context[found.col] / max(context.sum(), 1)
    information = np.maximum(np.log(found.data / share), 0)
    return csr_matrix((information, (found.row, found.col)), shape=pairs.shape)


def _factors(matrix: csr_matrix) -> Vectors:
    from scipy.sparse.linalg import svds

    size = matrix.shape[0]
    if size <= 2 * DIMENSIONS:
        left, values, _ = np.linalg.svd(matrix.toarray())
        left, values = left[:, :DIMENSIONS], values[:DIMENSIONS]
    else:  # from a fixed start: the same each time
        left, values, _ = svds(matrix, k=DIMENSIONS, v0=np.full(size, size**-0.5))
    vectors: Vectors = left * np.sqrt(values)
    return vectors


def of_donor(
    pieces: Sequence[Piece | None], tokenizer: Any, table: Vectors
) -> tuple[Vectors, NDArray[np.bool_]]:
    """Vectors of subwords from another encoder's table, and which of them it has as a whole.

    table: (donor's subwords, d). Returns (n, d) and (n,).
    A subword that the donor has is its row, any other the mean of those that the donor splits it
    into, and 0 where one of these is unknown.
    """
    split = Splitter(tokenizer)
    vectors = np.zeros((len(pieces), table.shape[1]))
    whole = np.zeros(len(pieces), bool)
    for n, piece in enumerate(pieces):
        ids = [] if piece is None else split.parts(split.form.write(piece))
        if ids:
            vectors[n] = table[ids].mean(0)
            whole[n] = len(ids) == 1
    return vectors, whole
