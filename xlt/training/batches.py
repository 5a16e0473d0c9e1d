"""Batches to learn from: what a task makes of examples, and what their losses are multiplied by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from xlt.data.batch import BLANK, IGNORED
from xlt.inference.predictor import SubwordTable, trimmed
from xlt.task import Example
from xlt.training.weighting import ExampleWeights

EXAMPLES = "examples"
"""In a batch whose weights its losses have yet to decide: the indices of its examples."""

Row = tuple[Example, bool]
"""An example, and whether it is a blank one (see `xlt.data.batch.StepSampler`)."""


class Rows(Dataset[Row]):
    """Examples by their index, or blank ones."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Row:
        return (self.examples[BLANK - index], True) if index < 0 else (self.examples[index], False)


class Collates(Protocol):
    """What makes batches of examples: a task, say."""

    def collate(self, examples: Sequence[Example], /) -> dict[str, Any]:
        """What the model's forward takes. Among its tensors are `labels`, with `IGNORED` where
        nothing is to be learnt."""


def targets_of(task: Collates, examples: Sequence[Example]) -> NDArray[np.int64]:
    """How many targets each example has, of which its loss is the sum."""
    alone = (task.collate([example])["labels"] for example in examples)
    counts = (int((labels != IGNORED).sum()) for labels in alone)
    return np.fromiter(counts, np.int64, len(examples))


class Batches:
    """Batches of a task.

    weights: of the examples, by their index; None: all count alike.
    weighting: decides on more of them. steps: how many steps are done.
    subwords: see `xlt.inference.predictor.Predictor`.
    """

    def __init__(
        self,
        task: Collates,
        *,
        weights: NDArray[np.float64] | None,
        smoothing: float,
        subwords: SubwordTable | None,
        steps: Callable[[], int],
    ) -> None:
        self.task, self.smoothing, self.subwords = task, smoothing, subwords
        self.weights, self.steps = weights, steps
        self.weighting: ExampleWeights | None = None

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        """A batch of rows, but for those of weight 0 in this epoch."""
        own = None if self.weighting is None else self.weighting.of_epoch(self.steps())
        if self.weighting is not None and own is not None:
            computed = [row for row in rows if own[row[0].index]]
            self.weighting.count(len(rows) - len(computed), len(rows) - len(computed))
            rows = computed or [(rows[0][0], True)]
        blank = rows[0][1]
        batch = trimmed(self.task.collate([example for example, _ in rows]), self.subwords)
        indices = [example.index for example, _ in rows]
        known = [weights[indices] for weights in (self.weights, own) if weights is not None]
        if known or self.weighting is not None:
            product = np.prod([np.ones(len(rows)), *known], axis=0)
            batch["weights"] = torch.from_numpy(product).float()
        if self.weighting is not None and self.weighting.options.models > 1:
            batch["weights"] = batch["weights"].repeat(self.weighting.options.models, 1)
        if self.weighting is not None and not blank:
            batch[EXAMPLES] = indices
        if self.smoothing:
            batch["smoothing"] = self.smoothing
        if blank:
            batch["labels"] = torch.full_like(batch["labels"], IGNORED)
        return batch
