"""`xlt plan --html`: the graph of what a config or a study would do, as one HTML page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xlt import __version__
from xlt.errors import XltError
from xlt.evaluation.report import Table
from xlt.evaluation.study import duration
from xlt.files import refuse_overwriting, write_text, writing
from xlt.html import template
from xlt.report.boxes import Box, Row, boxes
from xlt.runs.graph import EVALUATE, PROJECT

_MAX_NAMES, _MAX_CELLS, _MAX_MISSING = 8, 500, 100
_BOX, _HEIGHT, _ACROSS, _DOWN, _LETTERS = 190, 62, 50, 14, 24


# Words -------------------------------------------------------------------------------------------


def done(steps: Sequence[Row]) -> str:
    """How many of these steps are done, in words."""
    if all(step["done"] is None for step in steps):
        return "?"
    if not any(step["done"] or step["left"] for step in steps):
        return "not needed"
    number = sum(bool(step["done"]) for step in steps)
    return ("yes" if number == len(steps) else f"{number:,} of {len(steps):,}") if number else "no"


def minutes(value: float | None) -> str:
    """A time of training; "?" where it is not known."""
    return "?" if value is None else duration(60 * value)


def machine_lines(machine: Mapping[str, Any] | None) -> list[str]:
    """What was measured of the machine, as `xlt plan` says it."""
    if machine is None:
        return []
    lines = [
        f"{machine['device']}, {machine['threads']} threads, "
        f"about {machine['pieces_per_second']:,} subwords a second in {machine['precision']}, "
        f"{machine['free_gib']:.1f} of {machine['memory_gib']:.1f} GiB free"
    ]
    if machine["busy"] >= 0.1:
        lines.append(
            f"other work had {machine['busy']:.0%} of the processors when this was measured, "
            "so the estimate is too long for a free machine"
        )
    return lines


def told(planned: Mapping[str, Any]) -> list[str]:
    """What else the plan of a config says, a line each."""
    return [
        *(f"{target}: predicted {how}" for target, how in planned.get("predictions", {}).items()),
        *(f"warning: {'; '.join(one)}" for one in planned.get("warnings", {}).values()),
        *(f"advice: {one}" for one in planned.get("advice", {}).values()),
        *(f"note: {note}" for note in planned.get("notes", ())),
        *(f"allowed: {one['where']}: this {one['what']}" for one in planned.get("allowed", ())),
    ]


def _listed(names: Sequence[str], most: int = _MAX_NAMES) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def _span(values: Iterable[float | None], form: Callable[[float], str]) -> str:
    """The least and the largest; "?" where one is not known, "" where there is none."""
    every = list(values)
    known = [one for one in every if one is not None]
    if not every or len(known) < len(every):
        return "?" if every else ""
    least, most = form(min(known)), form(max(known))
    return least if least == most else f"{least} to {most}"


def _gib(value: float) -> str:
    return f"{value:.1f}" if value >= 0.05 or value == 0 else "< 0.1"


def _sum(values: Iterable[float | None], form: Callable[[float], str]) -> str:
    every = list(values)
    return "?" if any(one is None for one in every) else form(sum(one or 0 for one in every))


# The page ----------------------------------------------------------------------------------------


def write_plan(planned: Mapping[str, Any], output: Path, own: Iterable[Path]) -> None:
    """Write the page of a plan.

    planned: of `xlt.runs.plan.plan` or `xlt.runs.plan_study.plan_study`.
    own: files that it must not replace.
    Raises XltError where it cannot be written, and for a name that is none of a page: data that
    are planned with have others.
    """
    if output.suffix.lower() not in (".html", ".htm"):
        raise XltError(
            "a page's name ends with .html",
            where="--html",
            fix=f"write `--html {output}.html`, say",
        )
    refuse_overwriting(output, own, where="--html")
    rows = planned["nodes"]
    drawn, how = boxes(rows)
    missing = planned["missing"]
    cells = planned["cells"]
    page = template("plan").render(
        version=__version__,
        name=planned["name"],
        about=_about(planned),
        graph=_drawing(drawn),
        how=f"{len(rows):,} steps in {len(drawn):,} boxes. {how}" if len(drawn) < len(rows) else "",
        steps=_steps(drawn),
        totals=_totals(rows),
        shared=_shared(rows),
        data=_data(planned.get("data", ())),
        told=told(planned),
        finished=_listed([name for name, is_done in cells.items() if is_done], _MAX_CELLS),
        unfinished=_listed([name for name, is_done in cells.items() if not is_done], _MAX_CELLS),
        missing=missing[:_MAX_MISSING],
        more=len(missing) - len(missing[:_MAX_MISSING]),
    )
    with writing(output):
        write_text(output, page)


def _about(planned: Mapping[str, Any]) -> dict[str, str]:
    cells = planned["cells"]
    encoders = planned.get("encoders") or [planned["encoder"]]
    return {
        "cells": f"{len(cells):,}, {sum(cells.values()):,} of them finished",
        "steps": f"{len(planned['nodes']):,}, "
        f"{sum(row['left'] for row in planned['nodes']):,} of them to do",
        "encoder": _listed(
            [
                one["id"]
                + (f" ({one['parameters'] / 1e6:.1f} M parameters)" if one["parameters"] else "")
                for one in encoders
            ]
        ),
        **({"machine": "; ".join(machine_lines(planned["machine"]))} if planned["machine"] else {}),
    }


def _steps(drawn: Sequence[Box]) -> Table:
    header = (
        "step", "kind", "names", "after", "times", "cells", "done", "time of one", "time to do",
        "memory, GiB", "disk to do, GiB",
    )  # fmt: skip
    rows = []
    for box in drawn:
        left = [row for row in box.steps if row["left"]]
        trained = _is_stage(box.steps[0])
        rows.append(
            (
                str(box.number),
                box.kind,
                _listed(box.names),
                ", ".join(map(str, box.after)),
                f"{len(box.steps):,}",
                _span((len(row["cells"]) for row in box.steps), "{:,.0f}".format),
                done(box.steps),
                _span((row["minutes"] for row in box.steps), minutes) if trained else "",
                _sum((row["minutes"] for row in left), minutes) if trained else "",
                _span((row["memory_gib"] for row in box.steps), _gib) if trained else "",
                "" if box.kind == PROJECT else _sum((row["disk_gib"] for row in left), _gib),
            )
        )
    return Table(header, tuple(rows), frozenset((4, 5, 7, 8, 9, 10)))


def _is_stage(row: Row) -> bool:
    return row["kind"] not in (PROJECT, EVALUATE)


def _totals(rows: Sequence[Row]) -> Table:
    """Of all steps, and of those that are still to do."""
    header = (
        "", "steps", "training, one after the other", "memory at most, GiB", "disk at least, GiB"
    )  # fmt: skip
    lines = []
    for name, some in (("all", rows), ("to do", [row for row in rows if row["left"]])):
        trained = [row for row in some if _is_stage(row)]
        most = _span((row["memory_gib"] for row in trained), _gib).rpartition(" ")[2]
        lines.append(
            (
                name,
                f"{len(some):,}",
                _sum((row["minutes"] for row in trained), minutes),
                most or "0.0",
                _sum((row["disk_gib"] for row in some if row["kind"] != PROJECT), _gib),
            )
        )
    return Table(header, tuple(lines), frozenset(range(1, 5)))


def _shared(rows: Sequence[Row]) -> str:
    """What it saves that cells share steps."""
    work = [row for row in rows if row["kind"] != EVALUATE]
    several = [row for row in work if len(row["cells"]) > 1]
    if not several:
        return "No step is needed by more than one cell."
    alone = sum(len(row["cells"]) for row in work)
    text = (
        f"{len(several):,} of {len(work):,} steps before the evaluations are needed by more than "
        f"one cell; without sharing they would be {alone:,}"
    )
    trained = [row for row in work if _is_stage(row)]
    if any(row["minutes"] is None for row in trained):
        return f"{text}."
    shared = sum(row["minutes"] for row in trained)
    apart = sum(row["minutes"] * len(row["cells"]) for row in trained)
    return f"{text}, and training would take {minutes(apart)} instead of {minutes(shared)}."


def _data(listed: Sequence[Mapping[str, Any]]) -> Table | None:
    if not listed:
        return None
    rows = [
        (
            row["language"],
            row["split"],
            *("?" if row[one] is None else f"{row[one]:,}" for one in ("records", "words")),
        )
        for row in listed
    ]
    return Table(("language", "split", "records", "words"), tuple(rows), frozenset((2, 3)))


# The drawing -------------------------------------------------------------------------------------


def _drawing(drawn: Sequence[Box]) -> dict[str, Any]:
    """Boxes in columns by their depth, lines between them, in pixels."""
    columns: dict[int, list[Box]] = {}
    for box in drawn:
        columns.setdefault(box.depth, []).append(box)
    place: dict[int, float] = {}
    for _, column in sorted(columns.items()):
        # Beside the middle of what they come after, so that few lines cross.
        column.sort(key=lambda box: sum(place[one] for one in box.after) / (len(box.after) or 1))
        place |= {box.number: row for row, box in enumerate(column)}
    corners = {
        box.number: (
            8 + box.depth * (_BOX + _ACROSS),
            8 + int(place[box.number]) * (_HEIGHT + _DOWN),
        )
        for box in drawn
    }
    lines = []
    for box in drawn:
        x, y = corners[box.number]
        for one in box.after:
            from_x, from_y = corners[one]
            ends = (from_x + _BOX, from_y + _HEIGHT // 2, x, y + _HEIGHT // 2)
            lines.append((*ends, (ends[0] + ends[2]) // 2))
    return {
        "width": 16 + (max(columns, default=0) + 1) * (_BOX + _ACROSS) - _ACROSS,
        "height": 16 + max(map(len, columns.values()), default=0) * (_HEIGHT + _DOWN) - _DOWN,
        "box": (_BOX, _HEIGHT),
        "lines": lines,
        "boxes": [_drawn(box, *corners[box.number]) for box in drawn],
    }


def _drawn(box: Box, x: int, y: int) -> dict[str, Any]:
    left = [row["minutes"] for row in box.steps if row["left"] and _is_stage(row)]
    said = done(box.steps)
    state = {"yes": "done", "no": "to do", "?": "not known yet"}.get(said, said)
    share = sum(bool(row["done"]) for row in box.steps) / len(box.steps)
    title = f"{box.number}. {box.names[0]}"
    more = len(box.names) - 1
    suffix = f" +{more:,}" if more else ""
    room = _LETTERS - len(suffix)
    return {
        "x": x,
        "y": y,
        "kind": box.kind,
        "title": (title if len(title) <= room else f"{title[: room - 1]}…") + suffix,
        "about": f"{box.kind} × {len(box.steps):,}, "
        + _span((len(row["cells"]) for row in box.steps), "{:,.0f}".format)
        + (" cells" if max(len(row["cells"]) for row in box.steps) > 1 else " cell"),
        "state": state + (f", {_sum(left, minutes)}" if left else ""),
        "share": round(share * _BOX),
        "idle": said == "not needed",
        "names": _listed(box.names),
    }
