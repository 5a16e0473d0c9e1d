"""What a model's folder names outside itself: files and models that a stranger may have chosen.

A folder's `xlt.json` and `prediction.json` may name translators, translations and other models.
Those inside the folder, by a path relative to it, are part of the model. Everything else needs the
permission `outside`, and a key out of the environment the permission `key`, except in files that
were written here: their content is remembered in the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from xlt.data.checksums import cache_dir
from xlt.files import write_text
from xlt.options import LocalPath
from xlt.permissions import OUTSIDE, Request, require
from xlt.registry import NAMED_ENCODERS, data_cards


class References:
    """Checks the places that one file of a model's folder names; `finish` raises for all of them.

    file: in the folder that it is a file of.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._folder = file, file.parent.resolve()
        self._requests: list[Request] = []

    def at(self, key: str) -> Callable[[LocalPath, str], str]:
        """What `xlt.options.with_places` takes: the place itself, absolute if it is inside.

        key: of the options in the file.
        """

        def place(mark: LocalPath, text: str) -> str:
            inside = self._inside(mark, text)
            if inside is None:
                self.ask(OUTSIDE, f"uses {text}, which is no part of the model", key)
                return text
            return inside

        return place

    def _inside(self, mark: LocalPath, text: str) -> str | None:
        """The path inside the folder, or the text if it is something in the package; or None."""
        if mark.kind == "existing" and text in NAMED_ENCODERS:
            return text
        if mark.kind == "data" and text.partition(":")[0] in data_cards():
            return text
        path = Path(os.path.normpath(self._folder / text))
        there = path.resolve().is_relative_to(self._folder)
        # What is no path may still be the name of a model on the hub.
        return str(path) if there and (mark.kind == "always" or path.exists()) else None

    def ask(self, permission: str, what: str, key: str) -> None:
        """Request something else that the file names. what: as of `Request`."""
        self._requests.append(Request(permission, what, f"{self._file} ({key})"))

    def finish(self) -> None:
        """Raise XltError for what is outside, not allowed, and not written here."""
        if self._requests and not _was_written_here(self._file):
            require(self._requests)


def remember(file: Path) -> None:
    """Say that this file, as it is now, was written here: what it names is the user's own."""
    note = _note(file)
    with contextlib.suppress(OSError):  # without the note the user is asked
        note.parent.mkdir(parents=True, exist_ok=True)
        write_text(note, "", cache=True)


def _was_written_here(file: Path) -> bool:
    return _note(file).is_file()


def _note(file: Path) -> Path:
    return cache_dir() / "written" / hashlib.sha256(file.read_bytes()).hexdigest()
