"""What intervals of expected scores are made of: errors on papers left out."""

import numpy as np
import pytest

from scripts.evaluate_ranker.report import Intervals, intervals
from scripts.evaluate_ranker.world import Row
from xlt.typology.scores import Matrix


def rows_of(paper, task, errors):
    """A row for each target's errors, whose sources were all expected at 50. errors: (t, s)."""
    about = {"paper": paper}
    sources = tuple(f"s{n}" for n in range(errors.shape[1]))
    matrix = Matrix(paper, task, "f1", True, sources, (), np.zeros((0, 0)), about)
    flat = np.full(errors.shape[1], 50.0)
    still = np.zeros(len(flat))
    return [Row(matrix, "t", sources, flat + e, still, flat, 10.0, still) for e in errors]


def test_a_paper_counts_the_same_whatever_its_size():
    draw = np.random.default_rng(0)
    large, small = draw.normal(0, 3, (100, 6)), draw.normal(0, 12, (10, 6))
    once = intervals([*rows_of("a", "ner", large), *rows_of("b", "ner", small)])
    ten = intervals([*rows_of("a", "ner", large), *rows_of("b", "ner", small) * 10])
    assert ten.half == pytest.approx(once.half)
    assert ten.variance == pytest.approx(once.variance)


def test_intervals_hold_four_of_five_scores_of_papers_that_all_erred_upwards():
    """Every past paper scored higher than was expected, the next one scores lower."""
    draw = np.random.default_rng(1)

    def errors(bias, targets):
        return bias + draw.normal(0, 5, (targets, 1)) + draw.normal(0, 4, (targets, 9))

    past = [row for n in range(5) for row in rows_of(f"p{n}", "pos", errors(8, 40))]
    made = intervals(past)
    below = rows_of("new", "pos", errors(-8, 200))
    for found in (past, below):
        inside = [_inside(made, row) for row in found]
        assert np.mean(inside) == pytest.approx(0.8, abs=0.05)


def test_bounds_are_symmetric_and_stay_within_the_metric():
    (row,) = rows_of("a", "ner", np.zeros((1, 3)))
    low, high = Intervals([100.0, 0.0, 0.0], 1.5).bounds(row)
    assert (low, high) == (pytest.approx(35), pytest.approx(65))
    low, high = Intervals([10_000.0, 0.0, 0.0], 1.5).bounds(row)
    assert (low.tolist(), high.tolist()) == ([0, 0, 0], [100, 100, 100])


def _inside(made, row):
    low, high = made.bounds(row)
    return ((row.scores >= low) & (row.scores <= high)).mean()
