"""A stage that does not fit into memory begins again in smaller passes."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from safetensors.torch import load_file
from small import Stages, World, make_world

from xlt.config.schema import Training
from xlt.files import read_sealed
from xlt.training import trainer as trainers
from xlt.training import training_run
from xlt.training.attempts import Attempts, OutOfMemory
from xlt.training.divergence import Diverged


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), size=8)


SETTINGS = {
    "strategy": {"name": "zero_shot"},
    "training__batch_tokens": 100,
    "training__max_steps": 4,
    "training__checkpoint_every": 1,
}


@pytest.fixture
def config(world, tmp_path):
    def config(name: str = "run", **changes):
        return world.config(name, **SETTINGS | {"output__root": str(tmp_path / name)} | changes)

    return config


@pytest.fixture(scope="module")
def asked(world, tmp_path_factory):
    """The stage, where so many passes a step have been asked for."""

    @cache
    def asked(passes: int):
        root = str(tmp_path_factory.mktemp("asked"))
        settings = SETTINGS | {"output__root": root, "training__accumulate": passes}
        (stage,) = Stages(world.config(f"asked-{passes}", **settings)).run()
        return stage

    return asked


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
def test_twice_the_passes_as_if_they_had_been_asked_for(
    config, asked, monkeypatch, caplog, where, at
):
    direct, plain = asked(4), asked(2)
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


def test_a_resumed_stage_stays_with_the_smaller_passes(config, asked, monkeypatch):
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
    assert equal(asked(2), stage)


def test_it_is_tried_once(config, monkeypatch):
    lack(monkeypatch, 4)
    with pytest.raises(OutOfMemory, match="at step 1, with a batch") as caught:
        Stages(config()).run()
    assert "training.accumulate (now 1, and 2 was tried)" in caught.value.fix  # 1: the config's


def test_a_stage_whose_process_was_killed(config, asked, monkeypatch):
    """It is divided once; whatever ends its process then, it goes on where it was."""
    real = trainers.TransferTrainer.training_step
    steps: list[int] = []
    ends: list[int] = []

    def step(self, *arguments, **keywords):
        steps.append(self.state.global_step)
        if self.state.global_step in ends[-1:]:
            raise KeyboardInterrupt
        return real(self, *arguments, **keywords)

    path = config()
    monkeypatch.setattr(trainers.TransferTrainer, "training_step", step)
    for killed, until in ((False, 2), (True, 2), (True, 3)):
        ends.append(until)
        with pytest.raises(KeyboardInterrupt):
            Stages(path, resume=True, killed_for_memory=killed).run()
    ends.clear()
    (stage,) = Stages(path, resume=True, killed_for_memory=True).run()
    assert steps == [0, 1, 2, *(0, 0, 1, 1, 2), *(2, 2, 3), *(3, 3)]  # each in two passes
    assert stage.changed == {"accumulate": 2}
    assert equal(asked(2), stage)


def test_nothing_had_begun_when_the_process_was_killed(config):
    (stage,) = Stages(config(), resume=True, killed_for_memory=True).run()
    assert stage.changed == {}


def test_rates_are_halved_three_times(tmp_path):
    asked = Training(learning_rate=8e-5, head_learning_rate=8e-4, on_divergence="halve")
    attempts, error = Attempts(tmp_path), Diverged("the loss is nan")
    for rate in (4e-5, 2e-5, 1e-5):
        attempts.again(asked, error)
        there = Attempts(tmp_path).training(asked)
        assert (there.learning_rate, there.head_learning_rate) == pytest.approx((rate, 10 * rate))
    with pytest.raises(Diverged, match="the loss is nan"):
        attempts.again(asked, error)
    assert Attempts(tmp_path).halved == 3


def scores(stage) -> dict[str, float]:
    """Criterion → score, as a finished stage says."""
    return {
        name: best["score"]
        for name, best in read_sealed(stage.folder / "done.json", fix="")["selected"].items()
    }


@pytest.mark.parametrize("lacks", [True, False], ids=["at first", "when it is trained again"])
def test_trained_again_for_more_observers_its_parts_belong_together(
    config, asked, tmp_path, monkeypatch, lacks
):
    def run(name: str, target: str):
        settings = {"output__root": str(tmp_path / "same"), "selection__keep": "best"}
        (stage,) = Stages(config(name, target=[target], **settings)).run()
        return stage

    for name, target, lacking in (("one", "jav", lacks), ("two", "ind", not lacks)):
        with monkeypatch.context() as patch:
            if lacking:
                lack(patch, 2)
            stage = run(name, target)
    assert (stage.reused, stage.changed) == (False, {"accumulate": 2})
    assert equal(asked(2), stage)
    # What others have selected stays where the weights are the same.
    there = scores(stage)
    assert set(there) == {"dev:eng", "dev:ind"} | ({"dev:jav"} if lacks else set())
    assert there["dev:eng"] == scores(asked(2))["dev:eng"]


def test_models_of_a_divided_stage_that_was_killed_in_saving(config, asked, monkeypatch):
    path = config()
    times = []
    with monkeypatch.context() as patch:
        lack(patch, 2)
        patch.setattr(training_run, "intact", interrupt)
        for resume in (False, True):
            with pytest.raises(KeyboardInterrupt):
                Stages(path, resume=resume).run()
            (saved,) = Stages(path).root.glob("*/selected/*/model.safetensors")
            times.append(saved.stat().st_mtime_ns)
    assert times[0] == times[1]
    (stage,) = Stages(path).run()  # from the start, where memory lacks no longer
    assert stage.changed == {}
    assert not equal(asked(2), stage)  # dropout


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt
