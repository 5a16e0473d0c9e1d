"""Scores of a finished stage on dev sets that came later, from the weights that it has kept."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import PartialState

from xlt.config.schema import Config
from xlt.files import DamagedFile, publish_folder, write_sealed, writing
from xlt.inference.loading import make_direct_predictor
from xlt.inference.predictor import Predictor
from xlt.model.backbone import Backbone
from xlt.model.calibration import save as save_calibration
from xlt.model.folder import check_model
from xlt.task import Task
from xlt.training.calibrate import calibrate
from xlt.training.data import Data
from xlt.training.differences import restore
from xlt.training.expected import labelled
from xlt.training.finished import DONE, read_done
from xlt.training.processes import of_main_process
from xlt.training.scoring import contents, encode_sets, mean_scores
from xlt.training.selected import SELECTED, evaluated_folder, part_folder, selected_folder

log = logging.getLogger(__name__)


def observe(
    folder: Path,
    watched: Sequence[Sequence[Data]],
    dev: Sequence[Data],
    *,
    task: Task,
    config: Config,
    metric: str,
) -> None:
    """Score a finished stage on those dev sets that it lacks scores of, if its weights were kept.

    dev: the stage's own dev data, on which temperatures are fitted.

    The best weights by each of them are then beside those that the stage was selected on, as if it
    had been trained with them. Where that cannot be, the stage stays as it is.
    """
    try:
        done = read_done(folder)
    except DamagedFile:  # which `find` says
        return
    if done is None or done.get("keep") != "all" or not done["history"]:  # never evaluated
        return
    lacking = [
        data
        for data, (name, content) in zip(watched, contents(watched).items(), strict=True)
        if done.get("observed", {}).get(name) != content
    ]
    if not lacking:
        return
    log.info("%s is scored on %s", folder.name, ", ".join(contents(lacking)))
    try:
        best = _best(folder, done, lacking, dev, task, config, metric)
    except DamagedFile as error:
        log.warning("%s: %s", error.where, error.what)
        return
    if PartialState().is_main_process:
        with writing(folder, resumes=True):
            done["selected"] |= best
            done["observed"] = {**done.get("observed", {}), **contents(lacking)}
            write_sealed(folder / DONE, done)
    PartialState().wait_for_everyone()


def _best(
    folder: Path,
    done: dict[str, Any],
    lacking: Sequence[Sequence[Data]],
    dev: Sequence[Data],
    task: Task,
    config: Config,
    metric: str,
) -> dict[str, dict[str, float]]:
    """The best step by each of the dev sets; its model has its folder."""

    def load(place: Path) -> tuple[Backbone, Predictor]:
        _, backbone, predictor = make_direct_predictor(
            place,
            batch_tokens=config.evaluation.batch_tokens,
            precision=done["precision"],
            options=config.model,
            task=task,
        )
        return backbone, predictor

    best: dict[str, dict[str, float]] = {}
    for row in done["history"]:
        step = int(row["step"])
        with model_at(folder, step) as place:
            backbone, predictor = load(place)
            found = mean_scores(predictor, encode_sets(task, lacking, backbone), metric)
        for name, value in found.items():
            if name not in best or value > best[name]["score"]:
                best[name] = {"step": step, "score": value}
    for step in {int(one["step"]) for one in best.values()}:
        with model_at(folder, step) as place:
            if PartialState().is_main_process and place != selected_folder(folder, step):
                backbone, predictor = load(place)
                with writing(folder, resumes=True):
                    for sets in encode_sets(task, [labelled(dev)], backbone).values():
                        if (calibration := calibrate(predictor, sets)) is not None:
                            save_calibration(place, calibration)
                    publish_folder(place, selected_folder(folder, step))
    return best


@contextmanager
def model_at(folder: Path, step: int) -> Iterator[Path]:
    """The model of a finished stage's evaluation: the one that is there, or one that is made for
    the block, of a stage that has kept all weights.

    Raises DamagedFile, in all processes, if neither can be had.
    """
    place = selected_folder(folder, step)
    if place.exists() and check_model(place) is None:
        yield place
        return
    state = PartialState()
    place = part_folder(folder, step)
    problem: DamagedFile | None = None
    if state.is_main_process:
        shutil.rmtree(place, ignore_errors=True)
        try:
            with writing(folder, resumes=True):
                restore(evaluated_folder(folder, step), folder / SELECTED, place)
        except DamagedFile as error:
            problem = error
    if (problem := of_main_process(problem)) is not None:
        raise problem
    try:
        yield place
    finally:
        state.wait_for_everyone()
        if state.is_main_process:
            shutil.rmtree(place, ignore_errors=True)
