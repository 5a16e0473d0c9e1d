"""The Transfer Score of a model that is ready to predict (`xlt.evaluation.transfer_score`)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
import torch

from xlt.data.batch import prediction_batches
from xlt.evaluation.transfer_score import Classified, transfer_score
from xlt.inference.predictor import Predictor
from xlt.model.bio import outside
from xlt.model.choosing import ChoosingModel, Classifying
from xlt.task import Example


def transfer_score_of(predictor: Predictor, examples: Sequence[Example]) -> float | None:
    """The mean Transfer Score of a model's linear layers on a text; None where none has one: a
    model that writes text or draws arcs, two classes, or a text in which it finds hardly anything.
    """
    scores = [transfer_score(one) for one in classified(predictor, examples)]
    known = [one for one in scores if one is not None]
    return fmean(known) if known else None


def classified(predictor: Predictor, examples: Sequence[Example]) -> list[Classified]:
    """What each linear layer of a model makes of a text: of IOB2 tags, those words that it takes
    for part of a span, and their tags as if there were no others. Most words are in none, and what
    is said of these hides all else.
    """
    model = predictor.model
    if not isinstance(model, ChoosingModel):
        return []

    def work(batch: dict[str, torch.Tensor]) -> list[Classified]:
        return [_classified(one, model.labels[one.layer]) for one in model.classifying(**batch)]

    parts = []
    with predictor.prepared(examples):
        for batch in prediction_batches([one.length for one in examples], predictor.budget):
            parts.append(predictor.run([examples[i] for i in batch], work))
    return [
        Classified(
            np.concatenate([one.features for one in of_batches]),
            of_batches[0].weights,
            np.concatenate([one.probabilities for one in of_batches]),
        )
        for of_batches in zip(*parts, strict=True)
    ]


def _classified(given: Classifying, labels: Sequence[str]) -> Classified:
    """What one layer makes of a batch."""
    linear, features = given.linear, given.features.float()
    weights = linear.weight.detach().float()
    scores = features @ weights.T
    if linear.bias is not None:
        scores = scores + linear.bias.detach().float()
    if (beside := outside(labels)) is not None:
        inside = scores.argmax(-1) != beside
        tags = [n for n in range(len(labels)) if n != beside]
        features, weights, scores = features[inside], weights[tags], scores[inside][:, tags]
    probabilities = scores.softmax(-1)
    return Classified(*(one.double().cpu().numpy() for one in (features, weights, probabilities)))
