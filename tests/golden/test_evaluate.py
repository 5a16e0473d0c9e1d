"""Task metrics through the `evaluate` library: its interface, our numbers, no network."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from xlt.document import Document, Tags, Text
from xlt.errors import XltError
from xlt.options import Section
from xlt.registry import tasks

pytest.importorskip("datasets")
pytest.importorskip("evaluate")


class ToyOptions(Section):
    fold_case: bool = False


class Toy:
    name = "toy"
    texts = ("text",)
    Options = ToyOptions
    columns = ("id", "tags")
    metrics_reported = ("accuracy",)
    count_names = ("right", "words")

    def __init__(self, options):
        self.fold = str.lower if options.fold_case else str

    def validate_row(self, row, *, where):
        text = Text.from_words(["w"] * len(row["tags"]))
        return Document(row["id"], {"text": text}, {"tags": Tags(tuple(row["tags"]))})

    def labels(self, documents):
        return {}

    def for_labels(self, labels):
        return self

    def counts(self, gold, predicted):
        pairs = zip(gold.layers["tags"].tags, predicted.layers["tags"].tags, strict=True)
        return np.array(
            [sum(self.fold(g) == self.fold(p) for g, p in pairs), len(gold.words)], float
        )

    def metrics(self, counts):
        return {"accuracy": 100 * counts[..., 0] / counts[..., 1]}


def record(id, *tags):
    return {"id": id, "tags": list(tags)}


GOLD = [record("1", "a", "B"), record("2", "c")]
PREDICTED = [record("1", "a", "b"), record("2", "c")]


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    def refuse(*_):
        raise AssertionError("went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    tasks.register("toy", Toy)
    yield
    tasks.unregister("toy")


def test_load():
    from xlt.evaluation import hub

    metric = hub.load("toy")
    expected = {"accuracy": pytest.approx(200 / 3)}
    assert metric.compute(predictions=PREDICTED, references=GOLD) == expected
    metric.add_batch(predictions=PREDICTED[:1], references=GOLD[:1])
    metric.add(prediction=PREDICTED[1], reference=GOLD[1])
    assert metric.compute() == expected
    folded = hub.load("toy", options={"fold_case": True})
    assert folded.compute(predictions=PREDICTED, references=GOLD) == {"accuracy": 100}


def test_evaluate_load(tmp_path, monkeypatch):
    import evaluate

    from xlt.evaluation import hub

    monkeypatch.setattr(evaluate.loading, "HF_MODULES_CACHE", str(tmp_path), raising=False)
    metric = evaluate.load(hub.__file__, "toy", cache_dir=str(tmp_path))
    assert metric.compute(predictions=PREDICTED, references=GOLD)["accuracy"] == pytest.approx(
        200 / 3
    )


def test_unknown_task():
    from xlt.evaluation import hub

    with pytest.raises(XltError, match="did you mean 'toy'"):
        hub.load("tqy")


def test_rows_without_an_id_are_numbered():
    from xlt.evaluation import hub

    metric = hub.load("toy")
    seen = metric._documents(['{"tags": ["a"]}', '{"id": "x", "tags": []}', '{"tags": []}'], "what")
    assert [document.id for document in seen] == ["0", "x", "2"]
    assert metric.compute(
        predictions=[{"tags": ["ä", "\u0935"]}], references=[{"tags": ["ä", "b"]}]
    ) == {"accuracy": 50}


def test_a_bad_row_is_said_with_its_number(monkeypatch):
    from xlt.evaluation import hub

    asked = []
    monkeypatch.setattr(
        Toy, "validate_row", lambda self, row, *, where: asked.append((row["id"], where))
    )
    hub.load("toy")._documents(['{"id": null}', '{"id": "x"}'], "predictions")
    assert asked == [("0", "predictions[0]"), ("x", "predictions[1]")]


def test_the_library_is_told_what_the_metric_is():
    from xlt.evaluation import hub

    metric = hub.load("toy")
    assert metric.keep_in_memory is True
    assert metric.info.description == "toy: accuracy, in percent"
    assert "id, tags" in metric.info.inputs_description
    assert set(metric.info.features) == {"predictions", "references"}
    with pytest.raises(XltError, match="which task's metrics") as caught:
        hub.TaskMetric()
    assert "toy" in caught.value.fix


def test_processes_that_share_a_score_keep_it_in_files(tmp_path):
    from xlt.evaluation import hub

    settings = {"process_id": 0, "experiment_id": "shared", "cache_dir": str(tmp_path)}
    assert hub.load("toy", num_process=2, **settings).keep_in_memory is False
    assert hub.load("toy", keep_in_memory=False, cache_dir=str(tmp_path)).keep_in_memory is False
