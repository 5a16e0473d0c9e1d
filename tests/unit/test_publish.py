"""Pushing to the hub, with the hub's client replaced."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest

from xlt.errors import XltError
from xlt.files import sweep
from xlt.model.folder import ModelInfo, add_file, check_model, read_info, write_info
from xlt.runs.publish import publish


class Hub:
    """Writes down what it is asked to do."""

    def __init__(self, refuse=False):
        self.calls, self.refuse = [], refuse

    def create_repo(self, name, exist_ok):
        if self.refuse:
            raise ValueError("you may not write to it\nmore words")
        self.calls.append(("create", name))

    def upload_folder(self, repo_id, folder_path):
        self.calls.append((repo_id, sorted(p.name for p in folder_path.iterdir())))
        if (folder_path / "xlt.json").exists():
            self.info, self.damage = read_info(folder_path), check_model(folder_path)
        self.texts = {p.name: p.read_text() for p in folder_path.glob("*.json")}

    def upload_file(self, repo_id, path_in_repo, path_or_fileobj):
        self.calls.append((repo_id, path_in_repo, path_or_fileobj.read_text()))


@pytest.fixture
def run(tmp_path):
    for target in ("hau", "swa"):
        folder = tmp_path / f"seed-7/{target}/model"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_text(target)
    (tmp_path / "README.md").write_text("the card")
    return tmp_path


def test_every_target_gets_a_repository_with_the_card(run, monkeypatch):
    hub = Hub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    pushed = publish(run, "me/ner", {"hau": 7, "swa": 7})
    assert pushed == {"hau": "me/ner-hau", "swa": "me/ner-swa"}
    assert ("create", "me/ner-hau") in hub.calls
    assert ("me/ner-swa", ["model.safetensors"]) in hub.calls
    assert ("me/ner-swa", "README.md", "the card") in hub.calls
    assert publish(run, "me/ner", {"hau": 7}) == {"hau": "me/ner"}


def test_nothing_is_pushed_that_says_where_files_lie(run, monkeypatch):
    hub = Hub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    model = run / "seed-7/hau/model"
    labels = {"tag": ("/", "/home/B-PER")}
    options = {"answerer": "/home/me/qa", "folders": ["/home/me/x"]}
    write_info(ModelInfo("ner", options, labels, "/home/me/encoder", 8), model)
    through = {"projection": {"translator": {"name": "given", "file": "/home/me/secret/de.txt"}}}
    add_file(model, "prediction.json", through)
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    publish(run, "me/ner", {"hau": 7})
    assert set(hub.texts) == {"xlt.json", "prediction.json"}
    assert "/home" not in hub.texts["prediction.json"]
    assert "/home/me" not in hub.texts["xlt.json"]
    assert hub.info.labels == labels
    assert hub.info.options == {"answerer": "qa", "folders": ["x"]}
    assert hub.damage is None
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_a_refusal_is_said(run, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: Hub(refuse=True))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(XltError, match=r"me/ner: you may not write to it\n") as caught:
        publish(run, "me/ner", {"hau": 7})
    assert caught.value.where == "output.push_to_hub"
    assert "--resume" in caught.value.fix


def test_what_a_kill_leaves_of_a_push_is_swept(run, monkeypatch):
    places = []

    class Watched(Hub):
        def upload_folder(self, repo_id, folder_path):
            places.append(Path(folder_path).parent)

    monkeypatch.setattr(huggingface_hub, "HfApi", Watched)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    publish(run, "me/ner", {"hau": 7})
    (place,) = places
    (place / "model").mkdir(parents=True)
    sweep(run / "seed-7" / "hau")
    assert [path.name for path in (run / "seed-7" / "hau").iterdir()] == ["model"]


def test_nothing_is_pushed_offline(run, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(XltError, match="HF_HUB_OFFLINE"):
        publish(run, "me/ner", {"hau": 7})
