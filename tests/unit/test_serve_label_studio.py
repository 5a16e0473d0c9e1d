"""Label Studio's ML backend: what it sends, and what it gets, are as `xlt predict` has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from models import make_model

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient

from xlt.errors import XltError
from xlt.model.tag_writer import types
from xlt.runs.annotate import Annotator
from xlt.runs.predict import predict
from xlt.serve import backend, label_studio
from xlt.serve.app import make_app
from xlt.serve.label_studio import Names, names_in
from xlt.serve.limits import Limits

TEXTS = ["Budi bought three books. Sri Mulyani\nwill visit  Yogyakarta!", "北京的天气很好", "Ya"]
SPANS = """<?xml version="1.0"?><View><Header value="x"/>
<Labels name="kinds" toName="article"><Label value="PER"/></Labels><Relations/>
<Text name="article" value="$body"/></View>"""
CLASSES = """<View><Text name="premise" value="$premise"/><Text name="b" value="$hypothesis"/>
<Choices name="relation" toName="premise"><Choice value="neutral"/></Choices></View>"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Annotator]:
    root = tmp_path_factory.mktemp("models")
    return {
        name: Annotator(make_model(root, name, ("eng",)), batch_tokens=500)
        for name in ("ner", "event_extraction", "nli", "dependency_parsing")
    }


@pytest.fixture(scope="module")
def client(models: dict[str, Annotator]) -> Iterator[TestClient]:
    app = make_app(models, Limits(texts=8, total=1000))
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def asked(tasks: list[dict[str, Any]], interface: str | None = None) -> dict[str, Any]:
    """As Label Studio's ml/api_connector.py sends it."""
    return {
        "tasks": [{"id": 7 + n, "data": data, "annotations": [], "predictions": [],
                   "is_labeled": False, "project": 3} for n, data in enumerate(tasks)],
        "project": "3.1764430000", "label_config": interface, "model_version": None,
        "params": {"login": None, "password": None, "context": None},
    }  # fmt: skip


def imported(model: Annotator, tasks: list[dict[str, Any]], tmp_path: Path) -> list[dict[str, Any]]:
    """The predictions of the tasks that `xlt predict` writes."""
    source, out = tmp_path / "in.json", tmp_path / "out.json"
    source.write_text(json.dumps([{"id": n, "data": data} for n, data in enumerate(tasks)]))
    predict(
        model.folder, str(source), str(out), input_format="label-studio",
        output_format="label-studio", batch_tokens=500, quiet=True,
    )  # fmt: skip
    return [one["predictions"][0] for one in json.loads(out.read_text())]


@pytest.mark.parametrize("name", ["ner", "event_extraction"])
def test_tasks_get_what_xlt_predict_writes(client, models, tmp_path, name):
    tasks = [{"text": text, "source": "x"} for text in TEXTS]
    answer = client.post(f"/label-studio/{name}/predict", json=asked(tasks)).json()
    expected = imported(models[name], tasks, tmp_path)
    version = answer["model_version"]
    assert version.startswith(f"{name} (xlt ")
    assert answer["results"] == [one | {"model_version": version} for one in expected]
    assert all(one["score"] > 0 for one in answer["results"])
    regions = [region for one in answer["results"] for region in one["result"]]
    assert {region["type"] for region in regions} >= {"labels"}


def test_a_pair_gets_a_choice(client, models, tmp_path):
    tasks = [{"premise": "Ana sleeps.", "hypothesis": "She does."}] * 2
    answer = client.post("/label-studio/nli/predict", json=asked(tasks, CLASSES)).json()
    (choice,), _ = (one["result"] for one in answer["results"])
    ((same,), _) = (one["result"] for one in imported(models["nli"], tasks, tmp_path))
    assert (choice["from_name"], choice["to_name"]) == ("relation", "premise")
    assert choice["value"] == same["value"]


def test_names_are_those_of_the_labelling_interface(client, models, tmp_path):
    tasks = [{"body": text, "text": "another"} for text in TEXTS]
    answer = client.post("/label-studio/ner/predict", json=asked(tasks, SPANS)).json()
    regions = [one["result"] for one in answer["results"]]
    assert {(one["from_name"], one["to_name"]) for some in regions for one in some} == {
        ("kinds", "article")
    }
    plain = imported(models["ner"], [{"text": text} for text in TEXTS], tmp_path)
    assert [[one["value"] for one in some] for some in regions] == [
        [one["value"] for one in some["result"]] for some in plain
    ]


def test_a_task_without_text_gets_nothing_and_the_others_theirs(client, models, tmp_path):
    tasks = [{"text": ""}, {"text": TEXTS[0]}, {"text": ""}]
    answer = client.post("/label-studio/ner/predict", json=asked(tasks)).json()
    first, second, third = answer["results"]
    assert first["result"] == third["result"] == []
    assert second["result"] == imported(models["ner"], tasks[1:2], tmp_path)[0]["result"]
    answer = client.post("/label-studio/ner/predict", json=asked(tasks[:1])).json()
    assert [one["result"] for one in answer["results"]] == [[]]


def test_white_space_is_no_text_and_fails_nobody(client, models, tmp_path):
    tasks = [{"text": " \n\t"}, {"text": TEXTS[0]}]
    first, second = client.post("/label-studio/ner/predict", json=asked(tasks)).json()["results"]
    assert first["result"] == []
    assert second["result"] == imported(models["ner"], tasks[1:], tmp_path)[0]["result"]
    pair = {"premise": "Ana sleeps.", "hypothesis": "She does."}
    for empty in ({"premise": "\u3000"}, {"hypothesis": ""}, {"hypothesis": " "}):
        tasks = [pair, pair | empty]
        answer = client.post("/label-studio/nli/predict", json=asked(tasks)).json()
        assert [len(one["result"]) for one in answer["results"]] == [1, 0]


def test_an_interface_of_many_elements_is_looked_through_once(models, monkeypatch):
    looked = 0

    class Attributes(dict[str, str]):
        def get(self, key: str, default: Any = None) -> Any:
            nonlocal looked
            looked += 1
            return super().get(key, default)

    elements = label_studio._elements
    monkeypatch.setattr(
        label_studio, "_elements", lambda text: [(a, Attributes(b)) for a, b in elements(text)]
    )
    many = '<Text name="b" value="$b"/><Labels name="a" toName="x"/>' * 100
    with pytest.raises(XltError, match="has no <Labels>"):
        names_in(f"<View>{many}</View>", models["ner"].task)
    assert looked <= 400
    names = names_in(f"<View>{many}{SPANS.partition('?>')[2]}</View>", models["ner"].task)
    assert names == Names("kinds", "article", "body")


@pytest.mark.parametrize(
    ("model", "body", "status", "what"),
    [
        ("ner", asked([{"txt": "a"}]), 422, "`data` has no 'text'"),
        ("ner", asked([{"text": 3}]), 422, "not a text"),
        ("ner", asked([{"text": "a"}] * 9), 413, "9 are more than the 8"),
        ("ner", asked([{"text": "a" * 500}] * 3), 413, "1,500 characters are more than the 1,000"),
        ("ner", {}, 422, "tasks"),
        ("ner", {"tasks": [{"id": 1}]}, 422, "required"),
        ("ner", asked([], "<View>"), 422, "is no XML"),
        ("ner", asked([], "<View/>"), 422, "has no <Labels> of a <Text>"),
        ("nli", asked([], SPANS), 422, "has no <Choices> of a <Text>"),
        ("ner", asked([], "<!DOCTYPE a [<!ENTITY b 'c'>]><View/>"), 422, "document type"),
        ("dependency_parsing", asked([]), 422, "cannot be shown in Label Studio"),
        ("other", asked([]), 422, "there is no model 'other'"),
    ],
)
def test_what_cannot_be_done_is_said(client, model, body, status, what):
    answer = client.post(f"/label-studio/{model}/predict", json=body)
    (error,) = answer.json()["errors"]
    assert what in error["what"] + str(error["where"])
    assert error["fix"]
    assert "--option" not in error["fix"]
    assert answer.status_code == status


def test_tasks_that_are_too_long_are_not_even_read(client, monkeypatch):
    monkeypatch.setattr(backend, "read", None)
    for texts in (["a" * 500] * 3, ["a" * 20_000]):
        tasks = [{"text": text} for text in texts]
        assert client.post("/label-studio/ner/predict", json=asked(tasks)).status_code == 413


def test_it_can_be_connected(client, models):
    sent = {"project": "3.1", "schema": SPANS, "hostname": "http://ls", "access_token": "secret"}
    (lacking,) = client.post("/label-studio/ner/setup", json=sent).json()["errors"]
    assert "the labelling interface has no label LOC" in lacking["what"]
    every = "".join(f'<Label value="{one}"/>' for one in types(models["ner"].labels["tag"]))
    sent["schema"] = SPANS.replace('<Label value="PER"/>', every)
    answer = client.post("/label-studio/ner/setup", json=sent)
    assert answer.json()["model_version"].startswith("ner (xlt ")
    assert client.post("/label-studio/nli/setup", json=sent).status_code == 422
    assert client.get("/label-studio/ner/health").json() == {
        "status": "UP",
        "model_class": "ner (ner)",
    }
    assert client.get("/label-studio/dependency_parsing/health").status_code == 422
    assert client.get("/label-studio/health").status_code == 422  # which of several?
    with TestClient(make_app({"ner": models["ner"]}), base_url="http://localhost") as alone:
        assert alone.get("/label-studio/health").json()["status"] == "UP"
        answer = alone.post("/label-studio/predict", json=asked([{"text": "Ya"}]))
        assert len(answer.json()["results"]) == 1
    # A path names a model, and nothing else does.
    assert client.get("/label-studio/health?model=ner").status_code == 422
    answer = client.post("/label-studio/predict?model=ner", json=asked([{"text": "Ya"}]))
    assert answer.status_code == 422


@pytest.mark.parametrize("path", ["train", "webhook"])
def test_it_says_how_a_model_is_trained(client, path):
    answer = client.post(f"/label-studio/ner/{path}", json={"action": "START_TRAINING"})
    assert answer.status_code == 501
    assert "format: label-studio" in answer.json()["errors"][0]["fix"]
