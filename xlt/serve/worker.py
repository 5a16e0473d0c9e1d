"""One thread that owns the models. Requests wait for it in a queue; those that wait together, and
are for one model, are annotated together, as a batch takes less time than its texts one by one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from xlt.runs.annotate import Annotated, Annotator
from xlt.runs.reading import Unit
from xlt.serve.limits import Busy, Down

T = TypeVar("T")

MAX_TOGETHER = 100_000
"""Characters of the requests that are taken together: so many fill batches, and nobody waits long
for what others sent."""

SLICE = 256
"""Documents after which it is looked whether somebody still waits for the rest."""

GRACE = 5.0
"""Seconds in which the thread is to end once it is told to."""


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


class Promise(Future[T]):
    """An answer to come.

    given_up: whether nobody waits for it any more, which may be so while it is made.
    """

    given_up = False

    def cancel(self) -> bool:
        self.given_up = True
        return super().cancel()

    def fail(self, error: BaseException) -> None:
        """Answer with an error. What is no Exception, such as a panic of a tokenizer in Rust, would
        end whoever waits for it, and then the server."""
        known = isinstance(error, Exception)
        self.set_exception(error if known else RuntimeError(type(error).__name__))


Waiting = tuple[Job[Any], Promise[Any]]


class Worker:
    """most: requests that may wait.

    A context manager: within it, the thread runs; at its end all that was taken is answered, but
    for what takes longer than `GRACE`, which is given up.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[Waiting] = deque()
        self._taken: Sequence[Waiting] = ()
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
        self._thread.join(GRACE)
        with self._changed:
            for one in (*self._taken, *self._waiting):
                one[1].cancel()
        self._thread.join(GRACE)

    def check(self) -> None:
        """Raises Down where the thread has ended, so that nothing would be answered."""
        if not self._thread.is_alive():
            raise Down("the thread that owns the models has ended", fix="start the server again")

    def submit(self, job: Job[T]) -> Promise[T]:
        """The answer to come. One that is cancelled before its turn costs nothing.

        Raises Busy where the queue is full, and as `check`.
        """
        promise: Promise[T] = Promise()
        with self._changed:
            if len(self._waiting) >= self._most:
                self._waiting = deque(one for one in self._waiting if not one[1].given_up)
            if self._stopped or len(self._waiting) >= self._most:
                raise Busy(
                    f"{len(self._waiting)} requests wait already",
                    fix="try again later; or start the server with a higher --max-waiting",
                )
            self.check()
            self._waiting.append((job, promise))
            self._changed.notify()
        return promise

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
            self._taken = taken
            return taken

    def _do(self, batch: Iterable[Waiting]) -> None:
        groups: dict[Annotator, list[_Read]] = {}
        for job, promise in batch:
            if not promise.set_running_or_notify_cancel():
                continue  # whoever asked has gone
            try:
                units = job.read()
            except BaseException as error:
                promise.fail(error)
            else:
                groups.setdefault(job.annotator, []).append(_Read(job, promise, units))
        for annotator, group in groups.items():
            for together in [[one] for one in group] if annotator.apart else [group]:
                _annotate(annotator, together)


@dataclass(frozen=True)
class _Read:
    """A request whose texts have been read."""

    job: Job[Any]
    promise: Promise[Any]
    units: Sequence[Unit]
    annotated: list[Annotated] = field(default_factory=list)

    def finish(self) -> None:
        if self.promise.given_up:
            self.promise.fail(CancelledError())
            return
        try:
            self.promise.set_result(self.job.finish(self.annotated))
        except BaseException as error:
            self.promise.fail(error)


def _annotate(annotator: Annotator, group: Sequence[_Read]) -> None:
    """Annotate for several requests at once. What fails for one of them, fails for it alone."""
    failed = False
    try:
        for part in [list(_units(group))] if annotator.apart else _slices(group):
            there = [(one, unit) for one, unit in part if not one.promise.given_up]
            if there:
                annotated = annotator([unit for _, unit in there])
                for (one, _), made in zip(there, annotated, strict=True):
                    one.annotated.append(made)
    except BaseException as error:
        failed = True
        if len(group) == 1:
            group[0].promise.fail(error)
    # Not while the error is handled: it keeps what the failed batch has in memory.
    if not failed:
        for one in group:
            one.finish()
    elif len(group) > 1:
        for one in group:
            one.annotated.clear()
            _annotate(annotator, [one])


def _units(group: Iterable[_Read]) -> Iterator[tuple[_Read, Unit]]:
    return ((one, unit) for one in group for unit in one.units)


def _slices(group: Iterable[_Read]) -> Iterator[list[tuple[_Read, Unit]]]:
    """The units of all requests in order, as many at once as have `SLICE` documents."""
    part: list[tuple[_Read, Unit]] = []
    size = 0
    for one, unit in _units(group):
        part.append((one, unit))
        size += len(unit.documents)
        if size >= SLICE:
            yield part
            part, size = [], 0
    yield part
