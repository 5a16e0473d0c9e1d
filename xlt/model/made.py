"""Encoders that are made into the cache, once, and checked whenever they are used."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from xlt.data.checksums import cache_dir, sha256
from xlt.errors import XltError

_NOTE = "converted.json"  # written last: the folder's files with their checksums
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}


def made(name: str, write: Callable[[Path], None], what: str, room: str) -> Path:
    """The folder of an encoder in the cache, which `write` fills the first time.

    write: gets an empty folder, which takes its name when all is in it.
    what:  is made, and `room` how much it takes, for people.

    Raises XltError if there is no room in the cache, or if what lies there was changed; what
    `write` raises otherwise passes.
    """
    target = cache_dir() / "encoders" / name
    if not (target / _NOTE).is_file():
        try:
            _make(target, write)
        except OSError as error:
            if not _is_of_cache(error):
                raise
            raise XltError(
                f"cannot write {what} into the cache: {error.strerror}",
                where=error.filename or target,
                fix=f"free {room} there, or set XLT_CACHE to a folder that can be written",
            ) from error
    _check(target, what)
    return target


def _is_of_cache(error: OSError) -> bool:
    """Whether it is about the cache, and not about what is read for it: errors of a file that is
    open name none."""
    if not isinstance(error.filename, str | os.PathLike):
        return error.errno in _NO_ROOM
    place, cache = Path(error.filename), cache_dir()
    return place.is_relative_to(cache) or cache.is_relative_to(place)  # a parent is made, too


def _make(target: Path, write: Callable[[Path], None]) -> None:
    from filelock import FileLock

    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if (target / _NOTE).is_file():
            return  # by another process, meanwhile
        part = target.with_name(target.name + ".part")
        for left in (part, target):
            shutil.rmtree(left, ignore_errors=True)
        part.mkdir()
        write(part)
        for path in part.iterdir():  # the note must not outlive the files in a power cut
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
        digests = {path.name: sha256(path) for path in sorted(part.iterdir())}
        (part / _NOTE).write_text(json.dumps(digests, indent=1), encoding="utf-8")
        part.replace(target)


def _check(target: Path, what: str) -> None:
    """Refuse files that are not what was written. (A checksum is computed once for a file.)"""
    try:
        digests = json.loads((target / _NOTE).read_text(encoding="utf-8"))
        changed = [name for name, digest in digests.items() if sha256(target / name) != digest]
    except (OSError, ValueError, AttributeError) as error:
        changed = [f"{_NOTE} ({error})"]
    if changed:
        raise XltError(
            f"{what} in the cache is damaged: {', '.join(changed)}",
            where=target,
            fix=f"remove it (rm -r '{target}'); the same command makes it again",
        )
