"""xlt diff save | apply"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xlt.commands.arguments import Allow, InputFormat, ReaderOptions, read_options
from xlt.commands.work import BatchTokens, Language, Model
from xlt.console import console
from xlt.errors import XltError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="What training has changed in an encoder, kept, and put onto another encoder.",
)

Output = Annotated[
    Path, typer.Option("--output", "-o", help="The folder to write; it is not there yet.")
]


@app.command()
def save(
    model: Model,
    base: Annotated[str, typer.Option(metavar="ENCODER", help="What the model was trained from.")],
    output: Output,
    language: Language = None,
    allow: Allow = None,
) -> None:
    """Write what a model has learnt since it was an encoder: the difference of their weights."""
    from xlt.runs.diff import save

    console.log()
    with console.consent(allow):
        result = save(model, base, output, language=language)
    console.result(result, lambda r: f"{r['model']} − {r['base']['name']} → {r['output']}")


@app.command()
def apply(
    differences: Annotated[
        list[Path], typer.Argument(metavar="DIFFERENCE...", help="Folders that `save` wrote.")
    ],
    onto: Annotated[
        str,
        typer.Option(metavar="ENCODER", help="Of the shape of that which the models are from."),
    ],
    output: Output,
    scale: Annotated[float, typer.Option(help="Of their sum.", min=0, max=100)] = 1.0,
    dev: Annotated[
        str | None,
        typer.Option(
            help="Labelled data (as of evaluate) to score on; says, too, whether what is "
            "learnt on one of the encoders can hold on the other."
        ),
    ] = None,
    language: Language = None,
    input_format: InputFormat = None,
    option: ReaderOptions = None,
    batch_tokens: BatchTokens = 8192,
    allow: Allow = None,
) -> None:
    """Write the model that another encoder becomes by differences, without any training."""
    from xlt.runs.diff import apply
    from xlt.runs.labelled import Data

    options = read_options(option)
    console.log()
    if dev is None and (input_format or options or language):
        where = "--language" if language else "--option" if options else "--input-format"
        raise XltError(
            "this is for labelled data", where=where, fix="name them with --dev, or leave it out"
        )
    data = None if dev is None else Data(dev, language, input_format, options)
    with console.consent(allow):
        result = apply(differences, onto, output, scale=scale, dev=data, batch_tokens=batch_tokens)
    console.result(result, _shown)


def _shown(result: dict[str, Any]) -> list[str]:
    from xlt.evaluation.report import Table

    lines = []
    if scored := result.get("dev"):
        names = {
            "base": f"on {result['differences'][0]['base']['name']}",
            "between": "between the two",
            "onto": f"on {result['onto']['name']}",
        }
        metric = scored["metric"]
        rows = [(names[name], f"{one[metric]:.2f}") for name, one in scored["scores"].items()]
        lines.append(Table(("", metric), tuple(rows), frozenset((1,))).text())
    return [*lines, f"{result['onto']['name']} + {len(result['differences'])} → {result['output']}"]
