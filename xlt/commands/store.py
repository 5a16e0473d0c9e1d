"""xlt store list | verify | prune | push"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from xlt.commands.runs import RUNS, check_root
from xlt.console import console
from xlt.errors import XltError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Trained stages, which runs have in common: what there is, whether it is intact, what may "
    "go.",
)


Place = Annotated[
    str,
    typer.Argument(help="The folder of runs; or the store that machines share, a folder or a URL."),
]


@app.command("list")
def list_(root: Place = str(RUNS)) -> None:
    """List the stages below a folder of runs, with their size and the runs they are part of.

    Of a store that machines share, which has no runs, no weights are fetched.
    """
    from xlt.runs import shared_store
    from xlt.runs.store import list_stages

    shared = _shared(root)
    stages = list_stages(Path(root)) if shared is None else shared_store.list_stages(shared)
    console.result(stages, lambda rows: _stages(rows) if rows else f"no stages in {root}")


@app.command()
def verify(root: Place = str(RUNS)) -> None:
    """Read every stored weight, and say which is not as it was written."""
    from xlt.runs import shared_store
    from xlt.runs.store import verify

    shared = _shared(root)
    found = verify(Path(root)) if shared is None else shared_store.verify(shared)
    console.result(found, _problems)
    if found:
        raise typer.Exit(2)


@app.command()
def prune(
    root: Place = str(RUNS),
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
    from xlt.runs import shared_store
    from xlt.runs.store import prune

    shared = _shared(root)
    if shared is None:
        removed = prune(Path(root), keep, dry_run=dry_run)
    else:
        removed = shared_store.prune(shared, keep, dry_run=dry_run)
    console.result(removed, lambda found: _removed(found, dry_run))


@app.command()
def push(
    root: Annotated[Path, typer.Argument(help="The folder of runs.")],
    store: Annotated[str, typer.Argument(help="The store that machines share: a folder or a URL.")],
) -> None:
    """Publish the finished stages below a folder of runs that the store lacks.

    `xlt train` and `xlt study` do so by themselves (`output.store`), unless it does not answer.
    """
    from xlt.runs.shared_store import push

    check_root(root)
    console.result(push(root, _checked(store)), _pushed)


def _shared(place: str) -> Any:
    """The store that machines share at this place; None for a folder of runs.

    Raises XltError for a place that is neither.
    """
    from xlt.runs.shared_store import find_store

    shared = find_store(_checked(place))
    if shared is None:
        check_root(Path(place))
    return shared


def _checked(place: str) -> str:
    from xlt.config.places import check_place  # slow

    try:
        return check_place(place)
    except ValueError as error:
        raise XltError(f"the store {error}", fix="name a folder, or a URL") from error


def _pushed(found: list[dict[str, str]]) -> list[str]:
    names = [one["stage"] for one in found]
    return [*names, f"{len(names)} published"] if names else ["nothing to publish"]


def _stages(rows: list[dict[str, Any]]) -> list[str]:
    from xlt.evaluation.report import Table

    shown = [
        (
            row["stage"],
            row["state"],
            _mb(row["bytes"]),
            _mb(row["later"]) if row["later"] else "",
            "?" if row["runs"] is None else ", ".join(row["runs"]) or "none",
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
