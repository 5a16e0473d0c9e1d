"""What one matrix learns from the others: where the weights of the distances are drawn to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

TOGETHER = 1.0
"""The weights of all tasks, counted as so many matrices of the task."""


def key(name: str, task: str) -> str:
    """What a matrix is called in `weights.json`."""
    return f"{name} {task}"


def prior(weights: Mapping[str, Sequence[float] | Values], name: str, task: str) -> Values:
    """Mean of β for a matrix: of the task's other matrices, drawn to the mean over all tasks.

    weights: `key` of a matrix → its β, fitted without a prior. Every task counts the same.
    """
    tasks: dict[str, list[Values]] = {}
    for label, value in weights.items():
        tasks.setdefault(label.rpartition(" ")[2], []).append(np.asarray(value))
    together = np.mean([np.mean(values, 0) for values in tasks.values()], 0)
    others = [
        np.asarray(value)
        for label, value in weights.items()
        if label.rpartition(" ")[2] == task and label != key(name, task)
    ]
    total = np.sum([TOGETHER * together, *others], 0)
    return np.asarray(total / (TOGETHER + len(others)))
