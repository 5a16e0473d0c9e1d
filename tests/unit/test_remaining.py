"""xlt.runs.remaining: how long all of a command will take."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace

import pytest
from small import make_world

from xlt.config.load import load_config
from xlt.config.study import load_study
from xlt.runs import remaining as module
from xlt.runs import train, workload
from xlt.runs.experiment import prepare
from xlt.runs.observed import observed
from xlt.runs.remaining import Remaining
from xlt.runs.sources import Sources
from xlt.runs.study import study
from xlt.training import progress


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(time, "monotonic", lambda: now.seconds)
    return now


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Stages eng, jav and ind under two seeds, and one evaluation."""
    changes = {"target": ["jav", "ind"], "seeds": [1, 3], "training__max_steps": 5}
    world = make_world(tmp_path_factory.mktemp("world"))
    return prepare(load_config(world.config(strategy={"name": "few_shot", "k": 2}, **changes)))


@pytest.fixture
def run(experiment):
    """What is left of it, with work that is easily reckoned with; and its stages by name."""
    remaining = Remaining([experiment])
    work = {"eng": 30.0, "jav": 6.0, "ind": 6.0, "run": 3.0}
    load = remaining.load
    load.__dict__["work"] = {key: work[node.name] for key, node in load.nodes.items()}
    assert sum(load.work.values()) == 2 * 42 + 3
    stages = {one.name: one for plan in experiment.plans.values() for one in plan.history}
    return remaining, stages


def test_all_that_follows_takes_as_long_for_as_much_work(run, clock):
    remaining, stages = run
    with remaining.doing("run", stages["eng"], 1):
        assert remaining.left(1) is None  # before training
        clock.seconds = 5
        remaining.began(0, 100)
        clock.seconds = 5 + 29
        assert remaining.left(10) is None  # too early to say
        clock.seconds = 5 + 60
        # Half of 30 in 60 seconds: 4 for one; 57 are left besides, with 5 before each of 5 stages.
        assert remaining.left(50) == pytest.approx(60 + 4 * 57 + 5 * 5)
        clock.seconds = 5 + 120
        remaining.ended()
        clock.seconds = 5 + 120 + 2
    with remaining.doing("run", stages["jav"], 1):  # found finished
        clock.seconds += 1
    with remaining.doing("run", stages["eng"], 1):  # for the other target
        clock.seconds += 1
    with remaining.doing("run", stages["ind"], 1):  # goes on in its middle
        remaining.began(50, 100)
        clock.seconds += 40
        rate = (120 + 40) / (30 + 0.4 * 6)
        assert remaining.left(90) == pytest.approx(10 + rate * (42 + 3) + 3 * 7)
        clock.seconds += 10
        remaining.ended()
        clock.seconds += 1
    rate = (120 + 50) / (30 + 0.5 * 6)

    def others():
        return remaining._others(remaining._spent, remaining._around)

    assert others() == pytest.approx(rate * (42 + 3) + 3 * (7 + 1) / 2)

    def fail():
        with remaining.doing("run", stages["eng"], 3):
            remaining.began(0, 100)
            clock.seconds += 99
            remaining.ended()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert others() == pytest.approx(rate * (42 + 3) + 3 * (7 + 1) / 2)
    remaining.end("run")
    assert others() == 0


def test_scoring_is_said_where_it_takes_a_while(run, clock, caplog):
    caplog.set_level(logging.INFO)
    remaining, stages = run
    with remaining.doing("run", None, None):
        assert not caplog.messages
    remaining._spent.clear()
    for seed in 1, 3:
        for name, stage in stages.items():
            with remaining.doing("run", stage, seed):
                remaining.began(0, 10)
                clock.seconds += 3000 if name == "eng" else 600
                remaining.ended()
    with remaining.doing("run", None, None):
        assert caplog.messages == ["run: scoring its models, about 5 min left"]
        clock.seconds += 30
    pace = remaining.load.pace(remaining._spent)
    assert (pace.rate("train"), pace.rate("evaluate")) == (100, 10)


@pytest.mark.parametrize("every", [None, 2])
def test_work_is_what_is_read(tmp_path, every):
    """Against the definition in plain loops."""
    changes = {"target": ["jav", "ind"], "seeds": [1, 3], "training__max_steps": 5}
    changes |= {"strategy": {"name": "few_shot", "k": 2}, "training__evaluate_every": every}
    experiment = prepare(load_config(make_world(tmp_path).config(**changes)))
    remaining = Remaining([experiment])
    sources = Sources(experiment.config, experiment.task)

    def subwords(splits):
        return sum(
            round(len(records) * (1.7 * sum(len(d.words) for d in records) / len(records) + 2))
            for records in (sources.load(split.origin).records for split in splits)
        )

    for key, node in remaining.load.nodes.items():
        if node.stage is None:
            expected = 2 * subwords(experiment.scored)
        else:
            learnt = subwords(node.stage.train)
            steps = -(-learnt // 160) * 2
            steps_made = min(5, steps)
            epochs = 2 * steps_made / steps
            beside = [
                split
                for stage, sets in observed(experiment)
                for some in sets
                for split in some
                if stage == node.stage
            ]
            dev = subwords(dict.fromkeys([*node.stage.dev, *beside]))
            assert dev > 0
            expected = epochs * 3 * learnt + (steps_made / 2 if every else epochs) * dev
        assert remaining.load.work[key] == pytest.approx(expected)
    shares = {node.name: remaining.load.work[key] for key, node in remaining.load.nodes.items()}
    assert shares["eng"] > 2 * shares["jav"] > 0


def test_data_that_are_not_there_take_no_time(tmp_path):
    world = make_world(tmp_path)
    experiment = prepare(load_config(world.config(strategy="zero_shot")))
    (tmp_path / "jav-test.bio").unlink()
    remaining = Remaining([experiment])
    assert [remaining.load.nodes[key].kind for key in remaining.load.work] == ["train"]


@pytest.mark.parametrize("kinds", [{"a": 2, "b": 6}, {"a": 2, "b": None}])
def test_a_larger_encoder_takes_longer(monkeypatch, kinds):
    def shape(model):
        rest = kinds[model.encoder]
        return None if rest is None else SimpleNamespace(rest=rest)

    monkeypatch.setattr(workload, "encoder_shape", shape)
    experiments = [
        SimpleNamespace(config=SimpleNamespace(model=SimpleNamespace(encoder=name)))
        for name in kinds
    ]
    expected = {"a": 2, "b": 6} if kinds["b"] else {"a": 1, "b": 1}
    assert workload._parameters(experiments) == expected
    assert workload._parameters(experiments[:1]) == {"a": 1}


@pytest.fixture
def often(monkeypatch):
    """Said after every step, with seconds as they are."""
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    monkeypatch.setattr(module, "BASIS", 0.0)
    monkeypatch.setattr(progress, "duration", lambda seconds: f"{seconds:.9f} s")


def lines(caplog):
    """Each line of progress: its stage, what is left of it, and of all."""
    found = []
    for message in caplog.messages:
        if message.startswith("stage "):
            title, facts = message.split(": ", 1)
            own, whole = facts.split(", ")[-2:]
            assert own.endswith(" s left")
            assert whole.endswith(" s with all that follows")
            found.append((title, *(float(one.split()[0]) for one in (own, whole))))
    return found


def test_training_says_what_is_left_of_all(tmp_path, caplog, often):
    caplog.set_level(logging.INFO)
    path = make_world(tmp_path, size=6).config(training__max_steps=3)
    train.train(load_config(path))
    said = lines(caplog)
    assert {title for title, *_ in said} == {
        "stage 1 of 3 (eng), seed 1", "stage 2 of 3 (ind), seed 1", "stage 3 of 3 (jav), seed 1",
    }  # fmt: skip
    assert all(whole > own >= 0 for _, own, whole in said)
    assert any(one.startswith("run: scoring its models, ") for one in caplog.messages)
    assert progress.whole.get() is None


def test_a_study_says_what_is_left_of_its_runs(tmp_path, caplog, often, monkeypatch):
    made = []

    class Watched(Remaining):
        def __init__(self, experiments):
            super().__init__(experiments)
            made.append(self)

    monkeypatch.setattr(module, "Remaining", Watched)
    caplog.set_level(logging.INFO)
    cells = {"eng": {"source": "eng"}, "ind": {"source": "ind"}, "again": {"source": "eng"}}
    changes = {"strategy": "zero_shot", "training__max_steps": 3, "study": {"cells": cells}}
    study(load_study(make_world(tmp_path, size=6).config(**changes)))
    (one,) = made
    assert sorted(node.kind for node in one.load.nodes.values()) == ["evaluate"] * 3 + ["train"] * 2
    assert one._ended == {"run-eng", "run-ind", "run-again"}
    assert one._spent.keys() == one.load.nodes.keys()
    assert lines(caplog)
    assert all(whole > own for _, own, whole in lines(caplog))
