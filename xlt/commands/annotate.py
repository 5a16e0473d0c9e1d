"""xlt annotate"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from xlt.commands.arguments import Allow, ReaderOptions, read_options
from xlt.commands.work import Sources, TextFormat
from xlt.console import console

MAX_REASONS = 5
"""Reasons for leaving records out that are shown."""


def annotate(
    task: Annotated[str, typer.Option(help="Whose annotation is asked for.")],
    endpoint: Annotated[
        Path,
        typer.Option(
            help="A YAML file that says whom to ask: base_url, model, key_env, labels and more."
        ),
    ],
    source: Sources = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="A file; - is standard output.")
    ] = "-",
    examples: Annotated[
        str | None,
        typer.Option(
            metavar="DATA", help="Annotated data: those most like a text are shown with it."
        ),
    ] = None,
    examples_format: Annotated[
        str | None, typer.Option(help="Of --examples; by default what the file's suffix says.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Of the text: code or English name.")] = None,
    input_format: TextFormat = None,
    option: ReaderOptions = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "--output-format",
            help="What to write: a format of the task or of an annotation tool, or standoff; by "
            "default what the output's suffix says.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Only so many lines or records of the input.", min=1, max=2**31 - 1),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take; send nothing.")
    ] = False,
    allow: Allow = None,
) -> None:
    """Ask a large language model to annotate text, through any OpenAI-compatible endpoint.

    Texts are sent with --allow online alone. Answers are kept: what is interrupted goes on.
    """
    from xlt.runs.ask import annotate

    console.log()
    with console.consent(allow):
        report = annotate(
            endpoint,
            task,
            source or "-",
            output,
            examples=examples,
            examples_format=examples_format,
            language=language,
            input_format=input_format,
            output_format=format,
            options=read_options(option),
            limit=limit,
            dry_run=dry_run,
        )
    if output != "-" or dry_run:
        console.result(report, lambda _: _lines(report))
    else:  # standard output belongs to the records
        for line in _lines({**report, "output": "standard output"}):
            console.note(line)


def _lines(report: dict[str, Any]) -> Iterator[str]:
    if "annotated" not in report:
        expected = report["expected"]
        cost = "" if expected["cost"] is None else f", about {expected['cost']:,.4f}"
        yield (
            f"{expected['requests']:,} requests for {report['records']:,} records: about "
            f"{expected['tokens_in']:,} tokens in and {expected['tokens_out']:,} out{cost}"
        )
        return
    yield f"{report['annotated']:,} of {report['records']:,} records → {report['output']}"
    yield ", ".join(f"{label} {count:,}" for label, count in report["labels"].items()) or "no label"
    reasons = Counter(one["reason"] for one in report["left_out"])
    for reason, count in reasons.most_common(MAX_REASONS):
        yield f"left out: {count:,}: {reason}"
    yield report["summary"]
