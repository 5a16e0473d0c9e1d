"""What several runs scored, in tables and in sentences: dicts of `xlt.runs.table` in, text out.

A sentence says no more than the statistics allow: of the cells only the baseline is compared with
the others, and a cell is only said to be the one to take where it is surely better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xlt.evaluation.report import Table, p_value, scope, score_cell

Row = Mapping[str, Any]
"""Of a table's "rows"."""


def study_table(result: Mapping[str, Any]) -> Table:
    """One line a target, split and cell; the highest mean of each target and split in bold."""
    other = opponent(result)
    p = "adjusted p  " if len(compared(result)) > 1 else "p  "
    metric = result["metric"]
    header = ("target", "split", "cell", metric, f"against {other}", p)
    rows: list[tuple[str, ...]] = []
    best = set()
    for same in by_place(result).values():
        highest = max(mean(row, metric) for row in same)
        for row in same:
            if mean(row, metric) == highest and len(same) > 1:
                best.add((len(rows), 3))
            score = score_cell(row["metrics"][metric], interval=False)
            rows.append((row["target"], row["split"], row["cell"], score, *_against(row, other)))
    return Table(header, tuple(rows), frozenset((3, 4, 5)), frozenset(best))


def _against(row: Row, other: str) -> tuple[str, str]:
    against = row["against"]
    if against is None:
        return "", ""
    change = "{difference:+z.1f} [{low:+z.1f}, {high:+z.1f}]".format(**against)
    if against["cell"] != other:
        change = f"{against['cell']}: {change}"
    return change, p_value(against["p_adjusted"]) + (" *" if against["sure"] else "  ")


def is_matrix(result: Mapping[str, Any]) -> bool:
    """Whether the cells differ in their source alone, and are scored on several targets."""
    several = len({row["target"] for row in result["rows"]}) > 1
    return set(result["factors"]) == {"source"} and several and are_apart(result, "source")


def are_apart(result: Mapping[str, Any], by: str, cells: Sequence[str] | None = None) -> bool:
    """Whether each value of a factor has at most one score on a target and split, as `matrix` asks.

    Cells may differ in what is no factor, as in what they keep.
    """
    scored = [
        (factor_value(result, by, row["cell"]), row["target"], row["split"])
        for row in result["rows"]
        if cells is None or row["cell"] in cells
    ]
    return len({*scored}) == len(scored)


def matrix(result: Mapping[str, Any], by: str, cells: Sequence[str] | None = None) -> Table:
    """Values of a factor in rows, targets in columns, scores between them; the highest of a column
    is in bold.

    by: the factor; or "cell". cells: these alone; they have to be apart (`are_apart`).
    """
    rows = [row for row in result["rows"] if cells is None or row["cell"] in cells]
    values = {row["cell"]: factor_value(result, by, row["cell"]) for row in rows}
    metric = result["metric"]
    places = list(dict.fromkeys((row["target"], row["split"]) for row in rows))
    several = len({split for _, split in places}) > 1
    found = {(values[row["cell"]], row["target"], row["split"]): row for row in rows}
    lines, best = [], set()
    names = list(dict.fromkeys(values.values()))
    for name in names:
        cellwise = [found.get((name, *place)) for place in places]
        lines.append((name, *(_scored(row, metric) if row else "" for row in cellwise)))
    for column, place in enumerate(places, 1):
        scores = {n: mean(found[n, *place], metric) for n in names if (n, *place) in found}
        if len(scores) > 1:
            best |= {
                (names.index(n), column) for n, s in scores.items() if s == max(scores.values())
            }
    header = (by, *(f"{target} {split}" if several else target for target, split in places))
    return Table(header, tuple(lines), frozenset(range(1, len(header))), frozenset(best))


def _scored(row: Row, metric: str) -> str:
    star = " *" if row["against"] is not None and row["against"]["sure"] else ""
    return score_cell(row["metrics"][metric], interval=False) + star


def factor_value(result: Mapping[str, Any], factor: str, cell: str) -> str:
    """A cell's value of a factor; its name, where there is no such factor."""
    return str(result["factors"].get(factor, {}).get(cell, cell))


def notes(result: Mapping[str, Any]) -> list[str]:
    """Lines for under a table: what its intervals speak of, and what its stars mean."""
    lines = scope(compared(result), f"differs from {opponent(result)} for sure")
    baselines = {row["against"]["cell"] for row in result["rows"] if row["against"]}
    if len(baselines) > 1:
        each = {(row["target"], row["against"]["cell"]) for row in result["rows"] if row["against"]}
        lines.append("compared: " + ", ".join(f"{t} with {c}" for t, c in sorted(each)))
    return lines


def compared(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All differences of a table."""
    return [row["against"] for row in result["rows"] if row["against"] is not None]


def opponent(result: Mapping[str, Any]) -> str:
    """What rows are compared with: the name of one cell, or "baseline" where there are several."""
    names = {one["cell"] for one in compared(result)} or {*result["baseline"].values()}
    return str(next(iter(names))) if len(names) == 1 else "baseline"


def by_place(result: Mapping[str, Any]) -> dict[tuple[str, str], list[Row]]:
    """Target and split → its rows."""
    places: dict[tuple[str, str], list[Row]] = {}
    for row in result["rows"]:
        places.setdefault((row["target"], row["split"]), []).append(row)
    return places


def mean(row: Row, metric: str) -> float:
    return float(row["metrics"][metric]["mean"])


# Sentences ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Conclusion:
    """What may be said of one target and split.

    use:  what to take, and how sure that is.
    sure: whether it is.
    cost: what it takes to train that; "" where nobody knows.
    next: what to measure, so that more could be said; "" where nothing is open.
    """

    place: str
    use: str
    sure: bool
    cost: str
    next: str


def conclusions(
    result: Mapping[str, Any], seconds: Mapping[tuple[str, str], float] | None = None
) -> Iterator[Conclusion]:
    """One for each target and split of which there are several cells.

    seconds: cell, target → of training, for one seed.
    """
    metric = result["metric"]
    for (target, split), rows in by_place(result).items():
        if len(rows) < 2:
            continue
        best = max(rows, key=lambda row: mean(row, metric))
        against = [row for row in rows if row["against"] is not None]
        name = against[0]["against"]["cell"] if against else result["baseline"].get(target)
        use, sure, doubtful = _use(best, against, str(name), len(rows))
        base = next((row for row in rows if row["cell"] == name), None)
        yield Conclusion(
            f"{target} {split}",
            use,
            sure,
            _cost(best, base, seconds or {}),
            _next(doubtful, base, metric),
        )


def _use(
    best: Row, against: Sequence[Row], baseline: str, total: int
) -> tuple[str, bool, Row | None]:
    """What to take, whether that is sure, and the row of which more should be known."""
    ours = best["against"]
    if best["cell"] == baseline:
        worse = sum(row["against"]["sure"] for row in against)
        text = f"no cell has a higher mean than {baseline}"
        if worse:
            text += f"; {worse} of {len(against)} are shown to be worse"
        open_ = [row for row in against if not row["against"]["sure"]]
        nearest = max(open_, key=lambda row: float(row["against"]["difference"]), default=None)
        return text, bool(against) and not open_, nearest
    if ours is None:
        return f"{best['cell']} has the highest mean; it is not compared", False, None
    if ours["sure"]:
        text = (
            f"take {best['cell']} (better than {baseline} by {ours['difference']:.1f} points "
            f"[{ours['low']:.1f}, {ours['high']:.1f}], p {_is(ours)})"
        )
        if total > 2:
            text += f"; with {'the others' if total > 3 else 'the other'} it is not compared"
        return text, True, None
    if ours["conclusive"]:
        return (
            f"{best['cell']} has the highest mean, but is not shown to be better than {baseline} "
            f"(p {_is(ours)})",
            False,
            best,
        )
    return (
        f"{best['cell']} has the highest mean; one seed cannot show whether it is better than "
        f"{baseline}",
        False,
        best,
    )


def _is(against: Mapping[str, Any]) -> str:
    text = p_value(against["p_adjusted"])
    return text if text.startswith("<") else f"= {text}"


def _cost(best: Row, base: Row | None, seconds: Mapping[tuple[str, str], float]) -> str:
    ours = seconds.get((best["cell"], best["target"]))
    if ours is None:
        return ""
    text = f"{best['cell']} takes {duration(ours)} of training a seed"
    theirs = None if base is None else seconds.get((base["cell"], base["target"]))
    if base is not None and base is not best and theirs:
        text += f", {ours / theirs:.1f} times as long as {base['cell']}"
    return text


def duration(seconds: float) -> str:
    """With one decimal, in the largest unit of which it is at least one."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _next(doubtful: Row | None, base: Row | None, metric: str) -> str:
    """Seeds or records, whichever most of the uncertainty is from."""
    if doubtful is None or base is None:
        return ""
    against = doubtful["against"]
    if not against["conclusive"]:
        return "train with more seeds, as seeds=[1,2,3]: of one nothing can be said"
    if against["of_seeds"] is None:
        return ""
    between = f"{doubtful['cell']} and {base['cell']}"
    if against["of_seeds"] >= 0.5:
        most = max(int(row["metrics"][metric]["seeds"]) for row in (doubtful, base))
        return f"more than {most} seeds: most of the uncertainty between {between} comes from seeds"
    records = "" if doubtful["records"] is None else f" than {doubtful['records']:,}"
    return (
        f"more test records{records}: most of the uncertainty between {between} comes from records"
    )
