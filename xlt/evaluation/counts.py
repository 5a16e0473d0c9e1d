"""From gold and predicted records to counts, and from counts to a task's scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xlt.document import Document, Text
from xlt.errors import XltError
from xlt.task import Task, generated_texts


def count_matrix(
    task: Task, gold: Sequence[Document], predicted: Sequence[Document]
) -> NDArray[np.float64]:
    """Sufficient statistics of every record, shape (records, len(task.count_names)).

    Raises XltError, with the record's id, where a prediction is of another record
    (`check_same_record`) or the task counts something that is no finite number; and if there are
    not as many predictions as records.
    """
    if len(gold) != len(predicted):
        raise XltError(
            f"{len(predicted)} predictions of {len(gold)} records",
            where="predictions",
            fix="give one prediction for every record, in the records' order",
        )
    rows = []
    for right, answer in zip(gold, predicted, strict=True):
        check_same_record(task, right, answer, where=f"record {right.id!r}")
        rows.append(task.counts(right, answer))
    if not rows:
        return np.zeros((0, len(task.count_names)))
    counts = np.stack(rows)
    if not np.isfinite(counts).all():
        number, column = (int(n) for n in np.argwhere(~np.isfinite(counts))[0])
        raise XltError(
            f"{task.name} counts {counts[number, column]} as {task.count_names[column]!r}",
            where=f"record {gold[number].id!r}",
            fix="counts are finite numbers: mend the task's `counts`",
        )
    return counts


def check_same_record(task: Task, gold: Document, predicted: Document, *, where: object) -> None:
    """Raise XltError where a prediction has another id than the gold record, or other words (of a
    text without words, other characters) in what the task's model is given."""
    if predicted.id != gold.id:
        raise XltError(
            f"the prediction has the id {predicted.id!r}, the gold record {gold.id!r}",
            where=where,
            fix="give predictions and gold records with the same ids in the same order",
        )
    written = generated_texts(task)
    for name in task.texts:
        if name not in written:
            ours, theirs = _compared(gold.texts[name]), _compared(predicted.texts[name])
            if ours != theirs:
                raise XltError(
                    f"the prediction's {name} is not the gold record's: {_first(theirs, ours)}",
                    where=where,
                    fix="predict on the words of the gold record, as they are",
                )


def score(task: Task, counts: NDArray[np.float64]) -> dict[str, float]:
    """The task's metrics over all records, in percent."""
    return {name: float(value) for name, value in task.metrics(counts.sum(axis=0)).items()}


def judges_given_gold(task: Task) -> bool:
    """Whether the task's first metric is of nothing but predictions that are made with a part of
    the gold annotation in hand (`Task.counts_given_gold`)."""
    given = np.isin(task.count_names, task.counts_given_gold)
    if not given.any():
        return False
    # All different and none 0, so that a metric that reads any other column gives another value
    # without it; the ratio of two equal counts, say, might not.
    counts = np.arange(1.0, len(given) + 1)
    first = task.metrics_reported[0]
    with_rest, alone = (task.metrics(one)[first] for one in (counts, counts * given))
    return bool(with_rest == alone)


def _compared(text: Text) -> Sequence[str]:
    return text.words or text.surface


def _first(theirs: Sequence[str], ours: Sequence[str]) -> str:
    """Where they differ first."""
    unit = "character" if isinstance(ours, str) else "word"
    for place, (one, other) in enumerate(zip(theirs, ours, strict=False), 1):
        if one != other:
            return f"{unit} {place} is {one!r} and not {other!r}"
    return f"it has {len(theirs)} {unit}s and not {len(ours)}"
