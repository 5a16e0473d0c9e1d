"""A merged model's folder: as training writes it, with what it was made from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from xlt.errors import XltError
from xlt.files import write_sealed
from xlt.merging.information import reader
from xlt.merging.labels import label_axes, reordered
from xlt.merging.methods import METHODS, Members, Method
from xlt.merging.settings import WAYS, Settings
from xlt.merging.weights import MERGE, Place, Read, Shape, Weights, base_of, check_alike
from xlt.model.finite import first_broken
from xlt.model.folder import INFO, write_info
from xlt.model.vocabulary import SUBWORDS, read_kept
from xlt.task import Labels

Order = Callable[[Place, torch.Tensor], torch.Tensor]
"""A tensor of a model with its labels in the order of another model's."""


@dataclass(frozen=True)
class Merging:
    """Models that go together, and their places: `write` makes one of them.

    models: of the first the output has all but the weights.
    """

    models: Sequence[Weights]
    members: Members
    places: Sequence[Place]
    base: Mapping[str, Any] | None
    orders: Sequence[Order]

    def informed(self, files: Sequence[Path]) -> Merging:
        """With the information of each model's weights, from files of `write_information`."""
        found = []
        for model, order, file in zip(self.models, self.orders, files, strict=True):
            found.append(_informed(reader(file), model, order))
        return replace(self, members=replace(self.members, information=found))

    def method(self, name: str, settings: Settings) -> Method:
        """Raises XltError for settings that make no sense."""
        return METHODS[name](self.members, self.places, settings)

    def write(self, target: Path, method: Method, about: Mapping[str, Any]) -> None:
        """Write the model that comes of a method. about: more for `merge.json`.

        Held are the tensors of one file of it. Raises XltError where a weight is no number.
        """
        first = self.models[0]
        target.mkdir(parents=True)
        for name in first.others():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(first.folder / name, target / name)
        for file in first.files:
            tensors = {place.name: self._merged(place, method) for place in first.places(file)}
            save_file(tensors, target / file, {"format": "pt"})
        self._write_subwords(target)
        write_sealed(target / MERGE, {**self.lineage(), **about})
        languages = sorted({one for model in self.models for one in model.info.languages})
        longest = min(model.info.max_length for model in self.models)
        write_info(replace(first.info, languages=languages, max_length=longest), target)

    def lineage(self) -> dict[str, Any]:
        """What was merged, by digest."""
        return {
            "models": [{"name": str(one.folder), "sha256": one.digest} for one in self.models],
            "base": self.base,
        }

    def _merged(self, place: Place, method: Method) -> torch.Tensor:
        stored = self.models[0].read(place)
        if not stored.is_floating_point():
            return stored
        merged = method(place).to(stored.dtype).contiguous()
        if first_broken([(place.name, merged)]) is not None:
            raise XltError(
                f"what is merged holds NaN or infinite values, in {place}",
                where=self.models[0].folder,
                fix="lower `scale`, or look which of the models has such weights",
            )
        return merged

    def _write_subwords(self, target: Path) -> None:
        """Of models that write text: the subwords that any of them has learnt."""
        from safetensors.numpy import save_file as save

        found = [one.folder / SUBWORDS for one in self.models if one.has(SUBWORDS)]
        if not found:
            return
        (target / SUBWORDS).unlink(missing_ok=True)
        if len(found) == len(self.models):  # else one has learnt with all
            kept = np.unique(np.concatenate([read_kept(path) for path in found]))
            save({"kept": kept}, target / SUBWORDS, metadata={"full_size": _full_size(found[0])})


def _full_size(path: Path) -> str:
    from safetensors import safe_open

    with safe_open(path, "np") as opened:
        return str(opened.metadata()["full_size"])


@contextmanager
def opened(
    folders: Sequence[Path],
    base: str | None,
    *,
    revision: str | None = None,
    where: object = "--base",
    fix: str | None = None,
) -> Iterator[Merging]:
    """Models, whose files are open while the block lasts.

    base: a model's folder; or an encoder. revision, where, fix: as of `base_of`.
    Raises XltError for models that cannot be merged with each other, with all that differs.
    """
    with ExitStack() as stack:
        models = [stack.enter_context(Weights(folder)) for folder in folders]
        check_alike(models)
        wanted = models[0].info.labels
        stated: dict[str, Any] | None = None
        found: Read | None = None
        if base is not None:
            stated = {"name": base}
            if (Path(base) / INFO).is_file():
                own = stack.enter_context(Weights(Path(base)))
                check_alike([models[0], own])
                found = _reader(own, _order(own, wanted))
                stated["sha256"] = own.digest
            else:
                found, stated["sha256"] = base_of(
                    base,
                    models[0].shapes,
                    models[0].folder,
                    revision=revision,
                    where=where,
                    fix=fix,
                )
        places = [place for place in models[0].shapes if models[0].read(place).is_floating_point()]
        orders = [_order(one, wanted) for one in models]
        readers = [_reader(one, order) for one, order in zip(models, orders, strict=True)]
        yield Merging(models, Members(readers, found), places, stated, orders)


def _order(model: Weights, wanted: Labels) -> Order:
    """What puts a model's tensors into another order of its labels."""
    own = model.info.labels
    if all(tuple(own[layer]) == tuple(values) for layer, values in wanted.items()):
        return lambda place, tensor: tensor
    axes = label_axes(model.folder)
    return lambda place, tensor: reordered(tensor, place, axes, own, wanted)


def _reader(model: Weights, order: Order) -> Callable[[Place], torch.Tensor]:
    return lambda place: order(place, model.read(place))


def _informed(
    read: Callable[[Place, Shape], torch.Tensor], model: Weights, order: Order
) -> Callable[[Place], torch.Tensor]:
    def information(place: Place) -> torch.Tensor:
        shape = model.shape(place)
        assert shape is not None
        return order(place, read(place, shape))

    return information


def described(name: str, settings: Settings) -> dict[str, Any]:
    """A method with those settings that it looks at, JSON-able."""
    takes = WAYS[METHODS[name].name].takes
    stated = {k: v for k, v in asdict(settings).items() if k in takes}
    return {"method": name, "settings": stated}
