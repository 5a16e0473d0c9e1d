"""The tables of several runs, as pages, papers and spreadsheets have them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xlt import languages
from xlt.escape import for_cell, for_latex, for_markdown
from xlt.evaluation import square as shown
from xlt.evaluation.report import Table, p_value, score_cell, score_scope
from xlt.evaluation.source_choice import choice_table
from xlt.evaluation.source_choice import notes as choice_notes
from xlt.evaluation.study import (
    Conclusion,
    are_apart,
    by_place,
    compared,
    factor_value,
    matrix,
    mean,
    notes,
    opponent,
)
from xlt.runs.cells import NO_SOURCE, SOURCE, STRATEGY
from xlt.typology.table import table as typology

Seconds = Mapping[tuple[str, str], float]
"""Cell, target → of training, for one seed."""


@dataclass(frozen=True)
class Captioned:
    """A table with what stands over and under it."""

    caption: str
    table: Table
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Grid:
    """Cells of which each value of a factor has at most one score on a target.

    by: the factor, or "cell". of: what all of them have in common.
    """

    by: str
    of: str
    cells: Sequence[str]


def by_family(result: Mapping[str, Any]) -> dict[str, Any]:
    """The result with its rows in the order of language families: of targets, then of sources."""

    def key(row: Mapping[str, Any]) -> tuple[Any, ...]:
        sources = result["factors"].get(SOURCE, {}).get(row["cell"], NO_SOURCE)
        first = sources.partition("+")[0]
        source = ((), first) if sources == NO_SOURCE else _lineage(first)
        return _lineage(row["target"]), row["split"], source

    return {**result, "rows": sorted(result["rows"], key=key)}


def _lineage(code: str) -> tuple[tuple[str, ...], str]:
    return typology().lineage(code), code


def named_by_family(codes: Sequence[str]) -> str:
    """Languages with their names, family by family."""
    families: dict[str, list[str]] = {}
    for code in sorted(dict.fromkeys(codes), key=_lineage):
        family = next(iter(typology().lineage(code)), "no family")
        families.setdefault(family, []).append(f"{languages.name(code)} ({code})")
    return "; ".join(f"{family}: {', '.join(names)}" for family, names in families.items())


def grids(result: Mapping[str, Any]) -> list[Grid]:
    """The cells as few grids: sources, else strategies, in rows; one for each combination of what
    else they differ in. Where that would leave hardly anything in a grid, one of all cells."""
    factors = result["factors"]
    cells = list(dict.fromkeys(row["cell"] for row in result["rows"]))
    by = next((one for one in (SOURCE, STRATEGY) if one in factors), None)
    if by is not None:
        facets: dict[str, list[str]] = {}
        for cell in cells:
            of = ", ".join(f"{one} {factors[one][cell]}" for one in factors if one != by)
            facets.setdefault(of, []).append(cell)
        several = len({factors[by][cell] for cell in cells})
        if len(facets) * several < len(cells) * 2 and all(
            are_apart(result, by, some) for some in facets.values()
        ):
            return [Grid(by, of, some) for of, some in facets.items()]
    return [Grid("cell", "", cells)]


def sample(result: Mapping[str, Any]) -> str:
    """How many records and seeds the scores are from."""
    records: dict[str, None] = {}
    for (target, split), rows in by_place(result).items():
        known = sorted({row["records"] for row in rows if row["records"] is not None})
        number = " or ".join(f"{one:,}" for one in known) or "an unknown number of"
        records[f"{target} {split}: {number} records"] = None
    seeds = sorted({row["metrics"][result["metric"]]["seeds"] for row in result["rows"]})
    return f"{'; '.join(records)}; {' or '.join(map(str, seeds))} seed{'s'[: seeds != [1]]}"


def score_tables(result: Mapping[str, Any]) -> list[Captioned]:
    """The grids as tables."""
    scores = [row["metrics"][result["metric"]] for row in result["rows"]]
    under = [
        "the highest of a column is in bold",
        *([score_scope([{**one, "over": None} for one in scores])] * any(s["sd"] for s in scores)),
        *notes(result),
        sample(result),
    ]
    return [
        Captioned(
            f"{result['metric']} in percent, by {grid.by} and target"
            + (f" ({grid.of})" if grid.of else ""),
            matrix(result, grid.by, grid.cells),
            under,
        )
        for grid in grids(result)
    ]


def differences(result: Mapping[str, Any]) -> dict[tuple[str, str], Captioned]:
    """Target and split → every cell with its difference from the one that it is compared with,
    highest score first. Records and seeds have columns where they are not the same in all cells;
    else the caption has them."""
    metric, factors = result["metric"], list(result["factors"])
    p = "adjusted p" if len(compared(result)) > 1 else "p"
    tables = {}
    for (target, split), rows in by_place(result).items():
        ranking = ranked(rows, metric)
        numbers = {
            "records": [
                "?" if row["records"] is None else f"{row['records']:,}" for row in ranking
            ],
            "seeds": [str(row["metrics"][metric]["seeds"]) for row in ranking],
        }
        same = [
            f"{some[0]} {name if some[0] != '1' else name[:-1]}"
            for name, some in numbers.items()
            if len(set(some)) == 1
        ]
        apart = {name: some for name, some in numbers.items() if len(set(some)) > 1}
        header = ("cell", *factors, *apart, metric, "difference", "95 % interval", p)
        column = 1 + len(factors) + len(apart)
        highest = mean(ranking[0], metric)
        lines = [
            (
                row["cell"],
                *(factor_value(result, one, row["cell"]) for one in factors),
                *(some[number] for some in apart.values()),
                score_cell(row["metrics"][metric], interval=False),
                *_difference(row["against"]),
            )
            for number, row in enumerate(ranking)
        ]
        best = {(n, column) for n, row in enumerate(ranking) if mean(row, metric) == highest}
        tables[target, split] = Captioned(
            f"{target} {split}: scores, and differences from {opponent(result)} in points"
            + (f" ({', '.join(same)})" if same else ""),
            Table(
                header,
                tuple(lines),
                frozenset(range(1 + len(factors), len(header))),
                frozenset(best if len(ranking) > 1 else ()),
            ),
            notes(result),
        )
    return tables


def ranked(rows: Sequence[Mapping[str, Any]], metric: str) -> list[Mapping[str, Any]]:
    """The highest mean first."""
    return sorted(rows, key=lambda row: -mean(row, metric))


def _difference(against: Mapping[str, Any] | None) -> tuple[str, str, str]:
    if against is None:
        return "", "", ""
    return (
        f"{against['difference']:+z.1f}" + (" *" if against["sure"] else ""),
        f"[{against['low']:+z.1f}, {against['high']:+z.1f}]",
        p_value(against["p_adjusted"]),
    )


def conclusion_table(found: Sequence[Conclusion]) -> Table:
    """What may be said of each target."""
    rows = tuple((one.place, one.use, one.cost, one.next) for one in found)
    return Table(("target", "what to use", "what it costs", "what to measure next"), rows)


def square_tables(square: Mapping[str, Any]) -> list[Captioned]:
    """The square, and of each kind of made data what is read off it."""
    target, under = square["target"], shown.notes(square)
    return [
        Captioned(
            f"{target}: what is learnt from one kind of data, tested on another",
            shown.square_table(square),
            under,
        ),
        Captioned(
            f"{target}: made data for training, and for testing",
            shown.both_ways_table(square),
            under,
        ),
    ]


def cost_table(result: Mapping[str, Any], seconds: Seconds) -> Table | None:
    """Seconds of training beside scores; None where nothing is known."""
    metric = result["metric"]
    rows = [
        (
            row["target"],
            row["split"],
            row["cell"],
            f"{seconds[row['cell'], row['target']]:,.1f}",
            score_cell(row["metrics"][metric], interval=False),
        )
        for row in result["rows"]
        if (row["cell"], row["target"]) in seconds
    ]
    header = ("target", "split", "cell", "seconds a seed", metric)
    return Table(header, tuple(rows), frozenset((3, 4))) if rows else None


def regret_table(regrets: Mapping[str, Any]) -> Table:
    """What the predicted source lost, target by target."""
    header = ("target", "encoder", "predicted to be the best", "measured best", "regret", "sources")
    rows = [
        (
            f"{one['target']} {one['split']}",
            one["encoder"],
            one["first_choice"],
            one["best"],
            "" if one["regret"] is None else f"{one['regret']:.1f}",
            str(len(one["sources"])),
        )
        for one in regrets["targets"]
    ]
    return Table(header, tuple(rows), frozenset((4, 5)))


# Other formats -----------------------------------------------------------------------------------


def every_table(
    result: Mapping[str, Any], seconds: Seconds, regrets: Mapping[str, Any] | None
) -> Iterator[Captioned]:
    """All tables of numbers, in the order of the page."""
    yield from score_tables(result)
    yield from differences(result).values()
    for square in result["squares"]:
        yield from square_tables(square)
    costs = cost_table(result, seconds)
    if costs is not None:
        yield Captioned("Training time and score", costs, ["one seed, all its stages"])
    if result["sources"]:
        sources = result["sources"]
        yield Captioned("Which source", choice_table(sources), choice_notes(sources))
    if regrets is not None:
        yield Captioned("Regret of the predicted source, in points", regret_table(regrets))


def as_latex(tables: Sequence[Captioned]) -> str:
    """Tables for a document that has ``\\usepackage{booktabs}``."""
    parts = [r"% needs \usepackage{booktabs}"]
    for one in tables:
        under = "".join(rf"\par{{\footnotesize {for_latex(note)}}}" + "\n" for note in one.notes)
        parts.append(
            "\\begin{table}\n\\centering\n"
            f"\\caption{{{for_latex(one.caption)}}}\n{one.table.latex()}\n{under}\\end{{table}}"
        )
    return "\n\n".join(parts) + "\n"


def as_markdown(title: str, found: Sequence[Conclusion], tables: Sequence[Captioned]) -> str:
    """What may be said, and tables under headings."""
    parts = [f"# {for_markdown(title)}"]
    said = [(one.place, "; ".join(filter(None, (one.use, one.cost, one.next)))) for one in found]
    parts += ["\n".join(f"* {for_markdown(f'{place}: {text}')}" for place, text in said)] * bool(
        said
    )
    for one in tables:
        parts += [f"## {for_markdown(one.caption)}", one.table.markdown()]
        parts += ["\n".join(f"* {for_markdown(note)}" for note in one.notes)] * bool(one.notes)
    return "\n\n".join(parts) + "\n"


def as_csv(result: Mapping[str, Any], seconds: Seconds) -> str:
    """One line a cell, target, split and metric, with all digits."""
    stream = io.StringIO()
    factors = list(result["factors"])
    write = csv.writer(stream, lineterminator="\n").writerow
    write(
        [
            "cell", *factors, "target", "split", "metric", "mean", "sd", "seeds", "records", "low",
            "high", "over", "compared_with", "difference", "difference_low", "difference_high",
            "p", "p_adjusted", "sure", "seconds",
        ]
    )  # fmt: skip
    for row in result["rows"]:
        for metric, score in row["metrics"].items():
            against = (row["against"] if metric == result["metric"] else None) or {}
            write(
                [
                    _cell(one)
                    for one in (
                        row["cell"],
                        *(factor_value(result, name, row["cell"]) for name in factors),
                        row["target"],
                        row["split"],
                        metric,
                        *(score.get(key) for key in ("mean", "sd", "seeds")),
                        row["records"],
                        *(score.get(key) for key in ("low", "high", "over")),
                        *(
                            against.get(key)
                            for key in (
                                "cell", "difference", "low", "high", "p", "p_adjusted", "sure",
                            )
                        ),
                        seconds.get((row["cell"], row["target"])),
                    )
                ]
            )  # fmt: skip
    return stream.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return for_cell(value) if isinstance(value, str) else str(value)
