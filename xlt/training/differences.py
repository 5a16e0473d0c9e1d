"""A model folder as its difference to another: the tensors that differ, or those of their rows.

Two evaluations of one training share what is frozen, and the vocabulary that their data lack.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import torch

from xlt.files import DamagedFile, copy_file, damage, listing, read_sealed, write_sealed
from xlt.model.folder import INFO, check_model, read_info

ABOUT = "difference.json"
_ROWS = "#rows"
"""After the name of a tensor of which only rows are kept: which."""
_AGAIN = "the stage has to be trained again"

Tensors = Mapping[str, torch.Tensor]


def write_difference(model: Path, base: Path, into: Path) -> None:
    """Write to the folder `into` what has to be known of a model, beside `base`, to make it again.

    base: a model folder in the same parent folder as others of its training; found by its name.
    """
    from safetensors.torch import load_file, save_file

    into.mkdir(parents=True)
    files, known = read_info(model).files, read_info(base).files
    for name, stated in files.items():
        if known.get(name) == stated:
            continue
        if name.endswith(".safetensors") and name in known:
            changed = _changed(load_file(model / name), load_file(base / name))
            save_file(changed, into / name, _metadata(model / name))
        else:
            copy_file(model / name, into / name)
    copy_file(model / INFO, into / INFO)
    about = {"base": base.name, "files": listing(into)}
    write_sealed(into / ABOUT, about)


def check_difference(kept: Path, bases: Path) -> str | None:
    """What is wrong with what was kept of a model, or with its base; None if it can be restored."""
    try:
        about = read_sealed(kept / ABOUT, fix=_AGAIN)
    except FileNotFoundError:
        return f"{ABOUT} is missing"
    except DamagedFile as error:
        return error.what
    listed = {name: tuple(entry) for name, entry in about["files"].items()}
    return damage(kept, listed) or check_model(bases / about["base"])


def restore(kept: Path, bases: Path, into: Path) -> None:
    """Make the model folder again, byte for byte.

    bases: the folder that the base lies in. Raises DamagedFile if it is not what it was.
    """
    from safetensors.torch import load_file, save_file

    problem = check_difference(kept, bases)
    if problem is None:
        base = bases / read_sealed(kept / ABOUT, fix=_AGAIN)["base"]
        into.mkdir(parents=True)
        copy_file(kept / INFO, into / INFO)
        for name in read_info(kept).files:
            if name.endswith(".safetensors") and (kept / name).exists() and (base / name).exists():
                whole = _applied(load_file(kept / name), load_file(base / name))
                save_file(whole, into / name, _metadata(kept / name))
            else:
                (into / name).parent.mkdir(parents=True, exist_ok=True)
                copy_file((kept if (kept / name).exists() else base) / name, into / name)
        problem = check_model(into)
    if problem is not None:
        shutil.rmtree(into, ignore_errors=True)
        raise DamagedFile(problem, where=kept, fix=_AGAIN)


def _changed(tensors: Tensors, base: Tensors) -> dict[str, torch.Tensor]:
    """What differs, by bits: NaN equals itself, and 0 is not -0."""
    changed: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        old = base.get(name)
        if old is None or old.shape != tensor.shape or old.dtype != tensor.dtype or not tensor.ndim:
            changed[name] = tensor
            continue
        differs = (_bits(tensor) != _bits(old)).any(1)
        rows = differs.nonzero().flatten()
        if len(rows) > len(tensor) / 2:
            changed[name] = tensor
        elif len(rows):
            changed[name], changed[name + _ROWS] = tensor[rows].contiguous(), rows
    return changed


def _applied(changed: Tensors, base: Tensors) -> dict[str, torch.Tensor]:
    whole = dict(base)
    for name, tensor in changed.items():
        if name.endswith(_ROWS):
            continue
        rows = changed.get(name + _ROWS)
        whole[name] = tensor if rows is None else base[name].index_copy(0, rows, tensor)
    return whole


def _metadata(weights: Path) -> dict[str, str] | None:
    from safetensors import safe_open

    with safe_open(weights, "pt") as file:
        stated: dict[str, str] | None = file.metadata()
    return stated


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor as (rows, rest), of whole numbers of the same size."""
    whole = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return tensor.contiguous().view(whole[tensor.element_size()]).reshape(len(tensor), -1)
