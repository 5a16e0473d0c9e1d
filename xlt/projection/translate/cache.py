"""Translations kept by content: equal text is translated once, on this machine at all.

The key is a hash of what the translation depends on: the translator's identity (program, version,
options), both languages, and the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from xlt.data.checksums import cache_dir
from xlt.data.text_store import TextStore, content_key, seal
from xlt.projection.translate.base import Translation


class Cache(TextStore):
    """A file of translations."""

    what = "translations"
    made_again = "translated again"
    note = "warning"

    def __init__(self, path: Path | None = None, *, shared: bool = False) -> None:
        super().__init__(path or cache_dir() / "translations.sqlite", shared=shared)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Translation]:
        """Those of the keys that are known. What was damaged since it was put is not."""
        return {key: Translation(*kept) for key, kept in self.known(keys).items()}

    def put(self, translations: Mapping[bytes, Translation]) -> dict[bytes, Translation]:
        """Keep translations, all of them or (with an XltError) none. Failed ones are left out.

        Returns them; those that another process has put since we looked are as it put them.
        """
        made = {k: (one.text, one.warning) for k, one in translations.items() if not one.failed}
        there = {key: Translation(*kept) for key, kept in self.keep(made).items()}
        return {**translations, **there}

    def _upgrade(self) -> None:
        """Seal the rows of a file of an older xlt, which have none."""
        if self._has_seals():
            return
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            if self._has_seals():  # another process was quicker
                return
            self._database.execute("ALTER TABLE translations ADD COLUMN seal BLOB")
            rows = self._database.execute("SELECT key, text, warning FROM translations").fetchall()
            self._database.executemany(
                "UPDATE translations SET seal = ? WHERE key = ?",
                [(seal(key, text, warning), key) for key, text, warning in rows],
            )

    def _has_seals(self) -> bool:
        columns = self._database.execute("PRAGMA table_info(translations)").fetchall()
        return any(name == b"seal" for _, name, *_ in columns)


def key(identity: str, source: str, target: str, text: str) -> bytes:
    """What a translation is filed under."""
    return content_key(identity, source, target, text)
