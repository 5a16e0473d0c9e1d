"""Results as tables, for the terminal and for Markdown. Pure: dicts in, text out.

A score never stands alone: beside it are its standard deviation over seeds, its confidence
interval where there is one, and what the tokenizer did to the language.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any


@dataclass(frozen=True)
class Table:
    """Cells of text; columns of `numeric` are aligned to the right."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()

    def text(self) -> str:
        """Aligned columns, by the width that a terminal gives each character."""
        widths = [max(map(_width, column)) for column in zip(self.header, *self.rows, strict=True)]
        rule = tuple("─" * width for width in widths)
        lines = (
            "  ".join(
                _pad(cell, width, right=index in self.numeric)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in (self.header, rule, *self.rows)
        )
        return "\n".join(lines)

    def markdown(self) -> str:
        """A GitHub table; a `|` in a cell is escaped."""
        rule = tuple("---:" if i in self.numeric else "---" for i in range(len(self.header)))
        lines = (
            "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
            for row in (self.header, rule, *self.rows)
        )
        return "\n".join(lines)


def score_table(
    summary: Sequence[Mapping[str, Any]],
    subwords: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
    metrics: Sequence[str] | None = None,
) -> Table:
    """One line a target, split and way of selecting.

    summary: {"target", "split", "selected_on", "metrics": {name: {"mean", "sd", "seeds"} and
        perhaps "low", "high"}} each.
    subwords:  target → split → {"fertility", "unknown_pieces" (a share), "truncated_words"}.
    metrics: which ones, in order; by default all of the first line.
    """
    names = list(metrics if metrics is not None else summary[0]["metrics"] if summary else ())
    header = ["target", "split", "selected on", "seeds", *names]
    first_number = 3
    if subwords is not None:
        header += ["subwords/word", "unknown", "truncated"]
    rows = []
    for line in summary:
        scores = [line["metrics"][name] for name in names]
        seeds = str(scores[0]["seeds"]) if scores else ""
        row = [line["target"], line["split"], line["selected_on"], seeds, *map(score_cell, scores)]
        if subwords is not None:
            row += _subwords(subwords.get(line["target"], {}).get(line["split"]))
        rows.append(tuple(row))
    return Table(tuple(header), tuple(rows), frozenset(range(first_number, len(header))))


def comparison_table(comparisons: Sequence[Mapping[str, Any]]) -> Table:
    """One line a target, split and metric.

    comparisons: {"target", "split", "metric", "a", "b", "difference", "low", "high", "p"} each,
        as `xlt.evaluation.statistics.Comparison`; a and b are the two scores.
    """
    header = ("target", "split", "metric", "A", "B", "A - B", "95 % interval", "p")
    rows = tuple(
        (
            line["target"],
            line["split"],
            line["metric"],
            f"{line['a']:.1f}",
            f"{line['b']:.1f}",
            f"{line['difference']:+z.1f}",
            f"[{line['low']:+z.1f}, {line['high']:+z.1f}]",
            f"{line['p']:.4f}",
        )
        for line in comparisons
    )
    return Table(header, rows, frozenset(range(3, len(header))))


def score_cell(score: Mapping[str, Any]) -> str:
    """A mean with what is known of its standard deviation and interval."""
    text = f"{score['mean']:.1f}"
    sd = score.get("sd")
    if sd is not None and not isnan(sd):
        text += f" ± {sd:.1f}"
    if score.get("low") is not None:
        text += f" [{score['low']:.1f}, {score['high']:.1f}]"
    return text


def _subwords(statistics: Mapping[str, Any] | None) -> list[str]:
    if statistics is None:
        return ["", "", ""]
    return [
        f"{statistics['fertility']:.2f}",
        f"{100 * statistics['unknown_pieces']:.2f} %",
        str(statistics["truncated_words"]),
    ]


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space
