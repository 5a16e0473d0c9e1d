"""Scores of a model while it trains, computed by all processes together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from accelerate import PartialState
from accelerate.utils import gather_object
from numpy.typing import NDArray

from xlt.document import Document
from xlt.evaluation.counts import count_matrix
from xlt.inference.predictor import Predictor
from xlt.task import Example


def distributed_counts(
    predictor: Predictor, records: Sequence[Document], examples: Sequence[Example]
) -> NDArray[np.float64]:
    """`count_matrix` of a data set, computed by all processes together; rows in record order."""
    state = PartialState()
    mine = range(state.process_index, len(examples), state.num_processes)
    chosen = [records[examples[i].index] for i in mine]
    local = [Example(j, examples[i].length, examples[i].inputs) for j, i in enumerate(mine)]
    counts = count_matrix(predictor.task, chosen, predictor(chosen, local))
    if state.num_processes == 1:
        return counts
    rows = gather_object(list(zip(mine, counts.tolist(), strict=True)))
    return np.array([row for _, row in sorted(rows, key=lambda pair: pair[0])])
