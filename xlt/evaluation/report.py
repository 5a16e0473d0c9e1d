"""Results as tables, for the terminal and for Markdown: dicts in, text out.

A score never stands alone: beside it are its standard deviation over seeds, its confidence
interval where there is one, and what the tokenizer did to the language.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from xlt.console import console
from xlt.escape import for_latex, for_terminal, one_line
from xlt.evaluation.combination import COVERAGE
from xlt.evaluation.statistics import LEVEL, RECORDS


@dataclass(frozen=True)
class Table:
    """Cells of text; columns of `numeric` are aligned to the right.

    best: (row, column) of what is in bold, where there is bold.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    best: frozenset[tuple[int, int]] = frozenset()

    def text(self, width: int | None = None) -> str:
        """Aligned columns, by the width that a terminal gives each character.

        width: of a line; columns that find no place in it follow below, behind the first ones once
            more. By default that of the terminal, where standard output is one.
        """
        limit = console.width if width is None else width
        header, *rows = (tuple(map(_shown, row)) for row in (self.header, *self.rows))
        widths = [max(map(_width, column)) for column in zip(header, *rows, strict=True)]
        rule = tuple("─" * width for width in widths)
        parts = (
            "\n".join(
                "  ".join(
                    _pad(row[index], widths[index], right=index in self.numeric) for index in part
                ).rstrip()
                for row in (header, rule, *rows)
            )
            for part in self._parts(widths, limit)
        )
        return "\n\n".join(parts)

    def _parts(self, widths: Sequence[int], limit: int | None) -> list[list[int]]:
        """The columns that stand side by side. The first ones, which say what a row is of, are in
        each part, as long as they leave half of the line."""

        def total(columns: Sequence[int]) -> int:
            return sum(widths[index] + 2 for index in columns) - 2

        every = list(range(len(widths)))
        if limit is None or total(every) <= limit:
            return [every]
        first = 1
        while first not in self.numeric and total(every[: first + 1]) <= limit // 2:
            first += 1
        parts: list[list[int]] = []
        for index in every[first:]:
            if not parts or total([*parts[-1], index]) > limit:
                parts.append(every[:first])
            parts[-1].append(index)
        return parts or [every]

    def part(self, first: int) -> Table:
        """The columns from this one on."""
        numeric = frozenset(index - first for index in self.numeric if index >= first)
        best = frozenset((row, index - first) for row, index in self.best if index >= first)
        return Table(self.header[first:], tuple(row[first:] for row in self.rows), numeric, best)

    def markdown(self) -> str:
        """A GitHub table; in a cell nothing is the end of one, HTML or a link."""
        rule = tuple("---:" if i in self.numeric else "---" for i in range(len(self.header)))
        lines = (
            "| " + " | ".join(cells) + " |"
            for cells in (
                tuple(map(_markdown, self.header)),
                rule,
                *self._marked(_markdown, _strong),
            )
        )
        return "\n".join(lines)

    def latex(self) -> str:
        """A `tabular` with the rules of booktabs, what is best in bold."""
        columns = "".join("r" if i in self.numeric else "l" for i in range(len(self.header)))
        header, *rows = (
            " & ".join(cells) + r" \\"
            for cells in (
                map(for_latex, self.header),
                *self._marked(for_latex, r"\textbf{{{}}}".format),
            )
        )
        lines = (r"\toprule", header, r"\midrule", *rows, r"\bottomrule")
        return "\n".join((rf"\begin{{tabular}}{{{columns}}}", *lines, r"\end{tabular}"))

    def _marked(
        self, escape: Callable[[str], str], mark: Callable[[str], str]
    ) -> Iterator[tuple[str, ...]]:
        """The rows, escaped, with what is best marked."""
        for number, row in enumerate(self.rows):
            yield tuple(
                mark(escape(cell)) if (number, i) in self.best else escape(cell)
                for i, cell in enumerate(row)
            )


def score_table(
    summary: Sequence[Mapping[str, Any]],
    subwords: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
    metrics: Sequence[str] | None = None,
) -> Table:
    """One line a target, split and way of selecting.

    summary: {"target", "split", "selected_on", "metrics": {name: {"mean", "sd", "seeds"} and
        perhaps "low", "high"}} each; the interval of the first metric is shown.
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
        cells = [score_cell(score, interval=score is scores[0]) for score in scores]
        row = [line["target"], line["split"], line["selected_on"], seeds, *cells]
        if subwords is not None:
            row += _subwords(subwords.get(line["target"], {}).get(line["split"]))
        rows.append(tuple(row))
    return Table(tuple(header), tuple(rows), frozenset(range(first_number, len(header))))


def confidence_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """How reliable the confidences of predictions are: one line a target, split and kind of thing,
    the means over seeds.

    rows: {"target", "split", "reliability": as `xlt.evaluation.reliability.reliability` has it}.
    """
    found: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        for kind, one in row["reliability"].items():
            found.setdefault((row["target"], row["split"], kind), []).append(one)
    lines = []
    for place, same in found.items():
        means = [
            sum(one[name] for one in same) / len(same) for name in ("confidence", "right", "ece")
        ]
        things = sum(one["things"] for one in same) / len(same)
        lines.append((*place, f"{things:.0f}", *(f"{mean:.1f}" for mean in means)))
    header = ("target", "split", "predicted", "number", "confidence", "right", "ECE")
    return Table(header, tuple(lines), frozenset(range(3, len(header))))


def estimate_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What models are expected to score without labels: one line a run or target.

    rows: {"run" or "target", "seeds", "expected", "interval", "source_dev", "criteria", "ranker"}
        each (`xlt.runs.unlabelled.estimate`), and perhaps "measured" and "transfer_score", which
        alone is not in percent.
    """
    first = "target" if any("target" in row for row in rows) else "run"
    fitted = any(row["interval"] is not None for row in rows)
    known = any(row.get("measured") is not None for row in rows)
    names = list(dict.fromkeys(name for row in rows for name in row["criteria"]))
    transfer = any(row.get("transfer_score") is not None for row in rows)
    header = (
        *(first, "seeds", "expected"),
        *([f"about {COVERAGE:.0%}"] if fitted else []),
        *(["measured"] if known else []),
        *("source dev", *names, "ranker"),
        *(["transfer score"] if transfer else []),
    )
    lines = tuple(
        (
            *(str(row[first]), str(row["seeds"]), _figure(row["expected"])),
            *([_interval(row["interval"])] if fitted else []),
            *([_figure(row.get("measured"))] if known else []),
            _figure(row["source_dev"]),
            *(_figure(row["criteria"].get(name)) for name in names),
            _figure(row["ranker"]),
            *([_figure(row.get("transfer_score"), 2)] if transfer else []),
        )
        for row in rows
    )
    return Table(header, lines, frozenset(range(1, len(header))))


def estimate_scope(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines for under the table of a run's own estimates, to which nothing was fitted."""
    return [
        "expected: from text without labels. It is not calibrated: how far it is off, "
        "`xlt estimate RUN TEXT --runs FOLDER` learns from finished runs",
        *(f"{row['target']}: {note}" for row in rows for note in row["notes"]),
    ]


def _interval(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f"[{ends[0]:.1f}, {ends[1]:.1f}]"


def _figure(score: float | None, digits: int = 1) -> str:
    return "" if score is None else f"{score:.{digits}f}"


def comparison_table(comparisons: Sequence[Mapping[str, Any]]) -> Table:
    """One line a target, split and metric.

    comparisons: {"target", "split", "metric", "a", "b"} each, the scores; and what
        `xlt.evaluation.statistics.judge` says of their difference.
    """
    p = "adjusted p" if len(comparisons) > 1 else "p"
    header = ("target", "split", "metric", "A", "B", "A - B", "95 % interval", p, "")
    rows = tuple(
        (
            line["target"],
            line["split"],
            line["metric"],
            f"{line['a']:.1f}",
            f"{line['b']:.1f}",
            f"{line['difference']:+z.1f}",
            f"[{line['low']:+z.1f}, {line['high']:+z.1f}]",
            p_value(line["p_adjusted"]),
            "*" if line["sure"] else "",
        )
        for line in comparisons
    )
    return Table(header, rows, frozenset(range(3, len(header) - 1)))


def p_value(p: float) -> str:
    """Four digits behind the point, and never 0."""
    return f"{p:.4f}" if p >= 0.0001 else "<0.0001"


def scope(comparisons: Sequence[Mapping[str, Any]], star: str = "sure") -> list[str]:
    """Lines for under a table: what its intervals speak of, and what its stars mean.

    comparisons: all that is shown, as `xlt.evaluation.statistics.judge` has it.
    star:        what is so where a star stands.
    """
    sure = [line for line in comparisons if line["conclusive"]]
    lines = []
    if sure:
        over = " or ".join(sorted({line["over"] for line in sure}, reverse=True))
        adjusted = f" after Holm ({len(comparisons)} comparisons)" if len(comparisons) > 1 else ""
        lines.append(f"95 % intervals over {over}; * {star}: p < {LEVEL}{adjusted}")
    if len(sure) < len(comparisons):
        which = "where a side has one seed, " if sure else ""
        lines.append(
            f"{which}95 % intervals and p over records alone: what training again would change is "
            "not known from one seed, so nothing is called better; add seeds"
        )
    return lines


def score_scope(scores: Sequence[Mapping[str, Any]]) -> str:
    """A line for under a table of scores: what the figures beside them are."""
    texts = ["± standard deviation over seeds"] if any(one["sd"] for one in scores) else []
    over = sorted({one["over"] for one in scores if one.get("over")}, reverse=True)
    if over:
        alone = " alone: one seed" if over == [RECORDS] else ""
        texts.append(f"[ ] 95 % interval over {' or '.join(over)}{alone}")
    return "; ".join(texts)


def score_cell(score: Mapping[str, Any], *, interval: bool = True) -> str:
    """A mean with what is known of its standard deviation and, if wanted, its interval."""
    text = f"{score['mean']:.1f}"
    sd = score.get("sd")
    if sd is not None and not isnan(sd):
        text += f" ± {sd:.1f}"
    if interval and score.get("low") is not None:
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


def _shown(cell: str) -> str:
    """A cell in one line of a terminal."""
    return for_terminal(cell).replace("\n", " ").replace("\t", " ")


def _markdown(cell: str) -> str:
    """A cell as it is, but for what would be more than text. Intervals have their brackets."""
    return one_line(cell).replace("<", "&lt;").replace("|", "\\|").replace("](", "]\\(")


def _strong(cell: str) -> str:
    """A cell of Markdown in bold; its stars are those of the table."""
    return "**{}**".format(cell.replace("*", r"\*"))


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space
