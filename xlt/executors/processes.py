"""Workers of this machine: processes that do one job after the other (`xlt.executors.worker`)."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import IO, Any

from xlt.executors import memory
from xlt.executors.base import Job, result_of

log = logging.getLogger(__name__)


class Lost(Exception):
    """The process ended without an answer; the text says how.

    killed_for_memory: that is why, as far as it can be told.
    """

    def __init__(self, end: str, *, killed_for_memory: bool = False) -> None:
        super().__init__(end)
        self.killed_for_memory = killed_for_memory


class Worker(ABC):
    """A process, and the two streams on which one talks with it.

    environment: that it was begun with.
    """

    def __init__(self, environment: Mapping[str, str], to: IO[str], answers: IO[str]) -> None:
        self.environment, self.ended = environment, False
        self._to, self._answers = to, answers

    def call(self, job: Job) -> Any:
        """What the job returns, after what it had to say on the way.

        Raises its errors; Lost where the process ends before the job does.
        """
        before = memory.kills()
        try:
            self._to.write(json.dumps(asdict(job)) + "\n")
            self._to.flush()
            for line in self._answers:
                if not line.endswith("\n"):
                    break  # the process was killed while it wrote
                told = json.loads(line)
                if "log" in told:
                    log.log(told["level"], "%s: %s", job.title, told["log"])
                else:
                    return result_of(told)
        except OSError as error:
            raise self._lost(before) from error
        raise self._lost(before)

    def _lost(self, kills: int) -> Lost:
        """How it ended. kills: those for lack of memory before it began."""
        code = self._wait()
        if code is None:
            return Lost("nobody knows how")
        end = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
        lacked = code == -signal.SIGKILL and memory.kills() > kills
        return Lost(end, killed_for_memory=lacked)

    def end(self) -> None:
        """Kill it: what it makes is whole or not there."""
        if not self.ended:
            self.ended = True
            self._kill()
            self._wait()
            for stream in (self._to, self._answers):
                with suppress(OSError):  # what it has not read
                    stream.close()

    @abstractmethod
    def _kill(self) -> None: ...

    @abstractmethod
    def _wait(self) -> int | None:
        """Its exit status, negative for a signal, once it has ended; None where nobody knows."""


class Begun(Worker):
    """By a command, whose standard streams are those on which one talks with it."""

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
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        super().__init__(environment, self._process.stdin, self._process.stdout)

    def _kill(self) -> None:
        self._process.kill()

    def _wait(self) -> int:
        return self._process.wait()


class Forked(Worker):
    """By a server, which has imported what jobs need (`xlt.executors.fork_server`)."""

    def __init__(self, server: ForkServer, environment: Mapping[str, str]) -> None:
        self._server = server
        ours, theirs = socket.socketpair()
        with theirs:
            self._pid = server.begin(environment, theirs)
        self._waiting = threading.Lock()
        self._waited = False
        self._code: int | None = None
        with ours:  # which lives as long as the streams do
            to = ours.makefile("w", encoding="utf-8")
            super().__init__(environment, to, ours.makefile("r", encoding="utf-8"))

    def _kill(self) -> None:
        if not self._waited:  # afterwards the id may be another process's
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def _wait(self) -> int | None:
        with self._waiting:
            if not self._waited:
                self._code = self._server.wait(self._pid)
                self._waited = True
            return self._code


class ForkServer:
    """A process that forks workers of an environment, of which they change a few variables.

    modules: what it imports before it forks the first one.
    """

    def __init__(self, environment: Mapping[str, str], modules: Sequence[str]) -> None:
        self._asking = threading.Lock()
        self._socket, theirs = socket.socketpair()
        self._answers = self._socket.makefile("r", encoding="ascii")
        self._environment = environment
        with theirs:
            descriptor = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "xlt.executors.fork_server", str(descriptor), *modules],
                stdin=subprocess.DEVNULL,
                env=environment,
                pass_fds=[descriptor],
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def begin(self, environment: Mapping[str, str], talks: socket.socket) -> int:
        """The process id of a new worker. Raises Lost where the server has ended.

        talks: the worker's end of a pair.
        """
        theirs = self._environment
        own = {name: value for name, value in environment.items() if theirs.get(name) != value}
        pid = self._ask({"begin": own}, [talks.fileno()])
        if pid is None:
            raise Lost("what was to begin it has ended")
        return pid

    def wait(self, pid: int) -> int | None:
        """The exit status of one of its workers; None where the server has ended."""
        return self._ask({"wait": pid})

    def _ask(self, request: Mapping[str, Any], files: Sequence[int] = ()) -> int | None:
        line = json.dumps(request).encode()
        with self._asking:
            try:
                socket.send_fds(self._socket, [line], files)
                answer = self._answers.readline()
            except (OSError, ValueError):  # it has ended, or was closed
                answer = ""
        return int(answer) if answer.endswith("\n") else None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._answers.close()
        self._socket.close()
