"""A model's folder that a command writes: new, whole or not there, and not within another's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xlt.errors import XltError
from xlt.files import PART, publish_folder, remove, writing

ELSEWHERE = "name another folder with --output"


def refuse_existing(output: Path) -> None:
    """Raise XltError where something of this name is there."""
    if output.exists():
        raise XltError(
            "there is something of this name already",
            where=output,
            fix="name a folder that is not there yet with --output",
        )


def refuse_inside(output: Path, folder: Path) -> None:
    """Raise XltError for an output in the folder of a model that is read."""
    if folder.resolve() in output.resolve().parents:
        raise XltError(
            "this is inside the model's own folder, whose files are listed",
            where=output,
            fix=ELSEWHERE,
        )


@contextmanager
def publishing_new(output: Path) -> Iterator[Path]:
    """The folder to write, which becomes `output` when all is well and on the disk.

    What is beside it in its own parent is removed when the block ends.
    """
    with writing(output, fix=ELSEWHERE):
        output.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(PART, f"{output.name}.", output.parent))
    part = temporary / output.name  # which has the mode of any new folder
    try:
        yield part
        refuse_existing(output)  # that came meanwhile
        with writing(output, fix=ELSEWHERE):
            publish_folder(part, output)
    finally:
        remove(temporary)
