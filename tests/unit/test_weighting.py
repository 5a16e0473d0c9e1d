"""Weights by losses: figures worked out by hand, every task, every way to compute a step."""

from __future__ import annotations

import json
from itertools import product
from typing import get_args

import numpy as np
import pytest
import torch
from records import OPTIONS, RECORDS
from safetensors.torch import load_file
from small import Stages, World, make_world

from xlt.config.load import load_config
from xlt.config.schema import Training, Weighting
from xlt.data.batch import IGNORED, StepSampler
from xlt.errors import XltError, flat
from xlt.model.choosing import ChoosingModel
from xlt.model.pair import Pair, members
from xlt.model.task_model import summed_cross_entropy
from xlt.registry import tasks
from xlt.runs.card import told
from xlt.runs.experiment import prepare
from xlt.runs.preflight import find_problems
from xlt.runs.sources import Sources
from xlt.testing.subject import Subject
from xlt.training import learner
from xlt.training import weighting as weights_module
from xlt.training.batches import EXAMPLES, targets_of
from xlt.training.divergence import Watch
from xlt.training.trainer import TransferTrainer
from xlt.training.weighting import METHODS, ExampleWeights, InfoBatch, SeTa, own_losses

NAN = float("nan")


def of_pass(losses, progress=1.0, method="small_loss", **options):
    found = METHODS[method](Weighting(method=method, **options))
    return found.of_pass(torch.tensor(losses), progress).tolist()


# Small losses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "options", "progress", "wanted"),
    [
        # 60 % of five are three: 1, 2 and 3.
        ([1.0, 5.0, 2.0, 9.0, 3.0], {"forget": 0.4, "warmup": 0}, 0.0, [1, 0, 1, 0, 1]),
        # A quarter of the steps is half of the warm-up: 20 % of five are left out, one.
        ([1.0, 5.0, 2.0, 9.0, 3.0], {"forget": 0.4, "warmup": 0.5}, 0.25, [1, 1, 1, 0, 1]),
        ([1.0, 5.0, 2.0, 9.0, 3.0], {"forget": 0.4, "warmup": 0.5}, 0.0, [1, 1, 1, 1, 1]),
        ([1.0, 5.0, 2.0, 9.0, 3.0], {"forget": 0.4, "warmup": 0.5}, 0.8, [1, 0, 1, 0, 1]),
        # Of equal ones the first; of one, it.
        ([2.0, 2.0, 2.0, 2.0], {"forget": 0.5, "warmup": 0}, 0.0, [1, 1, 0, 0]),
        ([7.0], {"forget": 0.9, "warmup": 0}, 0.0, [1]),
    ],
)
def test_the_smallest_losses_are_kept(losses, options, progress, wanted):
    assert of_pass(losses, progress, **options) == wanted


def test_two_models_learn_from_what_the_other_trusts():
    losses = [[1.0, 2.0, 3.0, 4.0], [4.0, 1.0, 9.0, 2.0]]
    kept = of_pass(losses, method="co_teaching", forget=0.5)
    assert kept == [[0, 1, 0, 1], [1, 1, 0, 0]]


# Epochs ------------------------------------------------------------------------------------------


def infobatch(losses, epoch=1, epochs=8, seed=0, **options):
    random = np.random.default_rng(seed)
    found = InfoBatch(Weighting(method="infobatch", **options))
    return found.of_epoch(np.array(losses), epoch, epochs, random)


def test_small_losses_count_for_those_that_are_left_out():
    """Of (1, 2, 3, 6) those below the mean of 3 may be left out; of what is unknown nothing is."""
    drawn = np.array([infobatch([1.0, 2.0, 3.0, 6.0, NAN], seed=seed) for seed in range(2000)])
    assert {tuple(row) for row in drawn} == {(*two, 1, 1, 1) for two in product((0, 2), repeat=2)}
    assert drawn.mean(0) == pytest.approx(np.ones(5), abs=0.1)
    quarter = np.array([infobatch([1.0, 9.0], prune=0.25, seed=seed) for seed in range(2000)])
    assert {*quarter[:, 0]} == {0.0, 1 / 0.75}
    assert (quarter[:, 0] == 0).mean() == pytest.approx(0.25, abs=0.04)


def test_the_first_epoch_and_the_last_ones_are_whole():
    losses = [1.0, 2.0, 3.0, 6.0]
    assert infobatch([NAN] * 4, epoch=0) is None
    whole = [epoch for epoch in range(1, 8) if infobatch(losses, epoch) is None]
    assert whole == [7]  # 0.875 of eight
    assert [e for e in range(1, 8) if infobatch(losses, e, whole_from=0.5) is None] == [4, 5, 6, 7]
    assert infobatch(losses, 1, 2) is not None


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, [(1, 5), (2, 6), (3, 7), (4, 8), (5, 9), (0, 4)]),
        ({"groups": 5, "window": 0.9}, [(1, 4), (0, 3)]),
    ],
)
def test_windows(options, wanted):
    settings = Weighting(method="seta", **options)
    windows = [SeTa(settings).window(epoch, settings.groups) for epoch in range(1, 7)]
    assert [(w[0], w[-1]) for w in windows][: len(wanted)] == wanted


def seta(losses, epoch, epochs=8, **options):
    found = SeTa(Weighting(method="seta", **{"prune": 1e-9, **options}))
    return found.of_epoch(np.array(losses), epoch, epochs, np.random.default_rng(3))


def test_a_window_moves_from_easy_to_hard_ones():
    """Four groups of two; three of them: six examples, of eight, which count for all. What has not
    been read is last."""
    losses, options = [5.0, 1.0, 8.0, 2.0, NAN, 3.0, 4.0, 6.0], {"groups": 4, "window": 0.75}
    count = 8 / 6
    assert seta(losses, 0, **options).tolist() == [1.0] * 8
    hard = [count, 0, count, 0, count, count, count, count]
    easy = [count, count, 0, count, 0, count, count, count]
    assert seta(losses, 1, **options).tolist() == pytest.approx(hard)
    assert seta(losses, 2, **options).tolist() == pytest.approx(easy)
    assert seta(losses, 7, **options).tolist() == [1.0] * 8
    some = seta(losses, 7, prune=0.5)
    assert sorted(some) == [0, 0, 0, 0, 2, 2, 2, 2]
    assert seta([1.0], 3, prune=0.9).tolist() == [1.0]


def test_the_registry_has_what_a_config_may_name():
    assert tuple(METHODS) == get_args(Weighting.model_fields["method"].annotation)


# What is known of a stage's examples -------------------------------------------------------------


def example_weights(method="infobatch", number=4, epochs=8, **options):
    sampler = StepSampler([10] * number, [np.arange(number)], budget=24, epochs=epochs, seed=1)
    targets = np.full(number, 2)
    return ExampleWeights(Weighting(method=method, **options), targets, sampler, 5)


def test_losses_are_means_over_targets_and_gathered(monkeypatch):
    """Each process has seen a part of the examples; none is learnt from twice."""
    one = example_weights()
    assert one.of_epoch(0) is None
    assert one.of_epoch(1) is None
    assert one.of_pass([0, 1], torch.tensor([2.0, 4.0]), 1).tolist() == [1.0, 1.0]
    both = [one._seen, np.array([NAN, NAN, 3.0, 6.0])]
    monkeypatch.setattr(weights_module, "gathered", lambda mine: [mine, both[1]])
    end = one._sampler.boundaries[0]
    weights = one.of_epoch(end)
    assert one._losses.tolist() == [1.0, 2.0, 3.0, 6.0]
    assert weights[2:].tolist() == [1.0, 1.0]
    assert {*weights[:2]} <= {0.0, 2.0}
    assert one.of_epoch(end + 1) is weights


def test_what_has_no_target_is_not_compared():
    one = example_weights("small_loss", forget=0.5, warmup=0)
    one._targets = np.array([2, 0, 1, 4])
    # Means 3, -, 1, 2: of three one and a half are kept, two.
    kept = one.of_pass([0, 1, 2, 3], torch.tensor([6.0, 0.0, 1.0, 8.0]), 0)
    assert kept.tolist() == [0.0, 1.0, 1.0, 1.0]
    nothing = ExampleWeights(one.options, np.zeros(4, int), one._sampler, 5)
    assert nothing.of_pass([0, 1], torch.zeros(2), 0).tolist() == [1.0, 1.0]
    assert one.report("eng")["note"] == "eng: small_loss left out 25.0% of the examples"


def test_it_goes_on_where_it_was_saved(tmp_path):
    one, other = example_weights(prune=0.9), example_weights(prune=0.9)
    end = one._sampler.boundaries[0]
    one.of_epoch(0)
    one.of_pass([0, 1, 2, 3], torch.tensor([1.0, 2.0, 3.0, 6.0]), 0)
    weights = one.of_epoch(end)
    one.of_pass([2, 3], torch.tensor([0.5, 0.25]), end)
    one.count(2, 2)
    one.save(tmp_path / "state.safetensors")
    other.load(tmp_path / "state.safetensors")
    assert other.of_epoch(end).tolist() == weights.tolist()
    assert other.report("eng") == one.report("eng")
    following = one._sampler.boundaries[1]
    assert other.of_epoch(following).tolist() == one.of_epoch(following).tolist()
    assert one._losses.tolist() == [0.5, 1.0, 0.25, 0.125]


def test_a_model_that_is_divided_among_processes_is_refused():
    options, sampler = Weighting(method="small_loss"), example_weights()._sampler
    with pytest.raises(XltError, match="FSDP") as caught:
        ExampleWeights(options, np.ones(4, int), sampler, 5, divided=True)
    assert caught.value.where == "training.weighting"


# Every task --------------------------------------------------------------------------------------

TASKS = [
    pytest.param(name, options, id=f"{name}-{number}")
    for name in tasks.names()
    for number, options in enumerate(OPTIONS.get(name, [{}]))
]


def a_trainer(subject, model, folder, weighting, **settings):
    training = Training(weighting=weighting, batch_tokens=10_000, **settings)
    groups = [np.arange(len(subject.examples))]
    return TransferTrainer(
        model, subject.task, subject.examples, groups, training, folder=folder, seed=1
    )


def moved(model):
    """To where losses are not all alike."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return model


def gradient(model, loss):
    model.zero_grad()
    loss.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("name", "options"), TASKS)
def test_of_every_task_the_smallest_losses_alone_are_learnt(name, options, tmp_path):
    subject = Subject(tasks.get(name), RECORDS[name], tmp_path, options)
    model, examples = moved(subject.build(subject.labels)), subject.examples
    items = int(targets_of(subject.task, examples).sum())
    batch = subject.task.collate(examples)
    assert items == int((batch["labels"] != IGNORED).sum())

    def alone(example):
        own = subject.task.collate([example])
        known = int((own["labels"] != IGNORED).sum())
        return model(**own, num_items_in_batch=items)["loss"], known

    parts = [alone(example) for example in examples]
    means = {n: float(p.detach()) / known for n, (p, known) in enumerate(parts) if known}
    kept = sorted(means, key=means.get)[: max(1, round(0.6 * len(means)))]
    assert len(kept) < len(means)
    wanted = gradient(model, sum(parts[n][0] for n in kept))
    trainer = a_trainer(subject, model, tmp_path / "work", {"method": "small_loss", **FORGET})
    batch = trainer.batches([(example, False) for example in examples])
    loss = trainer.compute_loss(model, batch, num_items_in_batch=items)
    total = sum(float(parts[n][0].detach()) for n in kept)
    assert float(loss.detach()) == pytest.approx(total, rel=1e-3)
    found = gradient(model, loss)
    size = max(float(value.abs().max()) for value in wanted.values())
    assert size > 1e-3
    for key in wanted.keys() | found.keys():
        a, b = (one.get(key, torch.zeros(())) for one in (found, wanted))
        torch.testing.assert_close(a.expand_as(b), b, rtol=1e-2, atol=1e-4 * size, msg=key)


FORGET = {"forget": 0.4, "warmup": 0.0}


def test_a_loss_in_which_no_example_has_a_part():
    weights, other = torch.ones(2, requires_grad=True), torch.ones(1, requires_grad=True)
    assert own_losses(0.0 * other.sum(), weights) is None


def test_weights_are_not_rounded_where_precision_is_mixed():
    logits, targets = torch.zeros(3, 2), torch.tensor([0, 1, 0])
    with torch.autocast("cpu", torch.bfloat16):
        loss = summed_cross_entropy(logits, targets, 1, torch.full((3,), 1 / 3))
    assert float(loss) == pytest.approx(float(np.log(2)), rel=1e-6)


# Two models --------------------------------------------------------------------------------------


def test_of_two_models_each_is_taught_by_the_other(tmp_path):
    subject = Subject(tasks.get("ner"), RECORDS["ner"], tmp_path, {})
    targets = targets_of(subject.task, subject.examples)
    items = int(targets.sum())

    def looked_at(model):
        """The parts of a loss, and the examples that this model trusts."""
        batches = [subject.task.collate([example]) for example in subject.examples]
        parts = [model(**batch, num_items_in_batch=items)["loss"] for batch in batches]
        means = [float(part.detach()) / number for part, number in zip(parts, targets, strict=True)]
        return parts, {*sorted(range(len(means)), key=means.__getitem__)[: round(0.6 * len(means))]}

    first, second = subject.build(subject.labels), moved(subject.build(subject.labels))
    while looked_at(first)[1] == looked_at(second)[1]:
        moved(second)
    (parts, trusted), (other_parts, others_trusted) = looked_at(first), looked_at(second)
    wanted = [
        gradient(first, sum(parts[n] for n in others_trusted)),
        gradient(second, sum(other_parts[n] for n in trusted)),
    ]
    pair = Pair([first, second])
    trainer = a_trainer(subject, pair, tmp_path / "work", {"method": "co_teaching", **FORGET})
    batch = trainer.batches([(example, False) for example in subject.examples])
    pair.zero_grad()
    trainer.compute_loss(pair, batch, num_items_in_batch=items).backward()
    assert members(pair) == [first, second]
    for model, its in zip((first, second), wanted, strict=True):
        for name, parameter in model.named_parameters():
            if name in its:
                torch.testing.assert_close(parameter.grad, its[name], rtol=1e-3, atol=1e-6)
    groups = trainer.create_optimizer().param_groups
    assert sum(len(group["params"]) for group in groups) == len(list(pair.parameters()))


# A stage -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    """Without dropout, so that the same batch has the same loss."""
    world = make_world(tmp_path_factory.mktemp("world"), size=12)
    path = world.folder / "encoder" / "config.json"
    without = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | without))
    return world


@pytest.fixture
def passes(monkeypatch) -> list[dict]:
    """What a model was given in training, pass by pass."""
    seen: list[dict] = []
    real = ChoosingModel.forward

    def forward(self, *given, **batch):
        if "labels" in batch:
            seen.append(batch)
        return real(self, *given, **batch)

    monkeypatch.setattr(ChoosingModel, "forward", forward)
    return seen


def config(world, folder, **changes):
    plain = {
        "strategy": "zero_shot",
        "training__epochs": 4,
        "training__batch_tokens": 100,
        "output__root": str(folder),
    }
    return world.config(folder.name, **plain | changes)


def trained(path):
    result = Stages(path).run()[-1]
    return result, load_file(result.model_folder() / "model.safetensors")


def same(one, other, **tolerance):
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], **tolerance, msg=name)


ONE_STEP = {"training__batch_tokens": 4000, "training__max_steps": 1, "training__warmup": 0}
WEIGHTS = [0, 2, 1, 0, 0, 2, 1, 1, 0, 2, 2, 1]


def test_what_is_left_out_of_an_epoch_is_not_computed(world, tmp_path, monkeypatch, passes):
    """It is counted all the same among what a step's loss is divided by: as with weights of 0."""
    with monkeypatch.context() as patch:
        patch.setattr(learner, "weights", lambda _: np.array(WEIGHTS, float))
        _, given = trained(config(world, tmp_path / "given", **ONE_STEP))
    monkeypatch.setattr(InfoBatch, "of_epoch", lambda *_: np.array(WEIGHTS, float))
    path = config(world, tmp_path / "left-out", **ONE_STEP, training__weighting="infobatch")
    result, found = trained(path)
    same(found, given, rtol=1e-4, atol=1e-6)
    assert [len(one["weights"]) for one in passes] == [12, 8]
    assert passes[0]["num_items_in_batch"] == passes[1]["num_items_in_batch"]
    assert result.about["weighting"] == {"method": "infobatch", "examples": 12, "left_out": 4}
    stage = {"key": "k", "stage": "eng", "about": result.about}
    assert told({"seed-1/jav": [stage]}) == [
        "eng: infobatch left out 33.3% of the examples, seed 1"
    ]


def test_a_pass_of_which_nothing_is_left(world, tmp_path, monkeypatch, passes):
    monkeypatch.setattr(InfoBatch, "of_epoch", lambda *_: np.array([0] * 10 + [3, 1], float))
    settings = ONE_STEP | {"training__weighting": "infobatch"}
    _, once = trained(config(world, tmp_path / "once", **settings))
    assert [len(one["weights"]) for one in passes] == [2]
    _, parts = trained(config(world, tmp_path / "parts", **settings, training__accumulate=4))
    assert sum(bool((one["labels"] == IGNORED).all()) for one in passes[1:]) >= 2
    same(parts, once, rtol=1e-4, atol=1e-6)


def test_an_epoch_reads_fewer_examples_in_as_many_steps(world, tmp_path, passes):
    weighting = {"method": "infobatch", "whole_from": 0.75}
    changes = {"training__weighting": weighting, "training__batch_tokens": 4000}
    result, _ = trained(config(world, tmp_path / "run", **changes))
    rows = [len(one["weights"]) for one in passes]
    assert (len(rows), rows[0], rows[3]) == (4, 12, 12)
    assert sum(rows[1:3]) < 24
    assert result.about["weighting"] == {
        "method": "infobatch",
        "examples": 48,
        "left_out": 48 - sum(rows),
    }
    assert len({int(one["num_items_in_batch"]) for one in passes}) == 1


@pytest.mark.parametrize("method", ["small_loss", "infobatch"])
def test_two_passes_of_a_step_have_the_same_weights(world, tmp_path, monkeypatch, passes, method):
    decided = []
    real = ExampleWeights.of_pass

    def of_pass(self, *given):
        decided.append(real(self, *given))
        return decided[-1]

    monkeypatch.setattr(ExampleWeights, "of_pass", of_pass)
    changes = {
        "training__weighting": method,
        "training__sharpness": {"radius": 0.5},
        "training__accumulate": 2,
    }
    trained(config(world, tmp_path / "run", **changes))
    learnt = [one for one in passes if (one["labels"] != IGNORED).any()]
    assert len(learnt) == 2 * len(decided)
    first, second = learnt[::2], learnt[1::2]
    assert all((one["weights"] == 1).all() for one in first)
    if method == "small_loss":
        for one, weights in zip(second, decided, strict=True):
            assert torch.equal(one["weights"], weights)
        assert any((weights == 0).any() for weights in decided)
    else:
        assert {float(w) for one in second for w in one["weights"]} == {1.0, 2.0}


def test_they_multiply_the_weights_that_examples_have(tmp_path):
    subject = Subject(tasks.get("ner"), RECORDS["ner"], tmp_path, {})
    model, number = subject.build(subject.labels), len(subject.examples)
    trainer = a_trainer(subject, model, tmp_path / "work", {"method": "small_loss", **FORGET})
    trainer.batches.weights = np.full(number, 0.25)
    batch = trainer.batches([(example, False) for example in subject.examples])
    trainer.compute_loss(model, batch, num_items_in_batch=10)
    assert EXAMPLES not in batch
    assert sorted(batch["weights"].tolist()) == [0.0, 0.0, 0.25, 0.25, 0.25, 0.25]


@pytest.mark.parametrize(
    "method",
    ["infobatch", "co_teaching"]
    + [pytest.param(name, marks=pytest.mark.thorough) for name in ("small_loss", "seta")],
)
def test_it_goes_on_where_it_was_interrupted(world, tmp_path, monkeypatch, method):
    """In the middle of an epoch, whose weights are of the losses before it."""
    changes = {
        "training__weighting": method,
        "training__batch_tokens": 60,
        "training__checkpoint_every": 1,
    }
    _, whole = trained(config(world, tmp_path / "whole", **changes))
    real = TransferTrainer.training_step
    at = []

    def interrupted(self, *given, **named):
        epoch = self.sampler.epoch_of(self.state.global_step)
        if epoch > 2 and epoch % 1 > 0.4:
            at.append(epoch)
            raise KeyboardInterrupt
        return real(self, *given, **named)

    monkeypatch.setattr(TransferTrainer, "training_step", interrupted)
    broken = config(world, tmp_path / "broken", **changes)
    with pytest.raises(KeyboardInterrupt):
        Stages(broken).run()
    assert 2 < at[0] < 3
    monkeypatch.setattr(TransferTrainer, "training_step", real)
    result = Stages(broken, resume=True).run()[-1]
    again = load_file(result.model_folder() / "model.safetensors")
    assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_a_student_is_taught_so(world, tmp_path):
    """Of probabilities, too; what is said of it is said of both."""
    strategy = {
        "name": "distil",
        "on": "train",
        "training": {"weighting": {"method": "small_loss", "forget": 0.5, "warmup": 0}},
    }
    path = config(world, tmp_path / "run", strategy=strategy, training__epochs=2)
    (*_, result) = Stages(path).run()
    assert result.about["weighting"]["left_out"] > 0
    assert result.about["loss"] == "soft"
    assert "learnt from" in result.about["note"]
    assert "small_loss left out" in result.about["note"]


def test_the_first_of_two_models_is_kept(world, tmp_path, monkeypatch):
    """It begins as the one that is trained alone, and the other otherwise."""
    begun = []
    real = TransferTrainer.train

    def train(self, *given, **named):
        network = self.model
        begun.append([load_plain(model) for model in members(network)])
        return real(self, *given, **named)

    def load_plain(model):
        return {name: value.clone() for name, value in model.state_dict().items()}

    monkeypatch.setattr(TransferTrainer, "train", train)
    settings = ONE_STEP | {"selection__on": "last", "training__learning_rate": 1e-3}
    _, alone = trained(config(world, tmp_path / "alone", **settings))
    both = {"training__weighting": {"method": "co_teaching", "warmup": 1.0}}
    _, found = trained(config(world, tmp_path / "both", **settings, **both))
    ((plain,), (first, second)) = begun
    same(plain, first, rtol=0, atol=0)
    assert any(not torch.equal(first[name], second[name]) for name in first)
    # Nothing is left out in the first step; gradients are clipped together.
    same(found, alone, rtol=0, atol=2.5e-3)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "changes",
    [
        {"model__lora": {"rank": 2}},
        {"training__gradient_checkpointing": True, "training__average": 0.9},
        {"training__precision": "bf16"},
        {"training__label_smoothing": 0.2, "model__trim_vocabulary": False},
    ],
)
def test_two_models_in_every_way(world, tmp_path, changes):
    path = config(world, tmp_path / "run", training__weighting="co_teaching", **changes)
    result, _ = trained(path)
    assert result.about["weighting"]["left_out"] > 0


# What stands against it --------------------------------------------------------------------------


def problems(path):
    try:
        loaded = load_config(path)
    except XltError as error:
        return flat(error)
    experiment = prepare(loaded)
    return find_problems(experiment, Sources(experiment.config, experiment.task))


@pytest.mark.parametrize(
    ("weighting", "changes", "what", "where"),
    [
        ({"method": "small_los"}, {}, "must be 'small_loss'", "training.weighting.method"),
        ("large_loss", {}, "must be 'small_loss'", "training.weighting"),
        ({"forget": 0.2}, {}, "'method' is missing", "training.weighting"),
        ({"method": "seta", "forget": 0.2}, {}, "does not look at `forget`", "training.weighting"),
        ({"method": "small_loss", "groups": 3}, {}, "not look at `groups`", "training.weighting"),
        ({"method": "small_loss", "forget": 1}, {}, "less than 1", "weighting.forget"),
        ({"method": "infobatch", "prune": 0}, {}, "greater than 0", "weighting.prune"),
        ({"method": "seta", "groups": 1}, {}, "at least 2", "weighting.groups"),
        ("infobatch", {"training__epochs": 1}, "leaves nothing out", "training.weighting"),
        (
            {"method": "seta", "whole_from": 0.5},
            {"training__epochs": 2},
            "leaves nothing out",
            "training.weighting",
        ),
        (
            "co_teaching",
            {"strategy": {"name": "hierarchical", "through": ["ind"]}},
            "would begin as one",
            "training.weighting",
        ),
        ("co_teaching", {"training__sharpness": {}}, "all models together", "training.sharpness"),
    ],
)
def test_what_stands_against_it_is_said_before_anything_is_trained(
    world, tmp_path, weighting, changes, what, where
):
    found = problems(config(world, tmp_path / "run", training__weighting=weighting, **changes))
    assert what in found[0].what
    assert where in found[0].where
    assert found[0].fix


def test_text_is_not_weighted(world, tmp_path):
    (world.folder / "text.txt").write_text("Ann sees Bob .\n", encoding="utf-8")
    before = {"pretrain": {"on": "target", "training": {"weighting": "small_loss"}}}
    path = config(
        world,
        tmp_path / "run",
        strategy={"name": "zero_shot", "before": before},
        data__jav__text=str(world.folder / "text.txt"),
    )
    (problem,) = problems(path)
    assert "no example has a loss of its own" in problem.what


def test_a_stage_without_it_is_the_stage_that_it_was():
    assert "weighting" not in Training().model_dump()
    one = Training.model_validate({"weighting": "small_loss"})
    assert one.model_dump(mode="json")["weighting"] == {
        "method": "small_loss",
        "forget": 0.2,
        "warmup": 0.2,
    }
    assert Training.model_validate(one.model_dump(mode="json")) == one
    assert (Training().computed, one.computed) == (1, 1)
    assert Training(weighting={"method": "co_teaching"}).computed == 2
    assert Training(sharpness={}).computed == 2


def test_losses_of_unlike_examples_are_not_compared(tmp_path):
    """Of hard ones the loss is as at the start, and nothing has gone wrong."""
    subject = Subject(tasks.get("ner"), RECORDS["ner"], tmp_path, {})
    model = subject.build(subject.labels)
    for method, compared in {"infobatch": True, "seta": False}.items():
        trainer = a_trainer(subject, model, tmp_path / method, method)
        (watch,) = [one for one in trainer.callback_handler.callbacks if isinstance(one, Watch)]
        assert watch.fresh == compared
