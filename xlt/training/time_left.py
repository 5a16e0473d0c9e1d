"""How long a command will yet take: who knows, and how it is said.

Apart from what shows it while training, which takes seconds to import.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol


class Whole(Protocol):
    """A command that a stage is part of."""

    def began(self, first: int, total: int) -> None:
        """The stage has so many steps, the first of which were done before."""

    def ended(self) -> None:
        """The stage is trained."""

    def left(self, step: int) -> float | None:
        """Seconds for what is left of the command at a step; None where that is not known."""


whole: ContextVar[Whole | None] = ContextVar("whole", default=None)
"""Who is asked what is left of all; by default nobody."""


def duration(seconds: float) -> str:
    """About how long that is, in words."""
    minutes = seconds / 60
    if minutes < 1:
        return "less than a minute"
    return f"about {minutes:.0f} min" if minutes < 120 else f"about {minutes / 60:.1f} h"
