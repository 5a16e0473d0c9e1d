"""What an executor runs of a study: each a function of JSON-able arguments.

A job may run in a process that knows nothing of the study but its file, and it may run twice.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from xlt.config.consent import requests
from xlt.config.schema import STAGES, Config
from xlt.config.study import load_study
from xlt.errors import XltError
from xlt.executors.base import result_of
from xlt.executors.worker import attempt, log_to_stderr
from xlt.permissions import allowing, obeying
from xlt.runs.execute import run_plan
from xlt.runs.experiment import Experiment, prepare_cells
from xlt.runs.graph import Node
from xlt.runs.observed import observed
from xlt.runs.preflight import Shared
from xlt.runs.shared_stages import stage_store
from xlt.runs.sources import Sources
from xlt.training.reports import part_of


@dataclass(frozen=True)
class StudyFile:
    """Where a worker finds a study, and what its user allows."""

    path: str
    overrides: tuple[str, ...]
    granted: tuple[str, ...]

    def arguments(self, cell: str, config: Config) -> dict[str, Any]:
        """Of a job for one of the cells."""
        return {
            "study": [self.path, list(self.overrides), list(self.granted)],
            "cell": cell,
            "config": _digest(config),
        }


def check(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each of these arguments what `xlt.runs.train.is_finished` says of the cell, as
    `xlt.executors.worker.answer`.

    In one job, since the study is read once for all, as are data that follow one another.
    """
    shared = Shared()
    return [attempt(partial(_is_finished, shared, **arguments)) for arguments in cells]


def _is_finished(
    shared: Shared, study: Sequence[Any], cell: str, config: str, overwrite: bool
) -> bool:
    from xlt.runs.train import is_finished

    with _cell(study, cell, config) as experiment:
        return is_finished(experiment, shared, overwrite=overwrite)


def project(study: Sequence[Any], cell: str, config: str, key: str) -> None:
    """Project what a node is about; the cache has it then."""
    with _cell(study, cell, config) as experiment:
        node = _node(study, cell, key)
        assert node.split is not None
        Sources(experiment.config, experiment.task).load(node.split)


def make(
    study: Sequence[Any],
    cell: str,
    config: str,
    key: str,
    reuse: bool,
    quiet: bool,
    processes: int = 1,
    killed_for_memory: bool = False,
) -> None:
    """Make the stage of a node, whose parents are made.

    processes: how many do it together, begun by PyTorch's launcher as by `torchrun`.
    killed_for_memory: the process that did so before was.
    """
    work = partial(_make, study, cell, config, key, reuse, quiet, killed_for_memory)
    if processes == 1:
        work()
        return
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with TemporaryDirectory() as folder:
        launch = LaunchConfig(
            *(1, 1, processes),
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
        )
        try:
            elastic_launch(launch, _one_of_several)(work, folder)
        except ChildFailedError as error:
            for path in sorted(Path(folder).iterdir()):
                result_of(json.loads(path.read_text(encoding="utf-8")))
            raise XltError(
                f"of {processes} processes that train together one was lost "
                f"(exit status {error.get_first_failure()[1].exitcode})",
                where=cell,
                fix="if memory ran out, lower `training.batch_tokens`, or raise "
                "`training.accumulate`; `study.resources` says how many there are",
            ) from error


def _one_of_several(work: Callable[[], None], folder: str) -> None:
    """In one of the processes that train a stage. What goes wrong ends it, and so the others, which
    wait for it; a file says what it was."""
    log_to_stderr(logging.INFO if int(os.environ["RANK"]) == 0 else logging.WARNING)
    answer = attempt(work)
    if "errors" in answer:
        path = Path(folder) / os.environ["RANK"]
        path.write_text(json.dumps(answer), encoding="utf-8")
        sys.exit(1)


def _make(
    study: Sequence[Any],
    cell: str,
    config: str,
    key: str,
    reuse: bool,
    quiet: bool,
    killed_for_memory: bool,
) -> None:
    from accelerate import PartialState

    from xlt.inference.device import best_device
    from xlt.runs import peaks
    from xlt.training.stages import StageRunner

    with _cell(study, cell, config) as experiment:
        node = _node(study, cell, key)
        assert node.stage is not None
        assert node.seed is not None
        PartialState(cpu=best_device() == "cpu")
        runner = StageRunner(
            experiment.config,
            experiment.task,
            experiment.config.output.root / STAGES,
            Sources(experiment.config, experiment.task).load,
            node.seed,
            resume=True,
            reuse=reuse,
            quiet=quiet,
            killed_for_memory=killed_for_memory,
            store=stage_store(experiment.config.output),
        )
        peaks.reset()
        trained = run_plan(runner, node.stage, list(observed(experiment)))
        if not trained[-1].reused:
            peaks.remember(peaks.likeness(experiment.config, node.stage))


def evaluate(study: Sequence[Any], cell: str, config: str, reuse: bool, overwrite: bool) -> None:
    """Finish a cell whose stages are all trained: scores, predictions, models, result."""
    from xlt.runs import peaks
    from xlt.runs.train import run

    with _cell(study, cell, config) as experiment:
        peaks.reset()
        run(experiment, resume=True, overwrite=overwrite, reuse=reuse, quiet=True, wait=True)
        peaks.remember(peaks.likeness(experiment.config, None))


@contextmanager
def _cell(study: Sequence[Any], cell: str, config: str) -> Iterator[Experiment]:
    """A cell of the study, with what its user allows. Raises XltError where it has changed."""
    path, overrides, granted = study
    title, cells = _study(path, tuple(overrides))
    experiment = cells.get(cell)
    if experiment is None or _digest(experiment.config) != config:
        raise XltError(
            f"the cell {cell} is no longer what it was when the study began",
            where=path,
            fix="the same command again runs what the file says now",
        )
    with allowing(*granted), obeying(requests(experiment.loaded)), part_of(title):
        yield experiment


@lru_cache(maxsize=1)
def _study(path: str, overrides: tuple[str, ...]) -> tuple[str, dict[str, Experiment]]:
    """Title and cells."""
    read = load_study(Path(path), overrides)
    return read.title, prepare_cells(read)


@lru_cache(maxsize=1)
def _graph(path: str, overrides: tuple[str, ...]) -> dict[str, Node]:
    from xlt.runs.graph import build

    return build(_study(path, overrides)[1])


def _node(study: Sequence[Any], cell: str, key: str) -> Node:
    node = _graph(study[0], tuple(study[1]))[key]
    assert cell in node.cells
    return node


def _digest(config: Config) -> str:
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()
