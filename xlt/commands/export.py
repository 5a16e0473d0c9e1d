"""xlt export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xlt.commands.arguments import Allow, InputFormat, ReaderOptions, read_options
from xlt.commands.work import BatchTokens, Language, Model
from xlt.console import console


def export(
    model: Model,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder to write; it is not there yet.")
    ],
    format: Annotated[
        str,
        typer.Option(
            help="torch, a model's folder as any other; or onnx, for use without PyTorch."
        ),
    ] = "torch",
    quantise: Annotated[
        str | None, typer.Option(help="int8: weights in 8 bits, a quarter of their size.")
    ] = None,
    trim: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE | CARD:LANGUAGE | LANGUAGE",
            help="Keep only the subwords of this text, or of what text of a language is on this "
            "machine, and letters; may be repeated.",
        ),
    ] = None,
    max_mb: Annotated[
        float | None,
        typer.Option(
            help="Do no more than this size (10^6 bytes) needs: trim if that is asked for, then "
            "int8.",
            min=0.001,
            max=1e9,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Labelled data (as of evaluate) to compare score and speed on."),
    ] = None,
    language: Language = None,
    input_format: InputFormat = None,
    option: ReaderOptions = None,
    batch_tokens: BatchTokens = 8192,
    allow: Allow = None,
) -> None:
    """Write a trained model as a smaller one, and say what that costs."""
    from xlt.runs.export import export

    options = read_options(option)
    console.log()
    with console.consent(allow):
        result = export(
            model,
            output,
            format=format,
            quantise=quantise,
            trim=trim or (),
            max_mb=max_mb,
            data=data,
            language=language,
            input_format=input_format,
            options=options,
            batch_tokens=batch_tokens,
        )
    console.result(result, _shown)


_SPEEDS = {
    "texts_per_second": "texts a second",
    "texts_per_cpu_second": "texts a CPU second",
}


def _shown(result: dict[str, Any]) -> list[str]:
    from xlt.evaluation.report import Table

    before, after = result["before"], result["after"]
    rows = [("size (MB)", *(f"{one['bytes'] / 1e6:.1f}" for one in (before, after)))]
    for name in before.get("metrics", ()):
        rows.append((name, *(f"{one['metrics'][name]:.2f}" for one in (before, after))))
    if "same" in after:
        for name, what in _SPEEDS.items():
            rates = (one[name] for one in (before, after))
            rows.append((what, *("?" if rate is None else f"{rate:.1f}" for rate in rates)))
        rows.append(("predicted alike", "", f"{after['same']:.1%}"))
    lines = [Table(("", "before", "after"), tuple(rows), frozenset((1, 2))).text()]
    if cut := result["trimmed"]:
        lines.append(
            f"{cut['kept']:,} of {cut['of']:,} subwords are kept; of further text like "
            f"{' and '.join(cut['text'])} about {cut['new']:.1%} of the subwords are read in "
            "smaller parts"
        )
    return [*lines, f"→ {result['output']}"]
