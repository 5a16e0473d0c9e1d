"""xlt encoders"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xlt.console import console

if TYPE_CHECKING:
    from xlt.runs.encoders import Advice


def encoders(
    encoder: Annotated[
        str | None, typer.Argument(help="Say all that is known of this one.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="A language that a model is for: code or English name.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="The language that has labels.")] = None,
    task: Annotated[
        str | None, typer.Option(help="A task of `xlt tasks`, or one that papers have measured.")
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Sentences of the target, one a line: what the tokenizers that are here make of "
            "them.",
        ),
    ] = None,
    max_gb: Annotated[
        float | None,
        typer.Option(
            help="Only what can be fine-tuned in so much memory (GiB); by default this machine's.",
            min=0.1,
            max=100_000,
        ),
    ] = None,
    top: Annotated[int, typer.Option(help="So many lines.", min=1, max=1000)] = 10,
) -> None:
    """Rank pretrained encoders for a target: what they have read, size, licence, cost here."""
    from xlt.model import facts
    from xlt.runs.encoders import advise, reason, recommended
    from xlt.typology.text import read_sentences

    fitting, larger = advise(
        target,
        source=source,
        task=task,
        text=None if text is None else read_sentences(text),
        max_gib=max_gb,
        among=None if encoder is None else [facts.get(encoder)],
    )
    if encoder is not None:
        (one,) = (*fitting, *larger)
        console.result(one.as_dict(), lambda _: _details(one))
        return
    best = recommended(fitting) if target is not None else None
    result = {
        "encoders": [advice.as_dict() for advice in fitting[:top]],
        "larger": [advice.facts.id for advice in larger],
        "recommended": None
        if best is None
        else {"encoder": best.facts.id, "reason": reason(best, fitting, target)},
    }
    console.result(result, lambda _: _lines(fitting, larger, top, best, result, target))


def _lines(
    fitting: list[Advice],
    larger: list[Advice],
    top: int,
    best: Advice | None,
    result: dict[str, Any],
    target: str | None,
) -> list[str]:
    from xlt.evaluation.report import Table

    shown = fitting[:top]
    if not shown:
        return [f"none of {len(larger)} encoders can be fine-tuned in so little memory"]
    asked = list(shown[0].read)
    split = any(one.fertility is not None for one in shown)
    measured = any(one.measured for one in shown)
    header = (
        *("encoder", *(f"has read of the {part}" for part in asked), "points"),
        *(("subwords/word", "unknown") if split else ()),
        *(("measured",) if measured else ()),
        *("layers M", "subwords M", "disk GB", "GiB", "subwords/s", "window", "licence", "here"),
    )
    rows = tuple(_row(one, asked, split, measured) for one in shown)
    numeric = frozenset(range(1 + len(asked), len(header) - 2))
    more = [f"{len(fitting) - top} more: --top {len(fitting)}"] if len(fitting) > top else []
    if larger:
        more.append(f"{len(larger)} need more memory: {', '.join(o.facts.name for o in larger)}")
    return [
        Table(header, rows, numeric).text(),
        "points: a rule of thumb, against XLM-R base; GiB (to fine-tune) and subwords/s (in "
        "training): estimates for this processor in fp32",
        *_tables(shown),
        *more,
        *_recommendation(best, shown, fitting, result, target),
    ]


def _row(one: Advice, asked: list[str], split: bool, measured: bool) -> tuple[str, ...]:
    facts = one.facts
    return (
        facts.name,
        *(one.read[part] for part in asked),
        f"{one.total:+.1f}",
        *(
            (
                "?" if one.fertility is None else f"{one.fertility:.2f}",
                "?" if one.unknown is None else f"{one.unknown:.1%}",
            )
            if split
            else ()
        ),
        *((f"{one.measured['score']:.1f}" if one.measured else "",) if measured else ()),
        f"{facts.rest / 1e6:,.0f}",
        f"{facts.embeddings / 1e6:,.0f}",
        f"{facts.gigabytes:.1f}",
        f"{one.memory_gib:.1f}",
        f"{one.subwords_per_second:,.0f}",
        f"{facts.window:,}",
        "research only" if facts.research_only else facts.licence,
        "yes" if one.here else "",
    )


def _tables(shown: list[Advice]) -> list[str]:
    used = {one.measured["table"]: one.measured for one in shown if one.measured}
    return [
        f"measured: {name} ({table['paper']}; {table['metric']})" for name, table in used.items()
    ]


def _recommendation(
    best: Advice | None,
    shown: list[Advice],
    fitting: list[Advice],
    result: dict[str, Any],
    target: str | None,
) -> list[str]:
    if best is None:
        return ["give --target, and one of them is recommended"] if target is None else []
    said = [
        f"take {best.facts.name} (`encoder: {best.facts.id}`): {result['recommended']['reason']}"
    ]
    near = next((one for one in fitting if one.here), None)
    if near is not None and near is not best:
        said.append(f"on this machine already: {near.facts.name} (`encoder: {near.facts.id}`)")
    if shown[0] is not best:
        said.append(f"{shown[0].facts.name} comes first, and is {shown[0].facts.licence}")
    return said


def _details(one: Advice) -> list[str]:
    facts = one.facts
    lines = [
        f"{facts.name} (`encoder: {facts.id}`)",
        f"licence:    {facts.licence}",
        f"layers:     {facts.layers} of width {facts.width}, {facts.rest / 1e6:,.0f} million "
        "parameters",
        f"subwords:   {facts.embeddings / 1e6:,.0f} million parameters",
        f"window:     {facts.window:,} subwords",
        f"on disk:    {facts.gigabytes:.1f} GB{', here' if one.here else ''}",
        f"fine-tuned: in about {one.memory_gib:.1f} GiB, about {one.subwords_per_second:,.0f} "
        "subwords a second on this processor (estimates)",
    ]
    lines += [f"{part}:     {read}" for part, read in one.read.items()]
    if one.fertility is not None and one.unknown is not None:
        lines.append(f"the text:   {one.fertility:.2f} subwords a word, {one.unknown:.1%} unknown")
    lines += [f"published:  {p.score} {p.metric} ({p.data}; {p.source})" for p in facts.published]
    return [*lines, f"source:     {facts.source}"]
