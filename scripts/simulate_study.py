"""What a study's driver takes on workers that only count time, and how near it is to the bound.

    python -m scripts.simulate_study [--cells 10000] [--workers 100] [--train 75] [--evaluate 15]

The study is sources × strategies × learning rates × epochs of the sample corpus; its graph is the
real one, and so is what schedules it (`xlt.runs.schedule`). A worker is a clock: steps take drawn
times (log-normal, a third of the mean as deviation, seed 1) around those that e5-small takes on
one core for 600 sentences. The driver reckons what each step needs and how long the rest will take,
as with `--watch`. Printed are its seconds and memory, and the time from the first
step to the last beside its lower bound, the longer of all work divided by the workers and the
longest chain of steps; and the same where steps are taken in the order of the file.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
import resource
import tempfile
import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from xlt.config.study import Resources, load_study
from xlt.executors.base import Executor, Job
from xlt.runs.experiment import prepare_cells
from xlt.runs.graph import Node, build
from xlt.runs.progress import Event, Steps
from xlt.runs.resources import Needed
from xlt.runs.schedule import run_graph
from xlt.runs.workload import Workload

STRATEGIES = ["zero_shot", {"name": "hierarchical", "through": ["ind"], "target_stage": False}]
THROUGH = "ind"
SOURCES = ("eng", "spa", "tur", "deu", "fin")
RATES, TARGET = 50, "jav"


class Clock(Executor):
    """Workers whose steps take the time that `seconds` says, of a clock that nobody waits for."""

    def __init__(self, argument: str | None) -> None:
        self.slots = int(argument or 1)
        self.seconds: Mapping[str, float] = {}
        self.now = 0.0
        self.jobs = 0
        self._running: list[tuple[float, int, Future[Any]]] = []

    def submit(self, job: Job) -> Future[Any]:
        future: Future[Any] = Future()
        self.jobs += 1
        heapq.heappush(self._running, (self.now + self.seconds[job.title], self.jobs, future))
        return future

    def ended(self, running: Collection[Future[Any]]) -> Collection[Future[Any]]:
        self.now, _, future = heapq.heappop(self._running)
        future.set_result(None)
        return [future]

    def close(self) -> None: ...


def write(folder: Path, cells: int) -> Path:
    """The study's file."""
    languages = dict.fromkeys([*SOURCES, THROUGH])
    own = {
        code: {split: f"sample-ner:eng:{split}" for split in ("train", "dev")} for code in languages
    }
    epochs = max(1, round(cells / (len(SOURCES) * len(STRATEGIES) * RATES)))
    content = {
        "name": "simulated",
        "task": "ner",
        "data": {**own, TARGET: {"test": "sample-ner:jav:test"}},
        "target": TARGET,
        "study": {
            "matrix": {
                "source": list(SOURCES),
                "strategy": STRATEGIES,
                "training.learning_rate": [n * 1e-5 for n in range(1, RATES + 1)],
                "training.epochs": list(range(1, epochs + 1)),
            }
        },
    }
    path = folder / "study.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def bound(nodes: Mapping[str, Node], seconds: Mapping[str, float], workers: int) -> float:
    """No schedule is shorter."""
    ends: dict[str, float] = {}
    for key, node in nodes.items():  # parents come first
        ends[key] = seconds[key] + max((ends[parent] for parent in node.parents), default=0.0)
    return max(sum(seconds.values()) / workers, *ends.values())


def hear(steps: Steps, event: Event) -> None:
    """Who is told how far the study is, and does nothing about it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--train", type=float, default=75.0, help="seconds of a stage")
    parser.add_argument("--evaluate", type=float, default=15.0, help="seconds of an evaluation")
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        study = load_study(write(Path(folder), options.cells))
    experiments = prepare_cells(study)
    nodes = build(experiments)
    planned = time.perf_counter() - began
    draw = random.Random(1)
    deviation = math.sqrt(math.log(1 + 1 / 9))
    mean = {"train": options.train, "evaluate": options.evaluate}
    seconds = {
        key: mean[node.kind] * draw.lognormvariate(-deviation * deviation / 2, deviation)
        for key, node in nodes.items()
    }
    lowest = bound(nodes, seconds, options.workers)
    alike = {key: replace(node, cells=node.cells[:1]) for key, node in nodes.items()}
    load = Workload(experiments, nodes)
    needed = Needed(experiments, Resources())
    times = {}

    def job(node: Node) -> Job:
        return Job("none", {}, node.key, needs=needed.of(node))

    for name, graph in {"what most wait for first": nodes, "as the file has it": alike}.items():
        clock = Clock(str(options.workers))
        clock.seconds = seconds
        began = time.perf_counter()
        cells = len(experiments), 0
        steps = Steps(load, clock.slots, title="simulated", cells=cells, listeners=[hear])
        failed = list(run_graph(clock, graph, job, steps))
        driver = time.perf_counter() - began
        assert not failed
        assert clock.jobs == len(nodes)
        times[name] = clock.now
        print(
            f"{name}: {clock.now / 3600:.2f} h, {clock.now / lowest:.3f} times the bound; "
            f"driver {1000 * driver / len(nodes):.3f} ms a step"
        )
    print(
        f"{len(study.cells):,} cells, {len(nodes):,} steps, {options.workers} workers: planned in "
        f"{planned:.1f} s ({1000 * planned / len(study.cells):.2f} ms a cell), "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB; bound "
        f"{lowest / 3600:.2f} h"
    )


if __name__ == "__main__":
    main()
