"""xlt config schema | show | check"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from xlt.commands.arguments import ConfigFile, Overrides
from xlt.console import console

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Look at a config without running it."
)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a config, plugins' options included, for editors."""
    import json

    from xlt.config.editor import schema

    console.result(schema(), lambda value: json.dumps(value, ensure_ascii=False, indent=2))


@app.command()
def show(config: ConfigFile, overrides: Overrides = None) -> None:
    """Print the complete config: what it extends, overrides and every default filled in."""
    from xlt.config.load import dump, load_config, resolved
    from xlt.runs.experiment import resolve_source

    loaded, _ = resolve_source(load_config(config, overrides or ()))
    console.result(resolved(loaded.config), lambda _: dump(loaded.config))


@app.command()
def check(config: ConfigFile, overrides: Overrides = None) -> None:
    """List everything that is wrong with a config, or with the cells of a study. Reads no data
    and loads no model."""
    from xlt.config.load import load_config
    from xlt.config.study import is_study, load_study
    from xlt.runs.experiment import check, check_study

    if is_study(config):
        console.result(check_study(load_study(config, overrides or ())), _cells)
    else:
        console.result(check(load_config(config, overrides or ())), _stages)


def _stages(checked: dict[str, Any]) -> Iterator[str]:
    yield f"{checked['config']} is valid"
    for target, names in checked["stages"].items():
        yield f"  {target}: {' → '.join(names)}"
    for note in checked["notes"]:
        yield f"note: {note}"


def _cells(checked: dict[str, Any]) -> Iterator[str]:
    yield f"{checked['config']} is valid"
    for cell, stages in checked["cells"].items():
        yield f"  {cell}"
        for target, names in stages.items():
            yield f"    {target}: {' → '.join(names)}"
