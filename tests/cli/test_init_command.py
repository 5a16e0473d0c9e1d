"""xlt init"""

from __future__ import annotations

import json

import pytest

from xlt.config.load import load_config

LINES = (
    {"id": 1, "text": "Amina Bello met him in Kano.", "label": [[0, 11, "PER"], [23, 27, "LOC"]]},
    {"id": 2, "text": "Nobody came to Lagos.", "label": [[15, 20, "LOC"]]},
)


@pytest.fixture
def folder(tmp_path):
    rows = "".join(json.dumps(line) + "\n" for line in LINES)
    (tmp_path / "my data.jsonl").write_text(rows, encoding="utf-8")
    return tmp_path


def test_a_config_that_is_valid(xlt, folder):
    done = xlt(
        "init", "my data.jsonl", "--target", "Hausa", "--json", cwd=folder, HF_HUB_OFFLINE="1"
    )
    assert done.returncode == 0, done.stderr
    assert "taken to be in English" in done.stderr
    told = json.loads(done.stdout)
    assert told["task"] == "ner"
    assert told["data"] == {"train": {"format": "doccano", "records": 2, "words": 12}}
    config = load_config(folder / "transfer.yaml").config
    assert config.target == ["hau"]
    assert config.model.encoder == told["encoder"]
    assert config.data["eng"].dev_share == 0.3
    assert config.data["eng"].train[0].ref == str(folder / "my data.jsonl")
    assert "chosen among those on this machine" in told["reason"]
    text = (folder / "transfer.yaml").read_text(encoding="utf-8")
    assert "# entities: LOC 2, PER 1\n" in text
    assert max(map(len, text.splitlines())) <= 100


def test_what_is_wrong_is_said_and_nothing_is_written(xlt, folder):
    (folder / "there.yaml").write_text("mine", encoding="utf-8")
    plain = ("my data.jsonl", "--target", "hau")
    for asked, said, fix in (
        (["my data.jsonl"], "--target: the language of the model is not said", "add --target"),
        ([*plain, "-o", "there.yaml"], "there.yaml: there is a file of this name", "--overwrite"),
        ([*plain, "-o", "my data.jsonl", "--overwrite"], "a file of the input", "another file"),
        ([*plain, "--task", "nli"], "as doccano for nli: ", "--task and --input-format"),
    ):
        done = xlt("init", *asked, cwd=folder)
        assert done.returncode == 2, asked
        assert said in done.stderr, (asked, done.stderr)
        assert fix in done.stderr, (asked, done.stderr)
    assert (folder / "there.yaml").read_text(encoding="utf-8") == "mine"
    assert not (folder / "transfer.yaml").exists()
