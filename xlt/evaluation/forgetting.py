"""What is left after each stage, as a table (`xlt.runs.forgetting`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from xlt.evaluation.report import Table

Score = tuple[str | None, str, str]
"""Task (None: the run's), language and metric."""

ENCODER = {"perplexity": "perplexity", "tags": "parts of speech", "cka": "CKA"}
"""What is known of the encoder: its name in a row, and in the table."""


def forgetting_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A line for each target and stage, in their order, with means over seeds.

    rows: "forgetting" of a result. Beside a score stands how it has changed since the stage that
    has learnt it.
    """
    groups: dict[tuple[str, str | None], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["target"], row["stage"]].append(row)
    scores = list(dict.fromkeys(_key(one) for row in rows for one in row["scores"]))
    known = [name for name in ENCODER if any(row[name] is not None for row in rows)]
    lines = tuple(
        (
            target,
            "the encoder" if stage is None else stage,
            *(_scored(same, score) for score in scores),
            *(_mean([row[name] for row in same], 3 if name == "cka" else 1) for name in known),
        )
        for (target, stage), same in groups.items()
    )
    header = ("target", "after", *map(_named, scores), *(ENCODER[name] for name in known))
    return Table(header, lines, frozenset(range(2, len(header))))


def forgetting_scope(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines for under the table: what it shows, and what is warned of."""
    scope = "scores on dev data; in brackets how they have changed since the stage that learnt it"
    target = "; of the target what the encoder knows, CKA with the encoder before all stages"
    known = any(row[name] is not None for row in rows for name in ENCODER)
    warned = dict.fromkeys(told for row in rows for told in row["warnings"])
    return [f"{scope}{target if known else ''}", *warned]


def _key(one: Mapping[str, Any]) -> Score:
    return one["task"], one["language"], one["metric"]


def _named(score: Score) -> str:
    task, language, metric = score
    return f"{language} {metric}" if task is None else f"{task}:{language} {metric}"


def _scored(rows: Sequence[Mapping[str, Any]], score: Score) -> str:
    found = [one for row in rows for one in row["scores"] if _key(one) == score]
    if not found:
        return ""
    lost = f"{fmean(one['drop'] for one in found):.1f}"
    shown = f"{fmean(one['score'] for one in found):.1f}"
    return shown if lost in ("0.0", "-0.0") else f"{shown} ({_signed(lost)})"


def _signed(lost: str) -> str:
    return f"+{lost[1:]}" if lost.startswith("-") else f"−{lost}"


def _mean(values: Sequence[float | None], digits: int) -> str:
    there = [value for value in values if value is not None]
    return f"{fmean(there):.{digits}f}" if there else ""
