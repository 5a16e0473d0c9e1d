"""How alike the units of two texts are: their vectors, how they look, where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xlt.projection.align.base import WordPair

if TYPE_CHECKING:
    import torch

SHARPNESS = 5.0
"""Similarities, in standard deviations, are multiplied by it before the softmax."""


def cosines(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Of all vectors (pairs, units, d) of the one side with those of the other."""
    import torch

    one, other = (torch.nn.functional.normalize(vectors, dim=-1) for vectors in (x, y))
    return torch.bmm(one, other.transpose(1, 2))


def stack(rows: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Rows padded with 0 at the end: (rows, longest)."""
    stacked = np.zeros((len(rows), max(len(row) for row in rows)), np.int32)
    for n, row in enumerate(rows):
        stacked[n, : len(row)] = row
    return stacked


def nearness(
    similarity: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, weight: float
) -> torch.Tensor:
    """SimAlign's distortion correction: 1 on the diagonal, 1 - weight in the far corners.

    similarity: (pairs, rows, columns), as the result; rows, columns: real lengths, (pairs,).
    """
    import torch

    places = []
    for size, lengths in ((similarity.shape[1], rows), (similarity.shape[2], columns)):
        steps = torch.arange(size, device=lengths.device)[None]
        places.append(steps / (lengths[:, None] - 1).clamp(min=1))
    return 1 - weight * (places[0][:, :, None] - places[1][:, None, :]) ** 2


def alike(
    pairs: Sequence[WordPair], source_owner: NDArray[np.int32], target_owner: NDArray[np.int32]
) -> NDArray[np.float32]:
    """How alike the words look that two units belong to: (pairs, rows, columns)."""
    from xlt.data.batch import padded
    from xlt.projection.align.lexical import MIN_SIMILARITY, Forms, similarity

    words = [sorted({w for pair in pairs for w in pair[side]}) for side in (0, 1)]
    number = [{w: n for n, w in enumerate(side)} for side in words]
    ids = [
        stack([np.array([number[side][w] for w in pair[side]], np.int32) for pair in pairs])
        for side in (0, 1)
    ]
    rows = np.take_along_axis(ids[0], source_owner, 1)
    columns = np.take_along_axis(ids[1], target_owner, 1)
    key = rows[:, :, None].astype(np.int64) * len(words[1]) + columns[:, None, :]
    unique, place = np.unique(key, return_inverse=True)
    first, second = np.divmod(unique, len(words[1]))
    value = similarity(Forms.of(words[0]), Forms.of(words[1]), first, second)
    value[value < MIN_SIMILARITY] = 0
    shape = (len(pairs), padded(rows.shape[1]), padded(columns.shape[1]))
    look = np.zeros(shape, np.float32)
    look[:, : rows.shape[1], : columns.shape[1]] = value[place.reshape(key.shape)]
    return look
