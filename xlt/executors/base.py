"""What runs jobs: each is a function of this package with JSON-able arguments and result."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

from xlt.errors import XltError, raise_all
from xlt.registry import executors

_NAMED = re.compile(r"(?P<name>[a-z_][a-z0-9_]*)(?::(?P<argument>.*))?")


@dataclass(frozen=True)
class Job:
    """A call that can be made in any process.

    call:   "package.module:function", which takes `arguments` by name; they are JSON-able, as is
        what it returns.
    title:  for messages.
    folder: that relative paths in the arguments are relative to.
    """

    call: str
    arguments: dict[str, Any] = field(default_factory=dict)
    title: str = ""
    folder: str = field(default_factory=os.getcwd)


ATTEMPTS = 3
"""How often a job is begun whose process is lost."""


def asked_threads() -> int | None:
    """How many threads a process is to have by OMP_NUM_THREADS; None where it says nothing.

    Raises XltError for what is no number.
    """
    stated = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if not stated:
        return None
    if not (stated.isascii() and stated.isdigit() and int(stated)):
        raise XltError(
            f"{stated!r} is no number of threads",
            where="OMP_NUM_THREADS",
            fix="set it to 1, say, or unset it",
        )
    return int(stated)


def result_of(answer: Mapping[str, Any]) -> Any:
    """What a job returned, by a worker's answer (`xlt.executors.worker`). Raises its errors."""
    errors = answer.get("errors", ())
    raise_all([XltError(one["what"], where=one["where"], fix=one["fix"]) for one in errors])
    return answer["result"]


def lost(job: Job, ends: Sequence[str]) -> XltError:
    """Of a job whose process was lost each time. ends: how, each time."""
    return XltError(
        f"its process was lost {len(ends)} times ({', '.join(ends)})",
        where=job.title,
        fix="if memory ran out, take fewer processes, or lower `training.batch_tokens` and "
        "raise `training.accumulate`",
    )


class Executor(ABC):
    """Runs jobs somewhere, as a context manager; what still runs when the block ends is stopped.

    A job may run twice: one whose process was lost runs again. So jobs publish what they make whole
    or not at all, and find what is there already.

    Register a subclass under the entry-point group ``xlt.executors``. It is made with the text
    after the colon of ``--on name:text``, None where there is none, and raises XltError for what it
    cannot use.
    """

    slots: int
    """How many jobs run at a time."""

    @abstractmethod
    def __init__(self, argument: str | None) -> None: ...

    @abstractmethod
    def submit(self, job: Job) -> Future[Any]:
        """Start a job as soon as there is room.

        The future raises what the function raised, as XltError, and XltError for a job whose
        process is lost time and again.
        """

    def ended(self, running: Collection[Future[Any]]) -> Collection[Future[Any]]:
        """Of these, those that have ended; waits until there is one."""
        return wait(running, return_when=FIRST_COMPLETED).done

    @abstractmethod
    def close(self) -> None:
        """Stop what runs, and let go of everything."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


Name = TypeVar("Name")


def finished(
    executor: Executor, jobs: Iterable[tuple[Name, Job]]
) -> Iterator[tuple[Name, Future[Any]]]:
    """Each job that has ended, by name, as it ends; no more are begun than there is room for."""
    left = iter(jobs)
    running: dict[Future[Any], Name] = {}
    while True:
        for name, job in left:
            running[executor.submit(job)] = name
            if len(running) >= executor.slots:
                break
        if not running:
            return
        for future in executor.ended(running):
            yield running.pop(future), future


def make_executor(text: str) -> Executor:
    """What ``--on`` names, e.g. "local:4". Raises XltError for what is none."""
    found = _NAMED.fullmatch(text)
    if found is None:
        raise XltError(
            f"{text!r} names no executor", where="--on", fix="`local:2` is two processes here"
        )
    executor: Executor = executors.get(found["name"], where="--on")(found["argument"])
    return executor
