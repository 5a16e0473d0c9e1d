"""Several processes that train together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

Value = TypeVar("Value")


def of_main_process(value: Value) -> Value:
    """The main process's value, in every process; all of them have to ask."""
    if PartialState().num_processes == 1:
        return value
    values: list[Value] = broadcast_object_list([value])
    return values[0]


def gathered(value: Value) -> list[Value]:
    """The value of each process, in their order; all of them have to ask."""
    if PartialState().num_processes == 1:
        return [value]
    values: list[Value] = gather_object([value])
    return values


def together(
    number: int, compute: Callable[[range], Sequence[Value]], *, alone: bool = False
) -> Sequence[Value]:
    """A value for each of so many records, in their order; each process computes those of some.

    compute: the values of the records with these numbers.
    alone: this process computes all, and others have no part in it.
    """
    state = PartialState()
    if alone or state.num_processes == 1:
        return compute(range(number))
    mine = range(state.process_index, number, state.num_processes)
    gathered = gather_object(list(zip(mine, compute(mine), strict=True)))
    return [value for _, value in sorted(gathered, key=lambda pair: pair[0])]
