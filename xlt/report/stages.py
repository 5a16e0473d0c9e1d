"""The stages that several runs were trained by: which they share, how long they took, curves."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.files import DamagedFile
from xlt.report.curves import StageCurve, stage_curve, stage_record
from xlt.runs.cells import Cell

log = logging.getLogger(__name__)


@dataclass
class Stage:
    """A stage of one seed.

    trained: what it was trained on: "eng", "eng → jav" for what was projected.
    seconds: of training; None where nobody knows. Of a stage that was interrupted, those since it
        was resumed.
    ends:    cell → the targets for which its plan ends with this stage.
    problem: why there is no curve.
    """

    name: str
    key: str
    seed: int
    trained: str
    seconds: float | None = None
    curve: StageCurve | None = None
    problem: str = ""
    after: dict[str, Stage] = field(default_factory=dict)
    ends: dict[str, list[str]] = field(default_factory=dict)

    def all(self) -> Iterator[Stage]:
        """This stage, and those that go on from it."""
        yield self
        for stage in self.after.values():
            yield from stage.all()


@dataclass(frozen=True)
class Stages:
    """first: key → stage that goes on from no other.

    seconds: cell, target → of all stages of its plan, the mean over seeds, where all are known.
    unknown: cells of which no lineage is stored.
    """

    first: Mapping[str, Stage]
    seconds: Mapping[tuple[str, str], float]
    unknown: list[str]

    def of_seed(self, seed: int) -> list[Stage]:
        return [stage for stage in self.first.values() if stage.seed == seed]

    @property
    def total(self) -> float:
        """Seconds of all stages whose time is known, each counted once."""
        every = [one for first in self.first.values() for one in first.all()]
        return math.fsum(one.seconds for one in every if one.seconds is not None)


def read_stages(cells: Mapping[str, Cell]) -> Stages:
    """The stages of all cells and seeds, each once. A damaged one is said in a warning."""
    first: dict[str, Stage] = {}
    taken: dict[tuple[str, str], list[float | None]] = {}
    unknown = []
    read: dict[str, Stage] = {}
    for name, cell in cells.items():
        lineage = cell.result.get("lineage", {})
        if not lineage:
            unknown.append(name)
        for base, chain in lineage.items():
            seed, target = base.removeprefix("seed-").split("/", 1)
            siblings, stage = first, None
            seconds: float | None = 0.0
            for entry in chain:
                key = str(entry.get("key", entry["folder"]))
                stage = siblings.setdefault(
                    key, read.get(key) or _stage(cell, entry, key, int(seed))
                )
                read[key] = stage
                siblings = stage.after
                known = seconds is not None and stage.seconds is not None
                seconds = seconds + stage.seconds if known else None  # type: ignore[operator]
            if stage is not None:
                stage.ends.setdefault(name, []).append(target)
                taken.setdefault((name, target), []).append(seconds)
    means = {
        place: math.fsum(some) / len(some)  # type: ignore[arg-type]
        for place, some in taken.items()
        if None not in some
    }
    return Stages(first, means, unknown)


def _stage(cell: Cell, entry: Mapping[str, Any], key: str, seed: int) -> Stage:
    stage = Stage(str(entry["stage"]), key, seed, _trained(entry))
    try:
        done = stage_record(cell.folder, Path(entry["folder"]))
    except DamagedFile as error:
        log.warning("%s: %s", error.where, error.what)
        stage.problem = error.what
        return stage
    if done is None:
        stage.problem = "its folder is not there"
        return stage
    stage.curve = stage_curve(done, stage.name, ())
    stage.seconds = next(
        (float(row["train_runtime"]) for row in reversed(done["log"]) if "train_runtime" in row),
        None,
    )
    return stage


def _trained(entry: Mapping[str, Any]) -> str:
    names = []
    for one in entry.get("train", ()):
        origin = one.get("projected_from")
        names.append(f"{origin} → {one['language']}" if origin else str(one["language"]))
    return " + ".join(dict.fromkeys(names))
