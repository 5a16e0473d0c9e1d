"""What projection hands a task, and what it gets back: values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from xlt.task import Record

Links = Mapping[tuple[int, int], float]
"""(source word, target word) → score, greater than 0, at most 1."""

Reason = Literal["unaligned", "split", "collision", "empty", "guard", "filtered"]
"""Why a label was lost: no link leads anywhere; its target words lie apart; another label has the
place; there is no text; the translation is suspicious; a filter of the settings."""


@dataclass(frozen=True)
class AlignedPair:
    """A text and its translation, word by word.

    warning: what the guard found suspicious in the translation, or None.
    """

    source: Sequence[str]
    target: Sequence[str]
    links: Links
    warning: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one label. Spans are word positions, the end exclusive.

    text:       which text of the record it is in, as `Task.texts` names it.
    kind:       its type, as the report groups it.
    confidence: between 0 and 1 if it was kept, else None; then `reason` says why.
    """

    kind: str
    source: tuple[int, int]
    target: tuple[int, int] | None = None
    confidence: float | None = None
    reason: Reason | None = None
    text: str = "text"

    def __post_init__(self) -> None:
        if (self.confidence is None) == (self.reason is None):
            raise ValueError("a label is kept with a confidence or lost for a reason")


@dataclass(frozen=True)
class Projection:
    """A record on its translation. None where nothing can be learnt from it."""

    record: Record | None
    outcomes: tuple[Outcome, ...] = field(default=())

    @property
    def confidence(self) -> float:
        """The least of the kept labels', 1 where there are none."""
        return min((o.confidence for o in self.outcomes if o.confidence is not None), default=1.0)
