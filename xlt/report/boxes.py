"""Steps of a plan that are drawn as one box.

A study may have ten thousand cells, and nobody reads a drawing of as many steps. Steps that stand
alike in the graph are drawn as one: those that the same kinds of step come before and after, in
turn alike. That is the coarsest partition that a refinement of colours finds, as for the
minimisation of automata (Paige and Tarjan 1987, doi 10.1137/0216062). What steps have to have in
common to begin with is as much as leaves at most `MAX_BOXES`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xlt.runs.graph import EVALUATE

Row = Mapping[str, Any]
"""A step, as `xlt.runs.steps.row` has it."""

MAX_BOXES = 60
"""Of a drawing: a page of it is still read."""


@dataclass(frozen=True)
class Box:
    """Steps that are drawn as one.

    number: from 1, in the order of the graph. after: numbers of the boxes that it needs.
    depth:  of the longest way to it.
    """

    number: int
    steps: Sequence[Row]
    after: Sequence[int]
    depth: int

    @property
    def kind(self) -> str:
        return str(self.steps[0]["kind"])

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(str(one["name"]) for one in self.steps))


Alike = Callable[[Row], Hashable]

_LEVELS: Sequence[tuple[Alike, str]] = (
    (
        lambda row: (row["kind"], row["name"], len(row["cells"])),
        "Steps that differ in their seed alone are one box.",
    ),
    (
        lambda row: (
            row["kind"],
            row["kind"] != EVALUATE and row["name"],
            len(row["cells"]),
        ),
        "Steps of one name are one box if as many cells need them and the same kinds of step come "
        "before and after them; so are evaluations, whatever their cells are called.",
    ),
    (
        lambda row: (row["kind"], len(row["cells"])),
        "Steps are one box, whatever their names, if as many cells need them and the same kinds of "
        "step come before and after them.",
    ),
)
"""What steps of a box have in common to begin with, and how to say it; the finest first."""
_BY_DEPTH = "Steps of one kind that come after as many others are one box."
"""Of what is left to do where all of these leave too many."""


def boxes(rows: Sequence[Row]) -> tuple[list[Box], str]:
    """The steps as at most `MAX_BOXES`, or as few as there can be, and how they were put together.

    rows: of a plan; parents come first.
    """
    for alike, how in _LEVELS:
        found = _boxes(rows, _refined(rows, alike))
        if len(found) <= MAX_BOXES:
            return found, how
    return _boxes(rows, _depths(rows)), _BY_DEPTH


def _refined(rows: Sequence[Row], alike: Alike) -> dict[str, Hashable]:
    """Key of a step → its colour: steps of one colour are alike, and the colours of what comes
    before and after them are the same."""
    colours = _numbered({row["key"]: alike(row) for row in rows})
    following: dict[str, list[str]] = {row["key"]: [] for row in rows}
    for row in rows:
        for parent in row["parents"]:
            following[parent].append(row["key"])
    while True:
        finer = _numbered(
            {
                row["key"]: (
                    colours[row["key"]],
                    frozenset(colours[one] for one in row["parents"]),
                    frozenset(colours[one] for one in following[row["key"]]),
                )
                for row in rows
            }
        )
        if len({*finer.values()}) == len({*colours.values()}):
            return finer
        colours = finer


def _numbered(colours: Mapping[str, Hashable]) -> dict[str, Hashable]:
    """The same colours as numbers, which are compared sooner."""
    numbers: dict[Hashable, int] = {}
    return {key: numbers.setdefault(colour, len(numbers)) for key, colour in colours.items()}


def _depths(rows: Sequence[Row]) -> dict[str, Hashable]:
    depths = _depth(rows)
    return {row["key"]: (row["kind"], depths[row["key"]]) for row in rows}


def _depth(rows: Sequence[Row]) -> dict[str, int]:
    depths: dict[str, int] = {}
    for row in rows:
        depths[row["key"]] = 1 + max((depths[one] for one in row["parents"]), default=-1)
    return depths


def _boxes(rows: Sequence[Row], colours: Mapping[str, Hashable]) -> list[Box]:
    depths = _depth(rows)
    steps: dict[Hashable, list[Row]] = {}
    for row in rows:
        steps.setdefault(colours[row["key"]], []).append(row)
    numbers = {colour: number for number, colour in enumerate(steps, 1)}
    return [
        Box(
            numbers[colour],
            some,
            sorted({numbers[colours[one]] for row in some for one in row["parents"]}),
            depths[some[0]["key"]],
        )
        for colour, some in steps.items()
    ]
