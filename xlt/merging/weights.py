"""The tensors of a model's folder, read one at a time, and whether those of two go together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open

from xlt.config.stored import advise_remaking
from xlt.errors import XltError
from xlt.files import DamagedFile, Listing, entry, listing
from xlt.model.calibration import FILE as CALIBRATION
from xlt.model.folder import INFO, ModelInfo, check_model, read_info
from xlt.model.named import located
from xlt.model.task_model import HEAD_FILE
from xlt.model.vocabulary import SUBWORDS, stored_in, stored_weights

Shape = tuple[int, ...]

_NO_WEIGHTS = {SUBWORDS}
_OWN_NAMES = {"_name_or_path", "transformers_version", "id2label", "label2id", "dtype"}
"""Of `config.json`: what two models that compute alike may have different."""


@dataclass(frozen=True)
class Place:
    """Where a tensor lies: a file of the folder, and its name there."""

    file: str
    name: str

    @property
    def parameter(self) -> str:
        """Its name among the parameters of a `TaskModel`: the same in whatever file it lies."""
        return self.name if self.file == HEAD_FILE else f"encoder.{self.name}"

    def __str__(self) -> str:
        return self.name if self.file != HEAD_FILE else f"{self.name} ({HEAD_FILE})"


class Weights:
    """A model's folder, with its files open while the context lasts.

    Raises XltError for a folder that is no model, and for one whose weights cannot be merged;
    DamagedFile.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.info: ModelInfo = read_info(folder)
        if (problem := check_model(folder)) is not None:
            raise DamagedFile(problem, where=folder, fix=advise_remaking(folder))
        self.config: dict[str, Any] = json.loads(
            (folder / "config.json").read_text(encoding="utf-8")
        )
        if "quantization_config" in self.config:
            raise XltError(
                "its weights are stored in 8 bits",
                where=folder,
                fix="name the model that it was exported from",
            )
        self.files = [
            path.name
            for path in sorted(folder.glob("*.safetensors"))
            if path.name not in _NO_WEIGHTS and self.has(path.name)
        ]
        if not self.files:
            raise XltError(
                "it has no weights of PyTorch",
                where=folder,
                fix="name the model that it was exported from",
            )
        self._stack = ExitStack()
        self._open: dict[str, Any] = {}
        self.shapes: dict[Place, Shape] = {}
        # Of a model in several files a tensor may lie in another one than another model's.
        self._where: dict[str, Place] = {}

    def __enter__(self) -> Self:
        try:
            for file in self.files:
                opened = self._stack.enter_context(safe_open(self.folder / file, "pt"))
                self._open[file] = opened
                for name in opened.keys():  # noqa: SIM118
                    place = Place(file, name)
                    self.shapes[place] = tuple(opened.get_slice(name).get_shape())
                    self._where[place.parameter] = place
        except (OSError, SafetensorError) as error:
            self._stack.close()
            raise DamagedFile(
                f"its weights cannot be read: {error}",
                where=self.folder,
                fix=advise_remaking(self.folder),
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def shape(self, place: Place) -> Shape | None:
        """Of what lies at a place of another model; None if there is nothing."""
        own = self._where.get(place.parameter)
        return None if own is None else self.shapes[own]

    def read(self, place: Place) -> torch.Tensor:
        """What lies at a place of this or another model, as it is stored."""
        own = self._where[place.parameter]
        tensor: torch.Tensor = self._open[own.file].get_tensor(own.name)
        return tensor

    def places(self, file: str) -> list[Place]:
        """Those in one of its files, in its order."""
        return [place for place in self.shapes if place.file == file]

    def has(self, name: str) -> bool:
        """Whether a file belongs to the model: one beside those that it lists is not checked."""
        return name in self.info.files if self.info.files else (self.folder / name).is_file()

    def others(self) -> list[str]:
        """The files beside the weights, without those that speak of these weights alone."""
        skipped = {INFO, CALIBRATION, MERGE, *self.files}
        names = [*self.info.files] or [*listing(self.folder)]
        return [name for name in names if name not in skipped]

    @property
    def digest(self) -> str:
        """SHA-256 of what the folder holds."""
        return _digest(self.info.files or listing(self.folder))


def _digest(files: Listing) -> str:
    return hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()


MERGE = "merge.json"
"""In a model's folder: what it was merged from, and how."""

Read = Callable[[Place], torch.Tensor | None]
"""What lies at a place of a model; None where it has nothing there."""


def check_alike(models: Sequence[Weights]) -> None:
    """Raise XltError, with all that differs, for models that are not of one kind and shape."""
    first = models[0]
    for other in models[1:]:
        shapes = [
            {str(place): shape for place, shape in one.shapes.items()} for one in (first, other)
        ]
        wrong = [*unlike(first.folder, other.folder), *differing_shapes(*shapes)]
        if wrong:
            raise XltError(
                f"it is another kind of model than {first.folder}: {listed(wrong)}",
                where=other.folder,
                fix="merge models of one task, one encoder and one tokenizer",
            )


def unlike(first: Path, other: Path) -> list[str]:
    """All that two models' folders say differently of what has to be equal, but for the weights."""
    configs = [
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
        for folder in (first, other)
    ]
    return [
        *_differing("xlt.json", _stated(read_info(first)), _stated(read_info(other))),
        *_differing("config.json", *configs),
        *_subwords(first, other),
    ]


def _stated(info: ModelInfo) -> dict[str, Any]:
    """What has to be equal; labels are looked at by their names."""
    labels = {layer: sorted(values) for layer, values in info.labels.items()}
    return {
        "task": info.task,
        "options": info.options,
        "labels": labels,
        "tokenisation": info.tokenisation,
    }


def _differing(file: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    keys = sorted({*one, *other} - _OWN_NAMES)
    return [
        f"`{key}` in {file} is {one.get(key)!r:.80} there and {other.get(key)!r:.80} here"
        for key in keys
        if one.get(key) != other.get(key)
    ]


def differing_shapes(first: Mapping[str, Shape], other: Mapping[str, Shape]) -> list[str]:
    """All that two models' tensors, by name, have otherwise."""
    wrong = []
    for name, shape in first.items():
        own = other.get(name)
        if own is None:
            wrong.append(f"{name} is not here")
        elif own != shape:
            wrong.append(f"{name} is {list(shape)} there and {list(own)} here")
    return [*wrong, *(f"{name} is only here" for name in other if name not in first)]


def _subwords(first: Path, other: Path) -> list[str]:
    """Whether row n of both tables is the same subword."""
    from transformers import AutoTokenizer

    tokenizer = "tokenizer.json"
    texts = [folder / tokenizer for folder in (first, other)]
    if all(path.is_file() for path in texts) and texts[0].read_bytes() == texts[1].read_bytes():
        return []
    one, two = (AutoTokenizer.from_pretrained(folder).get_vocab() for folder in (first, other))
    if one == two:
        return []
    same = sum(two.get(subword) == number for subword, number in one.items())
    return [f"its tokenizer has {same} of the {len(one)} subwords in the same place"]


def listed(wrong: Sequence[str], most: int = 12) -> str:
    more = len(wrong) - most
    return "; ".join([*wrong[:most], *([f"and {more} more"] if more > 0 else [])])


def base_of(
    base: str,
    shapes: Mapping[Place, Shape],
    whose: Path,
    *,
    revision: str | None = None,
    where: object = "--base",
    fix: str | None = None,
    complete: bool = False,
) -> tuple[Read, str]:
    """The weights of the encoder that models were trained from, and the SHA-256 of their files: a
    folder, a hub id in the cache, or an encoder's own name. It has no task layers.

    shapes: of a model that was trained from it, or from one like it. whose: its folder.
    revision: of a hub id; by default the latest in the cache.
    where, fix: of the errors; by default what there is to do about `--base`.
    complete: it has to have all of these.
    Raises XltError for one without safetensors here, and one that has other shapes, or nothing of
    the model.
    """
    source = located(base)
    files = stored_in(source, revision)
    if not files:
        raise XltError(
            f"there are no safetensors of {base} on this machine",
            where=where,
            fix=fix
            or "check the spelling, or name the folder with model.safetensors of the encoder",
        )
    stored = stored_weights(source, revision)
    wrong, found = [], 0
    for place, shape in shapes.items():
        tensor = None if place.file == HEAD_FILE else stored(place.name)
        if tensor is None:
            wrong += [f"{place} is not in it"] if complete else []
            continue
        found += 1
        if tuple(tensor.shape) != shape:
            wrong.append(f"{place} is {list(tensor.shape)} here and {list(shape)} in {whose}")
    if wrong or not found:
        what = listed(wrong or ["it has no such weights"])
        raise XltError(
            f"{base} is no encoder of this kind: {what}",
            where=where,
            fix=fix or "name the encoder, or the model, that all were trained from",
        )
    digest = _digest({path.name: entry(path) for path in files})
    return (lambda place: None if place.file == HEAD_FILE else stored(place.name)), digest
