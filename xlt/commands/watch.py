"""How far a study is, as it goes on: a table on a terminal, elsewhere a line a minute."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from xlt.escape import for_terminal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from xlt.runs.progress import Event, Listener, Steps

log = logging.getLogger(__name__)

INTERVAL = 60.0
"""Seconds between two lines."""

_FAILURES, _RUNNING = 5, 20
"""How many of each the table shows."""


@contextmanager
def watching() -> Iterator[Listener]:
    """Who shows what it is told, on standard error."""
    view = _View()
    if sys.stderr is not None and sys.stderr.isatty():
        from rich.console import Console

        with view.live(Console(stderr=True)):
            yield view
        return
    with view.lines():
        yield view


class _View:
    """What was told last."""

    def __init__(self) -> None:
        self.steps: Steps | None = None
        self.failures: list[str] = []

    def __call__(self, steps: Steps, event: Event) -> None:
        self.steps = steps
        if event["event"] in ("failed", "lost"):
            what = event["errors"][0]["what"]
            self.failures.append(f"{event.get('step', event.get('cell'))}: {what}")

    @contextmanager
    def lines(self) -> Iterator[None]:
        """While it is said in the log, now and then."""
        over = threading.Event()

        def say() -> None:
            while not over.wait(INTERVAL):
                if self.steps is not None:
                    log.info("%s", _sentence(self.steps))

        thread = threading.Thread(target=say, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    @contextmanager
    def live(self, console: Console) -> Iterator[None]:
        """While a table stands below what else is said."""
        from rich.live import Live

        handlers = [
            one
            for one in logging.getLogger("xlt").handlers
            if isinstance(one, logging.StreamHandler) and one.stream is sys.stderr
        ]
        with Live(get_renderable=self.table, console=console, refresh_per_second=2):
            before = [one.setStream(sys.stderr) for one in handlers]  # now above the table
            try:
                yield
            finally:
                for one, stream in zip(handlers, before, strict=True):
                    if stream is not None:
                        one.setStream(stream)

    def table(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        steps = self.steps
        if steps is None:
            return Text("looking at all cells")
        now = time.monotonic()
        running = steps.now
        rows = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        rows.add_column("running")
        rows.add_column("for", justify="right")
        for one in running[:_RUNNING]:
            rows.add_row(Text(for_terminal(one.title)), _clock(now - one.since))
        if len(running) > _RUNNING:
            rows.add_row(f"and {len(running) - _RUNNING} more", "")
        parts: list[Any] = [Text(for_terminal(_sentence(steps)))]
        if running:
            parts.append(rows)
        for failure in self.failures[-_FAILURES:]:
            parts.append(Text(for_terminal(f"failed: {failure}"), style="red"))
        return Group(*parts)


def _sentence(steps: Steps) -> str:
    from xlt.training.progress import duration

    facts = [
        f"cells {steps.finished} of {steps.cells}",
        f"steps {steps.done} done",
        f"{len(steps.running)} running on {steps.slots}",
        f"{steps.waiting - len(steps.running)} waiting",
    ]
    if steps.failed:
        facts.append(f"{steps.failed} failed")
    if steps.done:
        facts.append(f"{steps.an_hour:.0f} an hour")
    if (left := steps.left()) is not None:
        facts.append(f"{duration(left)} left")
    return f"{steps.title}: {', '.join(facts)}"


def _clock(seconds: float) -> str:
    """As 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
