"""Translate-train and translate-test with the real translator, from a config to predictions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small import result, xlt
from tiny import make_encoder

from xlt.tasks.ner import NER

pytestmark = pytest.mark.apertium("eng-spa", "spa-eng")

CONFIG = """\
name: run
task: ner
model: {{encoder: {folder}/encoder}}
data:
  eng:
    train: {{ref: "sample-ner:eng:train", limit: 40}}
    dev: {{ref: "sample-ner:eng:dev", limit: 10}}
  spa: {{test: {{ref: "sample-ner:spa:test", limit: 20}}}}
source: eng
target: spa
strategy: {{name: translate_ensemble}}
projection: {{translator: apertium, weighting: confidence}}
training: {{epochs: 2, learning_rate: 5e-3, batch_tokens: 300, precision: fp32}}
evaluation: {{bootstrap: 10}}
seeds: [1, 2]
output: {{root: {folder}/runs}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("projection")
    make_encoder(folder / "encoder", ["Ana went to Rome on Monday .", "Ana fue a Roma ."] * 9)
    (folder / "run.yaml").write_text(CONFIG.format(folder=folder), encoding="utf-8")
    return folder


def test_an_ensemble_of_both_ways_from_plan_to_prediction(folder):
    config = folder / "run.yaml"
    plan = xlt("plan", config)
    assert "eng>spa train" in plan.out, plan.text
    assert "spa: predicted on its translation into eng and on the text itself" in plan.out
    done = xlt("train", config, "evaluation.ensemble=true")
    assert done.code == 0, done.text
    found = result(folder / "runs")
    assert found["predictions"] == {"spa": "on its translation into eng and on the text itself"}
    projected = {(p["from"], p["to"], p["split"]): p for p in found["projections"]}
    assert set(projected) == {("eng", "spa", "train"), ("eng", "spa", "dev")}
    assert projected["eng", "spa", "train"]["kept"] > 30
    assert "apertium eng-spa" in projected["eng", "spa", "train"]["translator"]
    assert {row["selected_on"] for row in found["rows"]} == {
        "dev:eng>spa",
        "ensemble of 2 seeds",
    }
    card = (folder / "runs/run/README.md").read_text(encoding="utf-8")
    assert "spa train: projected from eng (apertium" in card
    assert "spa is predicted on its translation into eng and on the text itself." in card

    model = folder / "runs/run/seed-1/spa/model"
    scored = xlt("evaluate", model, "sample-ner:spa:test", "--json")
    assert json.loads(scored.out)["records"] == 200
    before = (folder / "runs/run/seed-1/spa/test.bio").read_text(encoding="utf-8")
    (folder / "words.bio").write_text(before, encoding="utf-8")
    again = xlt("predict", model, folder / "words.bio", "--language", "spa")
    assert again.code == 0, again.text
    assert again.out == before


def test_translate_test_and_a_model_without_its_translator(folder):
    done = xlt(
        *("train", folder / "run.yaml", "name=through", "strategy=translate_test", "seeds=[1]"),
    )
    assert done.code == 0, done.text
    model = folder / "runs/through/seed-1/spa/model"
    text = folder / "text.txt"
    text.write_text("Emma Smith vive en Bilbao. Duerme.\n", encoding="utf-8")
    said = xlt("predict", model, text, "--language", "Spanish")
    assert said.code == 0, said.text
    (folder / "said.bio").write_text(said.out, encoding="utf-8")
    words = [word for r in NER().read(folder / "said.bio", "bio") for word in r.words]
    assert words == ["Emma", "Smith", "vive", "en", "Bilbao", ".", "Duerme", "."]
    missing = xlt("predict", model, text, "--language", "spa", PATH="/nowhere")
    assert missing.code == 2
    assert "the program apertium is not installed" in missing.err
