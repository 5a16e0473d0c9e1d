"""Training that goes wrong: when it is noticed, what is said, and what is tried again."""

from __future__ import annotations

import json
import logging
import os
import weakref
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small import Stages, World, make_world
from transformers.trainer_callback import TrainerState

from xlt.config.schema import Training
from xlt.training import trainer as trainers
from xlt.training.divergence import Diverged, Watch, diverged, learns_nothing


@pytest.mark.parametrize(
    ("losses", "scores", "said"),
    [
        ([1.1, 0.5, 0.4], [40.0, 50.0], None),
        ([1.1, 0.5, 0.4], [40.0, 0.0, 0.0], "once 40.0, has fallen to 0"),
        ([1.1, 0.5, 0.4], [40.0, 0.0], None),
        ([1.1, 0.5, 0.4], [8.0, 0.0, 0.0], None),  # of few records
        ([1.1, 0.5, 0.4], [0.0, 0.0], None),  # it has not learnt yet, and has lost nothing
        ([1.1, 0.5, 1.2], [], None),  # one bad stretch
        ([1.1, 0.5, 1.2, 1.1], [], "the loss, once 0.5, is 1.1 again"),
        ([1.1, 1.1, 1.1, 1.1], [], None),
        ([0.0, 0.0, 0.0], [], None),
        ([], [], None),
    ],
)
def test_what_had_been_learnt_is_lost(losses, scores, said):
    found = diverged(losses, scores)
    assert (found is None) if said is None else said in found


@pytest.mark.parametrize(
    ("losses", "scores", "over", "said"),
    [
        ([1.1, 1.1, 1.09], [], False, "the loss is 1.09, as at the start (1.1)"),
        ([1.1, 1.1], [], False, None),
        ([1.1, 1.0, 0.9], [0.0], False, None),
        ([1.1, 1.0, 0.9], [0.0, 0.0], True, "the dev score is 0 after the last step"),
        ([1.1, 1.0, 0.9], [0.0, 3.0], True, None),
    ],
)
def test_a_model_that_learns_nothing(losses, scores, over, said):
    found = learns_nothing(losses, scores, over=over)
    assert (found is None) if said is None else said in found


def test_losses_of_the_warm_up_do_not_count(caplog):
    rows = [{"step": step, "loss": 1.1} for step in (50, 100, 150)]
    for warmup, said in ((0.9, 0), (0.05, 1)):
        watch = Watch(Training(warmup=warmup), None, 1000)
        for _ in range(2):  # once is enough
            watch.on_log(None, TrainerState(log_history=rows, global_step=150), None)
        assert len(caplog.records) == said
    assert "fix: give it more steps" in caplog.text


@pytest.mark.parametrize("logged", [[1.1, 0.5, 1.2, 1.1], [1.1, 1.1, 1.1]])
def test_what_has_learnt_before_may_keep_its_loss(caplog, logged):
    """The first loss of a stage that goes on from another is not that of an untrained model."""
    rows = [{"step": 50 * n, "loss": loss} for n, loss in enumerate(logged, 1)]
    for fresh in (False, True):
        watch = Watch(Training(warmup=0.0), None, 1000, fresh=fresh)
        watch.on_log(None, TrainerState(log_history=rows, global_step=50 * len(logged)), None)
        assert len(caplog.records) == fresh


@pytest.mark.parametrize(
    ("processes", "on_divergence", "raised"),
    [(1, "warn", True), (1, "halve", True), (2, "warn", True), (2, "halve", False)],
)
def test_no_process_of_several_begins_again_alone(monkeypatch, processes, on_divergence, raised):
    from transformers import Trainer

    nan = torch.tensor(float("nan"))
    monkeypatch.setattr(Trainer, "training_step", lambda *_: nan)
    monkeypatch.setattr(Trainer, "_prepare_inputs", lambda self, inputs: inputs)
    trainer = object.__new__(trainers.TransferTrainer)
    trainer.training = Training(on_divergence=on_divergence)
    trainer.perturbation = None
    trainer.weighting = None
    trainer.state = SimpleNamespace(global_step=0)
    trainer.args = SimpleNamespace(world_size=processes)
    trainer.sampler = SimpleNamespace(steps=[np.arange(3)], epoch_of=lambda step: 0.0)
    with pytest.raises(Diverged, match="the loss is nan") if raised else nullcontext():
        assert trainer.training_step(None, {"input_ids": torch.zeros(1, 1)}) is nan


def test_all_processes_begin_again_where_a_logged_loss_is_no_number():
    rows = [{"step": 50, "loss": 1.1}, {"step": 100, "loss": float("nan")}]
    for fresh in (False, True):
        watch = Watch(Training(on_divergence="halve"), None, 1000, fresh=fresh)
        with pytest.raises(Diverged, match="the loss is nan"):
            watch.on_log(None, TrainerState(log_history=rows, global_step=100), None)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), size=8)


@pytest.fixture
def config(world, tmp_path):
    def config(name: str = "run", **changes):
        settings = {
            "output__root": str(tmp_path / name),
            "strategy": {"name": "zero_shot"},
            "training__batch_tokens": 100,
            "training__checkpoint_every": 1,
            "training__head_learning_rate": 1e-2,
            "training__warmup": 0.0,
        }
        return world.config(name, **settings | changes)

    return config


@pytest.fixture
def explosive(monkeypatch):
    """The weights burst at learning rates above `explosive`'s value."""
    real = trainers.parameter_groups

    def groups(model, training):
        bursts = training.learning_rate > 6e-4
        return [{**g, "lr": 1e30 if bursts else g["lr"]} for g in real(model, training)]

    monkeypatch.setattr(trainers, "parameter_groups", groups)


def weights(stage):
    return load_file(stage.model_folder() / "model.safetensors")


def test_the_stage_begins_again_at_half_the_rates(config, explosive, caplog, monkeypatch):
    models: list[weakref.ref[torch.nn.Module]] = []
    real = trainers.TransferTrainer.__init__

    def init(self, model, *args, **kwargs):
        assert all(earlier() is None for earlier in models)  # two would need twice the memory
        models.append(weakref.ref(model))
        real(self, model, *args, **kwargs)

    monkeypatch.setattr(trainers.TransferTrainer, "__init__", init)
    (stage,) = Stages(config(training__on_divergence="halve")).run()
    assert len(models) == 3
    models.clear()
    done = json.loads((stage.folder / "done.json").read_text(encoding="utf-8"))
    assert done["halved"] == 2
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [text.rpartition(" ")[2] for text in said] == ["0.001", "0.0005"]
    asked = {"training__learning_rate": 5e-4, "training__head_learning_rate": 2.5e-3}
    (direct,) = Stages(config("direct", **asked)).run()
    for name, tensor in weights(direct).items():
        assert torch.equal(tensor, weights(stage)[name]), name


def test_a_resumed_stage_goes_on_at_the_halved_rates(config, explosive, monkeypatch):
    (whole,) = Stages(config("whole", training__on_divergence="halve")).run()
    real = trainers.TransferTrainer.training_step

    def step(self, *args, **kwargs):
        if self.training.learning_rate == 5e-4 and self.state.global_step == 2:
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    path = config(training__on_divergence="halve")
    run = Stages(path)
    with monkeypatch.context() as patch:
        patch.setattr(trainers.TransferTrainer, "training_step", step)
        with pytest.raises(KeyboardInterrupt):
            run.run()
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr(
            trainers.TransferTrainer,
            "training_step",
            lambda self, *a, **k: (seen.append(self.state.global_step), real(self, *a, **k))[1],
        )
        (stage,) = Stages(path, resume=True).run()
    assert seen[0] == 2  # and not the first attempt's first step
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(stage)[name]), name


@pytest.mark.skipif("XLT_THOROUGH" not in os.environ, reason="slow; XLT_THOROUGH=1 runs it")
def test_no_rate_is_low_enough(config, explosive):
    path = config(training__on_divergence="halve", training__learning_rate=1e-2)
    with pytest.raises(Diverged, match="the loss is nan"):
        Stages(path).run()


def test_it_is_not_asked_for(config, explosive):
    with pytest.raises(Diverged, match=r"on_divergence: halve"):
        Stages(config()).run()
