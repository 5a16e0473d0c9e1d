"""Challenge sets: groups, controls, labels that have to be mapped, and how seeds are averaged."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from records import RECORDS
from tiny import make_encoder

from xlt.config.schema import Model
from xlt.document import Label, Text
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.model.folder import ModelInfo, save_model
from xlt.projection.predict import make_predictor
from xlt.runs.probe import probe
from xlt.tasks.ner import NER
from xlt.tasks.nli import LABELS, NLI

TASK, PAIRS = NLI(), RECORDS["nli"] * 4


def save(task, records, folder, seed):
    make_encoder(
        folder.parent / "encoder",
        [text.surface for record in records for text in record.texts.values()],
    )
    backbone = Backbone(str(folder.parent / "encoder"), Model())
    torch.manual_seed(seed)
    labels = task.labels(records)
    info = ModelInfo(task.name, {}, labels, "", backbone.max_length)
    save_model(task.build(backbone, labels), info, backbone.tokenizer, folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What a run with two seeds leaves behind."""
    folder = tmp_path_factory.mktemp("run")
    for seed in (1, 2):
        save(TASK, PAIRS, folder / f"seed-{seed}/zho/model", seed)
    return folder


def suite(folder, records, **changes):
    path = folder / "suite.jsonl"
    rows = [{**TASK.to_row(d), "id": str(n), **changes} for n, d in enumerate(records)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def label(document):
    return document.layers["label"].label


def yes_or_no():
    """The pairs with two labels."""
    names = {"entailment": "yes", "neutral": "no", "contradiction": "no"}
    return [d.with_layers(label=Label(names[label(d)])) for d in PAIRS]


def accuracy(run, gold, *, seeds=(1, 2), shown=None, mapping=None):
    """In percent, of each seed's model; it is shown other records than the gold ones on demand."""
    found = []
    for seed in seeds:
        folder = run / f"seed-{seed}/zho/model"
        task, backbone, predictor = make_predictor(folder, batch_tokens=1000)
        predicted = predictor(shown or gold, task.encode(shown or gold, backbone, None))
        answers = [(mapping or {}).get(label(d), label(d)) for d in predicted]
        right = [a == label(d) for a, d in zip(answers, gold, strict=True)]
        found.append(100 * np.mean(right))
    return found


def test_groups_and_controls(run, tmp_path):
    found = probe(run, [suite(tmp_path, PAIRS)], resamples=200)
    rows = {row["group"]: row for row in found["rows"]}
    assert list(rows) == ["all", "names", "negation"]
    assert (found["seeds"], rows["all"]["records"], rows["negation"]["records"]) == (2, 24, 16)
    for group, chosen in {"all": PAIRS, "names": [d for d in PAIRS if d.groups[1:]]}.items():
        each, score = accuracy(run, chosen), rows[group]["metrics"]["accuracy"]
        assert score["mean"] == pytest.approx(np.mean(each))
        assert score["sd"] == pytest.approx(np.std(each, ddof=1))
        assert score["low"] <= score["mean"] <= score["high"]
    controls = rows["all"]["controls"]
    each = accuracy(run, PAIRS, shown=[d.with_texts(premise=Text("")) for d in PAIRS])
    assert controls["hypothesis only"]["accuracy"]["mean"] == pytest.approx(np.mean(each))
    assert controls["majority"]["accuracy"]["mean"] == pytest.approx(100 / 3)
    assert rows["names"]["controls"]["majority"]["accuracy"]["mean"] == 0, "entailment, like all"
    assert rows["names"]["balance"] == {"contradiction": 0.5, "neutral": 0.5}
    difference = rows["names"]["against"]
    assert difference["low"] <= difference["difference"] <= difference["high"]


def test_fewer_labels_than_the_model_has(run, tmp_path):
    two = yes_or_no()
    mapping = {"entailment": "yes", "neutral": "no", "contradiction": "no"}
    found = probe(run, [suite(tmp_path, two)], answers=mapping, resamples=50)
    row = found["rows"][0]
    each = accuracy(run, two, mapping=mapping)
    assert row["metrics"]["accuracy"]["mean"] == pytest.approx(np.mean(each))
    assert row["balance"] == {"no": 2 / 3, "yes": 1 / 3}
    with pytest.raises(XltError, match="there is no label 'yes'"):
        probe(run, [suite(tmp_path, two)])


CARD = """\
identifier: {name}
name: Two ways
task: nli
licence: none
citation: none
origin: native
format: jsonl
labels: {{label: [yes, no]}}
{answers}languages:
  zho:
    train: {{files: [{{local: [suite.jsonl], note: made up}}]}}
    {split}: {{files: [{{local: [suite.jsonl], note: made up}}]}}
"""


@pytest.fixture
def cards(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CARDS", str(tmp_path))
    two = yes_or_no()
    suite(tmp_path, two)

    def write(name, answers, split="hans"):
        text = CARD.format(
            name=name, answers=f"answers: {answers}\n" if answers else "", split=split
        )
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")

    return write


def test_a_card_says_what_answers_mean(run, cards):
    cards("complete", "{entailment: yes, neutral: no, contradiction: no}")
    found = probe(run, ["complete", "complete:zho:train"], resamples=50)
    assert [row["data"] for row in found["rows"] if row["group"] == "all"] == [
        "complete:zho:hans", "complete:zho:train",
    ]  # fmt: skip
    cards("partial", "{entailment: yes, contradiction: no}")
    with pytest.raises(XltError, match="what 'neutral' is to the other is not said") as error:
        probe(run, ["partial"])
    assert "`answers:` in the card" in error.value.fix
    cards("silent", "")
    with pytest.raises(XltError, match=r"labels are yes, no, the model's answers contradiction"):
        probe(run, ["silent"])
    cards("more", "{entailment: maybe, neutral: no, contradiction: no}")
    with pytest.raises(XltError, match="what 'yes' is to the other is not said") as error:
        probe(run, ["more"])
    assert error.value.fix.startswith("valid: maybe;")
    cards("lacking", "{entailment: no, neutral: no, contradiction: no}")
    with pytest.raises(XltError, match="what 'yes' is to the other is not said") as error:
        probe(run, ["lacking"])
    assert error.value.fix.startswith("take a suite with the labels that the model has learnt")
    cards("nothing", "", split="dev")
    with pytest.raises(XltError, match="nothing but train and dev"):
        probe(run, ["nothing"])


def test_a_sample_of_every_split(run, tmp_path):
    (row, *_) = probe(run, [suite(tmp_path, PAIRS)], limit=5, resamples=50)["rows"]
    assert row["records"] == 5
    (whole, *_) = probe(run, [suite(tmp_path, PAIRS)], limit=99, resamples=50)["rows"]
    assert whole["records"] == len(PAIRS)


def test_another_model_as_control(run, tmp_path):
    other = run / "seed-2/zho/model"
    found = probe(run / "seed-1/zho/model", [suite(tmp_path, PAIRS)], control=other, resamples=50)
    row = found["rows"][0]
    (expected,) = accuracy(run, PAIRS, seeds=[2])
    assert row["controls"]["control model"]["accuracy"]["mean"] == pytest.approx(expected)
    assert row["metrics"]["accuracy"]["sd"] is None
    save(NER(), RECORDS["ner"], tmp_path / "ner", 1)
    with pytest.raises(XltError, match="the model is for ner"):
        probe(run, [suite(tmp_path, PAIRS)], control=tmp_path / "ner")


def test_a_task_without_single_answers(tmp_path):
    save(NER(), RECORDS["ner"], tmp_path / "ner", 1)
    with (tmp_path / "suite.bio").open("w", encoding="utf-8") as stream:
        NER().write(RECORDS["ner"], stream, "bio")
    row = probe(tmp_path / "ner", [str(tmp_path / "suite.bio")], resamples=50)["rows"][0]
    assert (row["balance"], row["controls"], row["against"]) == ({}, {}, None)
    assert set(row["metrics"]) == {"f1", "precision", "recall"}


def test_labels_in_the_order_of_the_model():
    assert tuple(TASK.labels(PAIRS)["label"]) == LABELS
