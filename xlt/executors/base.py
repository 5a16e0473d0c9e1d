"""What runs jobs: each is a function of this package with JSON-able arguments and result."""

from __future__ import annotations

import logging
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

from xlt.errors import XltError, raise_all
from xlt.registry import executors

log = logging.getLogger(__name__)

_NAMED = re.compile(r"(?P<name>[a-z_][a-z0-9_]*)(?::(?P<argument>.*))?")


@dataclass(frozen=True)
class Needs:
    """What a job takes.

    memory_gib, gpu_gib: of the machine's memory, and of that of each GPU; None where nobody knows.
    cpus, gpus: processors, and so threads, and GPUs; None: what the executor gives every job.
    """

    memory_gib: float | None = None
    gpu_gib: float | None = None
    cpus: int | None = None
    gpus: int | None = None


@dataclass(frozen=True)
class Job:
    """A call that can be made in any process.

    call:   "package.module:function", which takes `arguments` by name; they are JSON-able, as is
        what it returns.
    title:  for messages.
    folder: that relative paths in the arguments are relative to.
    needs:  what an executor gives it, as far as it can.
    killed_for_memory: further arguments when it runs again because the process that did it was
        killed for lack of memory.
    """

    call: str
    arguments: dict[str, Any] = field(default_factory=dict)
    title: str = ""
    folder: str = field(default_factory=os.getcwd)
    needs: Needs = Needs()
    killed_for_memory: dict[str, Any] = field(default_factory=dict)


ATTEMPTS = 3
"""How often a job is begun whose process is lost."""


@dataclass
class Tries:
    """A job, and how the processes ended that were to do it, in words."""

    job: Job
    ends: list[str] = field(default_factory=list)

    def again(self, end: str, *, killed_for_memory: bool = False) -> Job:
        """What is to be done instead when a process was lost. Raises XltError after `ATTEMPTS`.

        end: how it was, in words. killed_for_memory: as far as that is known.
        """
        self.ends.append(f"{end}, for lack of memory" if killed_for_memory else end)
        if len(self.ends) == ATTEMPTS:
            raise XltError(
                f"its process was lost {ATTEMPTS} times ({', '.join(self.ends)})",
                where=self.job.title,
                fix="if memory ran out, take fewer processes, or raise `training.accumulate`",
            )
        log.warning(
            "%s: its process was lost (%s); it goes on in another", self.job.title, self.ends[-1]
        )
        if killed_for_memory:  # which holds for every process to come, however this one ends
            needed = self.job.needs.memory_gib
            self.job = replace(
                self.job,
                arguments={**self.job.arguments, **self.job.killed_for_memory},
                needs=replace(self.job.needs, memory_gib=None if needed is None else needed * 2),
            )
        return self.job


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
    on_this_machine: ClassVar[bool] = False
    """Whether no job ever runs on another machine."""

    @abstractmethod
    def __init__(self, argument: str | None) -> None: ...

    def expect(self, modules: Sequence[str]) -> None:  # noqa: B027
        """Modules that jobs will need, so that processes can import them before there are any."""

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


def make_executor(text: str, expects: Sequence[str] = ()) -> Executor:
    """What ``--on`` names, e.g. "local:4". Raises XltError for what is none.

    expects: modules that its jobs will need.
    """
    found = _NAMED.fullmatch(text)
    if found is None:
        raise XltError(
            f"{text!r} names no executor", where="--on", fix="`local:2` is two processes here"
        )
    executor: Executor = executors.get(found["name"], where="--on")(found["argument"])
    executor.expect(expects)
    return executor
