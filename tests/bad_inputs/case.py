"""A case: what a command is given, and what has to come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = "{folder}"
"""In an argument or a file's content: the folder of the case's files."""


@dataclass(frozen=True)
class Outcome:
    """What a command did.

    code:   exit status.
    out:    standard output.
    said:   standard error.
    errors: what it said as errors (``what``, ``where``, ``fix``).
    """

    code: int
    out: str
    said: str
    errors: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Refused:
    """Exit status 2; every error says where (somewhere in it, `place`) and how to mend it."""

    place: str = ""


@dataclass(frozen=True)
class Accepted:
    """Exit status 0.

    said:  stands on standard error: what was done about it.
    check: of the outcome; raises AssertionError where what came out is not what was meant.
    """

    said: str = ""
    check: Callable[[Outcome], None] | None = None


@dataclass(frozen=True)
class Either:
    """Refused or accepted: the rule that made the input cannot know, but nothing else may come."""


Expected = Refused | Accepted | Either


@dataclass(frozen=True)
class Case:
    """One input.

    command: arguments of `xlt`, with `FOLDER` where the case's folder stands.
    given:   what else is to be filled in, in arguments and text: placeholder → its maker, which is
        called when the case is run.
    files:   name → content, written into the folder first. `FOLDER` is replaced in text, not in
        bytes.
    stdin:   what is piped in.
    environment: variables that are set for it, with `FOLDER`.
    prepare: makes, in the folder, what is no regular file.
    seconds: of computing, after which the command counts as hanging.
    """

    name: str
    command: tuple[str, ...]
    expected: Expected
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    given: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    stdin: bytes = b""
    prepare: Callable[[Path], None] | None = None
    seconds: float = 10.0
    environment: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def unique(cases: Iterable[Case]) -> list[Case]:
    """The cases, whose names must differ: a test that is named twice is run once."""
    listed = list(cases)
    names: set[str] = set()
    for case in listed:
        if case.name in names:
            raise ValueError(f"two cases are called {case.name!r}")
        names.add(case.name)
    return listed
