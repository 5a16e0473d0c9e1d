"""Texts kept by content, in SQLite: what was made, or answered, once is there for every process.

Any number of processes read and write the same file: each `keep` is a transaction, so that
whatever stops a run, what it kept is there, and two that make the same text at the same time both
get what was kept first. Write-ahead logging keeps them from waiting for each other; it works
through memory that they share, so on a disk that other machines may have mounted, too, there is a
rollback journal instead (https://sqlite.org/wal.html). A machine that exports a disk sees its own
file system there, and others do not: so a file that has a rollback journal keeps it, wherever it is
opened. SQLite has no checksums of its own, so every row has a seal: a hash of all else in it.
"""

from __future__ import annotations

import hashlib
import logging
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from filelock import FileLock, Timeout

from xlt.errors import XltError
from xlt.files import beside

log = logging.getLogger(__name__)

_PATIENCE = 60.0
"""Seconds to wait for other processes."""
_MAX_PLACEHOLDERS = 500  # placeholders in a query
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
"""Errors of a file that is not as SQLite wrote it; SQLITE_ERROR is of a changed schema."""
_OF_ONE_MACHINE = frozenset(
    [
        *("apfs", "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "hfs", "jfs"),
        *("msdos", "ntfs", "ntfs3", "overlay", "overlayfs", "ramfs", "reiserfs", "tmpfs", "ufs"),
        *("vfat", "xfs", "zfs"),
    ]
)
"""File systems that no other machine has mounted; of any other it is not known."""


Kept = tuple[str, str | None]
"""A text, and a note about it or None."""


class TextStore:
    """A file of texts, each under a key of bytes. Use it as a context manager, or `close` it.

    shared: processes of other machines are to use it, whatever disk it seems to be on.

    Raises XltError, as everything here does, where the file cannot be used.
    """

    what: ClassVar[str]
    """What is kept, in the plural; also the name of the table."""
    made_again: ClassVar[str]
    """What happens to those that are lost, e.g. "translated again"."""
    note: ClassVar[str] = "note"
    """The name of the column of notes."""

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        self.path = path
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._database = self._opened(shared or not of_one_machine(self.path))
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._upgrade()
        except (sqlite3.Error, OSError) as error:
            raise self._explain(error) from error

    def known(self, keys: Sequence[bytes]) -> dict[bytes, Kept]:
        """Those of the keys that are known. What was damaged since it was kept is not."""
        try:
            known, damaged = self._rows(keys)
        except sqlite3.Error as error:
            raise self._explain(error) from error
        if damaged:
            log.warning(
                "%s: %s are damaged (%d): they are made again", self.path, self.what, damaged
            )
        return known

    def keep(self, texts: Mapping[bytes, Kept]) -> dict[bytes, Kept]:
        """Keep texts, all of them or (with an XltError) none.

        Returns those that another process has kept since we looked, as it kept them.
        """
        rows = [(key, text, note, seal(key, text, note)) for key, (text, note) in texts.items()]
        try:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                there, _ = self._rows([key for key, *_ in rows])
                self._database.executemany(
                    f"INSERT OR REPLACE INTO {self.what} VALUES (?, ?, ?, ?)",
                    [row for row in rows if row[0] not in there],
                )
        except sqlite3.Error as error:
            raise self._explain(error) from error
        return there

    def _rows(self, keys: Sequence[bytes]) -> tuple[dict[bytes, Kept], int]:
        """Those of the keys that are known, and how many rows are damaged."""
        known: dict[bytes, Kept] = {}
        damaged = 0
        for start in range(0, len(keys), _MAX_PLACEHOLDERS):
            some = keys[start : start + _MAX_PLACEHOLDERS]
            rows = self._database.execute(
                f"SELECT key, text, {self.note}, seal FROM {self.what} "
                f"WHERE key IN ({','.join('?' * len(some))})",
                some,
            )
            for key, text, note, sealed in rows:
                if sealed is not None and sealed == seal(key, text, note):
                    known[key] = text.decode(), None if note is None else note.decode()
                else:
                    damaged += 1
        return known, damaged

    def _upgrade(self) -> None:
        """Bring a file of an older xlt to what it would be now."""

    def _schema(self) -> str:
        columns = f"key BLOB PRIMARY KEY, text TEXT NOT NULL, {self.note} TEXT, seal BLOB"
        return f"CREATE TABLE IF NOT EXISTS {self.what} ({columns}) WITHOUT ROWID"

    def _opened(self, shared: bool) -> sqlite3.Connection:
        """The file, with the journal that it is to have; what was committed is on the disk in both.

        Raises sqlite3.Error, also where others keep a file open whose journal has to change.
        """
        until = time.monotonic() + _PATIENCE
        try:
            # Who changes the journal has to be alone, and one that has only looked at a file with
            # write-ahead logging keeps it open: so nobody looks before it is their turn.
            with FileLock(beside(self.path, ".lock"), timeout=_PATIENCE):
                while True:
                    database = sqlite3.connect(self.path, timeout=_PATIENCE)
                    try:
                        database.text_factory = bytes  # what is damaged need not be UTF-8
                        _choose_journal(database, shared)
                        database.execute(self._schema())  # from now on it is no new file
                        database.commit()
                        return database
                    except sqlite3.Error as error:
                        database.close()
                        # SQLite itself does not wait for those that have the file open.
                        if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                            raise
                    time.sleep(0.05)
        except Timeout as error:
            busy = sqlite3.OperationalError("another process waits for it, too")
            busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise busy from error

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _explain(self, error: Exception) -> XltError:
        text = str(error)
        code = _code(error)
        if code == sqlite3.SQLITE_FULL:
            return XltError(
                f"the disk is full; of the {self.what} made so far all but the last few are kept",
                where=self.path,
                fix="free some space and run the same command again, it goes on from there",
            )
        if code == sqlite3.SQLITE_BUSY:
            return XltError(
                f"other processes have the cache of {self.what} open, and do not let go of it",
                where=self.path,
                fix="run the same command again when they have ended, or set XLT_CACHE to another "
                "folder",
            )
        if code in _DAMAGED:
            return XltError(
                f"the cache of {self.what} is damaged ({text})",
                where=self.path,
                fix=f"delete the file; what it held is {self.made_again}",
            )
        return XltError(
            f"the cache of {self.what} cannot be used: {text}",
            where=self.path,
            fix="point XLT_CACHE at a folder that you may write to",
        )


def _choose_journal(database: sqlite3.Connection, shared: bool) -> None:
    """Have a file that others share a rollback journal, a new one that they do not the other."""

    def asked(pragma: str) -> Any:
        (value,) = database.execute(f"PRAGMA {pragma}").fetchone()
        return value

    now = asked("journal_mode")
    own = b"wal" if asked("page_count") == 0 else now
    wanted = b"delete" if shared else own
    if now != wanted and asked(f"journal_mode={wanted.decode()}") != wanted:
        raise sqlite3.OperationalError(f"its journal cannot be made {wanted.decode()!r}")


def _code(error: Exception) -> int:
    """SQLite's; extended ones have the plain one in their last byte."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)) & 0xFF


def of_one_machine(path: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether a file lies where no other machine sees it, as far as is known.

    mounts: Linux' list of what is mounted where. Elsewhere there is none, and disks are taken to be
        the machine's own.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return True
    mounted: dict[Path, str] = {}
    for _, place, kind, *_ in map(str.split, lines):  # of several on one place the last is seen
        mounted[Path(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), place))] = kind
    above = (mounted[one] for one in path.absolute().resolve().parents if one in mounted)
    return next(above, "") in _OF_ONE_MACHINE


_ESCAPED = re.compile(r"\\([0-7]{3})")
"""How the list writes white space and backslashes."""


def seal(key: bytes, text: str | bytes, note: str | bytes | None) -> bytes | None:
    """What stands in a row beside its content; None for content of which no row can be.

    Lengths keep `text` and `note` apart.
    """
    parts = [one.encode() if isinstance(one, str) else one for one in (key, text, note or "")]
    if not all(isinstance(one, bytes) for one in parts):  # damage can change a type, too
        return None
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest() + bytes([note is not None])


def content_key(*parts: str) -> bytes:
    """What is filed under parts without NUL characters."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=20).digest()
