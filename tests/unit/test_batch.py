"""Batches: every example exactly once, within the budget, the same on any number of processes."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.data.batch import (
    BLANK,
    StepSampler,
    epoch_batches,
    padded,
    prediction_batches,
    sample_by_temperature,
)

lengths = st.lists(st.integers(1, 300), min_size=1, max_size=60)
budgets = st.integers(16, 1024)
seeds = st.integers(0, 2**31)


def groups_of(sizes: list[int]) -> list[np.ndarray]:
    bounds = np.cumsum([0, *sizes])
    return [np.arange(a, b) for a, b in pairwise(bounds)]


def assert_within(batches, sizes, budget):
    for batch in batches:
        cells = len(batch) * padded(max(sizes[i] for i in batch))
        assert len(batch) == 1 or cells <= budget


def test_padding_leaves_few_lengths_and_little_waste():
    assert [padded(n) for n in (1, 4, 5, 64, 65, 512)] == [4, 4, 8, 64, 72, 512]
    everything = range(1, 513)
    assert all(n <= padded(n) <= max(n + 3, 1.125 * n) for n in everything)
    assert all(padded(n) <= padded(n + 1) for n in everything)
    assert len({padded(n) for n in everything}) == 40


@given(lengths, budgets)
def test_prediction_takes_every_record_once_within_the_budget(sizes, budget):
    batches = prediction_batches(sizes, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(sizes)))
    assert_within(batches, sizes, budget)


@given(lengths, budgets)
def test_prediction_starts_with_the_longest(sizes, budget):
    batches = prediction_batches(sizes, budget)
    assert sizes[batches[0][0]] == max(sizes)


def test_nothing_to_predict_is_no_batch():
    assert prediction_batches([], 100) == []


@given(lengths, budgets, seeds, st.integers(0, 5))
def test_an_epoch_takes_every_example_once_within_the_budget(sizes, budget, seed, epoch):
    batches = epoch_batches(sizes, budget, seed, epoch)
    assert sorted(i for batch in batches for i in batch) == list(range(len(sizes)))
    assert_within(batches, sizes, budget)


@given(lengths, budgets, seeds)
def test_an_epoch_is_a_function_of_seed_and_epoch(sizes, budget, seed):
    plans = [epoch_batches(sizes, budget, seed, 3) for _ in range(2)]
    np.random.default_rng().random()
    assert [b.tolist() for b in plans[0]] == [b.tolist() for b in plans[1]]


def test_epochs_and_seeds_differ():
    sizes = list(range(1, 200))
    plans = [
        [b.tolist() for b in epoch_batches(sizes, 400, *key)] for key in ((1, 0), (1, 1), (2, 0))
    ]
    assert plans[0] != plans[1]
    assert plans[0] != plans[2]


def test_batches_are_of_similar_lengths():
    sizes = np.random.default_rng(0).integers(5, 100, 2000)
    batches = epoch_batches(sizes, 2048, 1, 0)
    cells = sum(len(b) * padded(int(sizes[b].max())) for b in batches)
    assert cells < 1.15 * sizes.sum()


# Temperature -----------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 50), min_size=1, max_size=4), seeds)
def test_temperature_one_takes_each_example_once(sizes, seed):
    drawn = sample_by_temperature(groups_of(sizes), 1.0, seed, 0)
    assert sorted(drawn) == list(range(sum(sizes)))


@given(st.lists(st.integers(1, 200), min_size=2, max_size=4), st.floats(1.05, 20), seeds)
def test_temperature_gives_each_group_its_share(sizes, temperature, seed):
    groups = groups_of(sizes)
    drawn = sample_by_temperature(groups, temperature, seed, 0)
    weights = np.array(sizes, float) ** (1 / temperature)
    expected = sum(sizes) * weights / weights.sum()
    counts = np.array([np.isin(drawn, group).sum() for group in groups])
    assert (np.abs(counts - np.maximum(1, expected)) <= 0.5 + 1e-9).all()


@given(st.integers(1, 40), st.integers(41, 200), st.floats(1.05, 10), seeds)
@settings(max_examples=40)
def test_no_example_starves(small, large, temperature, seed):
    """Over the epochs, examples of one group are used equally often, give or take one."""
    groups = groups_of([small, large])
    used = Counter[int]()
    for epoch in range(6):
        used.update(sample_by_temperature(groups, temperature, seed, epoch).tolist())
    for group in groups:
        times = [used[int(i)] for i in group]
        assert max(times) - min(times) <= 1


@given(st.integers(5, 40), st.integers(41, 200), seeds)
def test_temperature_sampling_is_a_function_of_seed_and_epoch(small, large, seed):
    groups = groups_of([small, large])
    again = [sample_by_temperature(groups, 2.0, seed, 1).tolist() for _ in range(2)]
    assert again[0] == again[1]


# Steps on several processes --------------------------------------------------------------------


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=40),
    budget=st.integers(16, 300),
    epochs=st.integers(1, 3),
    passes=st.integers(1, 4),
    processes=st.integers(1, 4),
    seed=seeds,
)
@settings(max_examples=150)
def test_every_example_once_an_epoch_on_any_number_of_processes(
    sizes, budget, epochs, passes, processes, seed
):
    def sampler(process, processes, passes):
        return StepSampler(
            sizes,
            groups_of([len(sizes)]),
            budget=budget,
            epochs=epochs,
            seed=seed,
            passes=passes,
            process=process,
            processes=processes,
        )

    parts = [list(sampler(process, processes, passes)) for process in range(processes)]
    whole = sampler(0, 1, 1)
    # Every process has as many passes as any other, or one would wait for ever.
    assert {len(part) for part in parts} == {len(whole.steps) * passes}
    begin = 0
    for end in whole.boundaries:
        epoch = [
            i for part in parts for batch in part[begin * passes : end * passes] for i in batch
        ]
        assert all(batch for part in parts for batch in part)
        assert sorted(i for i in epoch if i >= 0) == list(range(len(sizes)))
        assert all(0 <= BLANK - i < len(sizes) for i in epoch if i < 0)
        begin = end
    for number, step in enumerate(whole.steps):  # the same step, however it is split
        split = [
            i
            for part in parts
            for batch in part[number * passes : (number + 1) * passes]
            for i in batch
            if i >= 0
        ]
        assert sorted(split) == sorted(step.tolist())


@pytest.mark.parametrize("limit", [1, 7, 10, 1000])
def test_max_steps_ends_the_plan(limit):
    sampler = StepSampler([12] * 50, groups_of([50]), budget=120, epochs=3, seed=1, max_steps=limit)
    assert len(sampler) == min(limit, 15)
    assert sampler.boundaries[-1] == len(sampler)


def test_epoch_of_a_step():
    sampler = StepSampler([12] * 50, groups_of([50]), budget=120, epochs=2, seed=1)
    assert sampler.boundaries == [5, 10]
    assert [sampler.epoch_of(step) for step in (0, 1, 5, 6, 10)] == [0, 0.2, 1, 1.2, 2]
