"""xlt runs [list] | regret"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xlt.console import console
from xlt.errors import XltError


class _ListByDefault(typer.core.TyperGroup):
    """`xlt runs [FOLDER]` is `xlt runs list [FOLDER]`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("--help", "-h")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_ListByDefault,
    rich_markup_mode=None,
    help="Finished and unfinished runs; `xlt runs [FOLDER]` lists them.",
)

Root = Annotated[Path, typer.Argument(help="The folder of runs.")]
RUNS = Path("runs")
"""The default of `output.root`. It need not be there yet."""


def check_root(root: Path) -> None:
    """Raises XltError for a folder of runs that is none; an empty list would hide a slip."""
    if root != RUNS and not root.is_dir():
        raise XltError("there is no such folder", where=root, fix="name the `output.root` of runs")


@app.command("list")
def list_(root: Root = RUNS) -> None:
    """List the runs in a folder and how they stand."""
    from xlt.runs.listing import list_runs

    check_root(root)
    console.result(list_runs(root), lambda runs: _runs(runs) if runs else f"no runs in {root}")


@app.command()
def regret(root: Root = RUNS) -> None:
    """Compare what was predicted of source languages with what their runs measured.

    Zero-shot runs of one task and encoder on the same target are set side by side. The regret is
    the best measured score less that of the source that was predicted to be the best; and that of
    the one which dev data, or what is expected on text without labels, speak for.
    """
    from xlt.runs.regret import regret

    console.result(regret(root), _regret)


def _runs(runs: list[dict[str, Any]]) -> str:
    from xlt.evaluation.report import Table

    rows = []
    for run in runs:
        scores = [
            f"{s['target']} {s['split']} {s['metric']} {s['mean']:.1f}"
            + (f" ± {s['sd']:.1f}" if s["sd"] is not None else "")
            for s in run.get("scores", ())
        ]
        started = str(run["started"] or "")
        rows.append(
            (run["name"], run["state"], started, run.get("strategy", ""), ", ".join(scores))
        )
    return Table(("run", "state", "started", "strategy", "scores"), tuple(rows)).text()


def _regret(regrets: dict[str, Any]) -> list[str]:
    from xlt.evaluation.report import Table
    from xlt.evaluation.source_choice import NAMES

    header = ("predicted", "source", "expected", "80 %", "measured", "place", "run")
    lines = []
    for target in regrets["targets"]:
        rows = []
        for row in target["sources"]:
            interval, sd = row["interval"], row["sd"]
            rows.append(
                (
                    str(row["predicted_rank"]),
                    f"{row['name']} ({row['source']})",
                    "?" if row["expected"] is None else f"{row['expected']:.1f}",
                    "?" if interval is None else f"[{interval[0]:.0f}, {interval[1]:.0f}]",
                    f"{row['measured']:.1f}" + ("" if sd is None else f" ± {sd:.1f}"),
                    str(row["measured_rank"]),
                    ", ".join(row["runs"]) + (" (source: auto)" if row["chosen"] else ""),
                )
            )
        lines += [
            f"{target['target']}, {target['task']}, {target['metric']} on {target['split']}, "
            f"{target['encoder']}; predicted {target['predicted']}",
            Table(header, tuple(rows), frozenset((0, 2, 3, 4, 5))).text(),
            _verdict(target),
            *(
                f"regret {one['regret']:.1f} by {NAMES[way]}: {one['choice']} ({one['figure']:.1f})"
                for way, one in target["choices"].items()
            ),
            *(["note: these runs trained differently"] if target["settings_differ"] else []),
            "",
        ]
    if regrets["compared"] > 1:
        lines.append(f"mean regret of {regrets['compared']} targets: {regrets['mean_regret']:.1f}")
    if regrets["left_out"]:
        lines.append(f"no transfer from one source alone: {', '.join(regrets['left_out'])}")
    return lines


def _verdict(target: dict[str, Any]) -> str:
    first, best, regret = target["first_choice"], target["best"], target["regret"]
    if regret is None:
        return f"only {first} was run: run another source to know what the choice was worth"
    if first == best:
        return f"regret 0: {first} was predicted to be the best, and has the highest mean"
    return f"regret {regret:.1f}: {first} was predicted to be the best, {best} has the highest mean"
