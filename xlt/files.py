"""Writing files so that a crash or a full disk never leaves a half-written one."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xlt.errors import XltError


def write_json(path: Path, value: Any) -> None:
    """Write JSON; after a crash there is either the old file or the new one."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(value, stream, ensure_ascii=False, indent=1, sort_keys=True)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def disk_error(error: OSError, path: Path) -> XltError:
    """What to tell the user when a write failed."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return XltError(
            "the disk is full; what was computed up to the last checkpoint is kept",
            where=path,
            fix="free some space, then run the same command with --resume",
        )
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
        return XltError(
            f"cannot write here: {error.strerror}",
            where=path,
            fix="set `output.root` to a folder you may write to",
        )
    return XltError(f"cannot write: {error}", where=path, fix="mend it and run with --resume")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Whatever goes wrong with the disk inside the block becomes an error that says so."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, path) from error
    except Exception as error:
        # safetensors wraps the operating system's error in one of its own.
        code = re.search(r"\(os error (\d+)\)", str(error))
        if code is None or isinstance(error, XltError):
            raise
        number = int(code.group(1))
        raise disk_error(OSError(number, os.strerror(number)), path) from error


def link_or_copy(source: str | Path, destination: str | Path) -> None:
    """The same file under a second name, where the file system can; else a copy."""
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)
