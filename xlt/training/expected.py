"""What weights are expected to score on text without labels, which selects among them
(`selection.on: target_text`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace

from xlt.config.schema import TEXT
from xlt.document import Document
from xlt.evaluation.criteria import THRESHOLD, estimates, on_dev, on_text
from xlt.inference.predictor import Predictor
from xlt.task import Example, Task
from xlt.training.data import Data
from xlt.training.processes import together
from xlt.training.raw_text import MAX_SELECTION_SENTENCES, first_sentences

Sets = Sequence[tuple[Data, Sequence[Example]]]


def is_text(data: Data) -> bool:
    """Whether it is text without labels."""
    return data.data_split.split == TEXT


def labelled(dev: Iterable[Data]) -> list[Data]:
    """What a stage is selected on, but for text without labels."""
    return [data for data in dev if not is_text(data)]


def as_sentences(task: Task, data: Data) -> Data:
    """Raw text as its first sentences, which a model of the task reads; other data as they are."""
    if not is_text(data):
        return data
    language = data.data_split.language
    return replace(
        data, records=first_sentences(task, data.records, language, MAX_SELECTION_SENTENCES)
    )


def expected_score(predictor: Predictor, sets: Sets, metric: str, *, alone: bool = False) -> float:
    """The score on the text among some sets that average thresholded confidence predicts
    (`xlt.evaluation.criteria`) by the others, which are dev data; in percent, computed by all
    processes together.

    alone: other processes have no part in it.

    0 of weights that find nothing in the text, or of which nothing is right on the dev data.
    Confidences are not calibrated: the threshold is fitted to them as they are.
    """
    sure = copy(predictor)
    sure.temperatures = {}
    gold: list[Document] = []
    known: list[Document] = []
    seen: list[Document] = []
    for data, examples in sets:
        predicted = _predicted(sure, data.records, examples, alone=alone)
        if is_text(data):
            seen += predicted
        else:
            known += predicted
            gold += data.records
    (text,) = on_text(predictor.task, [seen])
    dev = on_dev(predictor.task, gold, known, metric)
    return estimates(dev, text).get(THRESHOLD, 0.0)


def _predicted(
    predictor: Predictor, records: Sequence[Document], examples: Sequence[Example], *, alone: bool
) -> Sequence[Document]:
    """What is predicted of all records, in their order."""

    def predict(mine: range) -> list[Document]:
        own = [records[i] for i in mine]
        return predictor(own, [replace(examples[i], index=n) for n, i in enumerate(mine)])

    return together(len(examples), predict, alone=alone)
