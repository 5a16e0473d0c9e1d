"""A study as a graph: what is in it once, in which order it is done, and what it costs."""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import replace
from typing import ClassVar

import pytest
from small import make_world

from xlt.commands.plan import _study
from xlt.config.study import load_study
from xlt.errors import XltError
from xlt.executors.base import Executor, Job
from xlt.runs.experiment import prepare_cells
from xlt.runs.graph import Node, build
from xlt.runs.jobs import StudyFile, check
from xlt.runs.plan_study import plan_study
from xlt.runs.progress import Steps
from xlt.runs.schedule import run_graph
from xlt.runs.store import prune
from xlt.runs.study import study
from xlt.runs.workload import Workload
from xlt.transfer.stage import Stage, data_splits
from xlt.transfer.zero_shot import ZeroShot

THROUGH = {"name": "hierarchical", "through": ["ind"], "target_stage": False}


def cells(folder, **different):
    """The nodes of a study of these cells over a zero-shot config of two seeds."""
    path = make_world(folder, size=6).config(
        strategy="zero_shot",
        source="eng",
        seeds=[1, 2],
        training__max_steps=2,
        study={"cells": different},
    )
    return path, build(prepare_cells(load_study(path)))


def shown(nodes):
    """Kind, name, seed and the names of the parents of each."""
    return [
        (node.kind, node.name, node.seed, [nodes[key].name for key in node.parents])
        for node in nodes.values()
    ]


def test_what_cells_have_in_common_is_there_once(tmp_path):
    _, nodes = cells(tmp_path, zero={}, ind={"target": "ind"}, through={"strategy": THROUGH})
    assert shown(nodes) == [
        ("train", "eng", 1, []),
        ("train", "eng", 2, []),
        ("evaluate", "zero", None, ["eng", "eng"]),
        ("evaluate", "ind", None, ["eng", "eng"]),
        ("train", "ind", 1, ["eng"]),
        ("train", "ind", 2, ["eng"]),
        ("evaluate", "through", None, ["ind", "ind"]),
    ]
    first, second = (node for node in nodes.values() if node.name == "eng")
    assert first.cells == second.cells == ["zero", "ind", "through"]
    through = next(node for node in nodes.values() if node.kind == "train" and node.name == "ind")
    assert through.targets == ["jav"]
    order = list(nodes)
    edges = [(parent, key) for key, node in nodes.items() for parent in node.parents]
    assert all(order.index(parent) < order.index(key) for parent, key in edges)


@pytest.mark.parametrize(
    "other",
    [
        {"training": {"learning_rate": 1e-4}},
        {"model": {"max_length": 64}},
        {"data": {"eng": {"train": {"ref": "./eng-train.bio", "limit": 3}}}},
        {"data": {"eng": {"dev": "./ind-dev.bio"}}},
        {"task": {"types": ["PER"]}},
        {"selection": {"on": "last"}},
        {"output": {"root": "elsewhere"}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_decides_a_stage_makes_it_another(tmp_path, other):
    _, nodes = cells(tmp_path, plain={}, other=other)
    assert sum(node.name == "eng" for node in nodes.values()) == 4


@pytest.mark.parametrize(
    "other",
    [
        {"evaluation": {"bootstrap": 20}},
        {"selection": {"keep": "best"}},
        {"data": {"jav": {"test": "./jav-dev.bio"}}},
        {"model": {"attention": "eager"}},
        {"training": {"checkpoint_every": 7}},
        {"data": {"eng": {"test": "./eng-dev.bio"}}},
        {"data_seed": 5},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_decides_no_weights_leaves_the_stage_the_same(tmp_path, other):
    _, nodes = cells(tmp_path, plain={}, other=other)
    assert sum(node.name == "eng" for node in nodes.values()) == 2


class Now(Executor):
    """Runs nothing: what is submitted is done, in the order in which it is taken back."""

    def __init__(self, argument: str | None) -> None:
        self.slots = int(argument or 1)
        self.begun: list[str] = []
        self.fails: set[str] = set()

    def submit(self, job: Job) -> Future[None]:
        self.begun.append(job.title)
        future: Future[None] = Future()
        if job.title in self.fails:
            future.set_exception(XltError("broken", where=job.title))
        else:
            future.set_result(None)
        return future

    def close(self) -> None: ...


def job(node: Node) -> Job:
    return Job("none", {}, node.key)


class NoWork(Workload):
    """Of steps that belong to no run."""

    work: ClassVar[dict[str, float]] = {}


def run(executor, nodes):
    steps = Steps(NoWork({}, nodes), executor.slots, title="", cells=(0, 0))
    return list(run_graph(executor, nodes, job, steps))


DIAMOND = {
    node.key: node
    for node in (
        Node("lone", "train", "lone", cells=["x"]),
        Node("a", "train", "a", cells=["x", "y"]),
        Node("b", "train", "b", ("a",), cells=["x"]),
        Node("c", "train", "c", ("a",), cells=["y"]),
        Node("d", "evaluate", "d", ("b", "c"), cells=["x"]),
    )
}


def test_parents_come_first_and_of_these_what_most_wait_for():
    executor = Now("1")
    assert run(executor, DIAMOND) == []
    assert executor.begun == ["a", "lone", "b", "c", "d"]


def test_what_needs_a_step_that_failed_is_not_begun():
    executor = Now("2")
    executor.fails = {"b"}
    ((node, error),) = run(executor, DIAMOND)
    assert (node.name, error.what) == ("b", "broken")
    assert set(executor.begun) == {"a", "lone", "b", "c"}


def test_what_only_failed_cells_need_is_not_done():
    """Of two seeds of a cell the second is not trained when the first has failed."""
    executor = Now("1")
    executor.fails = {"first"}
    nodes = {
        key: Node(key, "train", key, cells=cells)
        for key, cells in {"first": ["x", "y"], "second": ["x"], "third": ["y", "z"]}.items()
    }
    assert [node.name for node, _ in run(executor, nodes)] == ["first"]
    assert executor.begun == ["first", "third"]


def test_a_fault_of_the_executor_is_not_hidden():
    class Broken(Now):
        def submit(self, job: Job) -> Future[None]:
            future: Future[None] = Future()
            future.set_exception(RuntimeError("no such host"))
            return future

    with pytest.raises(RuntimeError, match="no such host"):
        run(Broken("1"), DIAMOND)


def test_the_plan_of_a_study(tmp_path):
    path, _ = cells(tmp_path, zero={}, through={"strategy": THROUGH})
    found = plan_study(load_study(path))
    assert found["missing"] == []
    assert found["cells"] == {"zero": False, "through": False}
    assert [(n["kind"], n["name"], n["done"]) for n in found["nodes"]] == [
        *[("train", "eng", False)] * 2,
        ("evaluate", "zero", False),
        *[("train", "ind", False)] * 2,
        ("evaluate", "through", False),
    ]
    total = found["total"]
    assert (total["nodes"], total["left"]) == (6, 6)
    minutes = [node["minutes"] for node in found["nodes"] if node["kind"] == "train"]
    assert total["minutes"] == pytest.approx(sum(minutes))
    size = 4 * found["encoders"][0]["parameters"] / 2**30
    assert total["disk_gib"] == pytest.approx(
        size * (4 + 2 + 2)
    )  # stages, and two seeds of each run
    json.dumps(found)
    study(load_study(path, ["seeds=[1]"]), quiet=True)
    found = plan_study(load_study(path, ["seeds=[1]"]))
    assert [node["done"] for node in found["nodes"]] == [True] * 4
    assert found["total"]["left"] == 0
    assert found["total"]["minutes"] == 0
    prune(tmp_path / "runs", "none")  # runs have what they need
    found = plan_study(load_study(path, ["seeds=[1]"]))
    assert found["total"]["left"] == 0
    assert "not needed" in "\n".join(_study(found))
    study(load_study(path, ["seeds=[1]"]), overwrite=True, quiet=True)
    found = plan_study(load_study(path))
    assert [n["seed"] for n in found["nodes"] if n["done"]] == [1, 1]
    text = "\n".join(_study(found))
    lines = [line.split() for line in text.splitlines()[2:6]]
    assert [line[:2] for line in lines] == [
        ["train", "eng"],
        ["evaluate", "zero"],
        ["train", "ind"],
        ["evaluate", "through"],
    ]
    assert lines[0][2:7] == ["2", "2", "1", "of", "2"]
    assert lines[1][2:5] == ["1", "1", "no"]


def test_a_folder_with_another_run_is_missing(tmp_path):
    path, _ = cells(tmp_path, zero={})
    study(load_study(path), quiet=True)
    (problem,) = plan_study(load_study(path, ["training.max_steps=3"]))["missing"]
    assert "different config (training.max_steps)" in problem["what"]


def test_a_strategy_whose_stage_has_two_parents_is_refused(tmp_path, monkeypatch):
    path, _ = cells(tmp_path, zero={})

    def plan(self, config, target):
        one, other = (
            Stage(code, data_splits(config, code, "train", required=True), (), config.training)
            for code in ("eng", "ind")
        )
        return replace(one, name="both", parents=(one, other))

    monkeypatch.setattr(ZeroShot, "plan", plan)
    with pytest.raises(XltError, match="both starts from eng, ind") as caught:
        prepare_cells(load_study(path))
    assert caught.value.fix


def test_what_a_study_lacks_is_said_once(tmp_path):
    path, _ = cells(tmp_path, zero={}, through={"strategy": THROUGH})
    (tmp_path / "ind-train.bio").unlink()
    (tmp_path / "eng-dev.bio").write_text("Joko NO-TAG\n\n", encoding="utf-8")
    found = plan_study(load_study(path))
    assert len(found["missing"]) == 2
    said = " ".join(str(problem["where"]) for problem in found["missing"])
    assert "data.ind.train" in said
    assert "eng-dev.bio:1" in said
    assert all(problem["fix"] for problem in found["missing"])
    assert found["total"]["minutes"] is None


def test_cells_are_looked_at_together_and_each_answers_for_itself(tmp_path):
    """What is wrong with two of them is said of both; data of one are not another's."""
    path, _ = cells(
        tmp_path,
        good={},
        wrong={"model": {"max_length": 4096}},
        wrong_too={"model": {"max_length": 4096}, "training": {"learning_rate": 1e-4}},
        few={"strategy": {"name": "few_shot", "k": 400}},
        ind={"data": {"jav": {"train": "./none.bio"}}, "strategy": {"name": "few_shot", "k": 2}},
        last={},
    )
    file = StudyFile(str(path), (), ())
    prepared = prepare_cells(load_study(path))
    asked = [
        {**file.arguments(name, one.config), "overwrite": False} for name, one in prepared.items()
    ]
    together = check(asked)
    assert together == [answer for one in asked for answer in check([one])]
    assert ["errors" in one for one in together] == [False, True, True, True, True, False]
    assert [one.get("result") for one in together if "result" in one] == [False, False]
