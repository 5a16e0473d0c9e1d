"""A Ray cluster, or one that is made on this machine."""

from __future__ import annotations

import logging
import os
import sys
from concurrent.futures import Future
from contextlib import ExitStack, redirect_stdout
from dataclasses import asdict
from functools import partial
from typing import Any

from xlt.errors import XltError, first_line
from xlt.executors.base import Executor, Job, Needs, Tries, asked_threads, result_of

_PASSED_ON = (
    *("XLT_", "HF_", "TRANSFORMERS_", "OMP_", "MKL_", "TOKENIZERS_"),
    *("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "FSSPEC_CONFIG_DIR"),
)
"""Beginnings of the names of environment variables that workers get. Ray shows them to whoever
looks at the cluster, so keys are not among them."""


class Ray(Executor):
    """`ray`: the cluster that RAY_ADDRESS names, or one that is made here; `ray://HOST:PORT`: that.

    Each job has a processor, or as many as OMP_NUM_THREADS or the job says, a GPU where the cluster
    has any, and the memory that it needs, or else all of the largest node. All nodes need the same
    folders and xlt. Ray's statistics of use are not sent.
    """

    def __init__(self, argument: str | None) -> None:
        cpus = asked_threads() or 1
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent unasked
        import ray

        self._ray = ray
        self._running: dict[Future[Any], Any] = {}
        self._closed = False
        # Ray tells of lost nodes and workers on standard output, which is for results.
        self._until_closed = ExitStack()
        self._until_closed.enter_context(redirect_stdout(sys.stderr))
        self._own = not ray.is_initialized()
        if self._own:
            passed = {k: v for k, v in os.environ.items() if k.startswith(_PASSED_ON)}
            try:
                ray.init(
                    address=None if argument is None else f"ray:{argument}",
                    runtime_env={"env_vars": passed},
                    include_dashboard=None if argument else False,
                    log_to_driver=logging.getLogger("xlt").isEnabledFor(logging.INFO),
                )
            except (ConnectionError, ValueError, RuntimeError) as error:
                self._until_closed.close()
                raise XltError(
                    f"Ray cannot be reached: {first_line(error)}",
                    where="--on",
                    fix="write `ray` for a cluster on this machine, or `ray://HOST:PORT` for one "
                    "that runs",
                ) from error
        there = ray.cluster_resources()
        gpus = int(there.get("GPU", 0))
        self._cpus, self._gpus = cpus, min(1, gpus)
        self._largest = {
            kind: max(node["Resources"].get(kind, 0) for node in ray.nodes())
            for kind in ("CPU", "GPU", "memory")
        }
        try:
            self._check("CPU", cpus, "processors", "OMP_NUM_THREADS")
        except XltError:
            self.close()
            raise
        self.slots = max(1, gpus or int(there.get("CPU", 1)) // cpus)
        # What is lost we begin again: what lacked memory with other arguments.
        self._remote = ray.remote(max_retries=0)(_do)

    def _check(self, kind: str, number: int, what: str, where: str) -> None:
        """Raise XltError for what no node has: Ray would wait for one."""
        most = int(self._largest[kind])
        if number > most:
            raise XltError(
                f"no node of the cluster has {number} {what} (the largest has {most})",
                where=where,
                fix=f"set it to {max(1, most)} or less" if most else "leave it out",
            )

    def _options(self, needs: Needs) -> dict[str, Any]:
        """As Ray has them. Raises XltError for what no node has."""
        cpus = asked_threads() or needs.cpus or self._cpus
        gpus = self._gpus if needs.gpus is None else needs.gpus
        self._check("CPU", cpus, "processors", "study.resources.cpus")
        self._check("GPU", gpus, "GPUs", "study.resources.gpus")
        memory = min((needs.memory_gib or 0) * 2**30, self._largest["memory"])
        return {"num_cpus": cpus, "num_gpus": gpus, "memory": int(memory) or None}

    def submit(self, job: Job) -> Future[Any]:
        own: Future[Any] = Future()
        own.set_running_or_notify_cancel()
        self._begin(own, Tries(job))
        return own

    def _begin(self, own: Future[Any], tries: Tries) -> None:
        job = tries.job
        reference = self._remote.options(**self._options(job.needs)).remote(asdict(job))
        self._running[own] = reference
        reference.future().add_done_callback(partial(self._settle, own, tries))

    def _settle(self, own: Future[Any], tries: Tries, theirs: Future[Any]) -> None:
        self._running.pop(own, None)
        job, kinds = tries.job, self._ray.exceptions
        try:
            own.set_result(result_of(theirs.result()))
        except XltError as error:
            own.set_exception(error)
        except kinds.RayTaskError as error:  # before a job of ours begins
            own.set_exception(
                XltError(
                    f"a worker of the cluster cannot do it: {first_line(error.cause)}",
                    where=job.title,
                    fix="all nodes need xlt as it is here, and the same folders",
                )
            )
        except kinds.RayError as error:
            if self._closed:
                own.set_exception(XltError("stopped", where=job.title))
                return
            lacked = isinstance(error, kinds.OutOfMemoryError)
            try:
                tries.again(type(error).__name__, killed_for_memory=lacked)
                self._begin(own, tries)
            except Exception as final:
                own.set_exception(final)
        except Exception as error:
            own.set_exception(error)

    def close(self) -> None:
        self._closed = True
        for reference in list(self._running.values()):
            self._ray.cancel(reference, force=True)
        if self._own:
            self._ray.shutdown()
        self._until_closed.close()


def _do(job: dict[str, Any]) -> dict[str, Any]:
    """In a worker of the cluster."""
    from xlt.executors.worker import do, log_to_stderr

    log_to_stderr()
    return do(job)
