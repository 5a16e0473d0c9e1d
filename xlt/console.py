"""What the commands print: results to stdout, everything else to stderr."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from xlt.errors import XltError, XltErrors


@dataclass
class Console:
    """The global flags, and printing that obeys them."""

    debug: bool = False
    quiet: bool = False
    json: bool = False

    def result(self, value: Any, text: Callable[[Any], str | Iterable[str]]) -> None:
        """A command's result: JSON under --json, otherwise what `text` makes of it."""
        if self.json:
            import json

            print(json.dumps(value, ensure_ascii=False, indent=2, default=str))
            return
        shown = text(value)
        for line in [shown] if isinstance(shown, str) else shown:
            print(line.rstrip("\n"))

    def note(self, text: str) -> None:
        """Something on the way to the result; silent under --quiet."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def error(self, error: XltError) -> None:
        """The error on stderr, as JSON under --json; with a traceback under --debug."""
        if self.debug:
            traceback.print_exception(error)
        if self.json:
            import json

            problems = error.problems if isinstance(error, XltErrors) else [error]
            listed = [{"what": p.what, "where": p.where, "fix": p.fix} for p in problems]
            print(json.dumps({"errors": listed}, ensure_ascii=False, indent=2), file=sys.stderr)
        else:
            print(error.render(), file=sys.stderr)

    def bug(self, error: BaseException) -> None:
        """One line for an error that no user can mend; the traceback under --debug."""
        if self.debug:
            traceback.print_exception(error)
        lines = str(error).splitlines() or [""]
        hint = "" if self.debug else "; `--debug` shows where"
        print(
            f"xlt: this is a bug: {type(error).__name__}: {lines[0]}{hint}",
            file=sys.stderr,
        )


console = Console()
"""Set by the command line's global flags."""


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Aligned columns; numbers to the right. Widths count terminal cells, so CJK text aligns."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(_width(row[n]) for row in cells) for n in range(len(header))]
    right = [
        len(cells) > 1 and all(_is_number(row[n]) for row in cells[1:]) for n in range(len(header))
    ]
    return [
        "  ".join(
            " " * (width - _width(cell)) + cell if flush else cell + " " * (width - _width(cell))
            for cell, width, flush in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _is_number(cell: str) -> bool:
    return cell == "-" or cell.replace(",", "").replace(".", "").lstrip("-~").isdigit()


def _width(text: str) -> int:
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
