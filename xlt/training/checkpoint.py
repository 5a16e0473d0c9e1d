"""Resumable checkpoints: safetensors and JSON only, complete or absent, never half.

A checkpoint is written to a temporary folder, its files are listed with size and SHA-256 in
`complete.json`, and the folder is renamed. What a crash, a power cut or a full disk leaves behind
is never taken for a checkpoint.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from xlt.files import (
    DamagedFile,
    damage,
    listing,
    publish_folder,
    read_sealed,
    write_json,
    write_sealed,
)

COMPLETE = "complete.json"
MAX_CHECKPOINTS = 2
"""Newest checkpoints of a stage that are kept."""


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in `folder` that were finished, oldest first; contents not verified."""
    complete = [
        path
        for path in folder.glob("checkpoint-*")
        if (path / COMPLETE).is_file() and path.name[11:].isdigit()
    ]
    return sorted(complete, key=step_of)


def step_of(checkpoint: Path) -> int:
    """By its name."""
    return int(checkpoint.name[11:])


def last_intact(folder: Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint that is as it was written, and what is wrong with newer ones."""
    problems: list[str] = []
    for path in reversed(checkpoints(folder)):
        problem = verify(path)
        if problem is None:
            return path, problems
        problems.append(problem)
    return None, problems


def verify(checkpoint: Path) -> str | None:
    """None for an intact checkpoint, else a sentence that says which file is damaged."""
    try:
        listed = read_sealed(checkpoint / COMPLETE, fix="train the stage again")["files"]
    except FileNotFoundError:
        return f"{checkpoint / COMPLETE} is missing"
    except DamagedFile as error:
        return f"{error.where}: {error.what}"
    problem = damage(checkpoint, listed)
    return None if problem is None else f"{checkpoint}: {problem}"


def publish(temporary: Path, final: Path) -> None:
    """List the files of `temporary` in complete.json, then rename it to `final`."""
    write_sealed(temporary / COMPLETE, {"files": listing(temporary)})
    publish_folder(temporary, final)


def size_of(model: torch.nn.Module) -> int:
    """Bytes of the weights, tied ones counted once."""
    tensors = {tensor.data_ptr(): tensor for tensor in model.state_dict().values()}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def weights_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights without those that are tied to others (safetensors stores no aliases)."""
    seen: set[int] = set()
    state = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() in seen and tensor.numel():
            continue
        seen.add(tensor.data_ptr())
        state[name] = tensor.detach().cpu().contiguous()
    return state


def save_optimizer(path: Path, optimizer: torch.optim.Optimizer) -> None:
    """An optimizer's state as `path`.safetensors (tensors) and `path`.json (all else)."""
    state = optimizer.state_dict()
    tensors, plain = {}, {}
    for index, slots in state["state"].items():
        for name, value in slots.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}.{name}"] = value.detach().cpu().contiguous()
            else:
                plain[f"{index}.{name}"] = value
    save_file(tensors, path.with_suffix(".safetensors"))
    write_json(path.with_suffix(".json"), {"groups": state["param_groups"], "plain": plain})


def load_optimizer(path: Path, optimizer: torch.optim.Optimizer) -> None:
    tensors = load_file(path.with_suffix(".safetensors"))
    described = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **described["plain"]}.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    for group in described["groups"]:
        group["betas"] = tuple(group["betas"])
    optimizer.load_state_dict({"state": state, "param_groups": described["groups"]})


def save_random_state(path: Path) -> None:
    """The state of Python's, numpy's and torch's generators as `path`.json and .safetensors."""
    version, internal, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    tensors = {"cpu": torch.get_rng_state(), "numpy": torch.from_numpy(np.asarray(keys, np.int64))}
    if torch.cuda.is_available():
        for device, state in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"cuda.{device}"] = state
    save_file(tensors, path.with_suffix(".safetensors"))
    write_json(
        path.with_suffix(".json"),
        {
            "python": [version, list(internal), gauss],
            "numpy": [kind, int(position), int(has_gauss), float(cached)],
        },
    )


def load_random_state(path: Path) -> None:
    tensors = load_file(path.with_suffix(".safetensors"))
    described = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    version, internal, gauss = described["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, position, has_gauss, cached = described["numpy"]
    np.random.set_state(
        (kind, tensors["numpy"].numpy().astype(np.uint32), position, has_gauss, cached)
    )
    torch.set_rng_state(tensors["cpu"])
    if torch.cuda.is_available():
        for device in range(torch.cuda.device_count()):
            if f"cuda.{device}" in tensors:
                torch.cuda.set_rng_state(tensors[f"cuda.{device}"], device)
