"""Malformed records: an error that ends the reading, or one of a list.

Readers pass what is wrong with a record to `malformed` and go on with the next one if it returns.
So whoever wants to know all that is wrong with a file reads it as anybody does, inside
`collect_malformed`, and neither tasks nor their plugins have to pass a list along.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from xlt.errors import XltError

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


def malformed(error: XltError, problems: list[XltError] | None = None) -> None:
    """Report a malformed record. Raises the error unless malformed records are collected, in
    `problems` or by `collect_malformed`."""
    if problems is None:
        problems = _collected.get()
    if problems is None:
        raise error
    problems.append(error)
