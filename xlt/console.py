"""What the commands print: results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from xlt.errors import XltError, flat
from xlt.permissions import Request, allowing


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

    def consent(self, allowed: Iterable[str] | None) -> AbstractContextManager[None]:
        """A block in which this is allowed (``--allow``), and what else is asked for is asked of
        whoever sits at the terminal; with nobody there it is refused."""
        # Of several processes none may wait for an answer that another one was given.
        alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
        someone = alone and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
        return allowing(*(allowed or ()), ask=self._ask if someone else None)

    def _ask(self, request: Request) -> bool:
        where = "" if request.where is None else f"{request.where}: "
        question = f"{where}this {request.what}.\nAllow it? [y/N] "
        print(question, end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def log(self) -> None:
        """Send xlt's log messages to stderr; only warnings under --quiet."""
        import logging

        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger = logging.getLogger("xlt")
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING if self.quiet else logging.INFO)

    def error(self, error: XltError) -> None:
        """The error on stderr, as JSON under --json; with a traceback under --debug."""
        if self.debug:
            traceback.print_exception(error)
        if self.json:
            import json

            problems = flat(error)
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
