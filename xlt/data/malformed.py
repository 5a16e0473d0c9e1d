"""Malformed records: an error that ends the reading, or one of a list; and what is said of a file
once it has been read.

Readers pass what is wrong with a record to `malformed` and go on with the next one if it returns.
So whoever wants to know all that is wrong with a file reads it as anybody does, inside
`collect_malformed`, and neither tasks nor their plugins have to pass a list along.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from xlt.errors import XltError

log = logging.getLogger(__name__)

_collected: ContextVar[list[XltError] | None] = ContextVar("malformed records", default=None)


@contextmanager
def collect_malformed() -> Iterator[list[XltError]]:
    """Readers that can go on after a malformed record leave it out and add its error to the list.

    Holds for what is read within the ``with`` block.
    """
    problems: list[XltError] = []
    token = _collected.set(problems)
    try:
        yield problems
    finally:
        _collected.reset(token)


_untold: ContextVar[bool] = ContextVar("reports are left out", default=False)


@contextmanager
def untold() -> Iterator[None]:
    """Nothing is said of files that are read within the block: only how to read them is tried."""
    token = _untold.set(True)
    try:
        yield
    finally:
        _untold.reset(token)


def tell(source: object, report: str) -> None:
    """Say of a file, once it has been read, what could not be taken as it is."""
    if not _untold.get():
        log.warning("%s: %s", source, report)


def malformed(error: XltError, problems: list[XltError] | None = None) -> None:
    """Report a malformed record. Raises the error unless malformed records are collected, in
    `problems` or by `collect_malformed`."""
    if problems is None:
        problems = _collected.get()
    if problems is None:
        raise error
    problems.append(error)


class ReportAtEnd(ABC):
    """Counts what could not be taken from a file as it is. A context manager: the report is a
    warning, logged when it is left.

    source: the file, for the report.
    """

    def __init__(self, source: object) -> None:
        self.source = source

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if report := self.report():
            tell(self.source, report)

    @abstractmethod
    def report(self) -> str:
        """What was counted, in one line; empty for nothing."""
