"""Checksums of files, remembered while a file keeps its size and modification time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path

CHUNK = 1 << 20


def cache_dir() -> Path:
    """XLT_CACHE, else ``xlt`` in the user's cache folder. Not created here."""
    given = os.environ.get("XLT_CACHE")
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "xlt"


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    return _remembered(path, "sha256")


def git_blob_sha1(path: Path) -> str:
    """The id that git gives a file: SHA-1 of ``blob <size>\\0`` and its content."""
    return _remembered(path, "git")


def _remembered(path: Path, kind: str) -> str:
    state = path.stat()
    return _digest(str(path.resolve()), state.st_size, state.st_mtime_ns, kind)


@lru_cache(maxsize=4096)
def _digest(path: str, size: int, modified: int, kind: str) -> str:
    key = json.dumps([path, size, modified, kind])
    note = cache_dir() / "checksums" / hashlib.sha256(key.encode()).hexdigest()
    with contextlib.suppress(OSError):
        known = note.read_text()
        if len(known) == (64 if kind == "sha256" else 40):
            return known
    digest = hashlib.sha256() if kind == "sha256" else hashlib.sha1(b"blob %d\0" % size)
    with Path(path).open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    # Only a saving of time: an unwritable cache is no error.
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(note, digest.hexdigest())
    return digest.hexdigest()


def write_atomic(path: Path, text: str) -> None:
    """Write a small file completely or not at all."""
    import tempfile  # slow to import, and most who ask for the cache's place write nothing

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name[:40])
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
