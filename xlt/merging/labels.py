"""Which rows of which tensors are labels, so that those of two models can be put in one order."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from xlt.errors import XltError
from xlt.merging.weights import Place
from xlt.model.folder import load_model
from xlt.task import Labels

Axes = Mapping[str, tuple[int, str]]
"""A parameter's name → the axis of its labels, and their layer."""


def label_axes(folder: Path) -> Axes:
    """Found by giving a copy of the model room for one more label of each layer.

    Raises XltError for a model whose labels are not rows of its tensors.
    """
    _, _, model = load_model(folder)
    axes: dict[str, tuple[int, str]] = {}
    before = {name: tensor.shape for name, tensor in model.state_dict().items()}
    for layer, values in model.labels.items():
        grown = copy.deepcopy(model)
        try:
            grown.grow({**model.labels, layer: (*values, f"{values[-1]}+")})
        except NotImplementedError as error:
            raise _fixed(folder, layer) from error
        for name, tensor in grown.state_dict().items():
            old, new = before[name], tensor.shape
            if old == new:
                continue
            changed = [axis for axis in range(len(old)) if old[axis] != new[axis]]
            if len(old) != len(new) or [(old[a], new[a]) for a in changed] != [
                (len(values), len(values) + 1)
            ]:
                raise _fixed(folder, layer)
            axes[name] = (changed[0], layer)
    return axes


def reordered(
    tensor: torch.Tensor, place: Place, axes: Axes, own: Labels, wanted: Labels
) -> torch.Tensor:
    """A tensor of a model with labels `own`, as of one that has the same ones in another order."""
    found = axes.get(place.parameter)
    if found is None:
        return tensor
    axis, layer = found
    return tensor.index_select(axis, torch.tensor(_order(own[layer], wanted[layer])))


def _order(own: Sequence[str], wanted: Sequence[str]) -> list[int]:
    places = {value: number for number, value in enumerate(own)}
    return [places[value] for value in wanted]


def _fixed(folder: Path, layer: str) -> XltError:
    return XltError(
        f"the labels of `{layer}` have another order than those of the first model, and they are "
        "no rows of its weights that could be put in order",
        where=folder,
        fix="train the models with the same data, so that their labels have one order",
    )
