"""Requests that wait together are annotated together, and each gets what is its own."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, wait
from dataclasses import replace
from typing import Any, cast

import pytest

from xlt.document import Document
from xlt.permissions import PICKLE, allowing, is_granted
from xlt.runs.annotate import Annotated, Annotator
from xlt.runs.reading import Unit
from xlt.serve import worker as worker_module
from xlt.serve.limits import Busy, Down
from xlt.serve.worker import MAX_TOGETHER, SLICE, Job, Worker

SECONDS = 20.0
"""More than anything here takes: what hangs fails."""


class Stub:
    """An annotator that waits until it may go on, and fails on a text that is "bad"."""

    apart = False

    def __init__(self) -> None:
        self.error: BaseException = ValueError("bad")
        self.calls: list[list[str]] = []
        self.began, self.go_on = threading.Event(), threading.Event()

    def __call__(self, units: Sequence[Unit]) -> list[Annotated]:
        self.calls.append([unit.surface for unit in units])
        self.began.set()
        assert self.go_on.wait(SECONDS)
        if any(unit.surface == "bad" for unit in units):
            raise self.error
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


def test_what_nobody_waits_for_has_no_place_in_the_queue(stub: Stub, busy: Worker) -> None:
    futures = [busy.submit(job(stub, str(n))) for n in range(5)]
    assert futures[2].cancel()
    futures[2] = busy.submit(job(stub, "in its place"))
    with pytest.raises(Busy):
        busy.submit(job(stub, "one too many"))
    stub.go_on.set()
    assert results(futures) == ["0", "1", "in its place", "3", "4"]


def large(annotator: Stub, *texts: str) -> Job[str]:
    """A request each of whose texts is a slice of its own."""
    made = job(annotator, *texts)
    document = cast(Document, None)
    units = [replace(unit, documents=(document,) * SLICE) for unit in made.read()]
    return replace(made, read=lambda: units)


def test_what_nobody_waits_for_any_more_is_not_done_to_its_end(stub: Stub) -> None:
    with Worker(5) as worker:
        leaves = worker.submit(large(stub, "first", "second"))
        assert stub.began.wait(SECONDS)
        other = worker.submit(large(stub, "a", "b"))
        assert not leaves.cancel()  # it is being done
        stub.go_on.set()
        assert results([other]) == ["a+b"]
    assert stub.calls == [["first"], ["a"], ["b"]]


def test_one_who_leaves_costs_the_others_nothing(stub: Stub, busy: Worker) -> None:
    class Leaves(Stub):
        def __call__(self, units: Sequence[Unit]) -> list[Annotated]:
            futures[0].cancel()
            return super().__call__(units)

    other = Leaves()
    other.go_on.set()
    futures = [busy.submit(large(other, *texts)) for texts in ("ab", "cd")]
    stub.go_on.set()
    assert results(futures[1:]) == ["c+d"]
    assert other.calls == [["a"], ["c"], ["d"]]


@pytest.mark.parametrize("where", ["read", "annotate", "finish"])
def test_what_is_no_exception_does_not_end_the_thread(stub: Stub, where: str) -> None:
    """A panic of a tokenizer in Rust is a BaseException."""

    class PanicException(BaseException):
        pass

    def panic(*_: object) -> Any:
        raise PanicException("a secret text")

    stub.error = PanicException("a secret text")
    stub.go_on.set()
    bad = job(stub, "bad" if where == "annotate" else "a")
    if where != "annotate":
        bad = replace(bad, **{where: panic})
    with Worker(5) as worker:
        failed = worker.submit(bad)
        error = failed.exception(SECONDS)
        assert (type(error), str(error)) == (RuntimeError, "PanicException")
        worker.check()
        assert worker.submit(job(stub, "b")).result(SECONDS) == "b"


def test_a_thread_that_has_ended_takes_nothing(stub: Stub) -> None:
    worker = Worker(1)
    with pytest.raises(Down):
        worker.check()
    with pytest.raises(Down):
        worker.submit(job(stub, "a"))


def test_a_batch_that_failed_is_forgotten_before_the_next(stub: Stub, busy: Worker) -> None:
    """Its tensors would lie beside those of each retry."""
    before: list[object] = []

    class Memory:
        pass

    class Fails(Stub):
        def __call__(self, units: Sequence[Unit]) -> list[Annotated]:
            tensors = Memory()
            before.append(len(units) == 1 and kept())
            kept_at[:] = [weakref.ref(tensors)]
            if len(units) > 1:
                raise MemoryError
            return [(unit, ()) for unit in units]

    kept_at: list[weakref.ref[Memory]] = []

    def kept() -> bool:
        return any(one() is not None for one in kept_at)

    fails = Fails()
    futures = [busy.submit(job(fails, one)) for one in "ab"]
    stub.go_on.set()
    assert results(futures) == ["a", "b"]
    assert before == [False, False, False]


def test_it_does_not_wait_for_ever_at_its_end(stub: Stub, monkeypatch: Any) -> None:
    monkeypatch.setattr(worker_module, "GRACE", 0.01)
    with Worker(5) as worker:
        running = worker.submit(job(stub, "runs"))
        assert stub.began.wait(SECONDS)
        waits = worker.submit(job(stub, "waits"))
    assert waits.cancelled()
    stub.go_on.set()
    with pytest.raises(CancelledError):
        running.result(SECONDS)
    assert stub.calls == [["runs"]]


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
