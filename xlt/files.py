"""Writing files so that a crash or a full disk never leaves a half-written one."""

from __future__ import annotations

import errno
import json
import os
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
