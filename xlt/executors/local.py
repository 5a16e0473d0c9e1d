"""Processes of this machine, each with its share of the processors."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

from xlt.errors import XltError
from xlt.executors import memory
from xlt.executors.base import Executor, Job, Needs, Tries, asked_threads
from xlt.executors.processes import Begun, Forked, ForkServer, Lost, Worker

log = logging.getLogger(__name__)

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Local(Executor):
    """`local:N`: N processes, which begin when there is something to do.

    Each computes with as many threads as there are processors for it, unless OMP_NUM_THREADS or the
    job says how many; of several GPUs they take one after the other. A job waits while those that
    run leave too little memory for it, but one always runs. They end with the process that began
    them, however that ends.

    command: what begins a worker (`xlt.executors.worker`); None: it is forked from a process that
        has imported what was `expect`ed.
    memory_gib: what there is for all of them; None: nobody waits for memory.
    """

    on_this_machine = True
    command: Sequence[str] | None = None
    memory_gib: float | None

    def __init__(self, argument: str | None) -> None:
        if argument is None or not argument.isascii() or not argument.isdigit() or argument == "0":
            raise XltError(
                f"local: {argument or 'nothing'} is no number of processes",
                where="--on",
                fix=f"write `local:{os.cpu_count() or 1}`, say",
            )
        self.slots = int(argument)
        self.memory_gib = memory.available()
        # As it is now: what libraries add to it on being imported is no reason for new workers.
        self._environ = dict(os.environ)
        self._room = _Room()
        self._pool = ThreadPoolExecutor(self.slots, thread_name_prefix="worker")
        self._own = threading.local()  # each thread has a process
        self._numbers = count()
        self._processes: list[Worker] = []
        self._modules: Sequence[str] = ()
        self._server: ForkServer | None = None
        self._changing = threading.Lock()
        self._closed = False

    def expect(self, modules: Sequence[str]) -> None:
        if modules and self.command is None:
            with self._changing:
                self._modules = modules
                self._forks()

    def submit(self, job: Job) -> Future[Any]:
        return self._pool.submit(self._run, job)

    def close(self) -> None:
        with self._changing:
            self._closed = True
        self._room.close()
        for process in self._processes:
            process.end()
        if self._server is not None:
            self._server.close()
        self._pool.shutdown(cancel_futures=True)

    def _run(self, job: Job) -> Any:
        """In a thread of the pool: what the job returns."""
        tries = Tries(job)
        while True:
            try:
                with self._room.taken(job, self._shared(job.needs)):
                    return self._process(job.needs).call(job)
            except Lost as error:
                if (process := getattr(self._own, "process", None)) is not None:
                    process.end()
                if self._closed:
                    raise XltError("stopped", where=job.title) from error
                job = tries.again(str(error), killed_for_memory=error.killed_for_memory)

    def _shared(self, needs: Needs) -> Iterator[tuple[str, float, float]]:
        """What of that others have, too, in words; how much there is; how much of it is needed."""
        if needs.memory_gib is not None and self.memory_gib is not None:
            yield "memory", self.memory_gib, needs.memory_gib
        if needs.gpu_gib is not None:
            gpus = _gpus()
            for number in _gpus_of(self._number, needs, len(gpus)):
                yield f"memory of GPU {gpus[number]}", _gpu_gib(number), needs.gpu_gib

    def _process(self, needs: Needs) -> Worker:
        """This thread's. Raises Lost once all are to end."""
        process: Worker | None = getattr(self._own, "process", None)
        environment = self._environment(self._number, needs)
        if process is not None and process.environment != environment:
            process.end()
        if process is None or process.ended:
            with self._changing:
                if self._closed:
                    raise Lost("stopped")
                process = self._own.process = self._begun(environment)
                self._processes = [one for one in self._processes if not one.ended] + [process]
        return process

    def _begun(self, environment: Mapping[str, str]) -> Worker:
        if self.command is not None:
            return Begun(self.command, environment)
        return Forked(self._forks(), environment)

    def _forks(self) -> ForkServer:
        if self._server is not None and self._server.ended:
            self._server.close()
            self._server = None
        if self._server is None:
            self._server = ForkServer(self._computing(Needs()), self._modules)
        return self._server

    @property
    def _number(self) -> int:
        """This thread's, from 0."""
        with self._changing:
            if not hasattr(self._own, "number"):
                self._own.number = next(self._numbers)
            number: int = self._own.number
            return number

    def _environment(self, number: int, needs: Needs) -> dict[str, str]:
        """Of the n-th thread's process for such jobs.

        Raises XltError for more GPUs than there are.
        """
        gpus = _gpus()
        if needs.gpus is not None and needs.gpus > len(gpus):
            raise XltError(
                f"{needs.gpus} GPUs are wanted, and this machine has {len(gpus)}",
                where="study.resources.gpus",
                fix=f"set it to {len(gpus)}, or leave it out",
            )
        device = {}
        if len(gpus) > 1 or needs.gpus == 0:
            own = ",".join(gpus[n] for n in _gpus_of(number, needs, len(gpus)))
            device = {"CUDA_VISIBLE_DEVICES": own}
        return {**self._computing(needs), **device}

    def _computing(self, needs: Needs) -> dict[str, str]:
        """The environment but for devices."""
        threads = str(asked_threads() or needs.cpus or max(1, _processors() // self.slots))
        return {**dict.fromkeys(_THREADS, threads), **self._environ}


class _Room:
    """What jobs share, by name: they are let in one after the other, as soon as there is enough."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._taken: list[Mapping[str, float]] = []
        self._closed = False

    @contextmanager
    def taken(self, job: Job, shared: Iterable[tuple[str, float, float]]) -> Iterator[None]:
        """A block in which the job runs. shared: name, how much there is, how much it needs.

        Raises Lost once all are to end.
        """
        needed = list(shared)
        own = {name: needs for name, _, needs in needed}
        with self._changed:
            self._waiting.append(job)
            if self._taken and (lacking := self._lacking(needed)):
                log.info("%s: waits for %s", job.title, lacking)
            self._changed.wait_for(lambda: self._closed or self._is_next(job, needed))
            self._waiting.remove(job)
            if self._closed:
                raise Lost("stopped")
            if lacking := self._lacking(needed):
                log.warning("%s: runs alone, though it lacks %s", job.title, lacking)
            self._taken.append(own)
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._taken.remove(own)
                self._changed.notify_all()

    def close(self) -> None:
        """Nobody waits any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_next(self, job: Job, needed: Sequence[tuple[str, float, float]]) -> bool:
        if self._waiting[0] is not job:
            return False
        lacking = [name for name, _, _ in needed if self._lacking(needed, name)]
        return not any(name in taken for taken in self._taken for name in lacking)

    def _lacking(self, needed: Sequence[tuple[str, float, float]], only: str | None = None) -> str:
        """What there is too little of, in words."""
        found = []
        for name, there, needs in needed:
            left = there - sum(taken.get(name, 0.0) for taken in self._taken)
            if needs > left and only in (None, name):
                found.append(f"{name} ({needs:.1f} GiB, and {max(0.0, left):.1f} are free)")
        return ", ".join(found)


def _processors() -> int:
    """Those that this process may use, where the system says so (Linux)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gpus() -> list[str]:
    """As CUDA_VISIBLE_DEVICES names them."""
    if (named := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in named.split(",") if name]
    from torch.cuda import device_count

    return [str(number) for number in range(device_count())]


def _gpus_of(number: int, needs: Needs, gpus: int) -> list[int]:
    """Which of so many GPUs the n-th thread's jobs have, in order."""
    wanted = min(1 if needs.gpus is None else needs.gpus, gpus)
    return sorted((number * wanted + n) % gpus for n in range(wanted))


def _gpu_gib(number: int) -> float:
    """Memory of the n-th GPU that this process sees."""
    from torch.cuda import get_device_properties

    return float(get_device_properties(number).total_memory / 2**30)
