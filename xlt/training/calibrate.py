"""Temperatures of a finished model's confidences, fitted on the dev data that selected it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from xlt.document import Document
from xlt.evaluation.reliability import Judged, judged
from xlt.inference.predictor import Predictor
from xlt.model.calibration import HIGHEST, LOWEST, Calibration
from xlt.task import Example, confident
from xlt.training.data import Data, sample
from xlt.training.expected import is_text
from xlt.training.scoring import selector


def calibrate(
    predictor: Predictor, sets: Sequence[tuple[Data, Sequence[Example]]]
) -> Calibration | None:
    """For every kind of thing that is predicted, the temperature under which the confidences of the
    predictions are likeliest; None where the task or its model has no confidence, and without dev
    data.

    sets: dev data with their examples, of which a `sample` is enough: one number is fitted. Of text
        without labels among them nothing is taken.

    The logarithm of a temperature has a standard normal distribution as its prior: few things
    change it little, and none not at all.
    """
    from scipy.optimize import minimize_scalar  # slow to import

    task, labels = confident(predictor.task), predictor.model.labels
    known = [(data, examples) for data, examples in sets if not is_text(data)]
    if task is None or not known:
        return None
    batches = [batch for data, examples in known for batch in _predicted(predictor, data, examples)]

    def things(temperatures: Mapping[str, float]) -> Judged:
        pairs: list[tuple[Document, Document]] = []
        for gold, decoded, examples, outputs in batches:
            found = task.confidence(decoded, examples, outputs, labels, temperatures)
            pairs += [
                (right, one.with_confidence(confidence))
                for right, one, confidence in zip(gold, decoded, found, strict=True)
            ]
        return judged(pairs)

    fitted: dict[str, float] = {}
    counted = {key: len(right) for key, (_, right) in things({}).items()}
    for key in counted:

        def cost(log: float, key: str = key) -> float:
            confidence, right = things({**fitted, key: float(np.exp(log))})[key]
            chance = np.clip(np.where(right, confidence, 1 - confidence), 1e-9, 1.0)
            return float(log**2 / 2 - np.log(chance).sum())

        bounds = float(np.log(LOWEST)), float(np.log(HIGHEST))
        best = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-3})
        fitted[key] = round(float(np.exp(best.x)), 4)
    return Calibration(fitted, selector([data.data_split for data, _ in known]), counted)


_Batch = tuple[list[Document], list[Document], list[Example], dict[str, torch.Tensor]]
"""Gold documents, predicted ones, their examples and the model's outputs for them."""


def _predicted(predictor: Predictor, data: Data, examples: Sequence[Example]) -> Iterator[_Batch]:
    chosen = sample(len(examples))
    records = [data.records[i] for i in chosen]
    local = [replace(examples[i], index=n) for n, i in enumerate(chosen)]
    for batch, outputs in predictor.batches(local):
        decoded = predictor.decode(records, local, batch, outputs)
        yield [records[i] for i in batch], decoded, [local[i] for i in batch], outputs
