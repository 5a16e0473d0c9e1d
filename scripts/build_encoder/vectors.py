"""Subword vectors: contexts in the pivot language, alignments for all others."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Ids = list[list[int]]
Vectors = NDArray[np.float32]

DISTANCES = {1: 1.0, 2: 0.6, 3: 0.3}
"""Weight of a neighbour by its distance."""
SHARPEN = 1.3
"""Exponent of translation probabilities: the likeliest translations count more."""


def context_vectors(sentences: Ids, subwords: int, width: int, seed: int) -> Vectors:
    """(subwords, width): truncated SVD of positive pointwise mutual information with neighbours.

    Left and right neighbours are different contexts, and so are adjacent and more distant ones:
    that is what tells word classes apart (Levy and Goldberg 2014; Schütze 1995).
    """
    flat = np.concatenate([np.array([*s, -1, -1, -1]) for s in sentences])
    rows, columns, weights = [], [], []
    for distance, weight in DISTANCES.items():
        left, right = flat[:-distance], flat[distance:]
        inside = (left >= 0) & (right >= 0)
        for step in range(1, distance):
            inside &= flat[step : len(flat) - distance + step] >= 0
        left, right = left[inside], right[inside]
        near = 0 if distance == 1 else 2
        rows += [left, right]
        columns += [right + subwords * near, left + subwords * (near + 1)]
        weights += [np.full(len(left), weight), np.full(len(left), weight)]
    counts = sp.coo_matrix(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))),
        shape=(subwords, 4 * subwords),
    ).tocsr()
    row_sums = np.asarray(counts.sum(1)).ravel()
    smoothed = np.asarray(counts.sum(0)).ravel() ** 0.75
    smoothed /= smoothed.sum()
    cells = counts.tocoo()
    values = np.log(cells.data / (row_sums[cells.row] * smoothed[cells.col] + 1e-12))
    positive = values > 0
    ppmi = sp.coo_matrix(
        (values[positive].astype(np.float32), (cells.row[positive], cells.col[positive])),
        shape=counts.shape,
    ).tocsr()
    return normalised(_svd(ppmi, width, seed))


def _svd(matrix: sp.csr_matrix, width: int, seed: int, rounds: int = 4) -> Vectors:
    """Left singular vectors times √σ, by randomised subspace iteration (Halko et al. 2011)."""
    random = np.random.default_rng(seed)
    basis = matrix @ random.standard_normal((matrix.shape[1], width + 20)).astype(np.float32)
    for _ in range(rounds):
        basis, _ = np.linalg.qr(basis)
        back, _ = np.linalg.qr(matrix.T @ basis)
        basis = matrix @ back
    basis, _ = np.linalg.qr(basis)
    left, sigma, _ = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    result: Vectors = (basis @ left)[:, :width] * np.sqrt(sigma[:width])
    return result


def translation_table(
    source: Ids,
    target: Ids,
    subwords: int,
    links: Sequence[Sequence[tuple[int, int]]] | None = None,
    effort: float = 1.0,
) -> sp.csr_matrix:
    """(subwords, subwords): how often a source subword is aligned with a target subword.

    links: alignment of each pair of sentences, by position; by default eflomal's, where a link
        that both directions agree on counts fully and any other 0.3.
    effort: share of eflomal's usual iterations; below 1 it also runs one sampler, not three.
    """
    if links is None:
        weighted = _eflomal(source, target, effort)
    else:
        weighted = [[(i, j, 1.0) for i, j in pair] for pair in links]
    rows, columns, weights = [], [], []
    for s, t, pair in zip(source, target, weighted, strict=True):
        for i, j, weight in pair:
            rows.append(s[i])
            columns.append(t[j])
            weights.append(weight)
    return sp.coo_matrix((weights, (rows, columns)), shape=(subwords, subwords)).tocsr()


def _eflomal(source: Ids, target: Ids, effort: float) -> list[list[tuple[int, int, float]]]:
    import eflomal

    # Averages over many sentences smooth what a shorter chain leaves unsettled in one.
    rounds = 1.0 if len(source) < 3000 else 0.4
    usable = [
        k for k in range(len(source)) if 0 < len(source[k]) < 150 and 0 < len(target[k]) < 150
    ]
    result: list[list[tuple[int, int, float]]] = [[] for _ in source]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, side in (("s", source), ("t", target)):
            sentences = (" ".join(map(str, side[k])) for k in usable)
            (folder / file).write_text("\n".join(sentences) + "\n", encoding="utf-8")
        with (folder / "s").open() as s, (folder / "t").open() as t:
            eflomal.Aligner(
                rel_iterations=rounds * effort, n_samplers=3 if effort >= 1 else 1
            ).align(
                s, t, links_filename_fwd=str(folder / "f"), links_filename_rev=str(folder / "r"),
                quiet=True,
            )  # fmt: skip
        files = [(folder / file).read_text().splitlines() for file in ("f", "r")]
    for k, *lines in zip(usable, *files, strict=True):
        forward, backward = (
            {tuple(map(int, link.split("-"))) for link in line.split()} for line in lines
        )
        both = forward & backward
        result[k] = [(i, j, 1.0 if (i, j) in both else 0.3) for i, j in sorted(forward | backward)]
    return result


def mapped(table: sp.csr_matrix, vectors: Vectors) -> tuple[Vectors, NDArray[np.float64]]:
    """Vectors of the table's source subwords in the space of `vectors`, and their evidence."""
    total = np.asarray(table.sum(1)).ravel()
    cells = table.tocoo()
    sharp = sp.coo_matrix(
        ((cells.data / total[cells.row]) ** SHARPEN, (cells.row, cells.col)), shape=table.shape
    )
    return normalised(np.asarray(sharp.tocsr() @ vectors, np.float32)), total


def carried_over(own: Vectors, anchors: Vectors, known: NDArray[np.bool_]) -> Vectors:
    """Vectors of a language's own space brought into the shared one by ridge regression.

    known: the subwords whose shared vectors (`anchors`) are well attested.
    """
    x, y = own[known], anchors[known]
    weights = np.linalg.solve(x.T @ x + 0.5 * np.eye(x.shape[1], dtype=np.float32), x.T @ y)
    return normalised(own @ weights)


def normalised(vectors: NDArray[np.floating]) -> Vectors:
    """Unit rows; rows of zeros stay zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Vectors = (vectors / np.maximum(length, 1e-6)).astype(np.float32)
    return result
