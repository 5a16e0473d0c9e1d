"""What of a file could not be taken as it is: counted, and said once a file."""

from __future__ import annotations

import logging
from collections import Counter
from types import TracebackType

log = logging.getLogger(__name__)


class Tally:
    """Counts what a reader leaves out or changes. A context manager: the report is a warning,
    logged when it is left.

    source: the file, for the report.
    """

    def __init__(self, source: object) -> None:
        self.source = source
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def __call__(self, what: str, where: object) -> None:
        """Count one. what: of which kind it is, in the plural, and what is done about it."""
        self.counts[what] += 1
        self.first.setdefault(what, str(where))

    def __enter__(self) -> Tally:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if report := self.report():
            log.warning("%s: %s", self.source, report)

    def report(self) -> str:
        """What was counted, in one line, with the place of the first of each; empty for nothing."""
        return "; ".join(
            f"{what}: {count} (first in {self._place(what)})" for what, count in self.counts.items()
        )

    def _place(self, what: str) -> str:
        return self.first[what].removeprefix(f"{self.source}:")
