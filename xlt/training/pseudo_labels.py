"""Pseudo-labels, kept in a student's unfinished stage: annotating may take longer than training.

A process that was killed, and an attempt after one that failed, go on from it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.document import Document
from xlt.files import DamagedFile, damage, entry, publishing, read_sealed, write_sealed
from xlt.task import Labels, Task

log = logging.getLogger(__name__)

RECORDS, TABLES = "taught.json", "taught.npy"
"""In the folder of what an unfinished stage keeps."""

Probabilities = list[NDArray[np.float32]]
"""Of one record, for each of `ChoosingModel.choices`: (places, options)."""


@dataclass(frozen=True)
class PseudoLabels:
    """What a student learns: text as its teachers annotate it.

    labels: that it knows. report: of how the records came about, JSON-able.
    soft_targets: the teachers' probabilities, of each record; None where its annotation alone is
        learnt.
    """

    records: Sequence[Document]
    labels: Labels
    report: dict[str, Any]
    soft_targets: Sequence[Probabilities] | None


def keep(folder: Path, task: Task, found: PseudoLabels) -> None:
    """Write it into a folder that is there."""
    tables, shapes = found.soft_targets, None
    files: dict[str, tuple[int, str]] = {}
    if tables is not None:
        shapes = [[list(part.shape) for part in parts] for parts in tables]
        every = [part.ravel() for parts in tables for part in parts]
        with publishing(folder / TABLES) as part, part.open("wb") as stream:
            np.save(stream, np.concatenate([np.zeros(0, np.float32), *every]))
        files[TABLES] = entry(folder / TABLES)
    value: dict[str, Any] = {
        "records": [task.schema.to_row(record) for record in found.records],
        "labels": found.labels,
        "report": found.report,
        "shapes": shapes,
        "files": files,
    }
    write_sealed(folder / RECORDS, value)  # last: with it the other file is whole


def kept(folder: Path, task: Task) -> PseudoLabels | None:
    """What `keep` wrote, its probabilities left on the disk until they are used; None if there is
    nothing, or, with a warning, if it is damaged."""
    try:
        value = read_sealed(folder / RECORDS, fix="")
        files = {name: (size, digest) for name, (size, digest) in value["files"].items()}
        if (wrong := damage(folder, files)) is not None:
            raise DamagedFile(wrong, where=folder, fix="")
    except FileNotFoundError:
        return None
    except DamagedFile as error:
        log.warning("%s: %s: the teachers annotate again", error.where, error.what)
        return None
    tables: list[Probabilities] | None = None
    if value["shapes"] is not None:
        flat, at, tables = np.asarray(np.load(folder / TABLES, mmap_mode="r")), 0, []
        for shapes in value["shapes"]:
            tables.append([])
            for places, options in shapes:
                end = at + places * options
                tables[-1].append(flat[at:end].reshape(places, options))
                at = end
    return PseudoLabels(
        [task.schema.from_row(row) for row in value["records"]],
        {layer: tuple(names) for layer, names in value["labels"].items()},
        value["report"],
        tables,
    )
