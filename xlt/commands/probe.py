"""xlt probe"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xlt.commands.arguments import Allow, InputFormat, ReaderOptions, read_options
from xlt.commands.work import BatchTokens, Language, Model
from xlt.console import console
from xlt.errors import XltError


def probe(
    model: Model,
    suites: Annotated[list[str], typer.Argument(help="card[:language[:split]], paths, or hf:...")],
    language: Language = None,
    answer: Annotated[
        list[str] | None,
        typer.Option(help="OURS=THEIRS: what an answer of the model's means in the suite."),
    ] = None,
    control: Annotated[
        Path | None, typer.Option(help="Another model, e.g. one trained on half of the input.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="At most so many records of every split.", min=1, max=2**31 - 1),
    ] = None,
    input_format: InputFormat = None,
    option: ReaderOptions = None,
    batch_tokens: BatchTokens = 8192,
    allow: Allow = None,
) -> None:
    """Score challenge sets phenomenon by phenomenon, beside what needs no skill.

    A card without a split stands for all of its splits but train and dev. A run's folder stands
    for the models of all its seeds.
    """
    from xlt.runs.probe import probe

    console.log()
    with console.consent(allow):
        result = probe(
            model,
            suites,
            language=language,
            answers=dict(map(_pair, answer or ())),
            control=control,
            limit=limit,
            format=input_format,
            options=read_options(option),
            batch_tokens=batch_tokens,
        )
    console.result(result, lambda _: _table(result))


def _pair(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not (ours and equals and theirs):
        raise XltError(f"{text!r} maps nothing", where="--answer", fix="write OURS=THEIRS")
    return ours, theirs


def _table(result: dict[str, Any]) -> list[str]:
    from xlt.evaluation.report import Table, scope, score_cell, score_scope

    metric = result["metrics"][0]
    controls = list(dict.fromkeys(name for row in result["rows"] for name in row["controls"]))
    labels = list(dict.fromkeys(label for row in result["rows"] for label in row["balance"]))
    rows = []
    for row in result["rows"]:
        shares = "/".join(f"{100 * row['balance'].get(label, 0):.0f}" for label in labels)
        of_controls = [row["controls"].get(name) for name in controls]
        against = row["against"]
        sure = "*" if against and against["sure"] and against["difference"] > 0 else ""
        rows.append(
            (
                row["data"] if row["group"] == "all" else f"  {row['group']}",
                f"{row['records']:,}",
                shares,
                score_cell(row["metrics"][metric]) + sure,
                *("" if c is None else f"{c[metric]['mean']:.1f}" for c in of_controls),
            )
        )
    header = ("group", "records", "balance", metric, *controls)
    seeds = [f"means of {result['seeds']} seeds"] if result["seeds"] > 1 else []
    compared = [row["against"] for row in result["rows"] if row["against"] is not None]
    return [
        Table(header, tuple(rows), frozenset(range(1, len(header)))).text(),
        *([f"balance: % of {'/'.join(labels)}"] if labels else []),
        "; ".join([*seeds, score_scope([row["metrics"][metric] for row in result["rows"]])]),
        *scope(compared, "better than every control"),
        *(f"note: {data}: {text}" for data, texts in result["caveats"].items() for text in texts),
        *(f"warning: {data}: {t}" for data, told in result["warnings"].items() for t in told),
    ]
