"""Accuracy and F1 of labels against scikit-learn, which seqeval brings along."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from xlt.label_task.metrics import class_counts, class_metrics

LABELS = ("a", "b", "c", "d", "never")


@pytest.mark.parametrize("seed", range(20))
def test_scores(seed):
    draw = np.random.default_rng(seed)
    size = int(draw.integers(1, 12))
    gold, predicted = (draw.choice(LABELS[:4], size).tolist() for _ in range(2))
    counts = sum(class_counts(a, b, LABELS) for a, b in zip(gold, predicted, strict=True))
    found = class_metrics(np.asarray(counts), LABELS)
    assert found["accuracy"] == pytest.approx(100 * accuracy_score(gold, predicted))
    assert found["macro_f1"] == pytest.approx(100 * f1_score(gold, predicted, average="macro"))
    each = f1_score(gold, predicted, average=None, labels=list(LABELS), zero_division=0)
    assert [found[f"f1_{label}"] for label in LABELS] == pytest.approx((100 * each).tolist())
