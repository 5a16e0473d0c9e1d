"""xlt scores add | list | remove"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xlt.console import console

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Your own transfer scores: evidence in every later `xlt predict-source`.",
)


@app.command()
def add(
    results: Annotated[
        Path,
        typer.Argument(
            help="A run's folder, a folder of runs, or a CSV with source, target, score "
            "(and perhaps task, metric, encoder)."
        ),
    ],
    task: Annotated[str | None, typer.Option(help="Of a CSV without a column `task`.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Of a CSV without a column `encoder`.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What to call them; by default as the folder or file.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what has this name.")
    ] = False,
) -> None:
    """Keep measured transfer scores (in per cent), for the next predictions.

    Of runs, those from one source without target labels (`zero_shot`) count; the mean over seeds
    on test data, or on dev data where nothing else was scored. They are kept as CSV files in the
    folder `scores` of xlt's cache (XLT_CACHE).
    """
    from xlt.typology.own_scores import add

    done = add(results, task=task, encoder=encoder, name=name, overwrite=overwrite)
    for why in done.skipped:
        console.note(f"left out: {why}")
    pairs = len({(row.source, row.target) for row in done.scores})
    targets = sorted({row.target for row in done.scores})
    console.result(
        {
            "name": done.name,
            "file": str(done.path),
            "scores": [row._asdict() for row in done.scores],
            "left_out": done.skipped,
        },
        lambda _: (
            f"{done.name}: {len(done.scores)} scores of {pairs} pairs, "
            f"targets {', '.join(targets)} → {done.path}"
        ),
    )


@app.command("list")
def list_() -> None:
    """List what was added."""

    from xlt.evaluation.report import Table
    from xlt.typology.own_scores import folder, stored

    scores_by_name = stored()
    rows = tuple(
        (
            name,
            " ".join(sorted({row.task for row in scores})),
            " ".join(sorted({row.metric for row in scores})),
            " ".join(sorted({row.encoder for row in scores})),
            str(len(scores)),
            " ".join(sorted({row.source for row in scores})),
            " ".join(sorted({row.target for row in scores})),
        )
        for name, scores in scores_by_name.items()
    )
    header = ("name", "task", "metric", "encoder", "scores", "sources", "targets")
    console.result(
        {name: [row._asdict() for row in scores] for name, scores in scores_by_name.items()},
        lambda _: Table(header, rows, frozenset((4,))).text() if rows else f"none in {folder()}",
    )


@app.command()
def remove(name: Annotated[str, typer.Argument(help="As `xlt scores list` shows it.")]) -> None:
    """Forget scores that were added."""
    from xlt.typology.own_scores import remove

    path = remove(name)
    console.result({"removed": str(path)}, lambda _: f"removed {path}")
