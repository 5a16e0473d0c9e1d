"""A transfer with subwords that the encoder lacked: killed, resumed, used, and said."""

from __future__ import annotations

import json

import torch
from small import all_texts, die, make_world, sentences, watch, xlt
from transformers import AutoModel, AutoTokenizer

from xlt.data.checksums import sha256
from xlt.model.extension.report import said


def _die_at(word: str):
    return lambda number, what, go, path: die() if word in what else go()


def test_an_extended_encoder_is_one_like_any(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    world = make_world(tmp_path / "world")
    text = tmp_path / "jav.txt"
    javanese = [" ".join(w for w, _ in one) for one in sentences("jav", 400, 5)]
    text.write_text("\n".join(f"{line} kwatrezo{n % 7}" for n, line in enumerate(javanese)))
    assert not any("kwatrezo" in line for line in all_texts())
    changes = {
        "strategy": {
            "name": "zero_shot",
            "before": [{"pretrain": {"on": ["target"], "training": {"max_steps": 2}}}],
        },
        "data__jav__text": str(text),
        "model__vocabulary": {"extend": "../jav.txt", "subwords": 300},
        "training__checkpoint_every": 1,
        "training__epochs": 1,
    }
    config = world.config("run", **changes)

    assert xlt("train", config, before=lambda: watch(_die_at("eng step 2"))).code == -9
    resumed = xlt("train", config, "--resume")
    assert resumed.code == 0, resumed.text
    run = world.runs() / "run"
    card = (run / "README.md").read_text(encoding="utf-8")
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["encoder"]["text"] == {str(text): sha256(text)}
    told = said(manifest["encoder"]["extension"])
    assert "subwords were added" in told
    assert told in card

    (encoder,) = (tmp_path / "cache" / "encoders").glob("extended-*/")  # extended once
    model = run / "seed-1" / "jav" / "model"
    assert "▁kwatrezo" in AutoTokenizer.from_pretrained(model).tokenize("Ann kwatrezo3")
    rows = [AutoModel.from_pretrained(f).get_input_embeddings().weight for f in (encoder, model)]
    assert rows[0].shape == rows[1].shape
    assert not torch.equal(rows[0][-1], rows[1][-1])  # it has learnt the new subwords, too
    line = tmp_path / "line.txt"
    line.write_text("Ann sees kwatrezo3\n")
    predicted = xlt("predict", run, line)
    assert predicted.code == 0, predicted.text
    assert "kwatrezo3" in predicted.out

    text.write_text("\n".join(javanese))
    again = xlt("train", config, "--resume")
    assert again.code == 2
    assert f"the text {text} changed" in again.err
    text.unlink()
    gone = xlt("plan", world.config("gone", **changes))
    assert gone.code == 2
    assert f"gone.yaml:1 (model.vocabulary.extend): there is no file {text}" in gone.text
