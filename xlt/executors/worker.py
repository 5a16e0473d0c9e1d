"""A process that does jobs: a JSON line in for each, JSON lines out.

    python -m xlt.executors.worker

Lines out are {"level", "log"}, any number of them, and then {"result"} or {"errors"}. When standard
input ends, which it does when whoever writes to it has ended, so does this, whatever it is doing.
Workers of `xlt.executors.fork_server` do the same with a socket.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn, TextIO

from xlt.errors import XltError, described, first_line


class _Forwarding(logging.Handler):
    """Messages of xlt, for the process that gave the job."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        _say(self._out, {"level": record.levelno, "log": record.getMessage()})


def main() -> None:
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    work(sys.stdin, out)


def work(given: TextIO, out: TextIO) -> NoReturn:
    """Do the jobs that are given until there are no more, which ends the process."""
    logger = logging.getLogger("xlt")
    logger.addHandler(_Forwarding(out))
    logger.setLevel(logging.INFO)
    jobs: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_read, args=(given, jobs), daemon=True).start()
    while True:
        _say(out, do(jobs.get()))


def do(job: dict[str, Any]) -> dict[str, Any]:
    """What comes of a job, as `answer`."""
    os.chdir(job["folder"])
    return answer(job["call"], job["arguments"], job["title"])


def answer(call: str, arguments: dict[str, Any], title: str | None = None) -> dict[str, Any]:
    """What comes of a call: {"result"}, or {"errors"} as `xlt.errors.described` gives them.

    title: where an error that says no place was.
    """

    def work() -> Any:
        module, _, name = call.partition(":")
        return getattr(import_module(module), name)(**arguments)

    return attempt(work, title)


def log_to_stderr(level: int = logging.INFO) -> None:
    """In a process whose messages nobody takes otherwise."""
    logger = logging.getLogger("xlt")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(level)


def attempt(work: Callable[[], Any], title: str | None = None) -> dict[str, Any]:
    """What comes of a function, as `answer`."""
    try:
        return {"result": work()}
    except XltError as error:
        return described(error)
    except Exception as error:
        what = f"{type(error).__name__}: {first_line(error)}"
        fix = "the same command without `--on` and with `--debug` shows where it happened"
        return described(XltError(what, where=title, fix=fix))


def _read(given: TextIO, jobs: queue.Queue[dict[str, Any]]) -> None:
    with suppress(ConnectionResetError):  # how a socket ends where what was said is not yet read
        for line in given:
            if not line.endswith("\n"):
                break  # whoever wrote it was killed meanwhile
            jobs.put(json.loads(line))
    os._exit(0)


def _say(out: TextIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
