"""What is done in shards of an input, each a job of an executor: what all kinds of it share.

What a job makes stands under a key of all that decides it, whole or not at all, so the same command
goes on where it was stopped. When all are made, the command puts them together, in order.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from xlt.errors import XltError
from xlt.executors.base import Executor, Job, finished
from xlt.files import beside, remove, writing

log = logging.getLogger(__name__)

_OURS = re.compile(r"lock|\d{6,}-[0-9a-f]{20,40}\.jsonl?(\.gz)?(\.\d+\.part)?")
"""What a folder of shards holds."""


def make(executor: Executor, jobs: Iterable[tuple[str, Job]], what: str, kept: Path) -> None:
    """Run the jobs, each with the name of its shard, and say how far it is.

    what: the command, for messages.
    kept: the folder of what is finished.
    Raises XltError as the jobs do; what others have finished is kept.
    """
    try:
        for done, (_, future) in enumerate(finished(executor, jobs), 1):
            future.result()
            log.info("%s: %d shards finished", what, done)
    except XltError:
        log.warning("finished shards are kept in %s: the same command goes on", kept)
        raise


def damaged(file: Path) -> XltError:
    """Of a finished shard that is not there as it was written."""
    return XltError(
        "a finished shard was damaged",
        where=file,
        fix="run the same command again, which makes it again",
    )


@contextmanager
def folder_for(output: Path) -> Iterator[Path]:
    """Where the shards of an output lie; it is there when the block ends with an error.

    Raises XltError for a folder of this name that has other things in it, and while another process
    works there.
    """
    folder = beside(output, ".shards")
    if folder.exists() and not (
        folder.is_dir() and all(_OURS.fullmatch(path.name) for path in folder.iterdir())
    ):
        raise XltError(
            "there is something of this name that is no folder of shards",
            where=folder,
            fix="move it away, or name another file as output",
        )
    with writing(folder):
        folder.mkdir(exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise XltError(
            "another process is at work on this output",
            where=folder,
            fix="wait for it to end, or name another file as output",
        ) from error
    try:
        yield folder
        remove(folder)
    finally:
        lock.release()
