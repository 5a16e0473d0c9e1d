"""Runs cases through `xlt.cli.main` in this process, and says why one fails."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

from bad_inputs.case import FOLDER, Accepted, Case, Either, Outcome, Refused

_ERRORS = '{\n  "errors": ['


class Hang(BaseException):
    """The command ran longer than the case allows. No Exception, so that nothing catches it."""


def check(case: Case, folder: Path) -> None:
    """Run the case and raise AssertionError where its outcome is not the expected one."""
    outcome = run(case, folder)
    problem = judge(case, outcome, folder)
    assert problem is None, (
        f"{problem}\nexit status {outcome.code}\n--- stdout\n{outcome.out[-2000:]}"
        f"\n--- stderr\n{outcome.said[-4000:]}"
    )


def run(case: Case, folder: Path) -> Outcome:
    """What the command does with the case's files, which are written into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    filled = {FOLDER: str(folder), **{key: str(make()) for key, make in case.given.items()}}

    def fill(text: str) -> str:
        for key, value in filled.items():
            text = text.replace(key, value)
        return text

    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = fill(content).encode("utf-8", "surrogatepass")
        path.write_bytes(content)
    if case.prepare is not None:
        case.prepare(folder)
    environment = {name: fill(value) for name, value in case.environment.items()}
    with patch.dict(os.environ, environment):
        return xlt([fill(text) for text in case.command], stdin=case.stdin, seconds=case.seconds)


def judge(case: Case, outcome: Outcome, folder: Path) -> str | None:
    """Why the case fails; None where it does not."""
    if "Traceback" in outcome.said or "this is a bug" in outcome.said:
        return "a traceback"
    if outcome.code not in (0, 2):
        return f"exit status {outcome.code}"
    if outcome.code == 2:
        if isinstance(case.expected, Accepted):
            return "refused"
        return _unclear(outcome, case.expected, folder)
    if isinstance(case.expected, Refused):
        return "accepted in silence" if not outcome.said.strip() else "accepted"
    if isinstance(case.expected, Accepted):
        if case.expected.said not in outcome.said:
            return f"nothing is said about {case.expected.said!r}"
        if case.expected.check is not None:
            case.expected.check(outcome)
    return None


def _unclear(outcome: Outcome, expected: Refused | Either, folder: Path) -> str | None:
    """What a refusal lacks."""
    if not outcome.errors:
        return "refused without an error"
    for error in outcome.errors:
        if not error["where"] or error["where"].startswith("None"):
            return f"an error without a place: {error['what']}"
        if not error["fix"]:
            return f"an error without advice: {error['what']}"
    if isinstance(expected, Refused):
        place = expected.place.replace(FOLDER, str(folder))
        if not any(place in f"{error['where']} {error['what']}" for error in outcome.errors):
            return f"no error says where {place!r} is"
    return None


def xlt(arguments: Sequence[str], *, stdin: bytes = b"", seconds: float = 10.0) -> Outcome:
    """The command line with these arguments; raises AssertionError if it takes too long."""
    from xlt.cli import main

    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n") for _ in range(2)]
    given = io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
    with _streams(given, *streams), command_of_its_own(), _limited(seconds, arguments):
        try:
            main(["--quiet", "--json", *arguments])
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else 0 if exit.code is None else 1
    texts = []
    for stream in streams:
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8"))  # type: ignore[attr-defined]
    out, said = texts
    return Outcome(code, out, said, _errors(out, said) if code == 2 else ())


def _errors(out: str, said: str) -> tuple[dict[str, Any], ...]:
    """The errors that ``--json`` puts at the end of standard error, or `plan` into its result."""
    start = said.rfind(_ERRORS)
    if start >= 0:
        return tuple(json.loads(said[start:])["errors"])
    return tuple(json.loads(out).get("missing", ())) if out.startswith("{") else ()


@contextmanager
def _streams(*streams: Any) -> Iterator[None]:
    names = ("stdin", "stdout", "stderr")
    own = [getattr(sys, name) for name in names]
    for name, stream in zip(names, streams, strict=True):
        setattr(sys, name, stream)
    try:
        yield
    finally:
        for name, stream in zip(names, own, strict=True):
            setattr(sys, name, stream)


@contextmanager
def command_of_its_own() -> Iterator[None]:
    """A command adds a handler to xlt's logger and sets the global flags, which one process of one
    command never notices."""
    from xlt.console import console

    logger = logging.getLogger("xlt")
    handlers, level = [*logger.handlers], logger.level
    flags = (console.debug, console.quiet, console.json)
    try:
        yield
    finally:
        console.debug, console.quiet, console.json = flags
        logger.handlers[:] = handlers
        logger.setLevel(level)


@contextmanager
def _limited(seconds: float, arguments: Sequence[str]) -> Iterator[None]:
    """Stops what computes for so long; or waits ten times as long, for what may never come. A busy
    machine makes nothing a hang."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang

    timers = {signal.SIGPROF: (signal.ITIMER_PROF, 1), signal.SIGALRM: (signal.ITIMER_REAL, 10)}
    before = {number: signal.signal(number, stop) for number in timers}
    for timer, factor in timers.values():
        signal.setitimer(timer, factor * seconds)
    try:
        yield
    except Hang:
        raise AssertionError(f"no end after {seconds:g} s: xlt {' '.join(arguments)}") from None
    finally:
        for timer, _ in timers.values():
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
