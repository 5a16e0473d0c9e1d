"""In which formats a file may be: by its name, and by what can be read of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.data.files import unpacked_name
from xlt.data.malformed import collect_malformed, untold
from xlt.data.tools import formats as tools
from xlt.document import Document
from xlt.errors import XltError, flat
from xlt.reader_options import advise_format

if TYPE_CHECKING:
    from xlt.task import Task

LOOKED_AT = 20
"""Records by which a format is recognised."""


def possible_formats(task: Task, path: Path, declared: str | None = None) -> list[tuple[str, bool]]:
    """Formats that a file may be in, and whether that has to be said where the file is named."""
    if declared is not None:
        return [(declared, True)] if declared in task.readable() else []
    name = unpacked_name(path).lower()
    meant = task.formats_named(path)
    possible = [
        format
        for format in tools.tools_of(task)
        if (path.is_dir() if tools.is_folder(format) else name.endswith(task.suffix(format)))
    ]
    rest = dict.fromkeys([*meant[1:], *possible])
    return [*((f, False) for f in meant[:1]), *((f, True) for f in rest if f not in meant[:1])]


def recognised(task: Task, path: Path, *, labelled: bool = True) -> list[str]:
    """The formats, of those that have to be said, in which what begins a file can be read; with
    annotation, if it is to be `labelled`."""
    if not (path.is_file() or path.is_dir()):
        return []
    found = []
    for format, declared in possible_formats(task, path):
        if not declared:
            continue
        with untold(), collect_malformed():
            try:
                some = _beginning(task, path, format, labelled)
            except XltError:
                continue
        if any(
            not labelled or document.layers[name] != kind.empty(len(document.words))
            for document in some
            for name, kind in task.layers.items()
        ):
            found.append(format)
    return found


def _beginning(task: Task, path: Path, format: str, labelled: bool) -> list[Document]:
    return list(islice(task.documents(path, format, labelled=labelled), LOOKED_AT))


@contextmanager
def hinting(
    task: Task, path: Path, declared: str | None, *, labelled: bool = True
) -> Iterator[None]:
    """An error of what is read within the block says in which format the file could be read
    instead, unless one was declared."""
    try:
        yield
    except XltError as error:
        if declared is None and (formats := recognised(task, path, labelled=labelled)):
            raise hinted(flat(error)[0], formats) from error
        raise


def hinted(error: XltError, formats: list[str]) -> XltError:
    """The error of a reader, with the formats in which the file could be read."""
    fix = f"it can be read as {' or '.join(formats)}: {advise_format(formats[0])}"
    if error.fix is not None:
        fix += f"; else {error.fix}"
    return XltError(error.what, where=error.where, fix=fix)
