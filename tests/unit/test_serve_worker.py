"""Requests that wait together are annotated together, and each gets what is its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from typing import Any, cast

import pytest

from xlt.permissions import PICKLE, allowing, is_granted
from xlt.runs.annotate import Annotated, Annotator
from xlt.runs.reading import Unit
from xlt.serve.limits import Busy
from xlt.serve.worker import MAX_TOGETHER, Job, Worker

SECONDS = 20.0
"""More than anything here takes: what hangs fails."""


class Stub:
    """An annotator that waits until it may go on, and fails on a text that is "bad"."""

    apart = False

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.began, self.go_on = threading.Event(), threading.Event()

    def __call__(self, units: Sequence[Unit]) -> list[Annotated]:
        self.calls.append([unit.surface for unit in units])
        self.began.set()
        assert self.go_on.wait(SECONDS)
        if any(unit.surface == "bad" for unit in units):
            raise ValueError("bad")
        return [(unit, ()) for unit in units]


def job(annotator: Stub, *texts: str, size: int = 1) -> Job[str]:
    units = [Unit("", None, None, text, (), ()) for text in texts]
    return Job(
        cast(Annotator, annotator),
        size,
        lambda: units,
        lambda annotated: "+".join(unit.surface for unit, _ in annotated),
    )


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def busy(stub: Stub) -> Iterator[Worker]:
    """A worker that has begun with a text, and goes on when the stub may."""
    with Worker(5) as worker:
        worker.submit(job(stub, "first"))
        assert stub.began.wait(SECONDS)
        yield worker
        stub.go_on.set()


def results(futures: Sequence[Future[Any]]) -> list[Any]:
    wait(futures, SECONDS)
    return [future.exception(0) or future.result(0) for future in futures]


def test_those_that_wait_are_one_batch(stub: Stub, busy: Worker) -> None:
    other = Stub()
    other.go_on.set()
    futures = [
        busy.submit(one)
        for one in (job(stub, "a", "b"), job(other, "c"), job(stub), job(stub, "d"))
    ]
    stub.go_on.set()
    assert results(futures) == ["a+b", "c", "", "d"]
    assert stub.calls == [["first"], ["a", "b", "d"]]
    assert other.calls == [["c"]]


def test_requests_are_kept_apart_where_they_would_change_each_other(
    stub: Stub, busy: Worker
) -> None:
    stub.apart = True
    futures = [busy.submit(job(stub, "a", "b")), busy.submit(job(stub, "c"))]
    stub.go_on.set()
    assert results(futures) == ["a+b", "c"]
    assert stub.calls == [["first"], ["a", "b"], ["c"]]


def test_a_large_request_is_not_waited_for_by_small_ones(stub: Stub, busy: Worker) -> None:
    futures = [busy.submit(job(stub, "a")), busy.submit(job(stub, "b", size=MAX_TOGETHER))]
    futures.append(busy.submit(job(stub, "c", size=2 * MAX_TOGETHER)))
    stub.go_on.set()
    assert results(futures) == ["a", "b", "c"]
    assert stub.calls == [["first"], ["a"], ["b"], ["c"]]


def test_what_fails_for_one_fails_for_it_alone(stub: Stub, busy: Worker) -> None:
    def unreadable() -> list[Unit]:
        raise KeyError("unreadable")

    def unfinished(_: object) -> str:
        raise OSError("unfinished")

    annotator = cast(Annotator, stub)
    futures = [
        busy.submit(job(stub, "a")),
        busy.submit(Job(annotator, 1, unreadable, str)),
        busy.submit(job(stub, "bad")),
        busy.submit(Job(annotator, 1, list, unfinished)),
        busy.submit(job(stub, "b")),
    ]
    stub.go_on.set()
    a, unread, bad, unfinished_, b = results(futures)
    assert (a, b) == ("a", "b")
    assert [type(one) for one in (unread, bad, unfinished_)] == [KeyError, ValueError, OSError]


def test_more_than_may_wait_are_refused(stub: Stub, busy: Worker) -> None:
    futures = [busy.submit(job(stub, str(n))) for n in range(5)]
    with pytest.raises(Busy, match="5 requests wait already"):
        busy.submit(job(stub, "one too many"))
    stub.go_on.set()
    assert results(futures) == list("01234")


def test_what_nobody_waits_for_is_not_done(stub: Stub, busy: Worker) -> None:
    gone, other = busy.submit(job(stub, "gone")), busy.submit(job(stub, "there"))
    assert gone.cancel()
    stub.go_on.set()
    assert results([other]) == ["there"]
    assert stub.calls == [["first"], ["there"]]


def test_at_its_end_all_that_was_taken_is_answered(stub: Stub) -> None:
    stub.go_on.set()
    with Worker(100) as worker:
        futures = [worker.submit(job(stub, str(n), size=MAX_TOGETHER)) for n in range(20)]
    assert [future.result(0) for future in futures] == [str(n) for n in range(20)]
    with pytest.raises(Busy):
        worker.submit(job(stub, "late"))


def test_what_is_allowed_is_allowed_in_its_thread() -> None:
    stub = Stub()
    stub.go_on.set()
    with allowing(PICKLE):
        worker = Worker(1)
    with worker:
        future = worker.submit(Job(cast(Annotator, stub), 1, list, lambda _: is_granted(PICKLE)))
    assert future.result(0)
    assert not is_granted(PICKLE)
