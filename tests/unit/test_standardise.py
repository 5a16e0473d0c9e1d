"""Vectors that are nearly alike are standardised before training."""

from __future__ import annotations

import pytest
import torch
from small import Stages, make_world
from tiny import make_encoder
from transformers import AutoModel

from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.training.rehearsal import rehearse
from xlt.training.standardise import standardise, standardises
from xlt.transfer.stage import DataSplit


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"), size=40)


def vectors(model, task, examples):
    """Of every subword of the examples, special ones included: (subwords, width)."""
    model.eval()
    found = []
    for example in examples:
        batch = task.collate([example])
        with torch.no_grad():
            output = model.encoder.base_model(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
            )
        found.append(output.last_hidden_state[batch["attention_mask"].bool()])
    return torch.cat(found)


def built(config):
    run = Stages(config)
    records = run.sources.load(DataSplit("eng", "train")).records
    backbone = Backbone(run.config.model.encoder, run.config.model)
    model = run.task.build(backbone, run.task.labels(records))
    return run, model, run.task.encode(records, backbone, model.labels)


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "rembert", "deberta-v2"])
def test_mean_and_variance(world, tmp_path, kind):
    texts = ["Ann sees Paris the old red", "Bob likes Rome near visits"]
    encoder = make_encoder(tmp_path / kind, texts, kind)
    plain = AutoModel.from_pretrained(encoder)
    norms = [m for m in plain.modules() if isinstance(m, torch.nn.LayerNorm)]
    with torch.no_grad():
        for norm in norms[-2:]:
            norm.weight.mul_(0.1)
            norm.bias.add_(3.0)  # alike, as a sentence encoder's
    plain.save_pretrained(encoder)
    run, model, examples = built(world.config(kind, model__encoder=str(encoder)))
    assert vectors(model, run.task, examples).mean() > 2
    model.train()
    standardise(model, run.task, examples, None, seed=1)
    assert model.training
    found = vectors(model, run.task, examples)
    assert found.mean(0).abs().max() < 1e-4
    assert found.std(0) == pytest.approx(torch.ones(found.shape[1]).tolist(), abs=1e-3)


def test_an_encoder_without_such_a_norm(world, tmp_path):
    encoder = make_encoder(tmp_path / "umt5", ["Ann sees Paris"], "umt5")
    path = world.config("umt5", model__encoder=str(encoder), model__standardise=True)
    run, model, examples = built(path)
    with pytest.raises(XltError, match="cannot be standardised") as error:
        standardise(model, run.task, examples, None, seed=1)
    assert error.value.where == "model.standardise"
    with pytest.raises(XltError, match="cannot be standardised"):  # before anything is trained
        rehearse(run.config, run.task, run.plan[0], model.labels, local=True)


def test_only_where_training_begins(world, tmp_path, monkeypatch):
    """The stages after the first begin from weights that have learnt with it."""
    from xlt.training import learner

    seen = []
    real = learner.standardise
    monkeypatch.setattr(
        learner, "standardise", lambda *args: (seen.append(len(args[2])), real(*args))
    )
    settings = {"model__standardise": True, "output__root": str(tmp_path)}
    assert len(Stages(world.config("run", **settings)).run()) == 3
    assert seen == [40]
    settings["model__initialise"] = "random"
    Stages(world.config("random", **settings)).run()
    assert seen == [40]


def test_a_decoder_reads_the_vectors_as_they_are(world):
    for model, wanted in (("tagger", True), ("text_to_text", False)):
        task = {"name": "ner", "model": model}
        run = Stages(world.config(model, model__standardise=True, task=task))
        backbone = Backbone(run.config.model.encoder, run.config.model)
        assert standardises(run.config.model, backbone, run.task) is wanted
