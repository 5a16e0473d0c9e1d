"""From gold and predicted records to counts, and from counts to a task's scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from xlt.document import Document
    from xlt.task import Task


def count_matrix(
    task: Task, gold: Sequence[Document], predicted: Sequence[Document]
) -> NDArray[np.float64]:
    """Sufficient statistics of every record, shape (records, len(task.count_names))."""
    if not gold:
        return np.zeros((0, len(task.count_names)))
    return np.stack([task.counts(g, p) for g, p in zip(gold, predicted, strict=True)])


def score(task: Task, counts: NDArray[np.float64]) -> dict[str, float]:
    """The task's metrics over all records, in percent."""
    return {name: float(value) for name, value in task.metrics(counts.sum(axis=0)).items()}
