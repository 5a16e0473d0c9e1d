"""xlt plan"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from xlt.commands.arguments import Allow, ConfigFile, Overrides
from xlt.console import console


def plan(
    config: ConfigFile,
    overrides: Overrides = None,
    html: Annotated[
        Path | None, typer.Option(help="Also a page with the graph of all steps.")
    ] = None,
    allow: Allow = None,
) -> None:
    """Show what a config would do, what is missing, and about what it costs.

    Of a study: every step of it once, what of it is done, and what the rest costs.
    """
    from xlt.config.load import load_config
    from xlt.config.study import is_study, load_study
    from xlt.permissions import allowing

    with allowing(*(allow or ())):  # asks nothing: what is not allowed is part of the answer
        if is_study(config):
            definition = load_study(config, overrides or ())
            from xlt.runs.plan_study import plan_study  # slow: wrong configs are said before

            planned, shown = plan_study(definition), _study
            files = [*{file for cell in definition.cells.values() for file in cell.files}]
        else:
            loaded = load_config(config, overrides or ())
            from xlt.runs.plan import plan

            planned, shown = plan(loaded), _plan
            files = list(loaded.files)
    if html is not None:
        from xlt.report.plan import write_plan

        write_plan(planned, html, [config, *files])
        planned["page"] = str(html)
    console.result(planned, shown)
    if planned["missing"]:
        raise typer.Exit(2)


def _plan(planned: dict[str, Any]) -> list[str]:
    from xlt.evaluation.report import Table
    from xlt.report.plan import told

    stages = [
        (
            stage["stage"],
            stage["kind"],
            stage["after"] or "",
            " ".join(stage["targets"]) + (" (shared)" if len(stage["targets"]) > 1 else ""),
            ", ".join(stage["train"]),
            ", ".join(stage["dev"]) or "last checkpoint",
            _number(stage["steps"]),
            _minutes(stage["minutes"]),
            _number(stage["memory_gib"], ".1f"),
        )
        for stage in planned["stages"]
    ]
    data = [
        (row["language"], row["split"], _number(row["records"]), _number(row["words"]))
        for row in planned["data"]
    ]
    header = ("stage", "kind", "after", "targets", "train", "selected on", "steps", "time", "GiB")
    return [
        Table(header, tuple(stages), frozenset((6, 7, 8))).text(),
        "",
        Table(("language", "split", "records", "words"), tuple(data), frozenset((2, 3))).text(),
        "",
        *_totals(planned),
        *told(planned),
        *_missing(planned),
        *_page(planned),
    ]


def _missing(planned: dict[str, Any]) -> list[str]:
    listed = [f"  {p['where']}: {p['what']}\n    fix: {p['fix']}" for p in planned["missing"]]
    return ["", f"missing ({len(listed)}):", *listed] if listed else []


@dataclass
class _Step:
    """Nodes of a study's graph that differ in their seed alone."""

    name: str
    nodes: list[dict[str, Any]] = field(default_factory=list)
    below: list[_Step] = field(default_factory=list)


def _study(planned: dict[str, Any]) -> list[str]:
    from xlt.evaluation.report import Table
    from xlt.report.plan import done

    rows = [
        (
            "  " * depth + step.name,
            str(len(step.nodes[0]["cells"])),
            str(len(step.nodes)),
            done(step.nodes),
            _minutes(sum(times)) if (times := _known(step.nodes, "minutes")) else "",
            _number(max(sizes), ".1f") if (sizes := _known(step.nodes, "memory_gib")) else "",
        )
        for top in _tree(planned["nodes"])
        for depth, step in _walk(top)
    ]
    header = ("step", "cells", "times", "done", "time", "GiB")
    total, cells = planned["total"], planned["cells"]
    finished = sum(cells.values())
    lines = [
        f"{planned['name']}: {_several(len(cells), 'cell')} ({finished} finished), "
        f"{_several(total['nodes'], 'step')} "
        f"({total['left']} to do)",
        *_machine(planned),
    ]
    if total["minutes"] is None:
        lines.append("estimate: unknown, because something is missing")
    elif total["minutes"]:
        disk = "" if total["disk_gib"] is None else f", {total['disk_gib']:.1f} GiB of disk"
        lines.append(
            f"estimate: {_minutes(total['minutes'])} of training, one step after the other, "
            f"{total['memory_gib']:.1f} GiB of memory{disk} (expect a factor of two either way)"
        )
    return [
        Table(header, tuple(rows), frozenset((1, 2, 4, 5))).text(),
        "",
        *lines,
        *_missing(planned),
        *_page(planned),
    ]


def _tree(nodes: list[dict[str, Any]]) -> list[_Step]:
    """The steps that need no other, each with those below that need it last."""
    top: list[_Step] = []
    steps: dict[tuple[Any, ...], _Step] = {}
    of_node: dict[str, _Step] = {}
    for node in nodes:  # parents come first
        above = {id(of_node[parent]): of_node[parent] for parent in node["parents"]}
        alike = (node["kind"], node["name"], tuple(node["cells"]), *above)
        step = steps.get(alike)
        if step is None:
            step = steps[alike] = _Step(f"{node['kind']} {node['name']}")
            (list(above.values())[-1].below if above else top).append(step)
        step.nodes.append(node)
        of_node[node["key"]] = step
    return top


def _walk(step: _Step, depth: int = 0) -> Iterator[tuple[int, _Step]]:
    yield depth, step
    for one in step.below:
        yield from _walk(one, depth + 1)


def _several(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _known(nodes: list[dict[str, Any]], name: str) -> list[float]:
    return [node[name] for node in nodes if node[name] is not None]


def _totals(planned: dict[str, Any]) -> list[str]:
    encoder, total = planned["encoder"], planned["total"]
    if encoder["parameters"] is None:
        lines = [f"encoder: {encoder['id']}, of unknown size"]
    else:
        lines = [
            f"encoder: {encoder['id']}, {encoder['parameters'] / 1e6:.1f} million parameters, "
            f"{encoder['trained'] / 1e6:.1f} million with the subwords that the data need"
        ]
    lines += _machine(planned)
    if total["minutes"] is None:
        return [*lines, "estimate: unknown, because something is missing"]
    seeds = len(planned["seeds"])
    return [
        *lines,
        f"estimate: {_minutes(total['minutes'])} for {_several(seeds, 'seed')} of "
        f"every stage, {total['memory_gib']:.1f} GiB (expect a factor of two either way)",
    ]


def _machine(planned: dict[str, Any]) -> list[str]:
    from xlt.report.plan import machine_lines

    lines = machine_lines(planned["machine"])
    return [f"machine: {lines[0]}", *lines[1:]] if lines else []


def _page(planned: dict[str, Any]) -> list[str]:
    return ["", f"→ {planned['page']}"] if "page" in planned else []


def _number(value: float | None, form: str = ",") -> str:
    return "?" if value is None else format(value, form)


def _minutes(value: float | None) -> str:
    if value is None:
        return "?"
    if value < 1:
        return f"{60 * value:.0f} s"
    return f"{value:.0f} min" if value < 120 else f"{value / 60:.1f} h"
