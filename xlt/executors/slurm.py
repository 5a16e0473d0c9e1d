"""Jobs of Slurm, through submitit."""

from __future__ import annotations

import logging
import math
import threading
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xlt.errors import XltError, first_line
from xlt.executors.base import Executor, Job, Needs, Tries, result_of

FOLDER = Path("slurm")
"""Where submitit has its scripts, logs and results, below the folder in which xlt runs."""

_SECONDS = 2.0
"""Between two looks at the jobs."""

_MEMORY = {"mem_gb", "slurm_mem", "slurm_mem_per_cpu", "slurm_mem_per_gpu"}
"""Parameters that say how much memory a job gets."""

_ON_GPU_GIB = 8
"""At least, of the machine's memory, for what computes on a GPU: the libraries of CUDA take a few,
which are not in an estimate that is made where there is no GPU."""


class Slurm(Executor):
    """`slurm:slots=50,slurm_partition=gpu,gpus_per_node=1,timeout_min=240`: as many jobs at a time
    as `slots` says (10), each with these parameters of submitit's; memory, processors and GPUs that
    are not among them are those that the job needs.

    A job that is preempted, or whose time is up, is queued again and goes on where it was. All
    nodes need the same folders and xlt. With `cluster=local`, processes of this machine, to try it.
    """

    def __init__(self, argument: str | None) -> None:
        self._parameters = _parsed(argument)
        self.slots = int(self._parameters.pop("slots", 10))
        self._cluster = self._parameters.pop("cluster", None)
        self._executors: dict[str, Any] = {}
        try:
            self._executor({})
        except (NameError, ValueError, RuntimeError, TypeError) as error:
            raise XltError(
                f"submitit refuses: {first_line(error)}",
                where="--on",
                fix="write parameters of submitit, e.g. slurm:slurm_partition=gpu,gpus_per_node=1; "
                "cluster=local tries it without Slurm",
            ) from error
        self._tasks: dict[Future[Any], _Task] = {}
        self._changing, self._closed = threading.Lock(), threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _executor(self, needed: dict[str, int]) -> Any:
        """submitit's, for jobs with these parameters beside those that were given."""
        import submitit

        key = str(needed)
        if key not in self._executors:
            made = submitit.AutoExecutor(FOLDER, cluster=self._cluster)
            made.update_parameters(**{"timeout_min": 240, **needed, **self._parameters})
            self._executors[key] = made
        return self._executors[key]

    def _needed(self, needs: Needs) -> dict[str, int]:
        """Parameters of submitit's."""
        needed = {} if needs.cpus is None else {"cpus_per_task": needs.cpus}
        gpus = self._parameters.get("gpus_per_node", needs.gpus)
        if needs.gpus is not None:
            needed["gpus_per_node"] = needs.gpus
        if needs.memory_gib is not None and not _MEMORY & self._parameters.keys():
            needed["mem_gb"] = max(_ON_GPU_GIB if gpus else 1, math.ceil(needs.memory_gib))
        return needed

    def submit(self, job: Job) -> Future[Any]:
        own: Future[Any] = Future()
        own.set_running_or_notify_cancel()
        with self._changing:
            self._tasks[own] = _Task(Tries(job))
        return own

    def close(self) -> None:
        self._closed.set()
        self._watcher.join()
        for task in self._tasks.values():
            if task.begun is not None:
                task.begun.cancel(check=False)

    def _watch(self) -> None:
        while not self._closed.wait(_SECONDS):
            with self._changing:
                now = list(self._tasks.items())
            for own, task in now:
                try:
                    running = any(one.begun is not None for _, one in now)
                    outcome = self._advance(task, others=running)
                except Exception as error:  # whatever it is, who waits for the job has to know
                    self._end(own)
                    own.set_exception(error)
                    continue
                if outcome is not None:
                    self._end(own)
                    own.set_result(outcome[0])

    def _end(self, own: Future[Any]) -> None:
        with self._changing:
            del self._tasks[own]

    def _advance(self, task: _Task, *, others: bool) -> tuple[Any] | None:
        """Submit what is not, and look at what is: what it has returned, alone in a tuple.

        others: jobs of ours are with Slurm, so that a refusal may be for want of room.
        Raises the job's errors.
        """
        from submitit.core.utils import FailedJobError, UncompletedJobError

        if task.begun is None:
            try:
                job = task.tries.job
                task.begun = self._executor(self._needed(job.needs)).submit(Call(), asdict(job))
            except FailedJobError as error:
                if others and not task.tries.ends:
                    return None  # again when others have ended
                raise XltError(
                    f"Slurm takes no job: {first_line(error)}",
                    where=task.tries.job.title,
                    fix="correct the parameters of `--on`, or ask for fewer slots",
                ) from error
        if not task.begun.done():
            return None
        try:
            answer = task.begun.result()
        except (FailedJobError, UncompletedJobError) as error:
            lacked = str(task.begun.state).upper().startswith("OUT_OF_ME")
            task.tries.again(first_line(error), killed_for_memory=lacked)
            task.begun = None
            return None
        return (result_of(answer),)


@dataclass
class _Task:
    """A job, with how it ended before; what Slurm has of it, if it has."""

    tries: Tries
    begun: Any = None


class Call:
    """What submitit runs on a node."""

    def __call__(self, job: dict[str, Any]) -> dict[str, Any]:
        from xlt.executors.worker import do

        logging.basicConfig(format="%(message)s", level=logging.INFO)
        return do(job)

    def checkpoint(self, job: dict[str, Any]) -> Any:
        """What is queued again when the node is wanted for others: the same, which goes on."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, job)


def _parsed(argument: str | None) -> dict[str, Any]:
    """`key=value,…` with numbers as numbers. Raises XltError for anything else."""
    found: dict[str, Any] = {}
    for part in argument.split(",") if argument else ():
        key, equals, value = part.partition("=")
        if not (key and equals and value):
            raise XltError(
                f"slurm: {part!r} is no parameter",
                where="--on",
                fix="write key=value, with commas between: slurm:slots=50,slurm_partition=gpu",
            )
        found[key.strip()] = int(value) if value.strip().isdigit() else value.strip()
    if not isinstance(found.get("slots", 1), int) or found.get("slots") == 0:
        raise XltError("slurm: slots is a number of jobs", where="--on", fix="write slots=50, say")
    return found
