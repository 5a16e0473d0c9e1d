"""Families of mistakes that any file may have, whatever is in it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from bad_inputs import mutations
from bad_inputs.case import Accepted, Case, Either, Expected, Outcome, Refused


class Make(Protocol):
    """Makes a case of a file that is named and known to it."""

    def __call__(
        self,
        what: str,
        content: str | bytes,
        expected: Expected,
        *,
        prepare: Callable[[Path], None] | None = None,
    ) -> Case: ...


def whole_file(
    make: Make,
    file: str,
    text: str,
    *,
    blank: Expected | None = None,
    read: Callable[[Outcome], None] | None = None,
) -> Iterator[Case]:
    """Encodings, line ends, lines dropped, doubled and cut, noise, and what is no file.

    blank: what becomes of empty lines alone; by default they are refused.
    read:  checks what comes of the text with other line ends.
    """
    for what, data in mutations.encodings(text):
        expected: Expected = Refused(file)
        yield make(what, data, (what == "only line ends" and blank) or expected)
    for what, data in mutations.line_ends(text):
        yield make(what, data, Accepted(check=read))
    for what, changed in mutations.broken_lines(text):
        yield make(what, changed, Either())
    for what, data in mutations.noise(text.encode(), 10, len(file) + len(text)):
        yield make(what, data, Either())
    for what, prepare in (
        ("a folder", lambda folder: (folder / file).mkdir()),
        ("a device", lambda folder: (folder / file).symlink_to("/dev/zero")),
        ("a pipe", lambda folder: os.mkfifo(folder / file)),
        ("a socket", lambda folder: bind(folder / file)),
        ("a loop", lambda folder: (folder / file).symlink_to(file)),
        ("not there", lambda folder: None),
    ):
        yield make(what, b"", Refused(file), prepare=prepare)


def bind(path: Path) -> None:
    """Make a socket of this name. Its address may be too long: it is made from its folder."""
    own = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(own)


def cells(text: str, separator: str, row: int) -> Iterator[tuple[int, str, Callable[[str], str]]]:
    """Number and content of each cell of a row (lines from 0), and the text with another one."""
    lines = text.split("\n")
    given = lines[row].split(separator)

    def changer(column: int) -> Callable[[str], str]:
        def changed(new: str) -> str:
            line = separator.join([*given[:column], new, *given[column + 1 :]])
            return "\n".join([*lines[:row], line, *lines[row + 1 :]])

        return changed

    for column, cell in enumerate(given):
        yield column, cell, changer(column)
