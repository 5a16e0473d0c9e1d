"""Accuracy and F1 by class, from counts that add up over records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]

COUNTED = ("correct", "predicted", "gold")
"""What is counted of each label."""


def count_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of `class_counts`: for each label the records that have it in gold and
    prediction, in the prediction, in gold."""
    return tuple(f"{label}_{what}" for label in labels for what in COUNTED)


def metric_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the scores of `class_metrics`; the first chooses checkpoints."""
    return ("accuracy", "macro_f1", *(f"f1_{label}" for label in labels))


def class_counts(gold: str, predicted: str, labels: Sequence[str]) -> Counts:
    """Count one record, shape (3 * labels,); all 0 if its label is not known."""
    counts = np.zeros((len(labels), 3))
    if gold in labels:
        counts[labels.index(gold), 2] = 1
        if predicted in labels:
            counts[labels.index(predicted), 1] = 1
        if gold == predicted:
            counts[labels.index(gold), 0] = 1
    return counts.reshape(-1)


def class_metrics(counts: Counts, named: Sequence[str] = ()) -> dict[str, Counts]:
    """Compute scores in percent, from counts of shape (..., 3 * labels).

    named: all labels in their order, where each is to have a score of its own.

    accuracy: share of right labels. macro_f1: mean F1 of the labels that are in gold or
    predictions. f1_<label>: 2 * correct / (predicted + gold), 0 where a label is in neither.
    """
    table = counts.reshape(*counts.shape[:-1], counts.shape[-1] // 3, 3)
    correct, predicted, gold = (table[..., column] for column in range(3))
    seen = predicted + gold
    f1 = 100 * 2 * correct / np.maximum(seen, 1)
    overall = {
        "accuracy": 100 * correct.sum(-1) / np.maximum(gold.sum(-1), 1),
        "macro_f1": f1.sum(-1) / np.maximum((seen > 0).sum(-1), 1),
    }
    return overall | {f"f1_{label}": f1[..., i] for i, label in enumerate(named)}
