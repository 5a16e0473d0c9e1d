"""xlt project"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from xlt.commands.arguments import Allow, InputFormat, ReaderOptions, read_options
from xlt.console import console
from xlt.errors import XltError


def add_to(app: typer.Typer) -> None:
    app.command()(project)


def project(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="CONFIG | IN OUT [KEY=VALUE]...",
            help="A YAML file; or labelled data and the file to write, with --task, --from and "
            "--to. Then settings, e.g. projection.gap=2.",
        ),
    ],
    task: Annotated[str | None, typer.Option(help="Of the data IN.")] = None,
    source: Annotated[str | None, typer.Option("--from", help="Language of the data IN.")] = None,
    target: Annotated[str | None, typer.Option("--to", help="Language to project into.")] = None,
    translator: Annotated[str, typer.Option(help="What translates.")] = "apertium",
    aligner: Annotated[str | None, typer.Option(help="What links words.")] = None,
    input_format: InputFormat = None,
    option: ReaderOptions = None,
    html: Annotated[
        Path | None, typer.Option(help="Page of examples; by default OUT.html.")
    ] = None,
    examples: Annotated[int, typer.Option(help="Records on the page.", min=0, max=100_000)] = 50,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="EXECUTOR",
            help="Project in shards, several at the same time: `local:4` is four processes on this "
            "machine; what was interrupted goes on.",
        ),
    ] = None,
    allow: Allow = None,
) -> None:
    """Translate labelled data and project the labels: a data file, a report, a page to look at.

    What is interrupted goes on where it was when the same command is run again.
    """
    from xlt.config.load import load_config
    from xlt.runs import project as runs

    console.log()
    settings = [text for text in arguments if "=" in text]
    paths = [text for text in arguments if "=" not in text]
    if task is None and source is None and target is None:
        if len(paths) != 1:
            raise _usage(f"{len(paths)} files, and no --task")
        if option or input_format:
            raise XltError(
                f"{'--option' if option else '--input-format'} is for the data IN",
                where="xlt project",
                fix="in a config it stands beside `ref:` of the data, e.g. {ref: a.bio, "
                "scheme: IOB1}",
            )
        config = load_config(Path(paths[0]), settings)
        with console.consent(allow):
            reports = runs.project_config(config, examples=examples, on=on)
        console.result(reports, _reports)
        return
    missing = [n for n, v in {"--task": task, "--from": source, "--to": target}.items() if not v]
    if missing or len(paths) != 2:
        raise _usage(
            f"{' and '.join(missing)} missing" if missing else f"{len(paths)} files, not IN and OUT"
        )
    stated = {
        "name": "project",
        "task.name": task,
        "source": source,
        "target": target,
        f"data.{source}.train": {
            "ref": paths[0],
            "format": input_format,
            "options": read_options(option),
        },
        "projection.translator.name": translator,
        **({"projection.aligner.name": aligner} if aligner else {}),
    }
    overrides = [f"{key}={json.dumps(value)}" for key, value in stated.items()]
    loaded = load_config(None, [*overrides, *settings])
    with console.consent(allow):
        report = runs.project_file(loaded, paths[1], html=html, examples=examples, on=on)
    console.result([report], _reports)


def _usage(what: str) -> XltError:
    return XltError(
        what,
        where="xlt project",
        fix="`xlt project CONFIG`, or `xlt project IN OUT --task ner --from eng --to spa`",
    )


def _reports(reports: list[dict[str, Any]]) -> list[str]:
    from xlt.projection.report import lines

    shown: list[str] = []
    for report in reports:
        shown += [f"{report['from']} → {report['to']}: {report['output']}", *lines(report)]
        if report["html"]:
            shown.append(f"examples: {report['html']}")
        shown.append("")
    return shown[:-1]
