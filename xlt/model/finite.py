"""Weights that are numbers: one NaN in them, and all that is predicted is nonsense."""

from __future__ import annotations

from collections.abc import Iterable

import torch


def first_broken(weights: Iterable[tuple[str, torch.Tensor]]) -> str | None:
    """The name of the first of these weights that holds NaN or infinity; None if all are finite."""
    return next((name for name, tensor in weights if not tensor.isfinite().all()), None)
