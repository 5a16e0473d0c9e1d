"""What becomes of one tensor of several models. Tensors come in fp64 and all of one shape.

A difference (task vector) is what a model has learnt: its weights less those of the base that it
was trained from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

Tensor = torch.Tensor


def mean(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Σ wᵢ θᵢ / Σ wᵢ. Of runs and checkpoints: Schmidt et al. 2023 (arXiv 2305.16834); of a model
    and the one that it was fine-tuned from: WiSE-FT (Wortsman et al. 2022, arXiv 2109.01903)."""
    total = torch.zeros_like(tensors[0])
    for tensor, weight in zip(tensors, weights, strict=True):
        total += weight * tensor
    return total / math.fsum(weights)


def slerp(first: Tensor, second: Tensor, share: float) -> Tensor:
    """On the arc between two tensors, `share` of the way to the second (Shoemake 1985).

    Where they point in the same or in opposite directions there is no one arc: the straight line.
    """
    lengths = first.norm() * second.norm()
    cosine = float((first * second).sum() / lengths) if lengths else 1.0
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    if math.sin(angle) < 1e-6:
        return mean([first, second], [1 - share, share])
    ahead, back = math.sin((1 - share) * angle), math.sin(share * angle)
    return (ahead * first + back * second) / math.sin(angle)


def weighted_sum(differences: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Σ wᵢ τᵢ: what task arithmetic adds to a base (Ilharco et al. 2023, arXiv 2212.04089)."""
    result = torch.zeros_like(differences[0])
    for difference, weight in zip(differences, weights, strict=True):
        result += weight * difference
    return result


def elected(differences: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Of each entry the mean over those differences that have the sign of their weighted sum.

    TIES-merging, after its trimming (Yadav et al. 2023, arXiv 2306.01708, algorithm 1). Where the
    sum is 0, the sign is that of most of them, and the entry 0 where there is none. An entry of 0
    counts for no sign.
    """
    stacked = torch.stack([w * one for w, one in zip(weights, differences, strict=True)])
    sign = stacked.sum(0).sign()
    sign = torch.where(sign == 0, stacked.sign().sum(0).sign(), sign)
    agree = (stacked.sign() == sign) & (sign != 0)
    shares = torch.tensor(weights, dtype=stacked.dtype).view(-1, *[1] * (stacked.ndim - 1))
    total = (agree * shares).sum(0)
    return torch.where(total > 0, (stacked * agree).sum(0) / total.clamp(min=1e-300), 0.0)


def size(difference: Tensor) -> Tensor:
    """By which entries are compared, fp32: what is stored has no more digits."""
    return difference.abs().float()


def largest(difference: Tensor, threshold: float, at_it: int) -> Tensor:
    """The entries whose `size` is above a threshold, and the first `at_it` of those that are at it;
    0 in place of all others. TIES-merging's trimming."""
    sizes = size(difference)
    keep = sizes > threshold
    keep.view(-1)[(sizes == threshold).flatten().nonzero().flatten()[:at_it]] = True
    return difference * keep


def dropped(difference: Tensor, density: float, generator: torch.Generator) -> Tensor:
    """Each entry kept with probability `density` and divided by it, else 0: the expectation stays.

    DARE (Yu et al. 2024, arXiv 2311.03099).
    """
    keep = torch.rand(difference.shape, generator=generator, dtype=torch.float64) < density
    return difference * keep / density


def by_information(
    tensors: Sequence[Tensor], information: Sequence[Tensor], weights: Sequence[float]
) -> Tensor:
    """Σ cᵢ Fᵢ θᵢ / Σ cᵢ Fᵢ, the first tensor where that is 0 / 0.

    Of Fisher information: Matena & Raffel 2022 (arXiv 2111.09832).
    """
    total, norm = torch.zeros_like(tensors[0]), torch.zeros_like(tensors[0])
    for tensor, own, weight in zip(tensors, information, weights, strict=True):
        total += weight * own * tensor
        norm += weight * own
    return torch.where(norm > 0, total / norm.clamp(min=1e-300), tensors[0])
