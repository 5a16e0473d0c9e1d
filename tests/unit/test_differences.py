"""A model as its difference to another is that model again, byte for byte, in less space."""

from __future__ import annotations

import shutil

import pytest
import torch
from bad_inputs import world
from bad_inputs.formats import CONLLU
from safetensors.torch import load_file, save_file

from xlt.files import DamagedFile
from xlt.model.folder import check_model, read_info, write_info
from xlt.training.differences import _applied, _changed, check_difference, restore, write_difference


@pytest.fixture
def base(tmp_path):
    """A model with task layers of its own, among the models of its training."""
    return shutil.copytree(world.model(CONLLU), tmp_path / "selected" / "7")


def changed(base, change):
    """A model beside it of which tensors are otherwise: a file's name and its tensors → nothing."""
    model = shutil.copytree(base, base.parent.parent / "model")
    for name in ("model.safetensors", "head.safetensors"):
        tensors = load_file(model / name)
        change(name, tensors)
        save_file(tensors, model / name, {"format": "pt"})
    write_info(read_info(model), model)
    return model


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))


def all_of_it(name, tensors):
    for tensor in tensors.values():
        tensor.add_(1)


def some_rows(name, tensors):
    if name == "model.safetensors":
        tensors["embeddings.word_embeddings.weight"][3:5] += 1


def signs(name, tensors):
    for tensor in tensors.values():
        tensor.view(-1)[0] = -0.0 if tensor.view(-1)[0] == 0 else float("nan")


def nothing(name, tensors):
    pass


@pytest.mark.parametrize("change", [all_of_it, some_rows, signs, nothing])
def test_it_comes_back(tmp_path, base, change):
    model = changed(base, change)
    kept, again = tmp_path / "kept", tmp_path / "again"
    write_difference(model, base, kept)
    assert check_difference(kept, base.parent) is None
    restore(kept, base.parent, again)
    files = {path.name: path.read_bytes() for path in model.iterdir()}
    assert {path.name: path.read_bytes() for path in again.iterdir()} == files
    assert check_model(again) is None
    if change is some_rows:
        width = load_file(base / "model.safetensors")["embeddings.word_embeddings.weight"].shape[1]
        assert size(kept) < 2 * (4 * width + 8) + 1000
    if change is nothing:
        assert size(kept) < 1000


@pytest.mark.parametrize("damaged", ["kept", "base", "about"])
def test_what_is_damaged_does_not(tmp_path, base, damaged):
    kept = tmp_path / "kept"
    write_difference(changed(base, all_of_it), base, kept)
    path = {
        "kept": kept / "head.safetensors",
        "base": base / "head.safetensors",
        "about": kept / "difference.json",
    }[damaged]
    path.write_bytes(path.read_bytes()[:-9])
    assert check_difference(kept, base.parent)
    with pytest.raises(DamagedFile):
        restore(kept, base.parent, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_rows_of_every_type():
    for kind in (
        torch.float32,
        torch.bfloat16,
        torch.int64,
        torch.uint8,
        torch.float64,
        torch.bool,
    ):
        old = torch.zeros(6, 2, 2, dtype=kind)
        new = old.clone()
        new[4, 1, 1] = 1
        kept = _changed({"a": new}, {"a": old})
        assert kept["a"].shape == (1, 2, 2)
        assert torch.equal(_applied(kept, {"a": old})["a"], new)
