"""How sure a model is: what it says, what that is worth, and the temperature that mends it."""

from __future__ import annotations

import io
import json
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from models import make_model
from records import OPTIONS, RECORDS

from xlt.document import (
    Document,
    FlatSpans,
    Label,
    Span,
    Spans,
    Structure,
    Structures,
    Tags,
    Text,
    Tree,
)
from xlt.errors import XltError
from xlt.evaluation.reliability import joined, judged, reliability, verdicts
from xlt.files import write_sealed
from xlt.inference.loading import make_direct_predictor
from xlt.inference.predictor import Predictor
from xlt.model import calibration
from xlt.model.folder import check_model, read_info, write_info
from xlt.registry import tasks
from xlt.standoff import entries
from xlt.task import Example
from xlt.training.calibrate import calibrate
from xlt.training.data import Data
from xlt.transfer.stage import DataSplit

CONFIDENT = ["ner", "dependency_parsing", "nli", "event_extraction"]


@pytest.fixture(scope="module", params=CONFIDENT)
def predicted(request, tmp_path_factory):
    """A task, and what a random model of it predicts on its records, with confidence."""
    options = OPTIONS.get(request.param, [{}])[0]
    folder = make_model(tmp_path_factory.mktemp("model"), request.param, **options)
    task, backbone, predictor = make_direct_predictor(folder, batch_tokens=64, confident=True)
    bare = [
        document.with_layers(**{
            name: kind.empty(len(document.words))
            for name, kind in task.layers.items()
            if name not in task.reads
        })
        for document in RECORDS[request.param]
    ]  # fmt: skip
    return task, predictor(bare, task.encode(bare, backbone, None))


def test_everything_predicted_has_a_confidence(predicted):
    task, documents = predicted
    for document in documents:
        for key, sure in document.confidence.items():
            assert all(0 <= one <= 1 for one in sure), key
    things = judged(zip(RECORDS[task.name], documents, strict=True))
    assert things
    layers = {key.partition(".")[0] for key in things}
    assert layers <= set(task.layers)
    assert sum(len(sure) for sure, _ in things.values()) > len(documents) / 2


def test_files_have_it_and_readers_ignore_it(predicted, tmp_path):
    task, documents = predicted
    format = "jsonl" if "jsonl" in task.formats else next(iter(task.formats))
    stream = io.StringIO()
    task.write(documents, stream, format)
    if format == "jsonl":
        rows = [json.loads(line) for line in stream.getvalue().splitlines()]
        for row, document in zip(rows, documents, strict=True):
            assert row["confidence"] == {
                key: [round(one, 4) for one in sure] for key, sure in document.confidence.items()
            }
    path = tmp_path / f"out.{format}"
    path.write_text(stream.getvalue(), encoding="utf-8")
    again = list(task.read(path, format))
    assert [one.layers for one in again] == [one.layers for one in documents]
    assert not any(one.confidence for one in again)


def test_entries_have_it(predicted):
    _, documents = predicted
    for document in documents:
        for key in document.confidence:
            name, _, part = key.partition(".")
            if part == "rest":  # of nothing that is there
                assert len(document.confidence[key]) == 1
                continue
            found = entries(name, [(document, 0)])
            if part:
                found = [part for entry in found for part in entry["parts"]]
            shown = [entry["confidence"] for entry in found]
            assert shown == [round(one, 4) for one in document.confidence[key]]


def test_it_is_forgotten_with_its_layer():
    text = Text.from_words(["Ana", "sleeps"])
    events = Structures((Structure(Span("x", 1, 2), (Span("who", 0, 1),)),))
    sure = {"entities": (0.5,), "events": (0.25,), "events.parts": (0.125,)}
    document = Document(
        "1", {"text": text}, {"entities": FlatSpans((Span("PER", 0, 1),)), "events": events}
    ).with_confidence(sure)
    assert pickle.loads(pickle.dumps(document)) == document  # noqa: S301
    assert document.with_layers(events=Structures(())).confidence == {"entities": (0.5,)}
    assert document.with_layers(events=events).confidence == sure


def test_what_is_right():
    assert verdicts(Tags(("A", "B", "C")), Tags(("A", None, "D"))) == {"": [True, None, False]}
    spans = Spans((Span("A", 0, 1), Span("A", 0, 2)))
    assert verdicts(spans, Spans((Span("A", 0, 2),))) == {"": [False, True]}
    gold = Structures((Structure(Span("x", 1, 2), (Span("who", 0, 1),)),))
    other = Structures((Structure(Span("x", 2, 3), (Span("who", 0, 1), Span("whom", 0, 1))),))
    assert verdicts(other, gold) == {"": [False], ".parts": [True, False]}
    tree = Tree((2, 0, 2), ("nsubj", "root", "obl:arg"))
    right = Tree((2, 0, -1), ("obj", "root", "_"))
    assert verdicts(tree, right) == {"": [False, True, None]}
    right = Tree((2, 0, 2), ("nsubj:pass", "root", "obl"))
    assert verdicts(tree, right) == {"": [True, True, True]}
    assert verdicts(Label("a"), Label(None)) == {"": [None]}


def test_the_expected_calibration_error():
    sure = np.array([0.95, 0.91, 0.55, 1.0])
    right = np.array([True, False, True, True])
    empty = np.zeros(0), np.zeros(0, bool)
    found = reliability(
        joined([{"a": (sure[:2], right[:2])}, {"a": (sure[2:], right[2:]), "b": empty}])
    )
    assert found.keys() == {"a"}
    top = (0.95 + 0.91 + 1.0) / 3
    assert found["a"]["ece"] == pytest.approx(100 * (0.75 * abs(top - 2 / 3) + 0.25 * 0.45))
    assert found["a"]["things"] == 4
    assert [one["things"] for one in found["a"]["bins"]] == [1, 3]
    assert found["a"]["right"] == 75


class Planted(Predictor):
    """Gives these outputs, in batches of two."""

    scores: torch.Tensor

    def batches(self, examples):
        for start in range(0, len(examples), 2):
            batch = [*range(start, min(start + 2, len(examples)))]
            yield batch, {"scores": self.scores[[examples[i].inputs["row"] for i in batch]]}


def planted(temperature: float, size: int) -> tuple[Planted, Data, list[Example]]:
    """A model whose labels are as sure as they should be, but for this factor."""
    rng = np.random.default_rng(7)
    logits = rng.normal(0, 1.5, (size, 3))
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    task = tasks.get("nli")()
    values = task.labels(RECORDS["nli"])["label"]
    gold = [values[rng.choice(3, p=one)] for one in chances]
    texts = {"premise": Text("a"), "hypothesis": Text("b")}
    records = [Document(str(n), texts, {"label": Label(label)}) for n, label in enumerate(gold)]
    model = SimpleNamespace(labels={"label": values}, training=False)
    predictor = Planted(task, model, 100)  # type: ignore[arg-type]
    predictor.scores = torch.from_numpy(logits * temperature).log_softmax(-1)
    examples = [Example(n, 1, {"row": n}) for n in range(size)]
    return predictor, Data(DataSplit("eng", "dev"), "", records), examples


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_is_found(temperature, monkeypatch):
    monkeypatch.setattr("xlt.training.data.MAX_SAMPLE", 1500)
    predictor, data, examples = planted(temperature, 3000)
    found = calibrate(predictor, [(data, examples)])
    assert found is not None
    assert found.temperatures["label"] == pytest.approx(temperature, rel=0.15)
    assert found.things == {"label": 1500}
    assert found.fitted_on == "dev:eng"
    assert calibrate(predictor, [(data, examples)]) == found


def test_text_without_labels_calibrates_nothing():
    predictor, data, examples = planted(3.0, 20)
    text = replace(data, data_split=DataSplit("jav", "text"))
    sets = [(text, examples), (data, examples)]
    assert calibrate(predictor, sets) == calibrate(predictor, sets[1:])
    assert calibrate(predictor, sets[:1]) is None


def test_few_things_change_little():
    predictor, data, examples = planted(3.0, 3)
    found = calibrate(predictor, [(data, examples)])
    assert found is not None
    assert 0.5 < found.temperatures["label"] < 3
    nothing = calibrate(predictor, [(data, [])])
    assert nothing is not None
    assert nothing.temperatures == {}


def test_a_model_that_writes_has_none(monkeypatch):
    task = tasks.get("ner")(tasks.get("ner").Options(model="text_to_text"))
    predictor = Predictor(task, SimpleNamespace(labels={}), 100)  # type: ignore[arg-type]
    dev = Data(DataSplit("eng", "dev"), "", RECORDS["ner"])
    assert calibrate(predictor, [(dev, [])]) is None
    monkeypatch.setattr(task, "decode", lambda documents, *_: documents)
    predictor.temperatures = {}
    document = RECORDS["ner"][0]
    assert predictor.decode([document], [Example(0, 1, {})], [0], {}) == [document]


def test_a_model_keeps_it_and_it_is_checked(tmp_path):
    folder = make_model(tmp_path, "ner")
    assert calibration.load(folder) is None
    fitted = calibration.Calibration({"entities": 2.5}, "dev:eng", {"entities": 7})
    calibration.save(folder, fitted)
    assert calibration.load(folder) == fitted
    assert check_model(folder) is None
    _, _, predictor = make_direct_predictor(folder, batch_tokens=64, confident=True)
    assert predictor.temperatures == {"entities": 2.5}
    _, _, predictor = make_direct_predictor(folder, batch_tokens=64)
    assert predictor.temperatures is None
    value = {"temperatures": {"entities": -1.0}, "fitted_on": "", "things": {}}
    write_sealed(folder / calibration.FILE, value)
    assert "calibration.json" in str(check_model(folder))
    write_info(read_info(folder), folder)
    with pytest.raises(XltError, match=r"must be at least 0\.05"):
        calibration.load(folder)
