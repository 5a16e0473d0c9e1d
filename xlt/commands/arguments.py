"""Arguments that several commands take."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from xlt.permissions import PERMISSIONS

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="For example training.epochs=3."),
]
Reuse = Annotated[
    bool,
    typer.Option(
        "--reuse",
        help="Use finished stages, too, that were trained with other code, libraries, precision or "
        "device.",
    ),
]
InputFormat = Annotated[
    str | None,
    typer.Option(help="Of the data, one of the task's; by default what the file's suffix says."),
]
ReaderOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        help="Of the data's reader, e.g. scheme=IOB1; may be repeated.",
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="NAME",
        help=f"What it may do, if it asks for it: {', '.join(PERMISSIONS)}; may be repeated.",
    ),
]


def read_options(texts: Iterable[str] | None) -> dict[str, Any]:
    """The options of ``--option KEY=VALUE``; values are YAML, as in a config.

    Raises XltError (XltErrors for several) for what cannot be read.
    """
    from xlt.config.layers import read_overrides
    from xlt.errors import XltError, raise_all

    problems: list[XltError] = []
    layer = read_overrides(
        texts or (), problems, what="option", source="--option", example="scheme=IOB1"
    )
    raise_all(problems)
    return {} if layer is None else dict(layer.plain())
