"""The vectors that go into some layer of an encoder; what is above it is not computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from xlt.errors import XltError
from xlt.model.stack import layer_stack


def hidden_states(
    model: Any,
    layer: int,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    *,
    where: object,
) -> torch.Tensor:
    """What goes into layer `layer`, or comes out of the last one: (rows, length, d).

    layer: 0 for what the embeddings give, the number of layers for the last one's output.
    input_ids, attention_mask: (rows, length).
    where: what names the encoder, for errors.
    Raises XltError where no stack of layers is as long as the config says.
    """
    layers = encoder_layers(model, where=where)
    if layer >= len(layers):
        output = model(input_ids=input_ids, attention_mask=attention_mask)
        last: torch.Tensor = output.last_hidden_state
        return last
    with _stopping_before(layers[layer]):
        try:
            model(input_ids=input_ids, attention_mask=attention_mask)
        except _Reached as reached:
            return reached.hidden
    raise AssertionError("the encoder never reached its own layer")


class _Reached(Exception):
    """Not an error: the vectors are there, the layers above need not be computed."""

    def __init__(self, hidden: torch.Tensor) -> None:
        self.hidden = hidden


@contextmanager
def _stopping_before(layer: torch.nn.Module) -> Iterator[None]:
    def stop(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        raise _Reached(args[0] if args else kwargs["hidden_states"])

    handle = layer.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def encoder_layers(model: Any, *, where: object) -> nn.ModuleList:
    """The layers of an encoder, from the lowest; errors as of `hidden_states`."""
    number = model.config.num_hidden_layers
    stack = layer_stack(model)
    if stack is not None and len(stack[1]) == number:
        return stack[1]
    raise XltError(
        f"no stack of {number} layers found in a {type(model).__name__}",
        where=where,
        fix="choose another encoder; docs/encoders.md lists those that are tested",
    )
