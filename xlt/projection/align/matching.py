"""Links from a matrix of similarities: SimAlign's three methods, for a padded batch of pairs.

Jalili Sabet et al. 2020 (Findings of EMNLP, "SimAlign"), sections 2.2-2.4; the definitions are
those of its published code, down to the cases where it stops early.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

Method = Literal["argmax", "itermax", "match"]

DISCOUNT = 0.9
"""Itermax: what similarities to words that are linked already are multiplied by."""
ROUNDS = 2
"""Itermax: how often words are linked."""


def extract(
    similarity: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, method: Method
) -> torch.Tensor:
    """Which cells are links: bool, of the shape of `similarity`.

    similarity: (pairs, rows, columns), between 0 and 1.
    rows, columns: the real lengths, (pairs,); what is beyond is padding.
    """
    real = inside(similarity, rows, columns)
    similarity = similarity.masked_fill(~real, -1.0)
    if method == "match":
        return _match(similarity, rows, columns)
    links = _mutual(similarity) & real
    return _itermax(similarity, links, real) if method == "itermax" else links


def mutual_softmax(dots: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """The lesser of the `softmaxes`."""
    return torch.minimum(*softmaxes(dots, rows, columns))


def softmaxes(
    scores: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The softmax over each row and that over each column; 0 for padding.

    Dou & Neubig 2021 (EACL, "Word alignment by fine-tuning embeddings on parallel corpora"),
    section 2.2. scores: (pairs, rows, columns); rows, columns: as of `extract`.
    """
    real = inside(scores, rows, columns)
    masked = scores.float().masked_fill(~real, torch.finfo(torch.float32).min)
    ahead, back = masked.softmax(2), masked.softmax(1)
    return ahead.masked_fill(~real, 0.0), back.masked_fill(~real, 0.0)


def inside(table: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Which cells of (pairs, rows, columns) are no padding."""
    mask = _inside(rows, table.shape[1])[:, :, None]
    return mask & _inside(columns, table.shape[2])[:, None, :]


def _inside(lengths: torch.Tensor, size: int) -> torch.Tensor:
    return torch.arange(size, device=lengths.device)[None] < lengths[:, None]


def _mutual(similarity: torch.Tensor) -> torch.Tensor:
    """Cells that are the first maximum of both their row and their column."""
    best_column = similarity.argmax(2, keepdim=True)
    best_row = similarity.argmax(1, keepdim=True)
    ahead = torch.zeros_like(similarity, dtype=torch.bool).scatter_(2, best_column, True)
    back = torch.zeros_like(similarity, dtype=torch.bool).scatter_(1, best_row, True)
    return ahead & back


def _itermax(similarity: torch.Tensor, links: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """More links for words that have none: similarities to linked words are discounted, cells
    between two linked words are out, then mutual maxima again."""
    short = torch.minimum(inside.any(2).sum(1), inside.any(1).sum(1)) <= 2
    for _ in range(ROUNDS - 1):
        free_rows = ~links.any(2, keepdim=True) & inside.any(2, keepdim=True)
        free_columns = ~links.any(1, keepdim=True) & inside.any(1, keepdim=True)
        ready = free_rows.any(1, keepdim=True) & free_columns.any(2, keepdim=True)
        open_cells = (free_rows | free_columns) & ready & ~short[:, None, None] & inside
        both = free_rows & free_columns
        discounted = torch.where(both, similarity, similarity * DISCOUNT)
        discounted = torch.where(open_cells, discounted, torch.zeros_like(similarity))
        new = _mutual(discounted.masked_fill(~inside, -1.0)) & open_cells
        links = links | new
    return links


def _match(similarity: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """The one-to-one links of the greatest total similarity (Kuhn's assignment problem)."""
    links = torch.zeros_like(similarity, dtype=torch.bool)
    values = similarity.float().cpu().numpy()
    for pair, (m, n) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        chosen = linear_sum_assignment(values[pair, :m, :n], maximize=True)
        links[pair, torch.from_numpy(np.asarray(chosen[0])), torch.from_numpy(chosen[1])] = True
    return links
