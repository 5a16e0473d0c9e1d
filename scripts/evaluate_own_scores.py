"""What is a user's own measurement worth? Measure some sources of a target, then choose again.

    python -m scripts.evaluate_own_scores

Targets of the packaged matrices (in per cent, at least 8 candidates) are ranked as in
`evaluate_ranker`: their language and their paper left out. Then the scores of m of the candidates
become known, as after `xlt scores add`: those ranked first, or m drawn at random (5 times); and the
first choice is made again. Printed is its regret before and after, in points of the metric, and
that of choosing by genetic and geographic distance on the same targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from scripts.evaluate_ranker.methods import near
from scripts.evaluate_ranker.world import Row, leave_one_out, world
from xlt.typology.own_evidence import _placed

MIN_SOURCES = 8
"""Candidates that have a score, or a ranking of them tells little."""
DRAWS = 5


def regret_after(row: Row, measured: Sequence[int]) -> float:
    """Of the first choice, once the candidates at these positions have been measured."""
    unit = row.unit if row.unit == row.unit else None  # NaN where no other paper has the task
    predicted: dict[str, Any] = {
        code: SimpleNamespace(score=score, spread=unit)
        for code, score in zip(row.candidates, row.predicted.tolist(), strict=True)
    }
    own = {row.candidates[n]: float(row.scores[n]) for n in measured}
    scores = {code: source.score for code, source in predicted.items()} | _placed(own, predicted)
    best = max(scores, key=lambda code: scores[code])
    return float(row.scores.max() - row.scores[row.candidates.index(best)])


def main() -> None:
    over = world()
    rows = [r for r in leave_one_out(over) if r.matrix.percent and len(r.scores) >= MIN_SOURCES]
    draw = np.random.default_rng(0)
    before = [float(row.scores.max() - row.scores[np.argmax(row.predicted)]) for row in rows]
    print(f"{len(rows)} targets; regret of the first choice before: {np.mean(before):.2f}")
    nearest = [float(row.scores.max() - row.scores[np.argmax(near(over, row))]) for row in rows]
    print(f"by genetic and geographic distance: {np.mean(nearest):.2f}")
    for count in (1, 2, 3, 5):
        first = [
            regret_after(row, np.argsort(-row.predicted, kind="stable")[:count].tolist())
            for row in rows
        ]
        drawn = [
            regret_after(row, draw.choice(len(row.scores), count, replace=False).tolist())
            for row in rows
            for _ in range(DRAWS)
        ]
        print(
            f"{count} measured: the first ones {np.mean(first):.2f}, at random {np.mean(drawn):.2f}"
        )


if __name__ == "__main__":
    main()
