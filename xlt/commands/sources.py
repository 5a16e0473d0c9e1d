"""xlt predict-source | analyse-typology"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from xlt.console import console


def add_to(app: typer.Typer) -> None:
    """Register the commands; in this order they are listed."""
    app.command("predict-source")(predict_source)
    app.command("analyse-typology")(analyse_typology)


def predict_source(
    target: Annotated[str, typer.Argument(help="A language: code or English name.")],
    task: Annotated[
        str, typer.Option(help="A task of `xlt tasks`, or one that papers have measured.")
    ],
    sources: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Rank these languages only.")
    ] = None,
    available: Annotated[
        str | None,
        typer.Option(metavar="CARD,…", help="Rank the languages these data cards can train."),
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Prefer what was measured with this model.")
    ] = None,
    top: Annotated[int, typer.Option(help="So many lines.", min=1)] = 10,
    count: Annotated[
        int | None, typer.Option(help="Also recommend so many sources together.", min=2)
    ] = None,
    own: Annotated[
        bool, typer.Option("--own/--no-own", help="Let what `xlt scores add` has kept take part.")
    ] = True,
    via: Annotated[
        bool, typer.Option("--via", help="Also recommend intermediates for a chain.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Features that differ.")] = False,
) -> None:
    """Rank source languages for a target, from typology and measured transfers."""
    from dataclasses import asdict

    from xlt.errors import XltError
    from xlt.typology.choice import measured_as
    from xlt.typology.explain import as_dict
    from xlt.typology.ranking import rank
    from xlt.typology.sets import chains, choose_set

    if sources is not None and available is not None:
        raise XltError("--sources and --available exclude one another", fix="give one of the two")
    named = sources.split(",") if sources is not None else None
    if available is not None:
        named = _trainable(available.split(","), target)
    candidates = None if named is None else [text.strip() for text in named if text.strip()]
    names = measured_as(task)
    found = rank(target, candidates, task=task, measured_as=names, encoder=encoder, own_scores=own)
    result = as_dict(found, top)
    if count is not None:
        result["set"] = choose_set(found, count)
    if via:
        # The first step starts where data are plenty: English, or else what was named.
        plenty = ["eng"] if candidates is None else [s.language for s in found.sources]
        result["chains"] = [
            asdict(chain) for chain in chains(found, plenty, measured_as=names, encoder=encoder)
        ]
    console.result(result, lambda _: _lines(result, explain))


def analyse_typology(
    matrix: Annotated[
        str, typer.Argument(help="A packaged matrix, or a CSV with source, target, score.")
    ],
    permutations: Annotated[int, typer.Option(help="Of languages, for p.", min=1)] = 2000,
    seed: int = 0,
) -> None:
    """Which kinds of likeness go with good transfer, in a table of measured scores."""
    from dataclasses import asdict

    from xlt.evaluation.report import Table
    from xlt.typology.analysis import analyse, read

    found = {m.task: analyse(m, permutations, seed) for m in read(matrix)}
    header = ("alike in", "alike", "different", "unknown", "difference", "p")

    def lines(_: Any) -> list[str]:
        said = []
        for task, effects in found.items():
            rows = tuple(
                (
                    *(e.trait, str(e.alike), str(e.different), str(e.unknown)),
                    f"{e.difference:+.1f}",
                    f"{e.p:.3f}",
                )
                for e in effects
            )
            said += [
                f"{matrix} {task}".strip(),
                Table(header, rows, frozenset(range(1, 6))).text(),
                "",
            ]
        return said[:-1]

    console.result({task: [asdict(e) for e in es] for task, es in found.items()}, lines)


def _trainable(names: list[str], target: str) -> list[str]:
    """Languages with a train split in the cards called so, or beginning so (`ud`: all of UD)."""
    from xlt import languages
    from xlt.data import cards
    from xlt.errors import XltError, choose

    found: dict[str, None] = {}
    known = cards.paths()
    for name in (text.strip() for text in names if text.strip()):
        matching = [card for card in known if card == name or card.startswith(f"{name}-")]
        if not matching:
            raise XltError(
                f"no data card is called {name!r}",
                where="--available",
                fix=choose(name, {card.partition("-")[0] for card in known}),
            )
        for card in matching:
            for code, splits in cards.get(card).languages.items():
                if "train" in splits and not languages.same(code, target):
                    found[code] = None
    return list(found)


def _lines(result: dict[str, Any], explain: bool) -> list[str]:
    from xlt.evaluation.report import Table

    terms = ("prior", "genetic", "geographic", "syntactic", "script")
    shown = [*result["sources"], *result["references"].values()]
    terms = tuple(dict.fromkeys([*terms, *(term for source in shown for term in source["terms"])]))
    rows = [_row(str(source["rank"]), source, terms) for source in result["sources"]]
    for label, source in result["references"].items():
        rows.append(_row(label, source, terms))
    header = ("", "language", "expected", "80 %", *terms, "confidence")
    lines = [
        f"sources for {result['name']} ({result['target']}), {result['task']}: "
        f"{len(result['sources'])} of {result['candidates']} candidates",
        Table(header, tuple(rows), frozenset(range(2, len(header) - 1))).text(),
        *_evidence(result["evidence"]),
        *_own(result["own"], result["target"]),
        *(f"note: {text}" for text in result["notes"]),
    ]
    if any(source["imputed"] for source in result["sources"]):
        lines.append("* nothing is recorded: what is usual at that genetic and geographic distance")
    if "set" in result:
        lines.append(
            f"together (heuristic: by score, unlike one another): {', '.join(result['set'])}"
        )
    for chain in result.get("chains", ()):
        steps = f"{chain['source']} → {chain['via']} → {result['target']}"
        lines.append(f"chain (heuristic: nobody has measured chains): {steps}")
    if explain:
        for source in result["sources"]:
            lines += _explanation(source, result["name"])
    return lines


def _row(first: str, source: dict[str, Any], terms: tuple[str, ...]) -> tuple[str, ...]:
    interval = source["interval"]
    return (
        first,
        f"{source['name']} ({source['language']})",
        "?" if source["expected"] is None else f"{source['expected']:.1f}",
        ("" if source["own"] else "?")
        if interval is None
        else f"[{interval[0]:.0f}, {interval[1]:.0f}]",
        *(
            f"{source['terms'][term]:+.2f}{'*' if term in source['imputed'] else ''}"
            if term in source["terms"]
            else ""
            for term in terms
        ),
        source["confidence"],
    )


def _evidence(matrices: list[dict[str, str]]) -> list[str]:
    if not matrices:
        return []
    first, *others = matrices
    more = f", and {len(others)} more for what it lacks" if others else ""
    return [
        f"measured: {first['name']} ({first['paper']}; {first['model']}, {first['metric']}){more}"
    ]


def _own(own: dict[str, Any] | None, target: str) -> list[str]:
    if own is None:
        return []
    encoder = f", {own['encoder']}" if own["encoder"] else ""
    left = f"; {own['ignored']} with another metric or encoder left out" if own["ignored"] else ""
    return [
        f"own runs took part: {', '.join(own['names'])} ({own['on_target']} scores on {target}, "
        f"{own['on_others']} on other targets; {own['metric']}{encoder}){left}"
    ]


def _explanation(source: dict[str, Any], target: str) -> list[str]:
    known = [
        f"{kind} {value:.2f}" for kind, value in source["distances"].items() if value is not None
    ]
    measured = source["measured"]
    count = f"{source['compared']} features of WALS are recorded of both; these differ:"
    return [
        "",
        f"{source['name']} → {target}: distances {', '.join(known)}",
        *([f"  measured: {measured:.1f}"] if measured is not None else []),
        *(f"  {kind}: {why}" for kind, why in source["unknown"].items()),
        f"  {count if source['differences'] else count.replace('these differ:', 'none differs')}",
        *(f"  {d['feature']}: {d['source']} → {d['target']}" for d in source["differences"]),
    ]
