"""Training: gradients do not depend on how a step is split; what is saved is what ran."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small import SMALL_PARSER, Stages, World, all_texts, make_world, predict_with, write_data
from tiny import SHAPES, make_encoder
from transformers import TrainerCallback

from xlt.config.schema import Model, Training
from xlt.data.batch import IGNORED
from xlt.document import Tree
from xlt.inference.predictor import Predictor, subword_table
from xlt.model.backbone import Backbone
from xlt.model.task_model import summed_cross_entropy
from xlt.tasks.dependency_parsing import DependencyParsing
from xlt.tasks.ner import NER
from xlt.training import learner
from xlt.training.callbacks import Selector
from xlt.training.data import Data
from xlt.training.data import weights as data_weights
from xlt.training.trainer import TransferTrainer
from xlt.transfer.stage import DataSplit


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), size=6)


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    """One folder with data of both tasks and an encoder of every family."""
    folder = tmp_path_factory.mktemp("families")
    for kind in SHAPES:
        make_encoder(folder / kind, all_texts(), kind)
    for suffix in ("bio", "conllu"):
        write_data(folder, suffix, 6)
    return folder


# The loss ------------------------------------------------------------------------------------


def test_loss_of_parts_adds_up_to_the_loss_of_the_whole():
    torch.manual_seed(0)
    logits, targets = torch.randn(6, 4, 5), torch.randint(0, 5, (6, 4))
    targets[torch.rand(6, 4) < 0.5] = IGNORED
    targets[2] = IGNORED
    number = (targets != IGNORED).sum()
    whole = summed_cross_entropy(logits, targets, None)
    parts = [summed_cross_entropy(logits[i : i + 1], targets[i : i + 1], number) for i in range(6)]
    torch.testing.assert_close(sum(parts), whole)
    reference = torch.nn.functional.cross_entropy(
        logits.reshape(-1, 5), targets.reshape(-1), ignore_index=IGNORED
    )
    torch.testing.assert_close(whole, reference)


@pytest.mark.parametrize("number", [None, 0, torch.tensor(0)])
def test_nothing_to_learn_is_no_nan(number):
    logits = torch.randn(2, 3, 4, requires_grad=True)
    loss = summed_cross_entropy(logits, torch.full((2, 3), IGNORED), number)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


# Gradients -----------------------------------------------------------------------------------


class Gradients(TrainerCallback):
    def __init__(self) -> None:
        self.steps: list[dict[str, torch.Tensor]] = []

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        named = model.named_parameters()
        self.steps.append({n: p.grad.clone() for n, p in named if p.grad is not None})


def partly_labelled(records):
    """Some words have no head, one sentence has none at all."""
    changed = []
    for number, record in enumerate(records):
        tree = record.layer(Tree, "tree")
        heads = [head if (i + number) % 3 else -1 for i, head in enumerate(tree.heads)]
        heads = [-1] * len(heads) if number == 2 else heads
        changed.append(record.with_layers(tree=Tree(tuple(heads), tree.relations)))
    return changed


def gradients(folder, records, tmp_path, weights=None, **settings):
    options = {k: v for k, v in SMALL_PARSER.items() if k != "name"} | {"dropout": 0.0}
    task = DependencyParsing(DependencyParsing.Options(**options))
    torch.manual_seed(3)
    backbone = Backbone(str(folder), Model(encoder=str(folder), attention="eager"))
    model = task.build(backbone, task.labels(records))
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    examples = task.encode(records, backbone, model.labels)
    data = [Data(DataSplit("eng", "train"), "", records, weights)]
    training = Training(
        **{"batch_tokens": 90, "max_steps": 3, "max_grad_norm": 1e9, "learning_rate": 1e-3}
        | settings
    )
    trainer = TransferTrainer(
        model,
        task,
        examples,
        [np.arange(len(examples))],
        training,
        folder=tmp_path,
        seed=1,
        weights=data_weights(data),
    )
    seen = Gradients()
    trainer.add_callback(seen)
    trainer.train()
    return seen.steps, trainer


@pytest.mark.parametrize("accumulate", [2, 3, 7])
def test_accumulation_does_not_change_the_gradient(families, tmp_path, accumulate):
    records = partly_labelled(Stages(parser_config(families, "bert")).records("eng", "train"))
    assert any(-1 in record.layer(Tree, "tree").heads for record in records)
    once, first = gradients(families / "bert", records, tmp_path)
    split, second = gradients(families / "bert", records, tmp_path, accumulate=accumulate)
    assert len(once) == len(split) == 3
    assert len(second.sampler) == accumulate * len(first.sampler)
    for name, gradient in once[0].items():
        torch.testing.assert_close(split[0][name], gradient, rtol=1e-4, atol=1e-6, msg=name)
    assert any(gradient.abs().max() > 1e-3 for gradient in once[0].values())


def test_a_weight_counts_an_example_that_often(families, tmp_path):
    """Two of each record, weighted 0.5 and 1.5, teach what two unweighted ones do."""
    records = Stages(parser_config(families, "bert")).records("eng", "train")[:3]
    settings = {"batch_tokens": 1000, "max_steps": 1}
    plain, _ = gradients(families / "bert", records * 2, tmp_path, **settings)
    weighted, _ = gradients(
        families / "bert", records * 2, tmp_path, [0.5, 0, 1, 1.5, 2, 1], **settings
    )
    ignored, _ = gradients(families / "bert", records * 2, tmp_path, [0, 0, 0, 2, 2, 0], **settings)
    for name, gradient in plain[0].items():
        torch.testing.assert_close(weighted[0][name], gradient, rtol=1e-4, atol=1e-6, msg=name)
    assert any(not torch.allclose(ignored[0][n], g, atol=1e-3) for n, g in plain[0].items())


def test_gradient_checkpointing_does_not_change_the_gradient(families, tmp_path):
    records = Stages(parser_config(families, "bert")).records("eng", "train")
    plain, _ = gradients(families / "bert", records, tmp_path)
    saving, trainer = gradients(families / "bert", records, tmp_path, gradient_checkpointing=True)
    assert trainer.model.encoder.is_activation_checkpointing
    for name, gradient in plain[0].items():
        torch.testing.assert_close(saving[0][name], gradient, rtol=1e-5, atol=1e-7, msg=name)


# What is saved -------------------------------------------------------------------------------


def parser_config(folder, kind, name="parser", **changes):
    return World(folder, "conllu").config(name, model__encoder=str(folder / kind), **changes)


ONE_STEP = {
    "strategy": {"name": "zero_shot"},
    "training__max_steps": 2,
    "training__batch_tokens": 400,
    "selection__on": "last",
}


@pytest.fixture
def in_memory(monkeypatch):
    """Predictions of the model in memory, made just before it is saved: folder name → records."""
    found = {}
    real = learner.save_model

    def save_model(model, info, tokenizer, folder, vocabulary=None):
        subwords = None if vocabulary is None else subword_table(vocabulary)
        predictor = Predictor(found["task"], model.eval(), 500, subwords=subwords)
        records = found["records"]
        # The saved model says its name alone, not where it lies.
        backbone = Backbone(found["encoder"], Model(encoder=found["encoder"]))
        examples = found["task"].encode(records, backbone, None)
        found["predictions"] = predictor(records, examples)
        found["outputs"] = predictor.forward(examples[:4])
        real(model, info, tokenizer, folder, vocabulary)

    monkeypatch.setattr(learner, "save_model", save_model)
    return found


def train_and_reload(path, found):
    """Train; the saved model says what the one in memory said, to the last bit."""
    run = Stages(path)
    found["encoder"] = run.config.model.encoder
    # Words that training never saw: only their row of the full vocabulary tells them apart.
    found["task"], found["records"] = run.task, run.records("eng")
    folder = run.run()[-1].model_folder()
    assert predict_with(folder, found["records"]) == found["predictions"]
    return folder


@pytest.mark.parametrize("kind", SHAPES)
def test_tagger_of_every_family(families, tmp_path, in_memory, kind):
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    config = World(families).config(
        "ner", model__encoder=str(families / kind), output__root=str(tmp_path), **ONE_STEP
    )
    folder = train_and_reload(config, in_memory)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, info = AutoModelForTokenClassification.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    words = [list(record.words) for record in in_memory["records"][:4]]
    batch = tokenizer(words, is_split_into_words=True, padding=True, return_tensors="pt")
    batch.pop("token_type_ids", None)
    with torch.no_grad():
        logits = model.eval()(**batch).logits
    scores = in_memory["outputs"]["scores"]
    for row, sentence in enumerate(words):
        owners = batch.word_ids(row)
        for word in range(len(sentence)):
            mine = logits[row, [i for i, owner in enumerate(owners) if owner == word]].mean(0)
            torch.testing.assert_close(
                mine.log_softmax(-1), scores[row, word], rtol=1e-4, atol=1e-4
            )
    assert set(model.config.id2label.values()) == {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"}


@pytest.mark.parametrize("kind", SHAPES)
def test_parser_of_every_family(families, tmp_path, in_memory, kind):
    config = parser_config(families, kind, output__root=str(tmp_path), **ONE_STEP)
    folder = train_and_reload(config, in_memory)
    from transformers import AutoModel, AutoModelForTextEncoding

    auto = AutoModelForTextEncoding if kind == "umt5" else AutoModel
    _, info = auto.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    assert (folder / "head.safetensors").is_file()


LORA = {"model__lora": {"rank": 2, "dropout": 0.1}, "training__learning_rate": 0.05}


@pytest.mark.parametrize("trim", [True, False])
@pytest.mark.parametrize("kind", ["bert", "deberta-v2", "rembert", "modernbert", "umt5"])
def test_lora_is_saved_merged(families, tmp_path, in_memory, kind, trim):
    from transformers import AutoModelForTokenClassification

    changes = {"output__root": str(tmp_path), "model__trim_vocabulary": trim} | ONE_STEP | LORA
    path = World(families).config("lora", model__encoder=str(families / kind), **changes)
    run = Stages(path)
    in_memory["encoder"] = run.config.model.encoder
    in_memory["task"], in_memory["records"] = run.task, run.records("eng")
    folder = run.run()[-1].model_folder()
    assert not [path.name for path in folder.iterdir() if "adapter" in path.name]
    _, info = AutoModelForTokenClassification.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert predict_with(folder, in_memory["records"]) == in_memory["predictions"]
    before = load_file(families / kind / "model.safetensors")
    after = load_file(folder / "model.safetensors")
    changed = {
        name.rpartition(".")[0]
        for name, value in after.items()
        for known, old in before.items()
        if name.endswith(known) and old.shape == value.shape and not torch.equal(old, value)
    }
    assert changed
    assert not any("norm" in name.lower() or "word_embedding" in name for name in changed)


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "rembert", "umt5"])
def test_trimming_does_not_change_what_is_learnt(families, tmp_path, kind):
    """Rows that no data need keep their values; all others are trained as in the full matrix."""
    found = {}
    for trim in (True, False):
        path = World(families).config(
            f"trim-{trim}",
            model__encoder=str(families / kind),
            model__trim_vocabulary=trim,
            output__root=str(tmp_path / str(trim)),
            **ONE_STEP | {"training__max_steps": 4, "training__batch_tokens": 200},
        )
        run = Stages(path)
        folder = run.run()[-1].model_folder()
        found[trim] = (
            load_file(folder / "model.safetensors"),
            predict_with(folder, run.records("eng") + run.records("jav")),
        )
    assert found[True][0].keys() == found[False][0].keys()
    for name, value in found[False][0].items():
        torch.testing.assert_close(found[True][0][name], value, rtol=1e-4, atol=1e-5, msg=name)
    assert found[True][1] == found[False][1]
    original = load_file(families / kind / "model.safetensors")
    (name,) = [
        n for n, v in original.items() if n.endswith(("word_embeddings.weight", "shared.weight"))
    ]
    (trained,) = [v for n, v in found[True][0].items() if n.endswith(name)]
    untouched = (trained == original[name]).all(1)
    assert 0 < untouched.sum() < len(trained)


# Selection -----------------------------------------------------------------------------------


def test_selector_keeps_the_first_of_equal_scores():
    selector = Selector("dev:eng", patience=2)
    scores = [10.0, 30.0, 30.0, 20.0, 25.0]
    improved = [selector.update(step, {"dev:eng": s}) for step, s in enumerate(scores, 1)]
    assert improved == [True, True, False, False, False]
    assert selector.best == {"dev:eng": {"step": 2, "score": 30.0}}
    assert selector.exhausted


def test_patience_counts_the_primary_criterion_only():
    selector = Selector("dev:eng", patience=2)
    for step in range(5):
        selector.update(step, {"dev:eng": 1.0 if step else 2.0, "dev:jav": float(step)})
    assert selector.since_best == 4
    assert selector.best["dev:jav"]["step"] == 4
    assert selector.steps == {0, 4}


def test_selector_survives_json():
    selector = Selector("dev:eng", patience=3)
    selector.update(1, {"dev:eng": 1 / 3})
    selector.update(2, {"dev:eng": 0.1})
    state = json.loads(json.dumps(selector.state()))
    again = Selector(**state["args"])
    for name, value in state["attributes"].items():
        setattr(again, name, value)
    assert again.state() == selector.state()


def test_ner_needs_no_head_of_its_own(world, tmp_path):
    run = Stages(world.config("plain", output__root=str(tmp_path), **ONE_STEP))
    folder = run.run()[-1].model_folder()
    assert not (folder / "head.safetensors").exists()
    assert isinstance(run.task, NER)
