"""What happens to the steps of a study (`xlt.runs.progress`), as JSON lines in a file."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from xlt.errors import XltError
from xlt.files import disk_error, writing
from xlt.runs.progress import Event, Listener, Steps

log = logging.getLogger(__name__)


@contextmanager
def writing_events(path: Path) -> Iterator[Listener]:
    """Who appends each event to a file. What is in it stays, but for a line that was cut off.

    A disk that is full later on ends the file, not the study: a warning says so, and nothing comes
    after the event that was lost, of which there may be a part.
    Raises XltError where the file cannot be written, or holds something else.
    """
    lost = False

    def lose(error: OSError) -> None:
        nonlocal lost
        if not lost:
            log.warning("warning: events are missing: %s", disk_error(error, path).render())
        lost = True

    def write(steps: Steps, event: Event) -> None:
        if lost:
            return
        try:
            stream.write(json.dumps(event, ensure_ascii=False).encode() + b"\n")
            stream.flush()
        except OSError as error:
            lose(error)

    with writing(path):
        if path.exists() and not path.is_file():
            raise XltError("this is no file", where=path, fix="name a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+b")
    try:
        with writing(path):
            _go_on(stream, path)
        yield write
    finally:
        try:
            stream.close()  # which writes what could not be written before, or fails again
        except OSError as error:
            lose(error)


def _go_on(stream: BinaryIO, path: Path) -> None:
    """Make sure that what is there are events, and whole lines."""
    stream.seek(0)
    end = 0
    for line in stream:
        if not line.endswith(b"\n"):
            stream.truncate(end)
            return
        if end == 0 and not _is_event(line):
            raise XltError(
                "the file is there, and does not hold the events of a study",
                where=path,
                fix="name another file",
            )
        end += len(line)


def _is_event(line: bytes) -> bool:
    try:
        stated = json.loads(line)
    except ValueError:
        return False
    return isinstance(stated, dict) and "event" in stated
