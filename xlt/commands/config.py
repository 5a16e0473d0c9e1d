"""xlt config schema | show | check"""

from __future__ import annotations

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

    loaded = load_config(config, overrides or ())
    console.result(resolved(loaded.config), lambda _: dump(loaded.config))


@app.command()
def check(config: ConfigFile, overrides: Overrides = None) -> None:
    """List everything that is wrong with a config. Reads no data and loads no model."""
    from xlt.config.check import check
    from xlt.config.load import load_config

    console.result(
        check(load_config(config, overrides or ())),
        lambda found: [
            f"{found['config']} is valid",
            *(f"  {target}: {' → '.join(names)}" for target, names in found["stages"].items()),
        ],
    )
