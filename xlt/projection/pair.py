"""What projection hands a task, and what it gets back: values only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from xlt.document import Document, Span, Text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Links = Mapping[tuple[int, int], float]
"""The links of a pair: (source word, target word) → score, greater than 0, at most 1."""

Reason = Literal["unaligned", "split", "collision", "empty", "guard", "filtered", "structure"]
"""Why a label was lost: no link leads anywhere; its target words lie apart; another label has the
place; there is no text; the translation is suspicious; its confidence is too low; another part of
its structure is lost."""


@dataclass(frozen=True)
class AlignedPair:
    """A text and its translation, word by word.

    warning: what the guard found suspicious in the translation, or None.
    """

    source: Text
    target: Text
    links: Links
    warning: str | None = None

    def __post_init__(self) -> None:
        rows, columns = len(self.source.words), len(self.target.words)
        for i, j in self.links:
            if not (0 <= i < rows and 0 <= j < columns):
                raise ValueError(f"link {i}-{j} between {rows} and {columns} words")

    @cached_property
    def by_source(self) -> dict[int, dict[int, float]]:
        """Source word → the target words that it is linked to, with scores."""
        linked: defaultdict[int, dict[int, float]] = defaultdict(dict)
        for (i, j), score in self.links.items():
            linked[i][j] = score
        return dict(linked)

    @cached_property
    def by_target(self) -> dict[int, dict[int, float]]:
        """Target word → the source words that it is linked to, with scores."""
        linked: defaultdict[int, dict[int, float]] = defaultdict(dict)
        for (i, j), score in self.links.items():
            linked[j][i] = score
        return dict(linked)

    def shares(self, *, extra: int = 0) -> NDArray[np.float64]:
        """Of each target word, what part of its link score leads to each source word.

        Shape (extra + targets, extra + sources); rows add up to 1, those of unlinked words are 0.
        The `extra` first ones on both sides (a root) stand for each other.
        """
        import numpy as np

        table = np.zeros((extra + len(self.target.words), extra + len(self.source.words)))
        table[range(extra), range(extra)] = 1.0
        for (i, j), score in self.links.items():
            table[extra + j, extra + i] = score
        total = table.sum(1, keepdims=True)
        return table / np.where(total > 0, total, 1)

    def reversed(self) -> AlignedPair:
        """The same pair seen from the other side."""
        links = {(j, i): score for (i, j), score in self.links.items()}
        return AlignedPair(self.target, self.source, links, self.warning)


@dataclass(frozen=True)
class Outcome:
    """What became of one label. Spans are word positions, the end exclusive.

    text:       which text of the document it is in, as `Task.texts` names it.
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

    @property
    def span(self) -> Span | None:
        """Where the label is now; None if it is lost, or is no span."""
        return None if self.target is None else Span(self.kind, *self.target)

    def lost(self, reason: Reason) -> Outcome:
        """The same label, lost."""
        return Outcome(self.kind, self.source, None, None, reason, self.text)


@dataclass(frozen=True)
class Projection:
    """A document on its translation. None where nothing can be learnt from it."""

    document: Document | None
    outcomes: tuple[Outcome, ...] = field(default=())

    @property
    def confidence(self) -> float:
        """The mean of the kept labels', 1 where there are none."""
        kept = [o.confidence for o in self.outcomes if o.confidence is not None]
        return sum(kept) / len(kept) if kept else 1.0
