"""What the commands print: results to stdout, everything else to stderr.

Whatever is printed may hold text of data, of which a terminal is to obey nothing.
"""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from xlt import escape
from xlt.errors import XltError, described, flat
from xlt.permissions import Request, allowing


@dataclass
class Console:
    """The global flags, and printing that obeys them."""

    debug: bool = False
    quiet: bool = False
    json: bool = False

    @property
    def width(self) -> int | None:
        """Characters in a line of the terminal that standard output is; None where it is none."""
        if sys.stdout is None or not sys.stdout.isatty():
            return None
        return shutil.get_terminal_size().columns

    def result(self, value: Any, text: Callable[[Any], str | Iterable[str]]) -> None:
        """A command's result: JSON under --json, otherwise what `text` makes of it."""
        if self.json:
            print(_json(value))
            return
        shown = text(value)
        for line in [shown] if isinstance(shown, str) else shown:
            print(escape.for_terminal(line.rstrip("\n")))

    def note(self, text: str) -> None:
        """Something on the way to the result; silent under --quiet."""
        if not self.quiet:
            print(escape.for_terminal(text), file=sys.stderr)

    def consent(self, allowed: Iterable[str] | None) -> AbstractContextManager[None]:
        """A block in which this is allowed (``--allow``), and what else is asked for is asked of
        whoever sits at the terminal; with nobody there it is refused."""
        # Of several processes none may wait for an answer that another one was given.
        alone = os.environ.get("WORLD_SIZE", "1") == "1"
        someone = alone and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
        return allowing(*(allowed or ()), ask=self._ask if someone else None)

    def _ask(self, request: Request) -> bool:
        where = "" if request.where is None else f"{request.where}: "
        question = f"{where}this {request.what}.\nAllow it? [y/N] "
        print(escape.for_terminal(question), end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def log(self) -> None:
        """Send xlt's log messages to stderr; only warnings under --quiet."""
        import logging

        class Plain(logging.Formatter):
            def format(self, record: logging.LogRecord) -> str:
                return escape.for_terminal(super().format(record))

        handler = logging.StreamHandler()
        handler.setFormatter(Plain("%(message)s"))
        logger = logging.getLogger("xlt")
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING if self.quiet else logging.INFO)

    def error(self, error: XltError) -> None:
        """The error on stderr, as JSON under --json; with a traceback under --debug."""
        self._traceback(error)
        if self.json:
            print(_json(described(error)), file=sys.stderr)
        else:
            print(escape.for_terminal(error.render()), file=sys.stderr)

    def bug(self, error: BaseException) -> None:
        """One line for an error that no user can mend; the traceback under --debug."""
        self._traceback(error)
        lines = str(error).splitlines() or [""]
        hint = "" if self.debug else "; `--debug` shows where"
        text = f"xlt: this is a bug: {type(error).__name__}: {lines[0]}{hint}"
        print(escape.for_terminal(text), file=sys.stderr)

    def _traceback(self, error: BaseException) -> None:
        if not self.debug:
            return
        # Problems that were found together were each raised, and caused, elsewhere.
        problems = flat(error) if isinstance(error, XltError) else []
        for one in dict.fromkeys([error, *problems]):
            text = "".join(traceback.format_exception(one))
            print(escape.for_terminal(text), end="", file=sys.stderr)


def _json(value: Any) -> str:
    import json

    return escape.for_json(json.dumps(value, ensure_ascii=False, indent=2, default=str))


console = Console()
"""Set by the command line's global flags."""
