"""What a model scores on text without labels, as far as its own behaviour there tells.

A criterion compares what the model does on the text with what it does on labelled dev data of its
sources. Its unit is a thing that the model predicts (`xlt.evaluation.reliability.things`): a word's
tag, an entity, an arc, a label. The papers predict the share of things that are right; where the
score is another figure of the same things (F1), it is taken to change in the same proportion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlt.data.rows import rounded
from xlt.evaluation.counts import count_matrix, score
from xlt.evaluation.reliability import judged, things

if TYPE_CHECKING:
    from xlt.document import Document
    from xlt.task import Task

CONFIDENCE, DIFFERENCE, THRESHOLD = "confidence", "difference", "threshold"
AGREEMENT = "agreement"
TRANSFER_SCORE = "transfer_score"
"""It orders models and is no expected score: none of `CRITERIA`."""
CRITERIA = (CONFIDENCE, DIFFERENCE, THRESHOLD, AGREEMENT)

_LEAST = 0.001
"""Shares nearer to 0 or 1 are taken for this one on the probit scale, whose ends are infinite."""
_NORMAL = NormalDist()


class Threshold(NamedTuple):
    """A confidence, and the share of the things of just this confidence that count as above it:
    a model that is sure gives many things one confidence, and no threshold would part them."""

    confidence: float
    share: float


class Sure(NamedTuple):
    """What confidences are worth on labelled dev data.

    right: share of the predicted things that are right, among those of which gold says it.
    confidence: their mean confidence.
    found: predicted things a word, whatever gold says of them: as many as would be found in text.
    """

    right: float
    confidence: float
    threshold: Threshold
    found: float


@dataclass(frozen=True)
class OnDev:
    """A model on labelled dev data of its sources.

    score: its task's first metric, in percent.
    sure: None of a model without confidences, or that predicts nothing there.
    agreement: with the other models of its run (`agreement`), in percent; None of one alone.
    """

    score: float
    sure: Sure | None = None
    agreement: float | None = None


@dataclass(frozen=True)
class OnText:
    """The same model on text without labels.

    confidences: of each thing, shape (things,); empty where there are none. words: of the text.
    agreement: as of `OnDev`.
    transfer_score: `xlt.evaluation.transfer_score`; None of a model that has none.
    """

    confidences: NDArray[np.float64]
    words: int
    agreement: float | None = None
    transfer_score: float | None = None


def fit_threshold(confidences: ArrayLike, right: ArrayLike) -> Threshold:
    """The threshold of average thresholded confidence (ATC; Garg et al. 2022, arXiv 2201.04234,
    section 4): above it lie as many things as are right.

    confidences: of things on labelled source data; right: whether each is. Both (things,).
    Raises ValueError without a thing.
    """
    sure, correct = np.asarray(confidences, float), np.asarray(right, bool)
    if not len(sure) or sure.shape != correct.shape:
        raise ValueError(f"confidences of shape {sure.shape}, verdicts of shape {correct.shape}")
    wanted = int(correct.sum())
    if not wanted:
        return Threshold(float(sure.max()), 0.0)
    value = float(np.sort(sure)[len(sure) - wanted])
    equal, above = int((sure == value).sum()), int((sure > value).sum())
    return Threshold(value, (wanted - above) / equal)


def share_above(confidences: ArrayLike, threshold: Threshold) -> float:
    """The share of right things that ATC predicts (Garg et al. 2022, section 4): those above the
    threshold. Raises ValueError without a thing."""
    sure = np.asarray(confidences, float)
    if not len(sure):
        raise ValueError("there is no confidence")
    above = (sure > threshold.confidence).mean()
    return float(above + threshold.share * (sure == threshold.confidence).mean())


def difference_of_confidences(right: float, on_dev: float, on_text: float) -> float:
    """The share of right things by the difference of mean confidences (DoC; Guillory et al. 2021,
    arXiv 2107.03315): it falls by as much as the confidence does.

    right: share on labelled source data. on_dev, on_text: mean confidences.
    """
    return right + on_text - on_dev


def agreement(task: Task, predicted: Sequence[Sequence[Document]]) -> list[float]:
    """How far each of several models agrees with the others: the mean of the task's first metric of
    its predictions, each other model's taken as gold; in percent, in the order of the models.

    The agreement of two models that differ in their seed is what they score, if each is calibrated
    (Jiang et al. 2022, arXiv 2106.13799).

    predicted: what each model, of two or more, says of the same texts.
    """
    task = task.for_labels(task.labels(chain.from_iterable(predicted)))
    metric = task.metrics_reported[0]
    return [
        float(
            np.mean(
                [
                    score(task, count_matrix(task, other, own))[metric]
                    for place, other in enumerate(predicted)
                    if place != number
                ]
            )
        )
        for number, own in enumerate(predicted)
    ]


def along_the_line(score: float, on_dev: float, on_text: float) -> float:
    """The score that agreement predicts ("agreement on the line"; Baek et al. 2022, arXiv
    2206.13089): on the probit scale scores and agreements on two sets lie along one and
    the same line. Two points give its offset; its slope is taken to be 1, since the few models
    that differ in their seed alone lie too close to show it.

    score: on labelled source data. on_dev, on_text: agreements. All in percent.
    """
    probit = [_NORMAL.inv_cdf(min(max(x / 100, _LEAST), 1 - _LEAST)) for x in (on_text, on_dev)]
    start = _NORMAL.inv_cdf(min(max(score / 100, _LEAST), 1 - _LEAST))
    return 100 * _NORMAL.cdf(start + probit[0] - probit[1])


def agreements(task: Task, predicted: Sequence[Sequence[Document]]) -> Sequence[float | None]:
    """`agreement`, or None of a model that is alone."""
    return agreement(task, predicted) if len(predicted) > 1 else [None]


def on_dev(
    task: Task,
    gold: Sequence[Document],
    predicted: Sequence[Document],
    metric: str | None = None,
    *,
    agrees: float | None = None,
) -> OnDev:
    """A model by what it predicts of dev data. metric: by default the task's first."""
    scored = score(task, count_matrix(task, gold, predicted))[metric or task.metrics_reported[0]]
    every = judged(zip(gold, predicted, strict=True)).values()
    confidences = np.array([rounded(one) for sure, _ in every for one in sure.tolist()])
    if not len(confidences):
        return OnDev(scored, None, agrees)
    right = np.concatenate([verdicts for _, verdicts in every])
    words = sum(len(task.words(document)) for document in predicted)
    sure = Sure(
        float(right.mean()),
        float(confidences.mean()),
        fit_threshold(confidences, right),
        sum(len(things(document.confidence)) for document in predicted) / words,
    )
    return OnDev(scored, sure, agrees)


def on_text(
    task: Task,
    predicted: Sequence[Sequence[Document]],
    transfer_scores: Sequence[float | None] | None = None,
) -> list[OnText]:
    """Each of several models, or one, by what it predicts of text."""
    scores = [None] * len(predicted) if transfer_scores is None else transfer_scores
    return [
        OnText(
            np.array([rounded(one) for each in own for one in things(each.confidence)]),
            sum(len(task.words(each)) for each in own),
            agrees,
            transfer_score,
        )
        for own, agrees, transfer_score in zip(
            predicted, agreements(task, predicted), scores, strict=True
        )
    ]


def estimates(dev: OnDev, text: OnText) -> dict[str, float]:
    """Criterion → the score that it predicts on the text, in percent; without those that nothing
    can be said by: of a model whose predictions have no confidence, say.

    `CONFIDENCE` takes the mean confidence for the share of right things.
    """
    found: dict[str, float] = {}
    if dev.sure is not None and dev.sure.right and len(text.confidences):
        right, on_dev, threshold, _ = dev.sure
        mean = float(text.confidences.mean())
        shares = {
            CONFIDENCE: mean,
            DIFFERENCE: difference_of_confidences(right, on_dev, mean),
            THRESHOLD: share_above(text.confidences, threshold),
        }
        found = {name: dev.score * share / right for name, share in shares.items()}
    if dev.agreement is not None and text.agreement is not None:
        found[AGREEMENT] = along_the_line(dev.score, dev.agreement, text.agreement)
    return {name: min(max(value, 0.0), 100.0) for name, value in found.items()}


def combined(found: Mapping[str, float]) -> float | None:
    """One score of several criteria where nothing is fitted: their mean, without mean confidence,
    which `DIFFERENCE` corrects by what it is on dev data. None where there is none."""
    told = [value for name, value in found.items() if name != CONFIDENCE]
    return sum(told) / len(told) if told else None
