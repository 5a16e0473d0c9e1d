"""xlt serve"""

from __future__ import annotations

from typing import Annotated

import typer

from xlt.commands.arguments import Allow
from xlt.commands.work import BatchTokens, TextLanguage
from xlt.console import console

MAX = 2**31 - 1


def serve(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Run folders, or model folders in them; NAME=FOLDER gives one a name.",
        ),
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 is every one of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 is any that is free.", min=0, max=65535)] = 8000,
    language: TextLanguage = None,
    max_bytes: Annotated[int, typer.Option(help="Of a request.", min=1, max=MAX)] = 1 << 20,
    max_texts: Annotated[int, typer.Option(help="Of a request.", min=1, max=MAX)] = 128,
    max_characters: Annotated[int, typer.Option(help="Of a text.", min=1, max=MAX)] = 10_000,
    max_total: Annotated[
        int, typer.Option(help="Characters of all texts of a request.", min=1, max=MAX)
    ] = 100_000,
    max_words: Annotated[int, typer.Option(help="Of a sentence.", min=1, max=MAX)] = 2000,
    max_waiting: Annotated[
        int, typer.Option(help="Requests that wait; others are told to try again.", min=1, max=MAX)
    ] = 64,
    batch_tokens: BatchTokens = 8192,
    allow: Allow = None,
) -> None:
    """Answer over HTTP what `xlt predict` would say, with a page to try it.

    POST /predict takes JSON, /docs says what; Label Studio's ML backend is at /label-studio. There
    is no password and no TLS: only this machine can reach it, unless --host says otherwise.
    """
    from xlt.serve.server import Limits, serve

    console.log()
    with console.consent(allow):
        serve(
            models,
            host=host,
            port=port,
            language=language,
            limits=Limits(max_bytes, max_texts, max_characters, max_total, max_words, max_waiting),
            batch_tokens=batch_tokens,
        )
