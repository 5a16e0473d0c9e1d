"""One thread that owns the models. Requests wait for it in a queue; those that wait together, and
are for one model, are annotated together, as a batch takes less time than its texts one by one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from xlt.runs.annotate import Annotated, Annotator
from xlt.runs.reading import Unit
from xlt.serve.limits import Busy

T = TypeVar("T")

MAX_TOGETHER = 100_000
"""Characters of the requests that are taken together: so many fill batches, and nobody waits long
for what others sent."""


@dataclass(frozen=True)
class Job(Generic[T]):
    """What a request wants of a model.

    size:   in characters, about.
    read:   gives what is to be annotated.
    finish: makes the answer.
    Both run in the worker's thread; what they raise is the request's own.
    """

    annotator: Annotator
    size: int
    read: Callable[[], Sequence[Unit]]
    finish: Callable[[Sequence[Annotated]], T]


Waiting = tuple[Job[Any], "Future[Any]"]


class Worker:
    """most: requests that may wait.

    A context manager: within it, the thread runs; at its end all that was taken is answered.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        # What is allowed (`xlt.permissions`) is so in this thread, too.
        run = copy_context().run
        self._thread = threading.Thread(target=run, args=(self._work,), name="xlt", daemon=True)

    def __enter__(self) -> Worker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def submit(self, job: Job[T]) -> Future[T]:
        """The answer to come. One that is cancelled before its turn costs nothing.

        Raises Busy where the queue is full.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._stopped or len(self._waiting) >= self._most:
                raise Busy(
                    f"{len(self._waiting)} requests wait already",
                    fix="try again later; or start the server with a higher --max-waiting",
                )
            self._waiting.append((job, future))
            self._changed.notify()
        return future

    def _work(self) -> None:
        while batch := self._take():
            self._do(batch)

    def _take(self) -> list[Waiting]:
        """Requests to do together, in the order in which they came; none when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopped)
            taken: list[Waiting] = []
            size = 0
            while self._waiting and (not taken or size + self._waiting[0][0].size <= MAX_TOGETHER):
                taken.append(self._waiting.popleft())
                size += taken[-1][0].size
            return taken

    def _do(self, batch: Iterable[Waiting]) -> None:
        groups: dict[Annotator, list[_Read]] = {}
        for job, future in batch:
            if not future.set_running_or_notify_cancel():
                continue  # whoever asked has gone
            try:
                units = job.read()
            except Exception as error:
                future.set_exception(error)
            else:
                groups.setdefault(job.annotator, []).append(_Read(job, future, units))
        for annotator, group in groups.items():
            for together in [[one] for one in group] if annotator.apart else [group]:
                _annotate(annotator, together)


@dataclass(frozen=True)
class _Read:
    """A request whose texts have been read."""

    job: Job[Any]
    future: Future[Any]
    units: Sequence[Unit]

    def finish(self, annotated: Sequence[Annotated]) -> None:
        try:
            self.future.set_result(self.job.finish(annotated))
        except Exception as error:
            self.future.set_exception(error)


def _annotate(annotator: Annotator, group: Sequence[_Read]) -> None:
    """Annotate for several requests at once. What fails for one of them, fails for it alone."""
    try:
        annotated = annotator([unit for one in group for unit in one.units])
    except Exception as error:
        if len(group) == 1:
            group[0].future.set_exception(error)
            return
        for one in group:
            _annotate(annotator, [one])
        return
    rest = iter(annotated)
    for one in group:
        one.finish([next(rest) for _ in one.units])
