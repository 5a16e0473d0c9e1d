"""What several teachers say of a record together, and which records are worth learning from.

Of their predictions the one is taken that the others agree with most: minimum Bayes risk under the
mixture of the teachers (Kumar and Byrne 2004, "Minimum Bayes-Risk Decoding for Statistical Machine
Translation"), whose gain is the task's own first metric. So one rule serves every task, labels that
a teacher does not know, and models that write text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xlt.document import Document
from xlt.evaluation.counts import count_matrix
from xlt.task import Task

CONFIDENCE, AGREEMENT = "confidence", "agreement"
"""Reasons why a record is left out."""


class Agreed(NamedTuple):
    """A record as a teacher annotated it.

    teacher:    which, from 0.
    agreement:  from 0 to 1: of the other teachers with it, by what they count; 1 without others
        that count.
    confidence: how sure the teacher is of what it predicts there, on average over all that has a
        confidence (`Document.confidence`); None where nothing has.
    """

    document: Document
    teacher: int
    agreement: float
    confidence: float | None


def agreed(
    task: Task, predicted: Sequence[Sequence[Document]], weights: Sequence[float]
) -> list[Agreed]:
    """Of each record the prediction with the most agreement; of equal ones the one of which its
    teacher is surest (`confidence`; one without any comes last); of those that of the teacher who
    counts most, the first of several.

    Two teachers agree with each other alike: what the one that counts more says is taken, and of
    two that count alike what the surer says.

    predicted: of each teacher, of the same records. weights: what each counts, in any unit.
    """
    shares = np.asarray(weights, np.float64)
    shares = shares / shares.sum()
    alike = _agreement(task, predicted)
    gain = np.einsum("t,tsr->sr", shares, alike)
    order = np.argsort(-shares, kind="stable")
    sure = np.array([[_sureness(one) for one in every] for every in predicted])
    # Rounded, so that what is equal but for the order of a sum is equal.
    gain = gain.round(9)
    sure = np.where(gain == gain.max(0), sure, -np.inf)
    best = order[sure[order].argmax(0)]
    found = []
    for record, teacher in enumerate(best.tolist()):
        others = np.delete(shares, teacher)
        agreeing = np.delete(alike[teacher, :, record], teacher)
        agreement = others @ agreeing / others.sum() if others.any() else 1.0
        document = predicted[teacher][record]
        found.append(Agreed(document, teacher, round(float(agreement), 9), confidence(document)))
    return found


def _sureness(document: Document) -> float:
    """`confidence`, to be compared."""
    sure = confidence(document)
    return -1.0 if sure is None else round(sure, 9)


def confidence(document: Document) -> float | None:
    """The mean of all confidences of a prediction; None where there are none."""
    every = [sure for values in document.confidence.values() for sure in values]
    return sum(every) / len(every) if every else None


@dataclass
class Yield:
    """Which records a student learns from. least_confidence, least_agreement: what is asked of one;
    None: nothing."""

    least_confidence: float | None = None
    least_agreement: float | None = None
    kept: list[Agreed] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    _every: list[Agreed] = field(default_factory=list)

    def add(self, one: Agreed) -> None:
        self._every.append(one)
        if self.least_confidence is not None and (one.confidence or 0.0) < self.least_confidence:
            self.lost[CONFIDENCE] += 1
        elif self.least_agreement is not None and one.agreement < self.least_agreement:
            self.lost[AGREEMENT] += 1
        else:
            self.kept.append(one)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able. "confidence", "agreement": means over all records and over those kept; None
        where nothing has any."""
        return {
            "records": len(self._every),
            "kept": len(self.kept),
            "lost": dict(self.lost.most_common()),
            CONFIDENCE: {
                "all": _mean([one.confidence for one in self._every]),
                "kept": _mean([one.confidence for one in self.kept]),
            },
            AGREEMENT: {
                "all": _mean([one.agreement for one in self._every]),
                "kept": _mean([one.agreement for one in self.kept]),
            },
        }


def _agreement(task: Task, predicted: Sequence[Sequence[Document]]) -> NDArray[np.float64]:
    """How well the teachers' predictions of each record agree with each other's, from 0 to 1:
    (teachers, teachers, records).

    Where both say that there is nothing, no metric is defined, and they agree.
    """
    task = task.for_labels(task.labels(chain.from_iterable(predicted)))
    metric = task.metrics_reported[0]
    own = [count_matrix(task, one, one) for one in predicted]
    alike = np.ones((len(predicted), len(predicted), len(predicted[0])))
    for first, second in combinations(range(len(predicted)), 2):
        # Some metrics depend on which of the two counts as gold.
        ways = [(first, second), (second, first)]
        counts = [count_matrix(task, predicted[a], predicted[b]) for a, b in ways]
        value = np.mean([task.metrics(one)[metric] / 100 for one in counts], axis=0)
        same = (counts[0] == own[first]).all(1) & (counts[0] == own[second]).all(1)
        alike[first, second] = alike[second, first] = np.where(same, 1.0, value)
    return alike


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None
