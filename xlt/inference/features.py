"""What a model's encoder makes of the units of documents, words or whole texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from xlt.document import Document
from xlt.inference.predictor import Predictor
from xlt.inference.word_vectors import word_vectors
from xlt.task import Example, label_layer

if TYPE_CHECKING:
    from xlt.model.backbone import Backbone

Vectors = NDArray[np.float32]


def features(
    backbone: Backbone,
    predictor: Predictor,
    records: Sequence[Document],
    examples: Sequence[Example],
) -> list[Vectors]:
    """The encoder's last layer in each record, (units, d): `word_vectors` of the first text; of a
    task that gives a record one label, one, the mean over all subwords that the model reads.

    examples: the records, encoded.
    """
    if label_layer(predictor.task) is not None:
        found = dict(predictor.each(examples, lambda batch: _means(predictor, batch)))
        return [found[number] for number in range(len(examples))]
    texts = [record.text for record in records]
    encoder = predictor.model.encoder.base_model
    return word_vectors(encoder, backbone, texts, budget=predictor.budget, device=predictor.device)


def _means(predictor: Predictor, batch: dict[str, torch.Tensor]) -> list[Vectors]:
    """Of each example of a batch, (1, d), over all of its windows."""
    states = predictor.model.encoder.base_model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
    ).last_hidden_state.float()
    there = batch["attention_mask"].unsqueeze(-1).float()
    sums, numbers = (states * there).sum(1), there.sum(1)
    windows = batch["windows"].tolist()
    return [
        (total.sum(0) / number.sum(0).clamp(min=1))[None].cpu().numpy()
        for total, number in zip(sums.split(windows), numbers.split(windows), strict=True)
    ]
