"""xlt.training.progress: how far a stage is."""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace

import pytest
from small import make_world

from xlt.config.load import load_config
from xlt.runs import execute
from xlt.runs.experiment import prepare
from xlt.training import progress as module
from xlt.training.progress import Bar, Lines, progress
from xlt.training.trainer import TransferTrainer


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: now.seconds)
    return now


def state(step, of=1000):
    return SimpleNamespace(global_step=step, max_steps=of)


def test_a_line_a_minute_says_how_far_it_is(clock, caplog):
    caplog.set_level(logging.INFO)
    lines = Lines("stage 1 of 2 (eng), seed 1")
    lines.on_train_begin(None, state(100), None)
    lines.on_log(None, None, None, {"loss": 0.51234, "eval_f1": 3.0, "learning_rate": 1.0})
    for step in range(101, 341):
        clock.seconds += 1.0
        lines.on_step_end(None, state(step), None)
    assert len(caplog.messages) == 4
    assert caplog.messages[1] == (
        "stage 1 of 2 (eng), seed 1: step 220 of 1,000, loss 0.5123, f1 3, about 13 min left"
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(20, "less than a minute"), (7140, "about 119 min"), (7300, "about 2.0 h")],
)
def test_durations(seconds, said):
    assert module.duration(seconds) == said


def test_a_bar_is_for_terminals(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(progress("a"), Bar)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert isinstance(progress("a"), Lines)
    monkeypatch.setattr(sys, "stderr", None)
    assert isinstance(progress("a"), Lines)


def test_stages_are_numbered_as_they_are_trained(tmp_path, monkeypatch):
    """A stage that several targets share is one."""
    titles = {}

    class Runner:
        def __init__(self, config, task, root, load, seed, **settings):
            self.config, self.seed = config, seed

        def run(self, stage, parent, observers, title):
            titles.setdefault(title, stage.name)
            return parent

    monkeypatch.setattr(execute, "StageRunner", Runner)
    changes = {"target": ["jav", "ind"], "seeds": [1, 3]}
    path = make_world(tmp_path).config(strategy={"name": "few_shot", "k": 2}, **changes)
    experiment = prepare(load_config(path))
    sources = SimpleNamespace(load=None)
    execute.execute(experiment, sources, resume=False, reuse=False, quiet=True)
    assert list(titles) == [
        f"stage {number} of 6 ({name}), seed {seed}"
        for number, name, seed in [
            *[(1, "eng", 1), (2, "jav", 1), (3, "ind", 1)],
            *[(4, "eng", 3), (5, "jav", 3), (6, "ind", 3)],
        ]
    ]


def test_the_log_is_given_back_when_training_fails(monkeypatch):
    logger = logging.getLogger("xlt")
    console = logging.StreamHandler(sys.stderr)
    monkeypatch.setattr(logger, "handlers", [console])
    bar = Bar("a")

    def fail(checkpoint):
        bar.on_train_begin(None, state(0), None)
        assert logger.handlers != [console]
        raise RuntimeError("the loss is no number")

    with pytest.raises(RuntimeError, match="no number"):
        TransferTrainer.train(SimpleNamespace(progress=bar, average=None, _train=fail))
    assert logger.handlers == [console]
