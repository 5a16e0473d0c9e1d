"""Scores of a model while it trains, computed by all processes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from accelerate import PartialState
from accelerate.utils import gather_object
from numpy.typing import NDArray

from xlt.document import Document
from xlt.evaluation.counts import count_matrix
from xlt.inference.predictor import WINDOW, Predictor
from xlt.task import Example


def distributed_counts(
    predictor: Predictor, records: Sequence[Document], examples: Sequence[Example]
) -> NDArray[np.float64]:
    """`count_matrix` of a data set, computed by all processes together; rows in record order.

    examples: of the records, in their order.
    """
    state = PartialState()
    mine = range(state.process_index, len(examples), state.num_processes)
    parts = [count_matrix(predictor.task, [], [])]
    for start in range(0, len(mine), WINDOW):
        window = mine[start : start + WINDOW]
        chosen = slice(window.start, window.stop, window.step)
        own = list(records[chosen])
        local = [replace(example, index=j) for j, example in enumerate(examples[chosen])]
        parts.append(count_matrix(predictor.task, own, predictor(own, local)))
    counts = np.concatenate(parts)
    if state.num_processes == 1:
        return counts
    rows = gather_object(list(zip(mine, counts.tolist(), strict=True)))
    return np.array([row for _, row in sorted(rows, key=lambda pair: pair[0])])
