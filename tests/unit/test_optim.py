"""Parameter groups: rates by layer, decay only of matrices, freezing; for every encoder family."""

from __future__ import annotations

import pytest
import torch
from small import SMALL_PARSER, all_texts
from tiny import SHAPES, make_encoder

from xlt.config.schema import Lora, Model, Training
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.model.lora import add_lora
from xlt.tasks.dependency_parsing import DependencyParsing
from xlt.tasks.ner import NER
from xlt.training.optim import EMBEDDINGS, HEAD, freeze, parameter_groups, part_of

LABELS = {"tag": ("O", "B-PER", "I-PER")}


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoders")
    return {kind: make_encoder(folder / kind, all_texts(), kind) for kind in SHAPES}


def make_tagger(folder):
    return NER().build(Backbone(str(folder), Model(encoder=str(folder))), LABELS)


def make_parser(folder):
    options = {k: v for k, v in SMALL_PARSER.items() if k != "name"}
    task = DependencyParsing(DependencyParsing.Options(**options))
    return task.build(Backbone(str(folder), Model(encoder=str(folder))), task.labels([]))


@pytest.fixture(params=SHAPES)
def tagger(request, encoders):
    return make_tagger(encoders[request.param])


@pytest.fixture(params=SHAPES)
def parser(request, encoders):
    return make_parser(encoders[request.param])


@pytest.fixture(params=[(make, kind) for kind in SHAPES for make in (make_tagger, make_parser)])
def model(request, encoders):
    make, kind = request.param
    return make(encoders[kind])


def rates(model, training):
    """Parameter name → (learning rate, weight decay)."""
    names = {id(p): n for n, p in model.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in parameter_groups(model, training)
        for parameter in group["params"]
    }


TRAINING = Training(learning_rate=0.5, head_learning_rate=1.0, layer_decay=0.5, weight_decay=0.1)


def trained(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_rates_fall_from_the_head_to_the_embeddings(model):
    freeze(model, [])
    parts = part_of(model)
    found = rates(model, TRAINING)
    assert set(found) == trained(model)
    by_part = {part: {found[n][0] for n in found if parts[n] == part} for part in parts.values()}
    assert {0, 1, HEAD, EMBEDDINGS} <= set(by_part)
    assert by_part[HEAD] == {1.0}
    assert by_part[1] == {0.25}
    assert by_part[0] == {0.125}
    assert by_part[EMBEDDINGS] == {0.0625}
    others = set().union(
        *(v for part, v in by_part.items() if part not in (0, 1, HEAD, EMBEDDINGS))
    )
    assert others <= {0.5}  # norms and tables above or beside the layers


def test_the_parts_are_the_ones_that_names_say(model):
    parts = part_of(model)
    tables = {n for n, m in model.named_modules() if isinstance(m, torch.nn.Embedding)}
    for name, part in parts.items():
        if name.rpartition(".")[0] == next((t for t in tables if "word" in t or "tok" in t), None):
            assert part == EMBEDDINGS
        if part == HEAD:
            assert (
                name.startswith("encoder.classifier")
                or not name.startswith("encoder.")
                or (".head." in name or name.startswith("encoder.head"))
            )


def test_decay_is_for_matrices_of_layers_only(tagger):
    freeze(tagger, [])
    parts = part_of(tagger)
    decays = {name: decay for name, (_, decay) in rates(tagger, TRAINING).items()}
    for name, parameter in tagger.named_parameters():
        if name not in decays:
            continue
        never = parameter.ndim < 2 or parts[name] == EMBEDDINGS or "norm" in name.lower()
        assert decays[name] == (0.0 if never else 0.1), name
    assert set(decays.values()) == {0.0, 0.1}


@pytest.mark.parametrize(
    ("what", "frozen"),
    [
        (["embeddings"], {EMBEDDINGS}),
        (["layers:1"], {0}),
        (["layers:2", "embeddings"], {0, 1, EMBEDDINGS}),
        (["encoder"], None),
    ],
)
def test_freezing(tagger, what, frozen):
    parts = part_of(tagger)
    freeze(tagger, what)
    for name, parameter in tagger.named_parameters():
        if "pooler" in name:
            continue
        wanted = parts[name] != HEAD if frozen is None else parts[name] in frozen
        assert parameter.requires_grad != wanted, name
    assert set(rates(tagger, TRAINING)) == trained(tagger)


def test_freezing_something_unknown_is_an_error(encoders):
    model = make_tagger(encoders["bert"])
    for what in ("layer:1", "layers:", "head", "layers:two"):
        with pytest.raises(XltError, match="cannot be frozen") as caught:
            freeze(model, [what])
        assert "layers:N" in caught.value.fix


def test_nothing_left_to_train_is_an_error(encoders):
    model = make_tagger(encoders["bert"])
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(XltError, match="nothing is left to train"):
        parameter_groups(model, TRAINING)


def test_poolers_that_no_task_reads_are_not_trained(parser):
    """DistributedDataParallel waits for the gradient of every parameter that wants one."""
    freeze(parser, [])
    parser.train()
    words = {
        "input_ids": torch.tensor([[2, 6, 7, 3]]),
        "attention_mask": torch.ones(1, 4, dtype=torch.long),
        "word_index": torch.tensor([[-1, 0, 1, -1]]),
        "word_mask": torch.ones(1, 2, dtype=torch.bool),
        "relations": torch.tensor([[1, 2]]),
        "labels": torch.tensor([[0, 1]]),
    }
    parser(**words)["loss"].backward()
    without = {n for n, p in parser.named_parameters() if p.requires_grad and p.grad is None}
    assert not without


def test_lora_trains_the_updates_and_the_task_layers(model):
    before = part_of(model)
    add_lora(model, Lora(rank=2))
    freeze(model, [])
    names = trained(model)
    heads = [n for n in names if "lora_" not in n]
    assert any("lora_" in n for n in names)
    parts = part_of(model)
    assert {parts[n] for n in heads} == {HEAD}
    updated = {part for name, part in parts.items() if name in names} - {HEAD}
    assert {0, 1} <= updated <= {0, 1, EMBEDDINGS}  # RemBERT projects its embeddings
    assert sum(part == HEAD for part in before.values()) == len(heads)
    found = rates(model, TRAINING)
    assert {found[n][0] for n in heads} == {1.0}


def test_lora_names_a_module_that_is_not_there(encoders):
    model = make_tagger(encoders["bert"])
    with pytest.raises(XltError, match="nonsense") as caught:
        add_lora(model, Lora(modules=["nonsense"]))
    assert caught.value.where == "model.lora.modules"


def test_frozen_layers_get_no_updates(encoders):
    model = make_tagger(encoders["bert"])
    freeze(model, ["layers:1"])
    add_lora(model, Lora(rank=2))
    parts = part_of(model)
    assert {parts[name] for name in trained(model)} == {1, HEAD}
