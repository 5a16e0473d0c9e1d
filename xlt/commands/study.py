"""xlt study"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from xlt.commands.arguments import Allow, ConfigFile, Overrides, Reuse
from xlt.console import console


def study(
    config: ConfigFile,
    overrides: Overrides = None,
    only_table: Annotated[
        bool, typer.Option("--table", help="Run nothing; the table of what is finished.")
    ] = False,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B",
            help="Two cells, or two values of a factor, to compare instead of all with the "
            "baseline; runs nothing.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Forget what the cells' folders hold.")
    ] = False,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="EXECUTOR",
            help="Run steps at the same time: `local:4` is four processes on this machine, each "
            "with its share of the processors.",
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Show what runs, since when, what failed and how long the rest will take: a table "
            "on a terminal, elsewhere a line a minute.",
        ),
    ] = False,
    events: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Append what begins, ends and fails, and how long the rest will take, as JSON "
            "lines.",
        ),
    ] = None,
    reuse: Reuse = False,
    allow: Allow = None,
) -> None:
    """Run the cells of a study that are not finished, and print one table.

    The file is a config with a key `study`: `cells` (name → what differs) or `matrix` (key →
    values). What is finished is not run again, what was interrupted is resumed. A cell that fails
    does not stop the others; what failed is told at the end.
    """
    from xlt.config.study import load_study
    from xlt.errors import XltError, raise_all
    from xlt.runs.study import study
    from xlt.runs.table import table

    running = {
        "--on": on is not None,
        "--watch": watch,
        "--events": events is not None,
        "--overwrite": overwrite,
        "--reuse": reuse,
    }
    said = [one for one, given in running.items() if given]
    if said and (only_table or compare):
        shows = "--table" if only_table else "--compare"
        raise XltError(
            f"{said[0]} and {shows} exclude each other: {shows} runs nothing",
            where=said[0],
            fix=f"leave {shows} out to run the study, {' and '.join(said)} to see what is finished",
        )
    console.log()
    definition = load_study(config, overrides or ())
    with console.consent(allow):
        if only_table or compare:
            result = table(definition, compare)
        else:
            with ExitStack() as told:
                listeners: list[Any] = []
                if events is not None:
                    from xlt.runs.events import writing_events

                    listeners.append(told.enter_context(writing_events(events)))
                if watch and not console.quiet:
                    from xlt.commands.watch import watching

                    listeners.append(told.enter_context(watching()))
                result = study(
                    definition,
                    on=on,
                    overwrite=overwrite,
                    reuse=reuse,
                    quiet=console.quiet or watch,
                    listeners=listeners,
                )
    console.result(result, _table)
    failures = chain.from_iterable(result.get("failed", {}).values())
    raise_all([XltError(one["what"], where=one["where"], fix=one["fix"]) for one in failures])


def _table(result: dict[str, Any]) -> Iterator[str]:
    from xlt.evaluation import study as shown

    if result["rows"]:
        if shown.is_matrix(result):
            yield shown.matrix(result, "source").text()
        else:
            yield shown.study_table(result).text()
        yield from shown.notes(result)
        for one in shown.conclusions(result):
            yield f"{one.place}: {one.use}"
    yield from _squares(result)
    if result["sources"]:
        from xlt.evaluation.source_choice import choice_table, notes

        yield ""
        yield choice_table(result["sources"]).text()
        yield from notes(result["sources"])
    stale, left_out = result["stale"], result["left_out"]
    missing = [
        name
        for name, done in result["cells"].items()
        if not done and name not in stale and name not in left_out
    ]
    if missing:
        yield f"not finished: {', '.join(missing)}"
    for name, why in left_out.items():
        yield f"{name} is left out: {why}"
    for name, keys in stale.items():
        yield (
            f"{name} is left out: its run has a different config ({', '.join(keys)}); "
            + (
                "the study adds seeds; to have fewer, --overwrite, or another `name`"
                if keys == ["seeds"]
                else "--overwrite runs it as the file says now, another `name` keeps both"
            )
        )


def _squares(result: dict[str, Any]) -> Iterator[str]:
    from xlt.evaluation import square as shown

    for one in result["squares"]:
        yield ""
        yield shown.square_table(one).text()
        yield from shown.notes(one)
        yield from shown.sentences(one)
