"""Checkpoints: what was written comes back bit for bit, and damage is noticed."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from xlt.errors import XltError
from xlt.files import writing
from xlt.training import checkpoint as ckpt


def write(folder, step):
    temporary = folder / f"writing-{step}.part"
    temporary.mkdir(parents=True)
    (temporary / "weights.safetensors").write_bytes(bytes(range(256)) * 20)
    (temporary / "trainer_state.json").write_text("{}")
    ckpt.publish(temporary, folder / f"checkpoint-{step}")


@pytest.fixture
def folder(tmp_path):
    for step in (2, 10, 4):
        write(tmp_path, step)
    return tmp_path


def test_newest_is_by_number_not_by_name(folder):
    assert [path.name for path in ckpt.checkpoints(folder)] == [
        "checkpoint-2",
        "checkpoint-4",
        "checkpoint-10",
    ]
    assert ckpt.last_intact(folder) == (folder / "checkpoint-10", [])


def test_half_written_is_no_checkpoint(folder):
    (folder / "checkpoint-12").mkdir()
    (folder / "checkpoint-12" / "weights.safetensors").write_bytes(b"half")
    (folder / "writing-14.part").mkdir()
    (folder / "checkpoint-x").mkdir()
    assert ckpt.last_intact(folder)[0] == folder / "checkpoint-10"


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def remove(path):
    path.unlink()


@pytest.mark.parametrize("damage", [cut, flip, remove])
@pytest.mark.parametrize("name", ["weights.safetensors", "trainer_state.json", ckpt.COMPLETE])
def test_damage_is_noticed(folder, damage, name):
    damage(folder / "checkpoint-10" / name)
    found, problems = ckpt.last_intact(folder)
    assert found == folder / "checkpoint-4"
    if (damage, name) != (remove, ckpt.COMPLETE):  # without it, it never was a checkpoint
        assert len(problems) == 1
        assert "checkpoint-10" in problems[0]


def test_nothing_intact(folder):
    for path in ckpt.checkpoints(folder):
        flip(path / "weights.safetensors")
    found, problems = ckpt.last_intact(folder)
    assert found is None
    assert len(problems) == 3


def test_publish_replaces_an_older_one(folder):
    (folder / "checkpoint-10" / "weights.safetensors").write_bytes(b"old")
    write(folder, 10)
    assert ckpt.verify(folder / "checkpoint-10") is None


def make_optimizer():
    torch.manual_seed(0)
    layers = [torch.nn.Linear(4, 3), torch.nn.Linear(3, 2), torch.nn.Linear(2, 2)]
    groups = [
        {"params": list(layers[0].parameters()), "lr": 1e-3, "weight_decay": 0.1},
        {"params": list(layers[1].parameters()), "lr": 1 / 3, "weight_decay": 0.0},
        {"params": list(layers[2].parameters()), "lr": 1e-3, "weight_decay": 0.0},
    ]
    return layers, torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)


def train(layers, optimizer, steps):
    for _ in range(steps):
        loss = layers[1](layers[0](torch.randn(5, 4))).square().sum()  # the third gets no gradient
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_optimizer_and_generators_go_on_as_if_uninterrupted(tmp_path):
    layers, optimizer = make_optimizer()
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    train(layers, optimizer, 3)
    scheduler.step()
    ckpt.save_optimizer(tmp_path / "optimizer", optimizer)
    ckpt.save_random_state(tmp_path / "random-0")
    weights = [layer.state_dict() for layer in layers]
    weights = [{k: v.clone() for k, v in state.items()} for state in weights]
    train(layers, optimizer, 2)
    draws = (random.random(), np.random.standard_normal(3).tolist(), torch.rand(2).tolist())

    again, fresh = make_optimizer()
    for layer, state in zip(again, weights, strict=True):
        layer.load_state_dict(state)
    ckpt.load_optimizer(tmp_path / "optimizer", fresh)
    ckpt.load_random_state(tmp_path / "random-0")
    assert [g["lr"] for g in fresh.param_groups] == [g["lr"] for g in optimizer.param_groups]
    assert fresh.param_groups[0]["betas"] == (0.9, 0.98)
    train(again, fresh, 2)
    assert (random.random(), np.random.standard_normal(3).tolist(), torch.rand(2).tolist()) == draws
    for one, other in zip(layers, again, strict=True):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name])


def test_cached_gaussian_survives(tmp_path):
    """numpy's and Python's generators make normal numbers in pairs and keep the second."""
    np.random.standard_normal()
    random.gauss(0, 1)
    ckpt.save_random_state(tmp_path / "random-0")
    expected = np.random.standard_normal(), random.gauss(0, 1)
    np.random.seed(7)
    random.seed(7)
    ckpt.load_random_state(tmp_path / "random-0")
    assert (np.random.standard_normal(), random.gauss(0, 1)) == expected


def test_no_pickle_anywhere(tmp_path):
    layers, optimizer = make_optimizer()
    train(layers, optimizer, 1)
    ckpt.save_optimizer(tmp_path / "optimizer", optimizer)
    ckpt.save_random_state(tmp_path / "random-0")
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    for path in tmp_path.glob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError(122, "Disk quota exceeded"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
@pytest.mark.parametrize("resumes", [True, False])
def test_full_disk_says_whether_resume_helps(tmp_path, error, resumes):
    refused = pytest.raises(XltError, match="disk is full")
    with refused as caught, writing(tmp_path, resumes=resumes):
        raise error
    assert ("--resume" in caught.value.fix) is resumes
    assert ("checkpoint" in caught.value.what) is resumes


@pytest.mark.parametrize(
    ("resumes", "fix"),
    [
        (True, "set `output.root` to a folder you may write to"),
        (False, "name a folder you may write to"),
    ],
)
def test_a_place_that_is_forbidden(tmp_path, resumes, fix):
    refused = pytest.raises(XltError, match="cannot write here: Permission denied")
    with refused as caught, writing(tmp_path, resumes=resumes):
        raise PermissionError(13, "Permission denied")
    assert caught.value.fix == fix


def test_other_errors_are_not_the_disks(tmp_path):
    with pytest.raises(RuntimeError, match="shape"), writing(tmp_path):
        raise RuntimeError("shape mismatch")
    mine = XltError("the loss is nan (os error 28)")
    with pytest.raises(XltError) as caught, writing(tmp_path):
        raise mine
    assert caught.value is mine
