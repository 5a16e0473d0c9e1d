"""Counts are of one record: what was predicted for another is refused, by every task's metrics."""

from __future__ import annotations

import numpy as np
import pytest
from records import RECORDS

from xlt.document import Text
from xlt.errors import XltError
from xlt.evaluation.counts import count_matrix
from xlt.registry import tasks
from xlt.task import generated_texts


@pytest.fixture(params=sorted(RECORDS))
def task(request):
    made = tasks.get(request.param)()
    return made.for_labels(made.labels(RECORDS[made.name]))


def given(task):
    """The texts that a model is given, each of which has to be the same."""
    return [name for name in task.texts if name not in generated_texts(task)]


def changed(document, name):
    """Three documents: with another word, with one less, with one more; other characters."""
    text = document.texts[name]
    if not text.words:
        return [document.with_texts(**{name: Text(text.surface + end)}) for end in ("x", " ", "?")]
    other = ["other", *text.words[1:]], text.words[:-1] or ["no", "longer"], [*text.words, "more"]
    return [
        document.with_texts(**{name: Text.from_words(words, [True] * len(words))})
        for words in other
    ]


def test_what_is_the_same_is_counted(task):
    records = RECORDS[task.name]
    assert count_matrix(task, records, records).shape == (len(records), len(task.count_names))
    assert count_matrix(task, [], []).shape == (0, len(task.count_names))


def test_other_words(task):
    records = RECORDS[task.name]
    for name in given(task):
        for other in changed(records[1], name):
            predicted = [records[0], other, *records[2:]]
            with pytest.raises(XltError, match=f"the prediction's {name} is not the gold") as error:
                count_matrix(task, records, predicted)
            assert error.value.where == f"record {records[1].id!r}"


def test_spaces_between_words_are_no_difference(task):
    """Formats of words alone lose them."""
    records = [d for d in RECORDS[task.name] if d.text.words]
    joined = [
        d.with_texts(**{task.texts[0]: Text.from_words(d.words, [False] * len(d.words))})
        for d in records
    ]
    np.testing.assert_array_equal(
        count_matrix(task, records, joined), count_matrix(task, records, records)
    )


def test_another_order(task):
    records = RECORDS[task.name]
    with pytest.raises(XltError, match=f"the id {records[-1].id!r}, the gold record") as error:
        count_matrix(task, records, records[::-1])
    assert error.value.where == f"record {records[0].id!r}"


def test_another_number(task):
    records = RECORDS[task.name]
    with pytest.raises(XltError, match=f"{len(records) - 1} predictions of {len(records)} records"):
        count_matrix(task, records, records[1:])


def test_counts_that_are_no_numbers(task, monkeypatch):
    width = len(task.count_names)
    monkeypatch.setattr(task, "counts", lambda gold, predicted: np.full(width, np.nan))
    with pytest.raises(XltError, match=f"{task.name} counts nan as '{task.count_names[0]}'"):
        count_matrix(task, RECORDS[task.name], RECORDS[task.name])


def test_as_a_metric_module(task):
    pytest.importorskip("evaluate")
    from xlt.evaluation import hub

    records = RECORDS[task.name]
    rows = [task.to_row(document) for document in records]
    metric = hub.load(task.name)
    name = task.metrics_reported[0]
    best = metric.compute(predictions=rows, references=rows)[name]
    assert best > 99
    nameless = [{key: value for key, value in row.items() if key != "id"} for row in rows]
    assert metric.compute(predictions=nameless, references=nameless)[name] == best
    with pytest.raises(XltError, match="the prediction has the id"):
        metric.compute(predictions=rows[::-1], references=rows)
    other = [*rows[:-1], task.to_row(records[0]) | {"id": rows[-1]["id"]}]
    with pytest.raises(XltError, match="is not the gold record's") as error:
        metric.compute(predictions=other, references=rows)
    assert error.value.where == f"record {records[-1].id!r}"


def test_rows_added_one_by_one(task):
    pytest.importorskip("evaluate")
    from xlt.evaluation import hub

    rows = [task.to_row(document) for document in RECORDS[task.name]]
    metric = hub.load(task.name)
    for row in rows:
        metric.add(prediction=row, reference=row)
    found = metric.compute()
    assert found == hub.load(task.name).compute(predictions=rows, references=rows)
