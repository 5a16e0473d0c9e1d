"""Translations kept by content, in SQLite: equal text is translated once, on this machine at all.

The key is a hash of what the translation depends on: the translator's identity (program, version,
options), both languages, and the text. Write-ahead logging lets several runs read and write the
same file; each `put` is a transaction, so that whatever stops a run, what it put is there.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from xlt.data.checksums import cache_dir
from xlt.errors import XltError
from xlt.projection.translate.base import Translation

_SCHEMA = """
CREATE TABLE IF NOT EXISTS translations (
    key BLOB PRIMARY KEY, text TEXT NOT NULL, warning TEXT
) WITHOUT ROWID
"""
_MAX_PLACEHOLDERS = 500  # placeholders in a query


class Cache:
    """A file of translations. Use it as a context manager, or `close` it."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or cache_dir() / "translations.sqlite"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.path, timeout=60)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(_SCHEMA)
            self._database.commit()
        except (sqlite3.Error, OSError) as error:
            raise self._explain(error) from error

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Translation]:
        """Those of the keys that are known."""
        known: dict[bytes, Translation] = {}
        try:
            for start in range(0, len(keys), _MAX_PLACEHOLDERS):
                some = keys[start : start + _MAX_PLACEHOLDERS]
                rows = self._database.execute(
                    "SELECT key, text, warning FROM translations "
                    f"WHERE key IN ({','.join('?' * len(some))})",
                    some,
                )
                known.update((key, Translation(text, warning)) for key, text, warning in rows)
        except sqlite3.Error as error:
            raise self._explain(error) from error
        return known

    def put(self, translations: Mapping[bytes, Translation]) -> None:
        """Keep translations, all of them or (with an XltError) none. Failed ones are left out."""
        rows: Iterable[tuple[bytes, str, str | None]] = [
            (key, one.text, one.warning) for key, one in translations.items() if not one.failed
        ]
        try:
            with self._database:
                self._database.executemany(
                    "INSERT OR REPLACE INTO translations VALUES (?, ?, ?)", rows
                )
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Cache:
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
        if "full" in text:
            return XltError(
                "the disk is full; every translation made so far but the last few is kept",
                where=self.path,
                fix="free some space and run the same command again, it goes on from there",
            )
        if "not a database" in text or "malformed" in text:
            return XltError(
                f"the cache of translations is damaged ({text})",
                where=self.path,
                fix="delete the file; what it held is translated again",
            )
        return XltError(
            f"the cache of translations cannot be used: {text}",
            where=self.path,
            fix="point XLT_CACHE at a folder that you may write to",
        )


def key(identity: str, source: str, target: str, text: str) -> bytes:
    """What a translation is filed under."""
    content = "\0".join((identity, source, target, text))
    return hashlib.blake2b(content.encode(), digest_size=20).digest()
