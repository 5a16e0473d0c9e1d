"""Learning curves of a run's stages: scores on dev data and the loss, by step."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.config.schema import STAGES
from xlt.files import DamagedFile, read_sealed

log = logging.getLogger(__name__)

Series = Sequence[tuple[float, float]]
"""(step, value), in order."""

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 560, 220, 56, 12, 12, 34
"""Of a chart, and of the margins around what is drawn, in pixels."""


@dataclass(frozen=True)
class StageCurve:
    """What a stage has noted of its training.

    scores:  selector ("dev:eng") → score in percent after so many steps.
    loss:    mean loss since it was noted before.
    kept:    the step whose weights the run uses.
    problem: why there is nothing, where there is not.
    """

    stage: str
    targets: Sequence[str]
    scores: Mapping[str, Series]
    loss: Series
    kept: int | None
    problem: str = ""


def read_curves(
    run: Path, result: dict[str, Any], seed: int, targets: Sequence[str]
) -> list[StageCurve]:
    """The curves of one seed's stages, each stage once.

    A stage that is no longer there, or damaged, has a problem instead; the latter is logged, too.
    """
    stages: dict[str, tuple[str, list[str]]] = {}
    for target in targets:
        for stage in result.get("lineage", {}).get(f"seed-{seed}/{target}", ()):
            stages.setdefault(stage["folder"], (stage["stage"], []))[1].append(target)
    return [_curve(run, Path(folder), *about) for folder, about in stages.items()]


def stage_folder(run: Path, folder: Path) -> Path:
    """Where a stage of a run is now, of which its result says where it was."""
    moved = run.resolve().parent / STAGES / folder.name
    # With the run, or xlt is called from elsewhere than the training was.
    return moved if moved.is_dir() else folder


def stage_record(run: Path, folder: Path) -> dict[str, Any] | None:
    """What a finished stage of a run says of itself; None where it is no longer there.

    Raises DamagedFile.
    """
    from xlt.training.finished import DONE  # needs PyTorch

    folder = stage_folder(run, folder)
    fix = "the stage has to be trained again"
    try:  # to be looked at, so that one which an older xlt did not seal is good enough
        done = read_sealed(folder / DONE, fix=fix, older=True)
    except FileNotFoundError:
        return None
    for key in ("history", "log", "selected", "primary"):
        if key not in done:
            raise DamagedFile(
                f"the file is damaged (it lacks {key!r})", where=folder / DONE, fix=fix
            )
    return done


def _curve(run: Path, folder: Path, stage: str, targets: Sequence[str]) -> StageCurve:
    try:
        done = stage_record(run, folder)
    except DamagedFile as error:
        log.warning("%s: %s", error.where, error.what)
        return StageCurve(stage, targets, {}, [], None, error.what)
    if done is None:
        return StageCurve(stage, targets, {}, [], None, "the folder of this stage is not there")
    return stage_curve(done, stage, targets)


def stage_curve(done: Mapping[str, Any], stage: str, targets: Sequence[str]) -> StageCurve:
    """The curve of a stage. done: of `stage_record`."""
    names = dict.fromkeys(name for row in done["history"] for name in row if name != "step")
    scores = {name: list(_series(done["history"], name)) for name in names}
    kept = done["selected"].get(done["primary"])
    loss = list(_series(done["log"], "loss"))
    return StageCurve(stage, targets, scores, loss, None if kept is None else int(kept["step"]))


def _series(rows: Sequence[Mapping[str, Any]], name: str) -> Iterator[tuple[float, float]]:
    """The finite values of this name."""
    for row in rows:
        if isinstance(row.get(name), int | float) and math.isfinite(row[name]):
            yield float(row["step"]), float(row[name])


# Drawing -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chart:
    """Lines over steps, in pixels of an SVG image.

    lines:   name → points.
    x, y:    (where, what is written there) of the marks on each axis.
    kept:    where the step stands that was kept.
    """

    width: int
    height: int
    lines: Mapping[str, Series]
    x: Sequence[tuple[float, str]]
    y: Sequence[tuple[float, str]]
    kept: float | None


def chart(series: Mapping[str, Series], kept: int | None) -> Chart | None:
    """A chart of these series; None where nothing is in them."""
    points = [point for one in series.values() for point in one]
    if not points:
        return None
    steps, values = [step for step, _ in points], [value for _, value in points]
    first, last = min(0.0, *steps), max(*steps, kept or 0)  # the loss is noted less often
    marks = ticks(min(values), max(values))
    low, high = marks[0], marks[-1]

    def x(step: float) -> float:
        share = (step - first) / (last - first or 1)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        share = (value - low) / (high - low)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)

    return Chart(
        _WIDTH,
        _HEIGHT,
        {name: [(x(step), y(value)) for step, value in one] for name, one in series.items()},
        [(x(step), f"{step:,.0f}") for step in dict.fromkeys((first, last))],
        [(y(value), f"{value:g}") for value in marks],
        None if kept is None else x(kept),
    )


def ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers, evenly apart, of which the first is at most `low` and the last
    at least `high`."""
    apart = (high - low) or abs(high) or 1.0
    power: float = 10.0 ** math.floor(math.log10(apart / 3))
    step = next(power * factor for factor in (1, 2, 5, 10) if apart / (power * factor) <= 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    if last == first:
        last += 1
    digits = max(0, -math.floor(math.log10(step)))
    return [round(step * number, digits) for number in range(first, last + 1)]
