"""A study on an executor: every node of its graph once, wherever there is room."""

from __future__ import annotations

import heapq
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from xlt.config.study import Resources
from xlt.errors import XltError, described
from xlt.executors.base import Executor, Job, Needs, finished, result_of
from xlt.runs.experiment import Experiment
from xlt.runs.graph import EVALUATE, Node, build
from xlt.runs.jobs import StudyFile
from xlt.runs.progress import Listener, Steps
from xlt.runs.resources import Needed
from xlt.runs.workload import Workload
from xlt.training.progress import duration

log = logging.getLogger(__name__)

Failures = dict[str, XltError]
"""Cell → why it is not finished."""


def run_on(
    executor: Executor,
    experiments: Mapping[str, Experiment],
    file: StudyFile,
    *,
    resources: Resources,
    overwrite: bool = False,
    reuse: bool = False,
    quiet: bool = False,
    title: str = "",
    listeners: Collection[Listener] = (),
) -> Failures:
    """Run or resume all cells of a study that are not finished.

    All cells are looked at first, so that what is wrong with one is known before anything is
    trained. One that fails does not stop the others, but those that wait for the same step.

    resources: of each step, where the study's file states them.
    title: of the study. listeners: who is told what happens to its steps.
    """
    failed: Failures = {}
    arguments = {name: file.arguments(name, one.config) for name, one in experiments.items()}
    needed = Needed(experiments, resources)
    left = set()
    for name, answer in _checked(executor, arguments, needed.every, overwrite=overwrite):
        try:
            if not result_of(answer):
                left.add(name)
        except XltError as problem:
            failed[name] = problem
    # In the order of the file, whichever answered first.
    unfinished = {name: one for name, one in experiments.items() if name in left}
    nodes = build(unfinished)
    steps = Steps(
        Workload(unfinished, nodes),
        executor.slots,
        title=title,
        cells=(len(experiments), len(experiments) - len(left) - len(failed)),
        listeners=listeners,
    )
    for name, error in failed.items():
        steps.lose([name], error)
    further: dict[str, dict[str, Any]] = {
        "project": {},
        "make": {"reuse": reuse, "quiet": quiet, "processes": resources.together},
        "evaluate": {"reuse": reuse, "overwrite": overwrite},
    }

    def job(node: Node) -> Job:
        # Of several cells any will do: the first is the one that the others are compared with.
        key = {} if node.kind == EVALUATE else {"key": node.key}
        own = {**arguments[node.cells[0]], **key, **further[node.job]}
        return Job(
            f"xlt.runs.jobs:{node.job}",
            own,
            node.title,
            needs=needed.of(node),
            killed_for_memory={"killed_for_memory": True} if node.stage is not None else {},
        )

    for node, error in run_graph(executor, nodes, job, steps):
        for cell in node.cells:
            failed.setdefault(cell, error)
    return failed


def _checked(
    executor: Executor,
    arguments: Mapping[str, dict[str, Any]],
    needs: Needs,
    *,
    overwrite: bool,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each cell with the answer to `xlt.runs.jobs.check`, a share of all in each job."""
    names = list(arguments)
    jobs: list[tuple[list[str], Job]] = []
    for n in range(min(executor.slots, len(names))):
        share = names[n :: executor.slots]
        cells = [{**arguments[name], "overwrite": overwrite} for name in share]
        what = f"checking {share[0]}" + (f" and {len(share) - 1} more" if share[1:] else "")
        jobs.append((share, Job("xlt.runs.jobs:check", {"cells": cells}, what, needs=needs)))
    for share, future in finished(executor, jobs):
        if (error := future.exception()) is not None:
            yield from ((name, described(_said(error))) for name in share)
        else:
            yield from zip(share, future.result(), strict=True)


def run_graph(
    executor: Executor, nodes: Mapping[str, Node], job: Callable[[Node], Job], steps: Steps
) -> Iterator[tuple[Node, XltError]]:
    """Do every node after its parents; first those that most cells wait for.

    steps: is told what begins and ends.

    Yields those that failed, and no others, each with its error. What needs them is not begun, nor
    what no cell needs any more.
    """
    waiting = {key: len(node.parents) for key, node in nodes.items()}
    children: dict[str, list[str]] = defaultdict(list)
    for key, node in nodes.items():
        for parent in node.parents:
            children[parent].append(key)
    place = {key: (-len(node.cells), n) for n, (key, node) in enumerate(nodes.items())}

    ready = [(place[key], key) for key, count in waiting.items() if not count]
    heapq.heapify(ready)
    running: dict[Future[Any], tuple[str, Job]] = {}
    done, lost = 0, set[str]()  # cells

    while ready or running:
        while ready and len(running) < executor.slots:
            _, key = heapq.heappop(ready)
            if lost.issuperset(nodes[key].cells):
                continue
            task = job(nodes[key])
            log.info("%s: begun", task.title)
            running[executor.submit(task)] = key, task
            steps.begin(key, task.title)

        if not running:
            break

        for future in executor.ended(running):
            key, task = running.pop(future)
            done += 1
            error = future.exception()
            said = None if error is None else _said(error)
            steps.end(key, said)
            how, left = "done" if said is None else "failed", steps.left()
            about = "" if left is None else f", {duration(left)} left"
            log.info("%s: %s (%d of %d%s)", task.title, how, done, len(nodes), about)
            if said is not None:
                lost.update(nodes[key].cells)
                steps.lose(nodes[key].cells, said)
                yield nodes[key], said
                continue

            for child in children[key]:
                waiting[child] -= 1
                if not waiting[child]:
                    heapq.heappush(ready, (place[child], child))


def _said(error: BaseException) -> XltError:
    """What a job raised. What is none of ours is a fault of the executor: it is not hidden."""
    if isinstance(error, XltError):
        return error
    raise error
