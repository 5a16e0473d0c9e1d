"""What of a file could not be taken as it is: counted, and said once a file."""

from __future__ import annotations

from collections import Counter

from xlt.data.malformed import ReportAtEnd


class Tally(ReportAtEnd):
    """Counts what a reader leaves out or changes."""

    def __init__(self, source: object) -> None:
        super().__init__(source)
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def __call__(self, what: str, where: object) -> None:
        """Count one. what: of which kind it is, in the plural, and what is done about it."""
        self.counts[what] += 1
        self.first.setdefault(what, str(where))

    def report(self) -> str:
        """What was counted, in one line, with the place of the first of each; empty for nothing."""
        return "; ".join(
            f"{what}: {count} (first in {self._place(what)})" for what, count in self.counts.items()
        )

    def _place(self, what: str) -> str:
        return self.first[what].removeprefix(f"{self.source}:")
