"""xlt plan | train"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xlt.commands.arguments import Allow, ConfigFile, Overrides, ReaderOptions, Reuse, read_options
from xlt.console import console

if TYPE_CHECKING:
    from xlt.config.load import LoadedConfig


def add_to(app: typer.Typer) -> None:
    """Register the commands; in this order they are listed."""
    for command in (plan, train):
        app.command()(command)


def plan(config: ConfigFile, overrides: Overrides = None, allow: Allow = None) -> None:
    """Show what a config would do, what is missing, and about what it costs."""
    from xlt.config.load import load_config
    from xlt.permissions import allowing
    from xlt.runs.plan import plan

    with allowing(*(allow or ())):  # asks nothing: what is not allowed is part of the answer
        planned = plan(load_config(config, overrides or ()))
    console.result(planned, _plan)
    if planned["missing"]:
        raise typer.Exit(2)


def train(
    config: Annotated[
        Path | None, typer.Argument(metavar="CONFIG", help="A YAML file; a data file with --from.")
    ] = None,
    overrides: Overrides = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Go on from a finished run with labelled texts of its target, which are given "
            "instead of a config: few-shot, in the run NAME-2.",
        ),
    ] = None,
    input_format: Annotated[
        str | None,
        typer.Option(help="Of the files with --from; by default what is found in them."),
    ] = None,
    option: ReaderOptions = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an unfinished run.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Forget what the run's folder holds.")
    ] = False,
    reuse: Reuse = False,
    allow: Allow = None,
) -> None:
    """Run a config: train every stage, evaluate on every target, keep the models."""
    console.log()
    loaded = _to_train(config, overrides or (), from_, input_format, read_options(option))
    from xlt.runs.train import train  # slow: what is wrong with the line is said before

    with console.consent(allow):
        result = train(loaded, resume=resume, overwrite=overwrite, reuse=reuse, quiet=console.quiet)
    if result:  # only the main process of several has one
        console.result(result, _result)
        console.note(_next(Path(loaded.config.output.root) / loaded.config.name, result))


def _next(run: Path, result: dict[str, Any]) -> str:
    """Where everything is, and what can be done with it."""
    where = shlex.quote(str(run))
    scored = [f"`xlt report {where}` shows what it gets wrong"] if result["summary"] else []
    return "; ".join([f"{run}: `xlt predict {where} FILE` uses it", *scored])


def _to_train(
    config: Path | None,
    overrides: Sequence[str],
    run: Path | None,
    input_format: str | None,
    options: Mapping[str, Any],
) -> LoadedConfig:
    """The config in the file, or the one that follows a run (`--from`)."""
    from xlt.config.load import load_config
    from xlt.errors import XltError

    if run is not None:
        from xlt.runs.continued import continued

        arguments = [*([] if config is None else [str(config)]), *overrides]
        return continued(run, arguments, input_format=input_format, options=options)
    for name, given in (("--input-format", input_format), ("--option", options)):
        if given:
            raise XltError(
                "this is said of the files that go with --from",
                where=name,
                fix="in a config, write it beside the `ref` of the data",
            )
    if config is None:
        raise XltError(
            "there is nothing to train",
            where="CONFIG",
            fix="name a YAML file, as `xlt init` writes it; or go on from a run: --from RUN FILE",
        )
    return load_config(config, overrides)


def _plan(planned: dict[str, Any]) -> list[str]:
    from xlt.evaluation.report import Table

    stages = [
        (
            stage["stage"],
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
    header = ("stage", "after", "targets", "train", "selected on", "steps", "time", "GiB")
    return [
        Table(header, tuple(stages), frozenset((5, 6, 7))).text(),
        "",
        Table(("language", "split", "records", "words"), tuple(data), frozenset((2, 3))).text(),
        "",
        *_totals(planned),
        *(f"{target}: predicted {how}" for target, how in planned["predictions"].items()),
        *(f"warning: {'; '.join(told)}" for told in planned["warnings"].values()),
        *(f"advice: {told}" for told in planned["advice"].values()),
        *(f"note: {note}" for note in planned["notes"]),
        *(f"allowed: {one['where']}: this {one['what']}" for one in planned["allowed"]),
        *(["", f"missing ({len(planned['missing'])}):"] if planned["missing"] else []),
        *(f"  {p['where']}: {p['what']}\n    fix: {p['fix']}" for p in planned["missing"]),
    ]


def _totals(planned: dict[str, Any]) -> list[str]:
    encoder, machine, total = planned["encoder"], planned["machine"], planned["total"]
    if encoder["parameters"] is None:
        lines = [f"encoder: {encoder['id']}, of unknown size"]
    else:
        lines = [
            f"encoder: {encoder['id']}, {encoder['parameters'] / 1e6:.1f} million parameters, "
            f"{encoder['trained'] / 1e6:.1f} million with the subwords that the data need"
        ]
    if machine is not None:
        lines.append(
            f"machine: {machine['device']}, {machine['threads']} threads, "
            f"about {machine['pieces_per_second']:,} subwords a second in {machine['precision']}, "
            f"{machine['free_gib']:.1f} of {machine['memory_gib']:.1f} GiB free"
        )
        if machine["busy"] >= 0.1:
            lines.append(
                f"other work had {machine['busy']:.0%} of the processors when this was measured, "
                "so the estimate is too long for a free machine"
            )
    if total["minutes"] is None:
        return [*lines, "estimate: unknown, because something is missing"]
    seeds = len(planned["seeds"])
    return [
        *lines,
        f"estimate: {_minutes(total['minutes'])} for {seeds} seed{'s' if seeds > 1 else ''} of "
        f"every stage, {total['memory_gib']:.1f} GiB (expect a factor of two either way)",
    ]


def _number(value: float | None, form: str = ",") -> str:
    return "?" if value is None else format(value, form)


def _minutes(value: float | None) -> str:
    if value is None:
        return "?"
    if value < 1:
        return f"{60 * value:.0f} s"
    return f"{value:.0f} min" if value < 120 else f"{value / 60:.1f} h"


def _result(result: dict[str, Any]) -> list[str]:
    from xlt.evaluation.report import score_scope, score_table

    shown = [row["metrics"][result["metrics"][0]] for row in result["summary"]]
    table = score_table(result["summary"], result["languages"], result["metrics"])
    scores = (
        [table.text(), score_scope(shown)] if shown else ["trained; there is nothing to score on"]
    )
    return [*scores, *(f"note: {note}" for note in result.get("notes", ()))]
