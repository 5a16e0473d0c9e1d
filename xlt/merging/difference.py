"""What training has changed in an encoder, kept in a folder, and put onto another encoder.

A task vector is θ − θ₀ (Ilharco et al. 2023, arXiv 2212.04089). Put onto an encoder that has gone
on from the same θ₀, such as one that has read more of a language, it makes a model of the task for
that encoder without any training (2503.20110). The task's layers, which no encoder has, go with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from xlt.errors import XltError
from xlt.files import DamagedFile, damage, is_outside, listing, read_sealed, write_sealed
from xlt.merging import formulas
from xlt.merging.weights import (
    MERGE,
    Place,
    Read,
    Shape,
    Weights,
    differing_shapes,
    listed,
    unlike,
)
from xlt.model.finite import first_broken
from xlt.model.folder import ModelInfo, read_info, write_info

FILE = "difference.json"
MODEL = "model"
"""Folder of what else the model has: its tokenizer, its configs, what `xlt.json` says."""
CHANGED, WHOLE = "changed", "whole"
"""Folders of tensors, in files as the model's: differences from the base; and what it lacks."""

_AGAIN = "write it again with `xlt diff save`"


def save(model: Weights, base: Read, about: Mapping[str, Any], target: Path) -> None:
    """Write the difference of a model from what it was trained from.

    Differences are computed in 64 bits and stored in 32. about: of the base, for `difference.json`.
    """
    for name in (CHANGED, WHOLE, MODEL):
        (target / name).mkdir(parents=True)
    for name in model.others():
        (target / MODEL / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model.folder / name, target / MODEL / name)
    dtypes: dict[str, str] = {}
    for file in model.files:
        parts: dict[str, dict[str, torch.Tensor]] = {CHANGED: {}, WHOLE: {}}
        for place in model.places(file):
            own, before = model.read(place), base(place)
            if before is None or not own.is_floating_point():
                parts[WHOLE][place.name] = own
                continue
            parts[CHANGED][place.name] = (own.double() - before.double()).float()
            dtypes[str(place)] = str(own.dtype).removeprefix("torch.")
        for part, tensors in parts.items():
            save_file(tensors, target / part / file, {"format": "pt"})
    write_info(model.info, target / MODEL)
    stated = {"model": {"name": str(model.folder), "sha256": model.digest}, "base": about}
    files = listing(target, without=[FILE])
    write_sealed(target / FILE, {**stated, "dtypes": dtypes, "files": files})


class Difference:
    """A folder that `save` wrote, with its files open while the context lasts.

    Raises XltError for another folder; DamagedFile.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            stated = read_sealed(folder / FILE, fix=_AGAIN)
        except FileNotFoundError:
            raise XltError(
                f"{folder} is no difference of a model (there is no {FILE})",
                where=folder,
                fix="write one with `xlt diff save MODEL --base ENCODER --output FOLDER`",
            ) from None
        files = {name: (int(size), str(digest)) for name, (size, digest) in stated["files"].items()}
        outside = [name for name in files if is_outside(name)]
        problem = f"{outside[0]} is outside of it" if outside else damage(folder, files)
        if problem is not None:
            raise DamagedFile(problem, where=folder, fix=_AGAIN)
        self._names = [Path(name) for name in files]
        self.info: ModelInfo = read_info(folder / MODEL)
        self.model: Mapping[str, Any] = stated["model"]
        self.base: Mapping[str, Any] = stated["base"]
        self._dtypes: Mapping[str, str] = stated["dtypes"]
        self._stack = ExitStack()
        self._open: dict[tuple[str, str], Any] = {}
        self.shapes: dict[str, dict[Place, Shape]] = {CHANGED: {}, WHOLE: {}}

    def __enter__(self) -> Self:
        try:
            for part, shapes in self.shapes.items():
                for path in self._below(part):
                    opened = self._stack.enter_context(safe_open(self.folder / path, "pt"))
                    self._open[part, path.name] = opened
                    for name in opened.keys():  # noqa: SIM118
                        shapes[Place(path.name, name)] = tuple(opened.get_slice(name).get_shape())
        except (OSError, SafetensorError) as error:
            self._stack.close()
            raise DamagedFile(str(error), where=self.folder, fix=_AGAIN) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def files(self) -> list[str]:
        """Of weights, that the model has."""
        return sorted({file for _, file in self._open})

    def places(self, part: str, file: str) -> list[Place]:
        """Of what is changed, or whole, in one of these."""
        return [place for place in self.shapes[part] if place.file == file]

    def copy_model(self, target: Path) -> None:
        """Write what else the model has: what is listed, and nothing that came into the folder."""
        for path in self._below(MODEL):
            to = target / path.relative_to(MODEL)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / path, to)

    def _below(self, part: str) -> list[Path]:
        """Those of its files, from its folder."""
        return [path for path in self._names if path.parts[0] == part]

    def read(self, part: str, place: Place) -> torch.Tensor:
        tensor: torch.Tensor = self._open[part, place.file].get_tensor(place.name)
        return tensor

    def dtype(self, place: Place) -> torch.dtype:
        """Of the model's own tensor."""
        found: torch.dtype = getattr(torch, self._dtypes[str(place)])
        return found


def check_alike(differences: Sequence[Difference]) -> None:
    """Raise XltError, with all that differs, for those that are not of one kind of model."""
    first, *others = differences
    for other in others:
        wrong = unlike(first.folder / MODEL, other.folder / MODEL)
        for part, shapes in first.shapes.items():
            own = {f"{part} {place}": shape for place, shape in shapes.items()}
            others_own = {f"{part} {place}": shape for place, shape in other.shapes[part].items()}
            wrong += differing_shapes(own, others_own)
        if dict(first.info.labels) != dict(other.info.labels):
            wrong.append("its labels are others, or in another order")
        if wrong:
            raise XltError(
                f"it is of another kind of model than {first.folder}: {listed(wrong)}",
                where=other.folder,
                fix="put together differences of one task, one encoder and the same labels",
            )


def apply(
    differences: Sequence[Difference],
    onto: Read,
    scale: float,
    about: Mapping[str, Any],
    target: Path,
) -> None:
    """Write the model onto + scale · Σ differences; what no encoder has is their mean.

    onto: has all that is changed, in its shape (`xlt.merging.weights.base_of`, complete).
    Raises XltError where a weight is no number.
    """
    first = differences[0]
    first.copy_model(target)
    for file in first.files:
        tensors = {
            place.name: _whole([one.read(WHOLE, place) for one in differences])
            for place in first.places(WHOLE, file)
        }
        for place in first.places(CHANGED, file):
            before = onto(place)
            assert before is not None
            changed = [one.read(CHANGED, place).double() for one in differences]
            moved = before.double() + scale * formulas.weighted_sum(changed, [1.0] * len(changed))
            tensors[place.name] = moved.to(first.dtype(place)).contiguous()
        if (broken := first_broken(tensors.items())) is not None:
            raise XltError(
                f"what comes of it holds NaN or infinite values: {broken}",
                where="xlt diff apply",
                fix="lower `--scale`, or look which of the models has such weights",
            )
        save_file(tensors, target / file, {"format": "pt"})
    write_sealed(target / MERGE, {"method": "difference", "scale": scale, **about})
    languages = sorted({one for each in differences for one in each.info.languages})
    write_info(replace(first.info, languages=languages), target)


def _whole(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    first = tensors[0]
    if not first.is_floating_point() or len(tensors) == 1:
        return first
    mean = formulas.mean([one.double() for one in tensors], [1.0] * len(tensors))
    return mean.to(first.dtype).contiguous()
