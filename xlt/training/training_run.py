"""A stage that is made by training: its attempts, its checkpoints, and the weights selected."""

from __future__ import annotations

import gc
import logging
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import PartialState

from xlt.files import sweep, writing
from xlt.inference.device import best_device
from xlt.model.calibration import Calibration
from xlt.model.task_model import TaskModel
from xlt.task import Labels
from xlt.training import checkpoint as ckpt
from xlt.training.attempts import Attempts, OutOfMemory, killed_for_memory
from xlt.training.divergence import Diverged
from xlt.training.finished import discard, finished_before, intact
from xlt.training.making import Making
from xlt.training.processes import of_main_process
from xlt.training.reports import stage_reporting
from xlt.training.scoring import LAST, contents
from xlt.training.selected import save_selected
from xlt.training.trainer import TransferTrainer
from xlt.training.unfinished import begin, goes_on

if TYPE_CHECKING:
    from xlt.training.training_kind import TrainingKind

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What is there after training.

    primary: what selects: a name of `trainer.selector`, or `LAST`.
    labels:  what the model knows; None of an encoder without task layers.
    write:   puts a plain model (no LoRA) as the stage's result into a folder.
    calibrate: gives the temperatures of the weights in memory; None where nothing gives any.
    about:   more for `done.json`.
    """

    trainer: TransferTrainer
    primary: str
    labels: Labels | None
    write: Callable[[TaskModel, Path], None]
    calibrate: Callable[[], Calibration | None] = lambda: None
    about: Mapping[str, Any] = field(default_factory=dict)


def run(kind: TrainingKind, making: Making) -> None:
    """Make a stage of a kind."""
    asked = making.stage.training
    begun = making.work.exists()
    _prepare(making, kind.keep(making.config))
    earlier = finished_before(making.folder)
    attempts = Attempts(making.work, earlier)
    # A divided stage may have been interrupted since for another reason: it goes on.
    if making.killed_for_memory and begun and not attempts.divided:
        attempts.again(asked, killed_for_memory(asked))
        making.store.forget(making.folder)
    trained = _attempt(kind, making, attempts)
    if trained.trainer.args.should_save:
        _save(making, trained, attempts, earlier)


def _prepare(making: Making, keep: str) -> None:
    """Forget what an earlier process left unfinished, unless it is to be resumed.

    A finished stage stays: another run may be reading it.
    """
    work, observed = making.work, contents(making.watched)
    if PartialState().is_main_process:
        with writing(making.folder, resumes=True):
            if work.exists() and not (making.resume and goes_on(work, observed, keep)):
                shutil.rmtree(work)
            if making.resume:
                going_on = partial(goes_on, observed=observed, keep=keep)
                making.store.resume(making.folder, going_on)
            work.mkdir(parents=True, exist_ok=True)
            sweep(work)
            begin(work, observed, keep)
    PartialState().wait_for_everyone()


def _attempt(kind: TrainingKind, making: Making, attempts: Attempts) -> Trained:
    """Train until an attempt succeeds, or there is none left."""
    stage, folder = making.stage, making.folder
    while True:
        training = attempts.training(stage.training)
        checkpoint = _checkpoint(making)
        resumed = checkpoint is not None
        try:
            with (
                stage_reporting(
                    making.config, stage, training, making.seed, folder, resumed=resumed
                ),
                making.store.keeping(folder) as callbacks,
            ):
                return kind.learn(making, training, callbacks=callbacks, checkpoint=checkpoint)
        except (Diverged, OutOfMemory) as error:
            attempts.again(stage.training, error)
            making.store.forget(folder)
        gc.collect()  # trainer and model hold each other; two would not fit everywhere
        if best_device() == "cuda":
            torch.cuda.empty_cache()


def _checkpoint(making: Making) -> str | None:
    """The newest intact checkpoint, where the stage is to be resumed; damaged ones go."""
    newest: Path | None = None
    if making.resume and PartialState().is_main_process:
        newest, problems = ckpt.last_intact(making.work)
        for problem in problems:
            log.warning("%s: going back to the checkpoint before it", problem)
        if problems and newest is None:
            log.warning("no intact checkpoint in %s: the stage starts again", making.work)
    return of_main_process(None if newest is None else str(newest))


def _save(
    making: Making, trained: Trained, attempts: Attempts, earlier: dict[str, Any] | None
) -> None:
    """Write the models that were selected, and what came out.

    earlier: what the stage said of itself when it was finished before.
    """
    trainer, primary, folder = trained.trainer, trained.primary, making.folder
    last = trainer.state.global_step
    selected = {name: dict(best) for name, best in trainer.selector.best.items()}
    if primary == LAST:
        selected[LAST] = {"step": last, "score": float("nan")}
    with writing(folder, resumes=True):
        changed = attempts.changes(making.stage.training)
        if earlier is None or earlier.get("changed", {}) != changed:
            earlier = None
            if not attempts.saving:
                discard(folder)
                attempts.save()
        steps = [int(selected[n]["step"]) for n in (primary, *(selected.keys() - {primary}))]
        save_selected(trainer, trained.write, steps, folder, trained.calibrate)
        known = intact(folder, earlier or {"selected": {}})
        subwords, labels = trainer.subwords, trained.labels
        making.finish(
            {
                "primary": primary,
                # Trained again for more observers, in the same way: the weights are the same,
                # so is the rest.
                "selected": known["selected"]
                | {
                    n: {"step": b["step"], "score": _finite(b["score"])}
                    for n, b in selected.items()
                },
                "observed": known["observed"] | contents(making.watched),
                "labels": None if labels is None else {k: list(v) for k, v in labels.items()},
                "history": trainer.selector.history,
                "keep": "all" if trainer.selector.keep_all else "best",
                "log": trainer.state.log_history,
                "steps": last,
                "precision": trainer.precision,
                "halved": attempts.halved,
                "divided": attempts.divided,
                "changed": changed,
                "pieces_trained": None if subwords is None else len(subwords.to_full),
                **trained.about,
            }
        )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
