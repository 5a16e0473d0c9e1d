"""The scores of several runs in one table, each with its difference from another."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from xlt.config.load import load_config
from xlt.config.study import Study
from xlt.errors import XltError, choose
from xlt.evaluation.statistics import Comparison, difference, judge
from xlt.results import CONFIG
from xlt.runs.cells import Cell, Cells, study_cells
from xlt.runs.compare import Scored, counts_if_intact, resampled_by_name
from xlt.runs.source_choice import source_choices
from xlt.runs.square import squares
from xlt.task import make_task

log = logging.getLogger(__name__)

Wanted = tuple[str, str, str, str]
"""Cell, the cell that it is compared with, target, split."""


def table(definition: Study, compare: tuple[str, str] | None = None) -> dict[str, Any]:
    """`tabulate` of a study's cells."""
    return tabulate(study_cells(definition), compare)


def tabulate(cells: Cells, compare: tuple[str, str] | None = None) -> dict[str, Any]:
    """Scores of all finished cells by target and split, each with its difference from the baseline
    in the task's first metric; all differences are one family, for which p is adjusted.

    compare: instead, A and B: two cells, or two values of one factor. Then the rows are cells of A
        and B alone, and each of A is compared with that of B that has all else in common.
    Returns, JSON-able: "baseline", target → cell; "cells", name → whether it is finished; "stale",
    name → the keys in which its run has another config; "left_out", name → why; "metric";
    "factors", factor → cell → value; "squares", as `xlt.runs.square` has them; "sources", as
    `xlt.runs.source_choice` has them; and "rows", whose "against" is what `judge` says, with the
    "cell" that it is compared with, or None.
    Raises XltError where A or B is neither.
    """
    finished = cells.finished
    names = list(finished)
    partners: dict[str, str] | None = None
    if compare is not None:
        partners = _partners(cells, *compare)
        names = [name for name in finished if name in partners or name in partners.values()]
    metric = next((cell.result["metrics"][0] for cell in finished.values()), None)
    rows = [_row(finished[name], line) for name in names for line in _primary(finished[name])]
    wanted: dict[Wanted, dict[str, Any]] = {}
    for row in rows:
        name, target = row["cell"], row["target"]
        other = cells.baselines.get(target) if partners is None else partners.get(name)
        if other is not None and other in finished and other != name:
            wanted[name, other, target, row["split"]] = row
    found = _compared(finished, list(wanted), metric) if metric is not None else {}
    judged = judge(list(found.values()))
    for (key, _), against in zip(found.items(), judged, strict=True):
        wanted[key]["against"] = {"cell": key[1], **against}
    return {
        "baseline": dict(cells.baselines),
        "cells": {name: name in finished for name in cells.names},
        "stale": dict(cells.stale),
        "left_out": dict(cells.left_out),
        "metric": metric,
        "factors": cells.factors,
        "squares": squares(cells) if compare is None else [],
        "sources": source_choices(cells) if compare is None else [],
        "rows": sorted(rows, key=lambda row: (row["target"], row["split"])),
    }


def _primary(cell: Cell) -> list[dict[str, Any]]:
    return [line for line in cell.result["summary"] if line["primary"]]


def _row(cell: Cell, line: Mapping[str, Any]) -> dict[str, Any]:
    same = [
        row.get("records")
        for row in cell.result["rows"]
        if row["primary"] and (row["target"], row["split"]) == (line["target"], line["split"])
    ]
    return {
        "cell": cell.name,
        "run": str(cell.folder),
        "target": line["target"],
        "split": line["split"],
        "records": same[0] if same else None,
        "metrics": line["metrics"],
        "against": None,
    }


def _partners(cells: Cells, a: str, b: str) -> dict[str, str]:
    """Cell of A → the cell of B that differs from it in nothing else."""
    finished, factors = cells.finished, cells.factors
    if a in finished and b in finished and a != b:
        return {a: b}
    partners: dict[str, str] = {}
    for factor, values in factors.items():
        others = [other for name, other in factors.items() if name != factor]
        for one, other in product(finished, repeat=2):
            same = all(some[one] == some[other] for some in others)
            if (values[one], values[other]) == (a, b) and same:
                partners[one] = other
    if partners:
        return partners
    known = [*finished, *dict.fromkeys(v for values in factors.values() for v in values.values())]
    unknown = next((one for one in (a, b) if one not in known), None)
    if unknown is not None:
        raise XltError(
            f"no finished cell is called {unknown!r}, and no factor has that value",
            where="--compare",
            fix=choose(unknown, known),
        )
    raise XltError(
        f"no two finished cells differ in {a} and {b} alone",
        where="--compare",
        fix="name two cells, or two values of one factor",
    )


def _compared(
    finished: Mapping[str, Cell], wanted: Sequence[Wanted], metric: str
) -> dict[Wanted, Comparison]:
    """What can be compared; what cannot is said in a warning.

    Every cell's records are resampled once for each target and split, whatever it is compared with.
    """
    names = dict.fromkeys(name for a, b, *_ in wanted for name in (a, b))
    if not names:
        return {}
    counts = {
        name: counts_if_intact(name, finished[name].folder, finished[name].result) for name in names
    }
    task = make_task(load_config(finished[next(iter(names))].folder / CONFIG).config)
    groups: dict[tuple[str, str], list[Wanted]] = defaultdict(list)
    for one in wanted:
        groups[one[2:]].append(one)
    found: dict[Wanted, Comparison] = {}
    for place, some in groups.items():
        of_data: dict[str, list[tuple[Wanted, Scored, Scored]]] = defaultdict(list)
        for one in some:
            ours, theirs = (counts[name].get(place) for name in one[:2])
            if ours is None or theirs is None:
                continue
            if not ours.same_records(theirs):
                log.warning("%s is not compared on %s %s: it has other records", one[0], *place)
                continue
            of_data[ours.data].append((one, ours, theirs))
        for same in of_data.values():
            systems = {one[n]: both[n] for one, *both in same for n in (0, 1)}
            drawn = resampled_by_name(task, metric, systems)
            for one, ours, theirs in same:
                found[one] = difference(
                    drawn[one[0]], drawn[one[1]], paired_seeds=ours.models == theirs.models
                )[metric]
    return {one: found[one] for one in wanted if one in found}
