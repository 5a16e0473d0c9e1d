"""xlt estimate"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xlt.commands.arguments import Allow, ReaderOptions, read_options
from xlt.commands.work import BatchTokens, TextFormat, TextLanguage
from xlt.console import console


def estimate(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL...", help="Run folders, of which all seeds are meant, or models in them."
        ),
    ],
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="A file or folder; - is standard input.")
    ],
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            help="Finished runs with scores in other languages, or a folder of such runs: they say "
            "how far an estimate may be off; may be repeated."
        ),
    ] = None,
    language: TextLanguage = None,
    input_format: TextFormat = None,
    option: ReaderOptions = None,
    batch_tokens: BatchTokens = 8192,
    allow: Allow = None,
) -> None:
    """Say what models are expected to score on text without labels."""
    from xlt.runs.unlabelled import estimate

    console.log()
    with console.consent(allow):
        found = estimate(
            models,
            text,
            runs=runs or (),
            language=language,
            input_format=input_format,
            options=read_options(option),
            batch_tokens=batch_tokens,
        )
    console.result(found, lambda _: _estimates(found))


def _estimates(found: dict[str, Any]) -> list[str]:
    from xlt import languages
    from xlt.evaluation.report import estimate_table

    fitted, rows = found["fitted_to"], found["estimates"]
    return [
        f"{found['metric']} in {languages.name(found['language'])} ({found['language']}), "
        f"{found['task']}, expected from {found['sentences']} sentences without labels",
        estimate_table(rows).text(),
        *(
            [f"fitted to {fitted['pairs']} scores in {len(fitted['languages'])} other languages"]
            if fitted
            else []
        ),
        *(f"note: {note}" for note in found["notes"]),
        *(f"note: {row['run']}: {note}" for row in rows for note in row["notes"]),
    ]
