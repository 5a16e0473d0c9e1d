"""A source is predicted, trained, measured against another, and the measurement is used again."""

from __future__ import annotations

import json

import pytest
from small import xlt
from tiny import make_encoder

CONFIG = """\
name: {name}
task: {{name: dependency_parsing, arc_size: 16, relation_size: 8}}
model: {{encoder: {encoder}}}
data:
  eng: {{train: {{ref: "sample-dep:eng:train", limit: 30}}, dev: {{ref: "sample-dep:eng:dev", limit: 5}}}}
  ind: {{train: {{ref: "sample-dep:ind:train", limit: 30}}, dev: {{ref: "sample-dep:ind:dev", limit: 5}}}}
  jav: {{test: {{ref: "sample-dep:jav:test", limit: 20}}}}
source: {source}
target: Javanese
training: {{epochs: 1, learning_rate: 2e-3, precision: fp32}}
evaluation: {{bootstrap: 10}}
seeds: [1]
output: {{root: {root}}}
"""  # noqa: E501


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("auto")
    make_encoder(folder / "encoder", ["Ibu maca buku ing omah .", "The teacher reads a book ."] * 9)
    return folder


def train(folder, name: str, source: str) -> dict:
    config = folder / f"{name}.yaml"
    text = CONFIG.format(name=name, source=source, encoder=folder / "encoder", root=folder / "runs")
    config.write_text(text, encoding="utf-8")
    done = xlt("train", config, "--json", XLT_CACHE=str(folder / "cache"))
    assert done.code == 0, done.text
    return json.loads(done.out)


def run(folder, *arguments: str):
    done = xlt(*arguments, XLT_CACHE=str(folder / "cache"))
    assert done.code == 0, done.text
    return done.out


@pytest.mark.slow
def test_predicted_trained_and_regretted(folder):
    result = train(folder, "predicted", "auto")
    assert result["source"] == ["ind"]
    manifest = json.loads((folder / "runs/predicted/manifest.json").read_text(encoding="utf-8"))
    reason = manifest["source_choice"]
    assert reason["chosen"] == "ind"
    assert [line["language"] for line in reason["targets"]["jav"]["sources"]] == ["ind", "eng"]
    assert reason["targets"]["jav"]["sources"][0]["terms"]["genetic"] > 0

    alone = json.loads(run(folder, "runs", "regret", str(folder / "runs"), "--json"))
    (target,) = alone["targets"]
    assert target["regret"] is None
    assert alone["mean_regret"] is None

    train(folder, "english", "eng")
    found = json.loads(run(folder, "runs", "regret", str(folder / "runs"), "--json"))
    (target,) = found["targets"]
    assert target["predicted"] == "before the run, by predicted"
    assert [row["source"] for row in target["sources"]] == ["ind", "eng"]
    measured = {row["source"]: row["measured"] for row in target["sources"]}
    assert target["regret"] == max(measured.values()) - measured["ind"]
    assert target["sources"][0]["chosen"]
    assert not target["sources"][1]["chosen"]
    shown = run(folder, "runs", "regret", str(folder / "runs"))
    assert "predicted (source: auto)" in shown
    assert "english" in run(folder, "runs", str(folder / "runs"))

    # What was measured is evidence for the next prediction.
    added = json.loads(run(folder, "scores", "add", str(folder / "runs"), "--json"))
    assert {(row["source"], row["target"]) for row in added["scores"]} == {
        ("ind", "jav"),
        ("eng", "jav"),
    }
    asked = ("predict-source", "jav", "--task", "dependency_parsing", "--sources", "ind,eng,hin")
    again = json.loads(run(folder, *asked, "--json"))
    assert again["own"]["on_target"] == 2
    lines = {line["language"]: line for line in again["sources"]}
    best = max(measured, key=lambda code: measured[code])
    worst = min(measured, key=lambda code: measured[code])
    if measured[best] > measured[worst]:  # so little trained, they may be equal
        assert lines[best]["rank"] < lines[worst]["rank"]
    assert lines["ind"]["measured"] == pytest.approx(measured["ind"], abs=0.01)
    assert "own runs took part: runs" in run(folder, *asked)
    # The prediction that is judged is never made from the runs themselves.
    assert json.loads(run(folder, "runs", "regret", str(folder / "runs"), "--json")) == found
