"""The pretrained encoder of the package index, in the commands that take an encoder."""

from __future__ import annotations

import json
import os

import pytest
from small import xlt

from xlt.config.schema import Model
from xlt.model.backbone import Backbone

CONFIG = """\
name: e5
task: {name: ner, types: [PER, LOC]}
model: {encoder: e5-small, layers: 3}
data:
  eng:
    train: {ref: "sample-ner:eng:train", limit: 100}
    dev: {ref: "sample-ner:eng:dev", limit: 10}
  spa:
    test: {ref: "sample-ner:spa:test", limit: 10}
source: eng
target: spa
training: {max_steps: 4, batch_tokens: 256, learning_rate: 2e-4, head_learning_rate: 2e-3}
seeds: [1]
"""


def vectors(texts: list[str]):
    """Sentence vectors as the model's authors make them: the mean over subwords, of unit length."""
    import torch

    backbone = Backbone("e5-small", Model(encoder="e5-small"))
    batch = backbone.tokenizer([f"query: {text}" for text in texts], padding=True)
    batch = {name: torch.tensor(ids) for name, ids in batch.items()}
    with torch.inference_mode():
        states = backbone.encoder().eval()(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1).numpy()


@pytest.mark.skipif("XLT_THOROUGH" not in os.environ, reason="slow; XLT_THOROUGH=1 runs it")
def test_a_translation_is_nearer_than_another_sentence():
    pairs = [
        ("The teacher reads a book.", "La maestra lee un libro."),
        ("It will rain tomorrow in the north.", "Morgen wird es im Norden regnen."),
        ("Prices of oil have risen sharply.", "Bei ya mafuta imepanda sana."),
        ("The children play football.", "孩子们在踢足球。"),
    ]
    english = vectors([a for a, _ in pairs])
    others = vectors([b for _, b in pairs])
    assert (english @ others.T).argmax(axis=1).tolist() == [0, 1, 2, 3]


@pytest.mark.thorough
def test_plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e5.yaml").write_text(CONFIG, encoding="utf-8")
    done = xlt("plan", "e5.yaml")
    assert done.code == 0, done.text
    assert "e5-small" in done.text


@pytest.mark.slow
def test_train_and_predict(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e5.yaml").write_text(CONFIG, encoding="utf-8")
    done = xlt("train", "e5.yaml")
    assert done.code == 0, done.text
    run = tmp_path / "runs" / "e5"
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["encoder"]["origin"] == "intfloat/multilingual-e5-small, from 4-bit weights"
    (tmp_path / "text.txt").write_text("Ana vive en Madrid.\n", encoding="utf-8")
    done = xlt("predict", run, "text.txt", "--language", "spa", "--output", "text.bio")
    assert done.code == 0, done.text
    words = [line.split("\t")[0] for line in (tmp_path / "text.bio").read_text().splitlines()]
    assert words[:5] == ["Ana", "vive", "en", "Madrid", "."]


def test_the_aligner_links_what_means_the_same():
    from xlt.projection.align.encoder import Encoder, EncoderOptions

    english = ["The", "old", "teacher", "reads", "a", "book"]
    spanish = ["La", "maestra", "vieja", "lee", "un", "libro"]
    aligner = Encoder(EncoderOptions(encoder="e5-small"))
    (links,) = aligner.align([(english, spanish)], "eng", "spa")
    assert {(english[i], spanish[j]) for i, j in links} >= {
        *[("teacher", "maestra"), ("reads", "lee"), ("book", "libro"), ("a", "un")]
    }
