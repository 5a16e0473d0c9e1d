"""xlt predict-source | analyse-typology"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xlt.commands.arguments import Allow
from xlt.commands.runs import RUNS, check_root
from xlt.console import console
from xlt.errors import XltError, choose

if TYPE_CHECKING:
    from xlt.typology.ranking import Rank, Ranking


OSBORN = "osborn"
WAYS = ("greedy", "tower", OSBORN)
"""How a set of sources is chosen."""
DEFAULT_SOURCES = 3
"""Sources that a budget is divided over where --count does not say how many."""


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
        str | None,
        typer.Option(help="Prefer what was measured with this model; with --text, look into it."),
    ] = None,
    sizes: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Training examples: columns language, examples."),
    ] = None,
    top: Annotated[int, typer.Option(help="So many lines.", min=1, max=100_000)] = 10,
    count: Annotated[
        int | None, typer.Option(help="Also recommend so many sources together.", min=2, max=1000)
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Sentences of the target, one a line; 25 are enough."),
    ] = None,
    source_text: Annotated[
        list[str] | None,
        typer.Option(metavar="LANG=FILE", help="Text of a candidate; may be repeated."),
    ] = None,
    source_model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LANG=RUN",
            help="Models of three candidates or more, which read --text.",
        ),
    ] = None,
    set_by: Annotated[
        str,
        typer.Option(
            metavar="greedy|tower|osborn",
            help="How --count and --budget choose a set; osborn: by what the --source-models say.",
        ),
    ] = "greedy",
    budget: Annotated[
        int | None,
        typer.Option(
            help="Divide so many training examples over --count sources (3).", min=1, max=2**31 - 1
        ),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the division as a `joint` config.")
    ] = None,
    own: Annotated[
        bool, typer.Option("--own/--no-own", help="Let what `xlt scores add` has kept take part.")
    ] = True,
    via: Annotated[
        bool, typer.Option("--via", help="Also recommend intermediates for a chain.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Features that differ.")] = False,
    map_: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE.html", help="Also a page with a map and distances."),
    ] = None,
    few_shot: Annotated[
        bool, typer.Option("--few-shot", help="Also forecast the score with n target labels.")
    ] = False,
    reach: Annotated[
        float | None, typer.Option(help="How many target labels until this score?", min=0, max=100)
    ] = None,
    runs: Annotated[
        Path, typer.Option(help="The folder of runs that a forecast is fitted to.")
    ] = RUNS,
    allow: Allow = None,
) -> None:
    """Rank source languages for a target, from typology and measured transfers."""
    from dataclasses import asdict

    from xlt import languages
    from xlt.commands.advice import lines
    from xlt.files import refuse_overwriting
    from xlt.typology.explain import add_pretraining, as_dict
    from xlt.typology.ranking import rank
    from xlt.typology.scores import measured_as
    from xlt.typology.sets import chains

    if set_by not in WAYS:
        raise XltError(
            f"there is no way to choose a set called {set_by!r:.60}",
            where="--set-by",
            fix=choose(set_by, WAYS),
        )
    if few_shot or reach is not None:
        check_root(runs)
    if sources is not None and available is not None:
        raise XltError("--sources and --available exclude one another", fix="give one of the two")
    named = sources.split(",") if sources is not None else None
    held = {}
    if available is not None:
        from xlt.typology import holdings

        held = holdings.of_cards(_cards(available.split(",")))
        named = [code for code in held if not languages.same(code, target)]
    read = [path for path in (text, sizes) if path is not None]
    read += [Path(one.rpartition("=")[2]) for one in source_text or ()]
    for option, output in (("--map", map_), ("--write", write)):
        if output is not None:
            refuse_overwriting(output, read, where=option)
    candidates = None if named is None else [text.strip() for text in named if text.strip()]
    names = measured_as(task)
    known = None
    if sizes is not None:
        from xlt.typology.holdings import read_sizes

        known = read_sizes(sizes)
    # Sets and chains rank for other targets, by the same evidence.
    rank_for = partial(
        rank, task=task, measured_as=names, encoder=encoder, own_scores=own, sizes=known
    )
    ranking = rank_for(target, candidates)
    if source_text and text is None:
        raise XltError("--source-text is compared with the target's", fix="give --text, too")
    if source_model and text is None:
        raise XltError("--source-model reads text of the target", fix="give --text, too")
    about_text = about_models = about_set = None
    together = count or DEFAULT_SOURCES if count is not None or budget is not None else None
    by_models = set_by == OSBORN and together is not None
    if by_models and not source_model:
        raise XltError(
            "osborn chooses among trained models, which read text of the target",
            where="--set-by",
            fix="give --text FILE and --source-model LANGUAGE=RUN of three candidates or more",
        )
    with console.consent(allow):
        if text is not None:
            from xlt.typology.text import apply

            cards = [name.strip() for name in (available or "").split(",") if name.strip()]
            ranking, about_text = apply(
                ranking, text, encoder=encoder, named=cards, files=source_text or ()
            )
        if text is not None and source_model:
            from xlt.typology import agreement

            ranking, about_models = agreement.apply(ranking, text, source_model)
            if by_models:
                from xlt.runs.source_sets import osborn

                assert together is not None
                chosen, about = osborn(ranking, text, source_model, together)
                about_set = {"set": chosen, "osborn": about}
    result = as_dict(ranking, top) | ({"text": about_text} if about_text else {})
    result |= {"source_models": about_models} if about_models else {}
    add_pretraining(result, encoder)
    if held:
        for source in (*result["sources"], *result["references"].values()):
            source["data"] = holdings.describe(held, source["language"])
        result["notes"] += holdings.note(held, ranking.sources[0].language, ranking.sources[0].name)
    if about_set is not None:
        result |= about_set
    elif together is not None:
        result |= _together(ranking, rank_for, together, set_by)
    if budget is not None:
        result["budget"] = _divided(
            budget, task, ranking.target, result["set"], available, write, encoder
        )
    elif write is not None:
        raise XltError("--write writes the division of a budget", fix="give --budget, too")
    if via:
        # The first step starts where data are plenty: English, or else what was named.
        plenty = ["eng"] if candidates is None else [s.language for s in ranking.sources]
        result["chains"] = [asdict(chain) for chain in chains(ranking, plenty, rank_for)]
    if map_ is not None:
        from xlt.typology.map import write_map

        result["map"] = write_map(ranking, map_)
    if few_shot or reach is not None:
        from xlt.typology.forecast import few_shots

        result["few_shot"] = few_shots(ranking, names, runs, encoder, reach)
    console.result(result, lambda _: lines(result, explain))


def analyse_typology(
    matrix: Annotated[
        str,
        typer.Argument(help="A packaged matrix, a task, or a CSV with source, target, score."),
    ],
    permutations: Annotated[
        int, typer.Option(help="Of languages, for p.", min=1, max=1_000_000)
    ] = 2000,
    seed: Annotated[int, typer.Option(help="Of the permutations.", min=0, max=2**32 - 1)] = 0,
    traits: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="More traits: language, one a column.")
    ] = None,
) -> None:
    """Which kinds of likeness go with good transfer, in a table of measured scores."""
    from dataclasses import asdict

    from xlt.commands.advice import analysis
    from xlt.typology.analysis import analyse, read, read_traits
    from xlt.typology.regression import regress

    more = None if traits is None else read_traits(traits)
    analyses = {}
    for scores in read(matrix):
        regression = regress(scores)
        analyses[f"{scores.name} {scores.task}".strip()] = {
            "alike": [asdict(effect) for effect in analyse(scores, permutations, seed, more)],
            "regression": None if regression is None else asdict(regression),
        }
    console.result(analyses, analysis)


def _cards(names: list[str]) -> list[str]:
    """The cards called so, or beginning so (`ud`: all of UD)."""
    from xlt.registry import data_cards

    cards: dict[str, None] = {}
    known = data_cards()
    for name in (text.strip() for text in names if text.strip()):
        matching = [card for card in known if card == name or card.startswith(f"{name}-")]
        if not matching:
            raise XltError(
                f"no data card is called {name!r}",
                where="--available",
                fix=choose(name, {card.partition("-")[0] for card in known}),
            )
        cards |= dict.fromkeys(matching)
    return list(cards)


def _together(ranking: Ranking, rank: Rank, count: int, set_by: str) -> dict[str, Any]:
    """A set of sources, and how a climb came by it. rank: for the climb."""
    from dataclasses import asdict

    from xlt.typology.sets import choose_set
    from xlt.typology.tower import climb

    if set_by == "greedy":
        return {"set": choose_set(ranking, count)}
    codes = [source.language for source in ranking.sources]
    climbed = climb(ranking.target, codes, rank, count)
    return {"set": list(climbed.sources), "climb": asdict(climbed)}


def _divided(
    budget: int,
    task: str,
    target: str,
    sources: list[str],
    available: str | None,
    write: Path | None,
    encoder: str | None,
) -> dict[str, Any]:
    from dataclasses import asdict

    from xlt.typology.budget import find_cards, shares, write_config

    named = [name.strip() for name in (available or "").split(",") if name.strip()]
    parts = shares(budget, task, sources, find_cards(task, sources, named))
    if write is not None:
        write_config(write, task, target, parts, encoder)
    return {
        "examples": budget,
        "shares": [asdict(part) for part in parts],
        "config": None if write is None else str(write),
    }
