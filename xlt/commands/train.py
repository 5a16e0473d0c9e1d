"""xlt train"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xlt.commands.arguments import Allow, Overrides, ReaderOptions, Reuse, read_options
from xlt.console import console

if TYPE_CHECKING:
    from xlt.config.load import LoadedConfig


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


def _result(result: dict[str, Any]) -> list[str]:
    from xlt.evaluation.forgetting import forgetting_scope, forgetting_table
    from xlt.evaluation.report import estimate_scope, estimate_table, score_scope, score_table

    shown = [row["metrics"][result["metrics"][0]] for row in result["summary"]]
    table = score_table(result["summary"], result["languages"], result["metrics"])
    scores = (
        [table.text(), score_scope(shown)] if shown else ["trained; there is nothing to score on"]
    )
    if estimates := result.get("estimates"):
        scores += [estimate_table(estimates).text(), *estimate_scope(estimates)]
    if forgotten := result.get("forgetting"):
        scores += [forgetting_table(forgotten).text(), *forgetting_scope(forgotten)]
    return [*scores, *(f"note: {note}" for note in result.get("notes", ()))]
