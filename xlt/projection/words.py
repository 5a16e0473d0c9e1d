"""One label a word, carried along word links."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xlt.projection.pair import AlignedPair, Outcome
from xlt.projection.spans import whole_loss

if TYPE_CHECKING:
    from xlt.config.schema import ProjectionSettings

SMOOTHING = 1e-4
"""Of what is carried, the share that is spread evenly: links err."""


def project_words(
    labels: Sequence[str | None],
    pair: AlignedPair,
    settings: ProjectionSettings,
    *,
    text: str = "text",
) -> tuple[list[str | None], list[Outcome]]:
    """The label of every target word, None where there is none; and what became of each label.

    labels: of the source words, None for words without one, to which target words may be linked
        all the same.
    A target word takes the label of the word that it is linked to with the highest score.
    """
    reason = whole_loss(pair, settings)
    labelled = [i for i, label in enumerate(labels) if label is not None]
    projected: list[str | None] = [None] * len(pair.target.words)
    if reason is not None:
        return projected, [_outcome(labels, i, reason=reason, text=text) for i in labelled]
    origin = {j: best(row) for j, row in pair.by_target.items()}
    place: dict[int, int] = {}
    for j, i in sorted(origin.items()):
        score = pair.links[i, j]
        if score < settings.min_confidence:
            continue
        projected[j] = labels[i]
        if i not in place or score > pair.links[i, place[i]]:
            place[i] = j
    outcomes = []
    for i in labelled:
        if i in place:
            j, score = place[i], pair.links[i, place[i]]
            outcomes.append(_outcome(labels, i, target=(j, j + 1), confidence=score, text=text))
        elif i not in pair.by_source:
            outcomes.append(_outcome(labels, i, reason="unaligned", text=text))
        else:
            own = any(origin[j] == i for j in pair.by_source[i])
            outcomes.append(
                _outcome(labels, i, reason="filtered" if own else "collision", text=text)
            )
    return projected, outcomes


def best(row: dict[int, float], rank: Callable[[int], float] = lambda word: -word) -> int:
    """The word with the highest score; of equals, the one with the highest rank (the first)."""
    return max(row, key=lambda word: (row[word], rank(word)))


def project_scores(
    scores: NDArray[np.float32], pair: AlignedPair, *, extra: int = 0
) -> NDArray[np.float32]:
    """Log-probabilities of source words, shape (extra + sources or more, labels), as those of the
    target words, (extra + targets, labels): the mean over the words each is linked to.

    extra: leading rows that stand for themselves, see `AlignedPair.shares`.
    """
    shares = pair.shares(extra=extra)
    return log_probabilities(shares @ np.exp(scores[: shares.shape[1]].astype(np.float64)))


def log_probabilities(mass: NDArray[np.float64]) -> NDArray[np.float32]:
    """Logarithms of rows scaled to add up to 1: uniform for a row of nothing, always finite."""
    total = mass.sum(-1, keepdims=True)
    uniform = 1 / mass.shape[-1]
    shares = np.where(total > 0, mass / np.where(total > 0, total, 1), uniform)
    smooth: NDArray[np.float32] = np.log(shares * (1 - SMOOTHING) + SMOOTHING * uniform).astype(
        np.float32
    )
    return smooth


def _outcome(labels: Sequence[str | None], i: int, **what: object) -> Outcome:
    return Outcome(str(labels[i]), (i, i + 1), **what)  # type: ignore[arg-type]
