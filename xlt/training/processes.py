"""Several processes that train together."""

from __future__ import annotations

from typing import TypeVar

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

Value = TypeVar("Value")


def of_main_process(value: Value) -> Value:
    """The main process's value, in every process; all of them have to ask."""
    if PartialState().num_processes == 1:
        return value
    values: list[Value] = broadcast_object_list([value])
    return values[0]
