"""The layers of a transformer, whatever its architecture calls them."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def layer_stack(
    model: nn.Module, among: Callable[[str], bool] = lambda name: True
) -> tuple[str, nn.ModuleList] | None:
    """The longest list of modules of one type, and its name; None where there is no list.

    among: says by a list's name whether it may be the one.
    """
    stacks = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
        and among(name)
        and len({type(child) for child in module}) == 1
    ]
    return max(stacks, key=lambda stack: len(stack[1]), default=None)
