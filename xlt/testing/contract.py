"""The contract of a task, checked in one line."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xlt.document import Document
from xlt.registry import tasks
from xlt.task import Task
from xlt.testing.clauses import CLAUSES
from xlt.testing.subject import Subject


def check_task(
    task_class: type[Task],
    records: Sequence[Document],
    *,
    tmp_path: Path,
    options: Mapping[str, Any] | None = None,
    only: Collection[str] | None = None,
) -> None:
    """Check that a task keeps its contract, down to a run of every registered strategy.

    records:  at least four labelled records with words, as `read` gives them. Not all with the
        same labels: a model of the first ones is made to grow to all of them.
    tmp_path: an empty folder for files, models and runs.
    options:  what stands beside `name` under `task` in a config.
    only:     some names of `CLAUSES`; by default all of them.

    A class without an entry point is registered under its name while the check lasts.
    Raises AssertionError with the clause that is broken, and how.
    """
    name = getattr(task_class, "name", task_class.__name__)
    assert only is None or set(only) <= set(CLAUSES), f"the clauses are {', '.join(CLAUSES)}"
    tmp_path.mkdir(parents=True, exist_ok=True)
    with _registered(name, task_class), _cache(tmp_path / "cache"):
        subject = Subject(task_class, list(records), tmp_path, dict(options or {}))
        for clause, check in CLAUSES.items():
            if only is not None and clause not in only:
                continue
            try:
                check(subject)
            except Exception as error:
                kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
                raise AssertionError(
                    f"the task {name!r} breaks its contract in clause {clause!r}: {kind}{error}\n"
                    f"  the clause: {' '.join((check.__doc__ or '').split())}"
                ) from error


@contextmanager
def _registered(name: str, task_class: type[Task]) -> Iterator[None]:
    if name in tasks.names():
        assert tasks.get(name) is task_class, f"another task is registered as {name!r}"
        yield
        return
    tasks.register(name, task_class)
    try:
        yield
    finally:
        tasks.unregister(name)


@contextmanager
def _cache(folder: Path) -> Iterator[None]:
    before = os.environ.get("XLT_CACHE")
    os.environ["XLT_CACHE"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("XLT_CACHE")
        if before is not None:
            os.environ["XLT_CACHE"] = before
