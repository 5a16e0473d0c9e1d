"""Which source several runs speak for (`xlt.runs.source_choice`): dicts in, tables and text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from xlt.evaluation.report import Table

NAMES = {
    "source_dev": "source dev",
    "target_dev": "target dev",
    "target_text": "text without labels",
}
"""Way to choose → what it is called in tables."""

Found = Sequence[Mapping[str, Any]]


def choice_table(found: Found) -> Table:
    """One line a target: by each way the run that is chosen, what speaks for it, and the points
    that it scores less than the best."""
    ways = [way for way in NAMES if any(way in one["choices"] for one in found)]
    common = any(one["factors"] for one in found)
    header = ("target", *(["of"] if common else []), *(f"by {NAMES[way]}" for way in ways))
    rows = [
        (
            one["target"],
            *([", ".join(one["factors"].values())] if common else []),
            *(_cell(one["choices"].get(way)) for way in ways),
        )
        for one in found
    ]
    return Table(header, tuple(rows))


def _cell(choice: Mapping[str, Any] | None) -> str:
    if choice is None:
        return ""
    regret = choice["regret"]
    said = f"{choice['choice']} ({choice['figure']:.1f})"
    return said if regret is None else f"{said}, regret {regret:.1f}"


def notes(found: Found) -> list[str]:
    """Lines for under the table."""
    lines = [
        "in brackets the score on that dev data, or the one that is expected on the text; regret: "
        "points that it scores less than the best of them"
    ]
    regrets = {
        NAMES[way]: [
            one["choices"][way]["regret"]
            for one in found
            if way in one["choices"] and one["choices"][way]["regret"] is not None
        ]
        for way in NAMES
    }
    means = [f"{name} {fmean(some):.1f} ({len(some)})" for name, some in regrets.items() if some]
    if len(found) > 1 and means:
        lines.append(f"mean regret (of so many targets): {', '.join(means)}")
    return lines
