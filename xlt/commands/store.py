"""xlt store list | verify | prune"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from xlt.commands.runs import RUNS, Root, check_root
from xlt.console import console

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Trained stages, which runs have in common: what there is, whether it is intact, what may "
    "go.",
)


@app.command("list")
def list_(root: Root = RUNS) -> None:
    """List the stages below a folder of runs, with their size and the runs they are part of."""
    from xlt.runs.store import list_stages

    check_root(root)
    stages = list_stages(root)
    console.result(stages, lambda rows: _stages(rows) if rows else f"no stages in {root}")


@app.command()
def verify(root: Root = RUNS) -> None:
    """Read every stored weight, and say which is not as it was written."""
    from xlt.runs.store import verify

    check_root(root)
    found = verify(root)
    console.result(found, _problems)
    if found:
        raise typer.Exit(2)


@app.command()
def prune(
    root: Root = RUNS,
    keep: Annotated[
        Literal["best", "used", "none"],
        typer.Option(
            help="best: the weights that were selected, without those that only later dev sets "
            "have use for; used: of these what is part of a run; none: no stage.",
        ),
    ] = "best",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Remove nothing; say what would go.")
    ] = False,
) -> None:
    """Remove stored weights that are not to be kept. Models of runs stay.

    What is gone is trained again where it is needed.
    """
    from xlt.runs.store import prune

    check_root(root)
    console.result(prune(root, keep, dry_run=dry_run), lambda found: _removed(found, dry_run))


def _stages(rows: list[dict[str, Any]]) -> list[str]:
    from xlt.evaluation.report import Table

    shown = [
        (
            row["stage"],
            row["state"],
            _mb(row["bytes"]),
            _mb(row["later"]) if row["later"] else "",
            ", ".join(row["runs"]) or "none",
        )
        for row in rows
    ]
    header = ("stage", "state", "MB", "for later", "runs")
    total = sum(row["bytes"] for row in rows)
    return [Table(header, tuple(shown), frozenset((2, 3))).text(), f"{_mb(total)} MB in all"]


def _problems(found: list[dict[str, str]]) -> list[str]:
    if not found:
        return ["all finished stages are as they were written"]
    return [
        *(f"{one['stage']}: {one['what']}" for one in found),
        "  fix: the same `xlt train` or `xlt study` trains again what it needs of these",
    ]


def _removed(found: dict[str, Any], dry_run: bool) -> list[str]:
    would = "would be removed" if dry_run else "removed"
    return [
        *(f"{one['stage']}: {one['what']}, {_mb(one['bytes'])} MB" for one in found["removed"]),
        *(f"{name}: in use, it stays" for name in found["in_use"]),
        f"{_mb(found['bytes'])} MB {would}",
    ]


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f}"
