"""How far a study is, and who is told."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import resource
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from small import forked, make_world

from xlt.commands import watch
from xlt.config.study import load_study
from xlt.errors import XltError
from xlt.runs import events
from xlt.runs import progress as module
from xlt.runs.events import writing_events
from xlt.runs.graph import Node
from xlt.runs.progress import Steps
from xlt.runs.study import study
from xlt.runs.workload import Workload

NODES = {
    node.key: node
    for node in (
        Node("p", "project", "p", cells=["x"]),
        Node("a", "train", "a", cells=["x", "y"], seed=1),
        Node("b", "train", "b", ("a", "p"), cells=["x"], seed=1),
        Node("x", "evaluate", "x", ("b",), cells=["x"]),
        Node("y", "evaluate", "y", ("a",), cells=["y"]),
    )
}
WORK = {"p": 10.0, "a": 100.0, "b": 200.0, "x": 20.0, "y": 40.0}


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(time, "monotonic", lambda: now.seconds)
    monkeypatch.setattr(module, "EVERY", 0.0)
    return now


@pytest.fixture
def told():
    return []


@pytest.fixture
def steps(clock, told):
    load = Workload({}, NODES)
    load.__dict__["work"] = WORK
    listeners = [lambda steps, event: told.append(event)]
    return Steps(load, 2, title="s", cells=(3, 1), listeners=listeners)


def test_what_is_left_is_reckoned_from_what_is_done(steps, clock):
    assert steps.left() is None
    steps.begin("p", "p")
    steps.begin("a", "a")
    clock.seconds = 50
    steps.end("a")
    # Half a second for each unit: 100 for b, then 10 for x; 20 for y; of projections nothing.
    assert steps.left() == pytest.approx(100 + 10)
    clock.seconds = 60
    steps.end("p")  # of these there is none left
    assert steps.left() == pytest.approx(110)
    steps.begin("b", "b")
    steps.begin("y", "y")
    clock.seconds = 100
    steps.end("y")  # one second for each unit
    assert steps.left() == pytest.approx(100 - 40 + 20)
    assert steps.an_hour == pytest.approx(3 * 36)
    clock.seconds = 260  # b takes longer than expected
    assert steps.left() == pytest.approx(20)
    steps.end("b")
    clock.seconds = 300
    steps.begin("x", "x")
    steps.end("x")
    assert (steps.left(), steps.waiting, steps.done, steps.finished) == (0, 0, 5, 3)


def test_what_workers_share(clock):
    """Many steps alike on four workers: a quarter of the time of all."""
    nodes = {str(n): Node(str(n), "train", str(n), cells=[str(n)]) for n in range(101)}
    load = Workload({}, nodes)
    load.__dict__["work"] = dict.fromkeys(nodes, 3.0)
    steps = Steps(load, 4, title="s", cells=(101, 0), listeners=[lambda *_: None])
    steps.begin("0", "0")
    clock.seconds = 8.0
    steps.end("0")
    assert steps.left() == pytest.approx(100 * 8 / 4)


def test_what_nobody_needs_any_more_takes_no_time(steps, clock, told):
    steps.begin("a", "a")
    clock.seconds = 100
    steps.end("a")
    assert steps.left() == pytest.approx(220)
    steps.begin("b", "b")
    error = XltError("broken", where="b", fix="mend it")
    steps.end("b", error)
    steps.lose(["x"], error)
    assert steps.left() == pytest.approx(40)
    assert [one.key for one in NODES.values() if one.key in steps._left] == ["y"]
    steps.release(["y"])
    assert (steps.left(), steps.finished, steps.failed) == (0, 2, 1)
    assert [event["event"] for event in told] == [
        *("study", "begun", "done", "begun", "failed", "lost")
    ]
    assert told[0] | {"study": "s", "cells": 3, "finished": 1, "steps": 5, "slots": 2} == told[0]
    about = {"step": "b", "kind": "train", "name": "b", "seed": 1, "cells": 1, "seconds": 0.0}
    counts = {"done": 1, "failed": 1, "waiting": 3, "left_seconds": pytest.approx(40)}
    errors = {"errors": [{"what": "broken", "where": "b", "fix": "mend it"}]}
    assert told[4] | about | counts | errors == told[4]
    assert told[5] | {"cell": "x"} | errors == told[5]


def test_events_are_appended(tmp_path, steps):
    path = tmp_path / "new" / "events.jsonl"
    for n in range(2):
        with writing_events(path) as write:
            write(steps, {"event": "study", "number": n})
        with path.open("a") as stream:
            stream.write('{"event": "beg')  # it was killed
    with writing_events(path) as write:
        write(steps, {"event": "done", "step": "eng é"})
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["event"] for line in lines] == ["study", "study", "done"]


def test_a_file_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("name: mine\n")
    with pytest.raises(XltError, match="does not hold the events"), writing_events(path):
        raise AssertionError("begun")
    assert path.read_text() == "name: mine\n"
    with pytest.raises(XltError, match="no file"), writing_events(tmp_path):
        raise AssertionError("begun")


def numbers(path):
    return [json.loads(line)["number"] for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("size", "freed"), [(1_000, False), (20_000, True)])
def test_a_disk_that_is_full_ends_the_file_and_not_the_study(tmp_path, steps, caplog, size, freed):
    """With a limit to the size of files, which fails in the middle of the third event."""
    path = tmp_path / "events.jsonl"

    def work():
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5 * size // 2, most))
        with writing_events(path) as write:
            for number in range(5):
                if number == 4 and freed:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
                write(steps, {"event": "study", "number": number, "text": size * "x"})
        (said,) = caplog.messages
        assert said.startswith(f"warning: events are missing: {path}: cannot write here: ")

    outcome = forked(work)
    assert outcome.code == 0, outcome.text
    with writing_events(path) as write:
        write(steps, {"event": "study", "number": 5})
    assert numbers(path) == [0, 1, 5]


def test_what_goes_wrong_at_the_beginning_or_the_end_is_said(tmp_path, steps, caplog, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    class Stream(io.BufferedRandom):
        def close(self):
            if not self.closed:
                super().close()
                fail()

    path = tmp_path / "events.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda self, mode: Stream(io.FileIO(self, "a+")))
        with writing_events(path) as write:
            write(steps, {"event": "study", "number": 1})
    assert numbers(path) == [1]
    (said,) = caplog.messages
    assert said.startswith(f"warning: events are missing: {path}: cannot write here: ")
    monkeypatch.setattr(events, "_go_on", fail)
    with pytest.raises(XltError, match="cannot write here"), writing_events(path):
        raise AssertionError("begun")


def shown(view) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(view.table())
    return console.file.getvalue()


def test_the_table(steps, clock):
    view = watch._View()
    assert "looking at all cells" in shown(view)
    load = Workload({}, NODES)
    load.__dict__["work"] = WORK
    steps = Steps(load, 2, title="s", cells=(3, 1), listeners=[view])
    steps.begin("a", "train [bold]a, seed 1")
    clock.seconds = 3725
    text = shown(view)
    assert "s: cells 1 of 3, steps 0 done, 1 running on 2, 4 waiting\n" in text
    assert "train [bold]a, seed 1  1:02:05" in text
    steps.end("a")
    steps.begin("b", "train b")
    steps.end("b", XltError("out of \x1b[31mluck"))
    text = shown(view)
    assert "1 failed, 1 an hour, about 25 min left" in text
    assert "failed: train b: out of \\x1b[31mluck" in text


def test_a_line_now_and_then_where_there_is_no_terminal(monkeypatch, caplog, steps):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(watch, "INTERVAL", 0.01)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with watch.watching() as view:
        view(steps, {"event": "study"})
        for _ in range(500):
            if caplog.messages:
                break
            time.sleep(0.01)
    assert caplog.messages[0] == "s: cells 1 of 3, steps 0 done, 0 running on 2, 5 waiting"


def test_a_study_tells(tmp_path):
    cells = {"bad": {"source": "ind"}, "eng": {"source": "eng"}, "to-ind": {"target": "ind"}}
    path = make_world(tmp_path, size=6).config(
        strategy="zero_shot", training__max_steps=2, study={"cells": cells}
    )
    (tmp_path / "ind-train.bio").write_text("Joko NO-TAG\n\n", encoding="utf-8")
    told = []
    listeners = [lambda steps, event: told.append(event)]
    for _ in range(2):
        found = study(load_study(path), quiet=True, listeners=listeners)
        assert list(found["failed"]) == ["bad"]
    again = [one["event"] for one in told].index("study", 1)
    first = told[:again]
    assert [one["event"] for one in told[again:]] == ["study", "lost"]
    steps = [(one["event"], one["step"]) for one in first if one["event"] in ("begun", "done")]
    assert sorted(steps) == sorted(
        (event, step)
        for event in ("begun", "done")
        for step in ("train eng, seed 1", "evaluate eng", "evaluate to-ind")
    )
    assert [one["cell"] for one in first if one["event"] == "lost"] == ["bad"]
    last = [one for one in first if one["event"] == "done"][-1]
    assert (last["left_seconds"], last["waiting"], last["failed"]) == (0, 0, 0)
