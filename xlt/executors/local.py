"""Processes of this machine, each with its share of the processors."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from xlt.errors import XltError
from xlt.executors import memory
from xlt.executors.base import Executor, Job, Tries, asked_threads, result_of

log = logging.getLogger(__name__)

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


class _Lost(Exception):
    """The process ended without an answer; the text says how.

    killed_for_memory: that is why, as far as it can be told.
    """

    def __init__(self, end: str, *, killed_for_memory: bool = False) -> None:
        super().__init__(end)
        self.killed_for_memory = killed_for_memory


class Local(Executor):
    """`local:N`: N processes, which begin when there is something to do.

    Each computes with as many threads as there are processors for it, unless OMP_NUM_THREADS says
    how many; of several GPUs they take one after the other. They end with the process that began
    them, however that ends.

    command: what begins a worker (`xlt.executors.worker`).
    """

    command: Sequence[str] = (sys.executable, "-m", "xlt.executors.worker")

    def __init__(self, argument: str | None) -> None:
        if argument is None or not argument.isascii() or not argument.isdigit() or argument == "0":
            raise XltError(
                f"local: {argument or 'nothing'} is no number of processes",
                where="--on",
                fix=f"write `local:{os.cpu_count() or 1}`, say",
            )
        self.slots = int(argument)
        self._pool = ThreadPoolExecutor(self.slots, thread_name_prefix="worker")
        self._own = threading.local()  # each thread has a process
        self._processes: list[_Process] = []
        self._changing = threading.Lock()
        self._closed = False

    def submit(self, job: Job) -> Future[Any]:
        return self._pool.submit(self._run, job)

    def close(self) -> None:
        with self._changing:
            self._closed = True
        for process in self._processes:
            process.end()
        self._pool.shutdown(cancel_futures=True)

    def _run(self, job: Job) -> Any:
        """In a thread of the pool: what the job returns."""
        tries = Tries(job)
        while True:
            try:
                return self._process().call(job)
            except _Lost as error:
                if (process := getattr(self._own, "process", None)) is not None:
                    process.end()
                if self._closed:
                    raise XltError("stopped", where=job.title) from error
                job = tries.again(str(error), killed_for_memory=error.killed_for_memory)

    def _process(self) -> _Process:
        """This thread's. Raises _Lost once all are to end."""
        process: _Process | None = getattr(self._own, "process", None)
        if process is None or process.ended:
            with self._changing:
                if self._closed:
                    raise _Lost("stopped")
                number = len(self._processes)
                process = self._own.process = _Process(self.command, self._environment(number))
                self._processes.append(process)
        return process

    def _environment(self, number: int) -> dict[str, str]:
        """Of the n-th process."""
        threads = str(asked_threads() or max(1, _processors() // self.slots))
        gpus = _gpus()
        device = {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if len(gpus) > 1 else {}
        return {**dict.fromkeys(_THREADS, threads), **os.environ, **device}


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


class _Process:
    """One worker, which does one job after the other (`xlt.executors.worker`)."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        # A session of its own: an interrupt at the terminal is for the process that began it.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
            start_new_session=True,
        )
        self.ended = False

    def call(self, job: Job) -> Any:
        """What the job returns, after what it had to say on the way.

        Raises its errors; _Lost where the process ends before the job does.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        before = memory.kills()
        try:
            self._process.stdin.write(json.dumps(asdict(job)) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._lost(before) from error
        for line in self._process.stdout:
            if not line.endswith("\n"):
                break  # the process was killed while it wrote
            told = json.loads(line)
            if "log" in told:
                log.log(told["level"], "%s: %s", job.title, told["log"])
            else:
                return result_of(told)
        raise self._lost(before)

    def _lost(self, kills: int) -> _Lost:
        """How it ended. kills: those for lack of memory before it began."""
        code = self._process.wait()
        end = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
        lacked = code == -signal.SIGKILL and memory.kills() > kills
        return _Lost(end, killed_for_memory=lacked)

    def end(self) -> None:
        """Kill it: what it makes is whole or not there."""
        if not self.ended:
            self.ended = True
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                assert stream is not None
                with suppress(BrokenPipeError):  # what it has not read
                    stream.close()
