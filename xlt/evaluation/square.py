"""What a square of training and test data says (`xlt.runs.square`): dicts in, tables and text out.

As of cells of a study, a sentence says no more than the statistics allow: no star, no "less".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from xlt.evaluation.report import Table, p_value, scope

Square = Mapping[str, Any]
Row = Mapping[str, Any]


def square_table(square: Square) -> Table:
    """What is learnt from (rows), what is tested on (columns), and the share of the score that the
    cell has which learnt from the kind; * where the two differ for sure."""
    kinds = list(square["tests"])
    rows = {(row["trained"], row["tested"]): row for row in square["rows"]}
    names = dict.fromkeys(row["trained"] for row in square["rows"])
    header = ("trained on", *(f"tested on {kind}" for kind in kinds))
    lines = [
        (name, *(_cell(rows[name, kind]) if (name, kind) in rows else "" for kind in kinds))
        for name in names
    ]
    return Table(header, tuple(lines), frozenset(range(1, len(header))))


def both_ways_table(square: Square) -> Table:
    """Of each kind that is not real: trained on it and tested on real data, and the other way."""
    real = square["real"]
    header = ("data", f"trained on it, tested on {real}", f"trained on {real}, tested on it")
    lines = [
        (kind, *("" if row is None else _cell(row) for row in both))
        for kind, both in _both_ways(square)
    ]
    return Table(header, tuple(lines), frozenset((1, 2)))


def notes(square: Square) -> list[str]:
    """Lines for under the tables."""
    compared = [row["against"] for row in square["rows"] if row["against"] is not None]
    return [
        f"% of the {square['metric']} of the model that learnt from the kind that is tested on, "
        "its 95 % interval, and the score",
        *scope(compared, "differs from that model for sure"),
    ]


def _cell(row: Row) -> str:
    score = f"({row['mean']:.1f})"
    if row["share"] is None:
        return score
    star = " *" if row["against"] is not None and row["against"]["sure"] else ""
    return f"{100 * row['share']:.0f} %{star}{_interval(row)} {score}"


def _interval(row: Row) -> str:
    if row["low"] is None:
        return ""
    return f" [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"


def _both_ways(square: Square) -> Iterator[tuple[str, tuple[Row | None, Row | None]]]:
    rows = {(row["trained"], row["tested"]): row for row in square["rows"]}
    real = square["real"]
    for kind in square["tests"]:
        if kind != real:
            yield kind, (rows.get((kind, real)), rows.get((real, kind)))


# Sentences ---------------------------------------------------------------------------------------

Verdict = Literal["less", "more", "open", "one seed"]

_FOLLOWS: Mapping[tuple[Verdict, Verdict], str] = {
    ("less", "open"): "real data teach more here; that {kind} is annotated or written otherwise is "
    "not shown",
    ("less", "less"): "real data teach more here, and {kind} is annotated or written otherwise",
    ("less", "more"): "real data teach more here, for test data of {kind}, too",
    ("open", "less"): "{kind} is annotated or written otherwise; that it teaches less is not shown",
    ("open", "more"): "real data teach more for test data of {kind}; that they do for those of "
    "{real} is not shown",
}
_OPEN = "that {kind} is worse than real data is not shown, nor that it is as good"
_MORE = "what is learnt from {kind} is better here than what is learnt from {real}"


def sentences(square: Square) -> Iterator[str]:
    """What follows for each kind of data that is not real, of those that were tested both ways."""
    real = square["real"]
    for kind, (teaches, alike) in _both_ways(square):
        if teaches is None or alike is None or teaches["against"] is None:
            continue
        if alike["against"] is None:
            continue
        verdicts = _verdict(teaches), _verdict(alike)
        yield (
            f"{square['target']}: what is learnt from {kind} has {_said(teaches)} of the score of "
            f"{real} on test data of {real}, {_words(teaches)}; what is learnt from {real} has "
            f"{_said(alike)} of the score of {kind} on test data of {kind}, {_words(alike)}: "
            + _follows(verdicts, kind, real)
        )


def _follows(verdicts: tuple[Verdict, Verdict], kind: str, real: str) -> str:
    if "one seed" in verdicts:
        return "train with more seeds, as seeds=[1,2,3], before anything is said of the data"
    text = _MORE if verdicts[0] == "more" else _FOLLOWS.get(verdicts, _OPEN)
    return text.format(kind=kind, real=real)


def _said(row: Row) -> str:
    return (
        "an unknown share"
        if row["share"] is None
        else f"{100 * row['share']:.0f} %{_interval(row)}"
    )


def _verdict(row: Row) -> Verdict:
    against = row["against"]
    if not against["conclusive"]:
        return "one seed"
    if not against["sure"]:
        return "open"
    return "less" if against["difference"] < 0 else "more"


def _words(row: Row) -> str:
    verdict = _verdict(row)
    if verdict == "one seed":
        return "of one seed"
    p = p_value(row["against"]["p_adjusted"])
    p = p if p.startswith("<") else f"= {p}"
    if verdict == "open":
        return f"which is not shown to differ (p {p})"
    return f"{verdict} for sure (p {p})"
