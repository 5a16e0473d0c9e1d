"""Jobs of Slurm, through submitit."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xlt.errors import XltError
from xlt.executors.base import ATTEMPTS, Executor, Job, lost, result_of

log = logging.getLogger(__name__)

FOLDER = Path("slurm")
"""Where submitit has its scripts, logs and results, below the folder in which xlt runs."""

_SECONDS = 2.0
"""Between two looks at the jobs."""


class Slurm(Executor):
    """`slurm:slots=50,slurm_partition=gpu,gpus_per_node=1,timeout_min=240`: as many jobs at a time
    as `slots` says (10), each with these parameters of submitit's.

    A job that is preempted, or whose time is up, is queued again and goes on where it was. All
    nodes need the same folders and xlt. With `cluster=local`, processes of this machine, to try it.
    """

    def __init__(self, argument: str | None) -> None:
        import submitit

        self._parameters = _parsed(argument)
        self.slots = int(self._parameters.pop("slots", 10))
        cluster = self._parameters.pop("cluster", None)
        try:
            self._executor = submitit.AutoExecutor(FOLDER, cluster=cluster)
            self._executor.update_parameters(**{"timeout_min": 240, **self._parameters})
        except (NameError, ValueError, RuntimeError, TypeError) as error:
            raise XltError(
                f"submitit refuses: {(str(error).splitlines() or [''])[0]}",
                where="--on",
                fix="write parameters of submitit, e.g. slurm:slurm_partition=gpu,gpus_per_node=1; "
                "cluster=local tries it without Slurm",
            ) from error
        self._running: dict[Future[Any], tuple[Job, Any, list[str]]] = {}
        self._changed, self._closed = threading.Lock(), threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def submit(self, job: Job) -> Future[Any]:
        own: Future[Any] = Future()
        own.set_running_or_notify_cancel()
        begun = self._executor.submit(Call(), asdict(job))
        with self._changed:
            self._running[own] = (job, begun, [])
        return own

    def close(self) -> None:
        self._closed.set()
        self._watcher.join()
        for _, begun, _ in self._running.values():
            begun.cancel(check=False)

    def _watch(self) -> None:
        while not self._closed.wait(_SECONDS):
            with self._changed:
                now = list(self._running.items())
            for own, (job, begun, ends) in now:
                if begun.done():
                    self._settle(own, job, begun, ends)

    def _settle(self, own: Future[Any], job: Job, begun: Any, ends: list[str]) -> None:
        from submitit.core.utils import FailedJobError, UncompletedJobError

        try:
            answer = begun.result()
        except (FailedJobError, UncompletedJobError) as error:
            ends.append((str(error).splitlines() or [type(error).__name__])[0])
            if len(ends) < ATTEMPTS:
                log.warning("%s: its job was lost (%s); it goes on in another", job.title, ends[-1])
                with self._changed:
                    self._running[own] = (job, self._executor.submit(Call(), asdict(job)), ends)
                return
            outcome: Any = lost(job, ends)
        else:
            try:
                outcome = result_of(answer)
            except XltError as error:
                outcome = error
        with self._changed:
            del self._running[own]
        if isinstance(outcome, XltError):
            own.set_exception(outcome)
        else:
            own.set_result(outcome)


class Call:
    """What submitit runs on a node."""

    def __call__(self, job: dict[str, Any]) -> dict[str, Any]:
        from xlt.executors.worker import answer

        logging.basicConfig(format="%(message)s", level=logging.INFO)
        return answer(job)

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
