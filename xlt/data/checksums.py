"""Checksums of files, remembered as long as a change to the file would show in its stamp."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from xlt import files
from xlt.data.files import check_regular
from xlt.files import settled, stamp, write_text

CHUNK = 1 << 20


def cache_dir() -> Path:
    """XLT_CACHE, else ``xlt`` in the user's cache folder. Not created here."""
    given = os.environ.get("XLT_CACHE")
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "xlt"


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content. Raises XltError for what is no file: a device may
    have no end."""
    check_regular(path)
    return _remembered(path, "sha256", files.sha256)


def git_blob_sha1(path: Path) -> str:
    """The id that git gives a file: SHA-1 of ``blob <size>\\0`` and its content."""
    return _remembered(path, "git", _git_blob_sha1)


def code_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of what a Python file does: of its syntax tree without docstrings.

    Of a file that is no Python of this interpreter's version: as `sha256`.
    """
    return _remembered(path, f"code {sys.version_info.major}.{sys.version_info.minor}", _code)


def _git_blob_sha1(path: Path) -> str:
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _code(path: Path) -> str:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError):
        return files.sha256(path)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_prose(one)]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_prose(node: ast.AST) -> bool:
    """Whether a statement is nothing but a text, as docstrings are."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _remembered(path: Path, kind: str, compute: Callable[[Path], str]) -> str:
    now = stamp(path)
    key = json.dumps([str(path.resolve()), *now, kind])
    if key in _known:
        return _known[key]
    name = hashlib.sha256(key.encode()).hexdigest()
    note = cache_dir() / "checksums" / name
    digest = _noted(note)
    if digest is None:
        digest = compute(path)
        if not settled(now, path):
            return digest
        # Only a saving of time: an unwritable cache is no error.
        with contextlib.suppress(OSError):
            note.parent.mkdir(parents=True, exist_ok=True)
            write_text(note, f"{digest} {_check(note, digest)}", cache=True)
    _known[key] = digest
    return digest


_known: dict[str, str] = {}


def _noted(note: Path) -> str | None:
    """The digest in a note; None if there is none, or it is damaged."""
    try:
        digest, check = note.read_text(encoding="ascii").split(" ")
    except (OSError, ValueError):
        return None
    return digest if check == _check(note, digest) else None


def _check(note: Path, digest: str) -> str:
    return hashlib.sha256(f"{note.name} {digest}".encode()).hexdigest()[:16]
