"""Scores of weights by dev sets, which select among them; computed by all processes together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xlt.config.schema import TEXT
from xlt.document import Document
from xlt.evaluation.counts import count_matrix, score
from xlt.inference.base import WINDOW
from xlt.inference.predictor import Predictor
from xlt.model.backbone import Backbone
from xlt.task import Example, Task
from xlt.training.callbacks import Scores
from xlt.training.data import Data
from xlt.training.encodings import encode
from xlt.training.expected import as_sentences, expected_score, is_text
from xlt.training.finished import Observed
from xlt.training.processes import together
from xlt.transfer.stage import DataSplit

LAST = "last"
"""The selector that keeps the last checkpoint."""

Encoded = Mapping[str, Sequence[tuple[Data, Sequence[Example]]]]
"""Selector → the dev sets whose mean score it is, with their examples."""


def selector(dev: Sequence[DataSplit]) -> str:
    """What weights are selected on, as results name it: "dev:eng", "dev:eng+swa", "text:hau" or
    "last"."""
    text = [data_split.language for data_split in dev if data_split.split == TEXT]
    if text:
        return f"text:{'+'.join(text)}"
    return f"dev:{'+'.join(data_split.name for data_split in dev)}" if dev else LAST


def contents(sets: Sequence[Sequence[Data]]) -> Observed:
    """Selector → what its dev sets hold: two of one name may differ."""
    return {selector([d.data_split for d in data]): [d.fingerprint for d in data] for data in sets}


def encode_sets(task: Task, sets: Sequence[Sequence[Data]], backbone: Backbone) -> Encoded:
    """Each dev set is encoded once, in however many sets it is; empty ones are left out. Of text
    without labels the first sentences are."""
    encoded: dict[str, Sequence[Example]] = {}
    sets = [[as_sentences(task, one) for one in data] for data in sets]
    for one in (one for data in sets for one in data):
        if one.fingerprint not in encoded:
            encoded[one.fingerprint] = encode(task, [one], backbone, None)
    return {
        selector([one.data_split for one in data]): [
            (one, encoded[one.fingerprint]) for one in data
        ]
        for data in sets
        if data
    }


def mean_scores(predictor: Predictor, sets: Encoded, metric: str, *, alone: bool = False) -> Scores:
    """The scores of the predictor's current weights. alone: other processes have no part in it."""
    known: dict[int, float] = {}
    scores = {}
    for name, evaluated in sets.items():
        if any(is_text(data) for data, _ in evaluated):
            scores[name] = expected_score(predictor, evaluated, metric, alone=alone)
            continue
        for data, examples in evaluated:
            if id(examples) not in known:
                counts = _counts(predictor, data.records, examples, alone=alone)
                known[id(examples)] = score(predictor.task, counts)[metric]
        scores[name] = float(np.mean([known[id(examples)] for _, examples in evaluated]))
    return scores


def _counts(
    predictor: Predictor, records: Sequence[Document], examples: Sequence[Example], *, alone: bool
) -> NDArray[np.float64]:
    """`count_matrix` of a data set; rows in record order.

    examples: of the records, in their order.
    """

    def count(mine: range) -> list[list[float]]:
        rows: list[list[float]] = []
        for start in range(0, len(mine), WINDOW):
            window = mine[start : start + WINDOW]
            chosen = slice(window.start, window.stop, window.step)
            own = list(records[chosen])
            local = [replace(example, index=j) for j, example in enumerate(examples[chosen])]
            rows += count_matrix(predictor.task, own, predictor(own, local)).tolist()
        return rows

    rows = together(len(examples), count, alone=alone)
    return np.array(rows).reshape(len(rows), len(predictor.task.count_names))
