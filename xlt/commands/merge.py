"""xlt merge"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xlt.commands.arguments import Allow, InputFormat, ReaderOptions, read_options
from xlt.commands.work import BatchTokens, Language
from xlt.console import console
from xlt.errors import XltError


def merge(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL...", help="Run folders, of which all seeds are meant, or model folders."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder to write; it is not there yet.")
    ],
    method: Annotated[
        str,
        typer.Option(
            help="mean, wise, slerp, arithmetic, ties, dare, dare-ties, fisher or layers."
        ),
    ] = "mean",
    base: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL | ENCODER", help="What the models were trained from, where it counts."
        ),
    ] = None,
    weight: Annotated[
        list[float] | None,
        typer.Option(help="Of each model, in their order; by default equal.", min=0, max=1e6),
    ] = None,
    scale: Annotated[
        list[float] | None,
        typer.Option(
            help="Of what is added to the base, or the second model's share; may be repeated, then "
            "the best on --dev is taken.",
            min=0,
            max=100,
        ),
    ] = None,
    density: Annotated[
        float | None,
        typer.Option(help="The share of a difference that is kept (ties, dare).", min=1e-6, max=1),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(help="Of what dare drops, or fisher's labels.", min=0, max=2**31 - 1),
    ] = 1,
    bottom: Annotated[
        int, typer.Option(help="Lowest layers that are the base's (layers).", min=0, max=1000)
    ] = 2,
    top: Annotated[
        int, typer.Option(help="Highest layers that are the base's (layers).", min=0, max=1000)
    ] = 2,
    joint: Annotated[
        int,
        typer.Option(help="Layers beside these that are the mean of both.", min=0, max=1000),
    ] = 1,
    dev: Annotated[
        str | None, typer.Option(help="Labelled data (as of evaluate) to score on.")
    ] = None,
    information: Annotated[
        str | None,
        typer.Option(help="Labelled data (as of evaluate) that fisher learns weights from."),
    ] = None,
    language: Language = None,
    input_format: InputFormat = None,
    option: ReaderOptions = None,
    batch_tokens: BatchTokens = 8192,
    allow: Allow = None,
) -> None:
    """Write several trained models of one shape as one, by their weights alone."""
    from xlt.merging.settings import Settings
    from xlt.runs.labelled import Data
    from xlt.runs.merge import merge

    options = read_options(option)
    console.log()
    if dev is None and information is None and (input_format or options):
        raise XltError(
            "this is for labelled data",
            where="--option" if options else "--input-format",
            fix="name them with --dev, or leave it out",
        )

    def data(reference: str | None) -> Data | None:
        return None if reference is None else Data(reference, language, input_format, options)

    settings = Settings(
        weights=tuple(weight) if weight else None,
        density=density,
        seed=seed,
        bottom=bottom,
        top=top,
        joint=joint,
    )
    with console.consent(allow):
        result = merge(
            models,
            output,
            method=method,
            base=base,
            settings=settings,
            scales=scale or (),
            dev=data(dev),
            information=data(information),
            language=language,
            batch_tokens=batch_tokens,
        )
    console.result(result, _shown)


def _shown(result: dict[str, Any]) -> list[str]:
    from xlt.evaluation.report import Table

    lines = []
    if scored := result.get("dev"):
        rows = [
            (f"{model['name']}", f"{own['score']:.2f}")
            for model, own in zip(result["models"], scored["models"], strict=True)
        ]
        for point in scored["points"]:
            scale = "" if point["scale"] is None else f", scale {point['scale']:g}"
            rows.append((f"{result['method']}{scale}", f"{point['score']:.2f}"))
        lines.append(Table(("", scored["metric"]), tuple(rows), frozenset((1,))).text())
    return [
        *lines,
        f"{len(result['models'])} models by {result['method']} → {result['output']}",
    ]
