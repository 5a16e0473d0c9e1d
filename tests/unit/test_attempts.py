"""A stage that does not fit into memory begins again in smaller passes."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from small import Stages, World, make_world

from xlt.files import read_sealed
from xlt.training import trainer as trainers
from xlt.training.attempts import OutOfMemory


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
            "training__max_steps": 4,
            "training__checkpoint_every": 1,
        }
        return world.config(name, **settings | changes)

    return config


def lack(patch, passes: int, *, where: str = "compute_loss", at: int = 0) -> None:
    """Steps from `at` on fit into memory in so many passes only."""
    real = getattr(trainers.TransferTrainer, where)

    def limited(self, *arguments, **keywords):
        if self.training.accumulate < passes and self.state.global_step >= at:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return real(self, *arguments, **keywords)

    patch.setattr(trainers.TransferTrainer, where, limited)


def weights(stage):
    return load_file(stage.model_folder() / "model.safetensors")


def equal(one, other) -> bool:
    return all(torch.equal(tensor, weights(other)[name]) for name, tensor in weights(one).items())


@pytest.mark.parametrize(("where", "at"), [("compute_loss", 2), ("create_optimizer", 0)])
def test_twice_the_passes_as_if_they_had_been_asked_for(config, monkeypatch, caplog, where, at):
    (direct,) = Stages(config("direct", training__accumulate=4)).run()
    (plain,) = Stages(config("plain", training__accumulate=2)).run()
    steps = read_sealed(direct.folder / "done.json", fix="")["steps"]
    lack(monkeypatch, 4, where=where, at=at)
    (stage,) = Stages(config(training__accumulate=2)).run()
    assert "the stage begins again with training.accumulate 4 instead of 2" in caplog.text
    assert equal(direct, stage)
    assert not equal(plain, stage)  # dropout
    assert stage.key == plain.key
    done = read_sealed(stage.folder / "done.json", fix="")
    assert (done["changed"], done["steps"]) == ({"accumulate": 4}, steps)
    (again,) = Stages(config(training__accumulate=2)).run()
    assert (again.reused, again.changed) == (True, {"accumulate": 4})


def test_a_resumed_stage_stays_with_the_smaller_passes(config, monkeypatch):
    (direct,) = Stages(config("direct", training__accumulate=2)).run()
    path = config()
    real = trainers.TransferTrainer.training_step

    def step(self, *arguments, **keywords):
        if self.training.accumulate == 2 and self.state.global_step == 2:
            raise KeyboardInterrupt
        return real(self, *arguments, **keywords)

    with monkeypatch.context() as patch:
        lack(patch, 2)
        patch.setattr(trainers.TransferTrainer, "training_step", step)
        with pytest.raises(KeyboardInterrupt):
            Stages(path).run()
    (stage,) = Stages(path, resume=True).run()  # where memory lacks no longer
    assert stage.changed == {"accumulate": 2}
    assert equal(direct, stage)


def test_it_is_tried_once(config, monkeypatch):
    lack(monkeypatch, 4)
    with pytest.raises(OutOfMemory, match="at step 1, with a batch") as caught:
        Stages(config()).run()
    assert "training.accumulate (now 2)" in caught.value.fix


def test_a_stage_whose_process_was_killed(config, monkeypatch):
    (direct,) = Stages(config("direct", training__accumulate=2)).run()
    real = trainers.TransferTrainer.training_step

    def step(self, *arguments, **keywords):
        if self.state.global_step == 2:
            raise KeyboardInterrupt
        return real(self, *arguments, **keywords)

    path = config()
    with monkeypatch.context() as patch:
        patch.setattr(trainers.TransferTrainer, "training_step", step)
        for killed in (False, True):
            with pytest.raises(KeyboardInterrupt):
                Stages(path, resume=True, killed_for_memory=killed).run()
    with pytest.raises(OutOfMemory, match="killed for lack of memory"):
        Stages(path, resume=True, killed_for_memory=True).run()
    (stage,) = Stages(path, resume=True).run()
    assert equal(direct, stage)


def test_nothing_had_begun_when_the_process_was_killed(config):
    (stage,) = Stages(config(), resume=True, killed_for_memory=True).run()
    assert stage.changed == {}
