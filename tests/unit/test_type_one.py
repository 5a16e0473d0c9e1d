"""The simulation by which the test of differences was chosen: its systems and its other methods."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from scripts.reliability import type_one
from scripts.reliability.printed import comparison
from scripts.reliability.type_one import Trial
from scripts.reliability.worlds import KINDS, Spans

KIND_NAMES = [type(kind).__name__ for kind in KINDS]


@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
def test_strength_is_in_points(kind):
    """Over many records the better system is as much better as it is said to be, and seeds spread
    as much as they are said to."""
    random = np.random.default_rng(1)
    a, b = kind.draw(random, 40_000, 20, 0.0, 2.0, 0.5)
    scores = [kind.metrics(np.array(runs).sum(axis=1))["score"] for runs in (a, b)]
    assert scores[0].mean() - scores[1].mean() == pytest.approx(2, abs=1)
    assert 60 < scores[1].mean() < 80
    a, b = kind.draw(random, 40_000, 40, 2.0, 0.0, 0.0, pairs=True)
    scores = [kind.metrics(np.array(runs).sum(axis=1))["score"] for runs in (a, b)]
    assert scores[0].std(ddof=1) == pytest.approx(2, abs=0.6)
    assert np.corrcoef(*scores)[0, 1] > 0.9


def test_counts_of_spans_are_possible():
    a, b = Spans().draw(np.random.default_rng(2), 300, 4, 1.0, 0.0, 0.5)
    right, predicted, gold = np.moveaxis(np.array(a), -1, 0)
    assert (right <= predicted).all()
    assert (right <= gold).all()
    assert (np.array(b)[..., 2] == gold).all()
    assert (gold == gold[0]).all()


@pytest.fixture(params=KINDS, ids=KIND_NAMES)
def trial(request):
    kind = request.param
    return Trial(kind, *kind.draw(np.random.default_rng(3), 200, 4, 1.0, 2.0, 0.5), 0)


def test_methods_over_seeds_are_scipys(trial):
    a, b = trial.scores
    welch = scipy.stats.ttest_ind(a, b, equal_var=False).pvalue
    assert type_one.welch(trial) == pytest.approx(welch)
    assert type_one.pairs_of_seeds(trial) == pytest.approx(scipy.stats.ttest_rel(a, b).pvalue)
    permuted = scipy.stats.permutation_test(
        (a, b), lambda x, y, axis: x.mean(axis) - y.mean(axis), vectorized=True, n_resamples=np.inf
    )
    assert type_one.permuted(trial) == pytest.approx(permuted.pvalue)


def test_methods_over_records(trial):
    """Resampled scores stand around the score itself; seeds that are drawn, too, differ more."""
    spread = trial.drawn.std(axis=0)
    assert (np.abs(trial.drawn.mean(axis=0) - trial.scores) < 0.5 * spread).all()
    assert 0 < type_one.over_records(trial) < type_one.hierarchical(trial) <= 1


def test_printed_figures():
    a, b = [70.0, 72.0, 77.0], [66.0, 69.0, 68.0]
    welch = scipy.stats.ttest_ind(a, b, equal_var=False)
    sds = np.std([a, b], axis=1, ddof=1)
    found = comparison([np.mean(a) - np.mean(b), *sds, 3])
    assert (found.p, found.over) == (pytest.approx(welch.pvalue), "seeds")
    assert (found.low, found.high) == pytest.approx(tuple(welch.confidence_interval()))
    wider = comparison([np.mean(a) - np.mean(b), *sds, 3, 2.0, 9.0])
    assert wider.high - wider.low > 7
    assert wider.over == "seeds and records"
