"""Runs one stage: from weights and records to a finished model folder that is never run twice."""

from __future__ import annotations

import gc
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from filelock import FileLock, Timeout

from xlt.config.schema import Config
from xlt.escape import without_folders
from xlt.files import disk_error, sweep, write_sealed, writing
from xlt.inference.device import best_device, choose_precision
from xlt.model.backbone import Backbone
from xlt.model.folder import ModelInfo
from xlt.model.task_model import TaskModel
from xlt.task import Task
from xlt.training import checkpoint as ckpt
from xlt.training.attempts import Attempts, OutOfMemory, killed_for_memory
from xlt.training.data import Data
from xlt.training.divergence import Diverged
from xlt.training.finished import (
    DONE,
    Observed,
    StageResult,
    discard,
    find,
    finished_before,
    intact,
)
from xlt.training.identity import (
    Identity,
    differences,
    environment,
    folder_name,
    made_otherwise,
)
from xlt.training.learner import Learner
from xlt.training.observing import observe
from xlt.training.processes import of_main_process
from xlt.training.reports import stage_reporting
from xlt.training.scoring import LAST, contents, selector
from xlt.training.selected import save_selected
from xlt.training.stage_store import StageStore
from xlt.training.unfinished import begin, goes_on
from xlt.transfer.stage import DataSplit, Stage

log = logging.getLogger(__name__)


class StageRunner:
    """Runs stages of one config under one seed.

    root: where stages live; equal stages of any run there are trained once.
    load: gives the records of a data_split.
    reuse: also take a finished stage that was trained with other code, other libraries, in another
        precision or on another kind of device, where the same was asked for.
    killed_for_memory: the process that trained the stage before was.
    store: what other machines have trained, and are to find; None: nothing.
    """

    def __init__(
        self,
        config: Config,
        task: Task,
        root: Path,
        load: Callable[[DataSplit], Data],
        seed: int,
        *,
        resume: bool = False,
        reuse: bool = False,
        quiet: bool = True,
        killed_for_memory: bool = False,
        store: StageStore | None = None,
    ) -> None:
        self.config, self.task, self.root, self.load, self.seed = config, task, root, load, seed
        self.resume, self.reuse, self.quiet = resume, reuse, quiet
        self.killed_for_memory, self.store = killed_for_memory, store or StageStore()

    def run(
        self,
        stage: Stage,
        parents: Sequence[StageResult] = (),
        observers: Sequence[Sequence[DataSplit]] = (),
        title: str | None = None,
    ) -> StageResult:
        """Train the stage, or return it if it (with all observers) has been trained before.

        A finished stage whose weights are damaged that this run needs is trained again, with a
        warning.

        parents: the results of the stage's parents; weights start from one, or from the encoder.

        observers: further dev sets to score along the way, or afterwards (`observing`); the best
            weights by each of them are kept beside those that the stage is selected on.
        title: what it is called in what is said of its progress; None: its name.
        """
        assert len(parents) == len(stage.parents) <= 1, "weights start from one model"
        parent = parents[0] if parents else None
        state = PartialState()
        train = [self.load(data_split) for data_split in stage.train]
        dev = [self.load(data_split) for data_split in stage.dev]
        wanted = self.identity(stage, parent.key if parent else None, train, dev)
        folder = self.root / folder_name(stage.name, wanted)
        watched = [
            [self.load(data_split) for data_split in data_splits] for data_splits in observers
        ]
        needed = contents(watched)
        lock = FileLock(f"{folder}.lock")
        if state.is_main_process:
            try:
                self.root.mkdir(parents=True, exist_ok=True)
                lock.acquire(blocking=False)
            except Timeout:
                log.warning("another process is training %s; waiting for it", folder.name)
                lock.acquire()
            except OSError as error:
                raise disk_error(error, self.root, resumes=True) from error
        try:
            state.wait_for_everyone()
            finished = self._finished(folder, wanted, needed, watched, dev)
            if finished is None and self._fetched(folder, wanted, needed):
                finished = self._finished(folder, wanted, needed, watched, dev)
            if finished is not None:
                if state.is_main_process:
                    shutil.rmtree(folder / "work", ignore_errors=True)  # of a kill at the very end
                self._store.publish(folder)
                return finished
            other = self._made_otherwise(stage, wanted, needed)
            if other is not None:
                return other
            self._train(stage, parent, train, dev, watched, folder, wanted, title or stage.name)
            state.wait_for_everyone()
            finished = find(folder, wanted.key, needed, reused=False)
            assert finished is not None, f"{folder} did not finish"
            self._store.publish(folder, anew=True)
            return finished
        finally:
            if lock.is_locked:
                lock.release()

    @property
    def _store(self) -> StageStore:
        """What this process has to do with the store, if it is not the main one: nothing."""
        return self.store if PartialState().is_main_process else StageStore()

    @property
    def metric(self) -> str:
        """What selects."""
        return self.config.selection.metric or self.task.metrics_reported[0]

    def identity(
        self, stage: Stage, parent: str | None, train: Sequence[Data], dev: Sequence[Data]
    ) -> Identity:
        """What decides the stage's weights. parent: the key of the stage that it starts from."""
        model_settings = self.config.model
        same = {"attention"} if self.task.generates else {"attention", "trim_vocabulary"}
        model = model_settings.model_dump(exclude={*same, "encoder", "revision"}, mode="json")
        if parent is None:
            model["encoder"] = Backbone(model_settings.encoder, model_settings).content
        settings = {
            "task": self.task.name,
            "options": self.task.options.model_dump(mode="json"),
            "model": model,
            "start": parent or stage.from_scratch,
            "train": [[d.data_split.name, d.fingerprint] for d in train],
            "dev": [[d.data_split.name, d.fingerprint] for d in dev],
            "training": stage.training.model_dump(
                mode="json", exclude={"report_to", "checkpoint_every"}
            ),
            "temperature": stage.temperature,
            "selection": self.config.selection.model_dump(mode="json", exclude={"keep"}),
            "seed": self.seed,
        }
        device = best_device()
        precision = choose_precision(stage.training.precision, device)
        lora = model_settings.lora is not None
        return Identity(settings, environment(self.task, precision, device, lora=lora))

    def _finished(
        self,
        folder: Path,
        wanted: Identity,
        needed: Observed,
        watched: Sequence[Sequence[Data]],
        dev: Sequence[Data],
    ) -> StageResult | None:
        """The stage in this folder, scored on what came later."""
        observe(folder, watched, dev, task=self.task, config=self.config, metric=self.metric)
        return find(folder, wanted.key, needed)

    def _fetched(self, folder: Path, wanted: Identity, needed: Observed) -> bool:
        """Whether the stage has come from the store."""
        return of_main_process(self._store.fetch(folder, wanted, needed))

    def _made_otherwise(
        self, stage: Stage, wanted: Identity, needed: Observed
    ) -> StageResult | None:
        """With `reuse`, a finished stage of which the same was asked; else say what it is not."""
        for folder, found in made_otherwise(self.root, stage.name, wanted):
            differs = differences(found.environment, wanted.environment)
            told = f"{folder.name} was trained with {', '.join(differs)}"
            if not self.reuse:
                log.warning("%s: it is trained again (--reuse takes it as it is)", told)
                return None
            finished = find(folder, found.key, needed)
            if finished is not None:
                log.warning("%s: it is used all the same (--reuse)", told)
                return replace(finished, differs=tuple(differs))
        return None

    # Training ------------------------------------------------------------------------------

    def _train(
        self,
        stage: Stage,
        parent: StageResult | None,
        train: list[Data],
        dev: list[Data],
        watched: list[list[Data]],
        folder: Path,
        wanted: Identity,
        title: str,
    ) -> None:
        work = folder / "work"
        begun = work.exists()
        self._prepare_folder(folder, work, wanted, contents(watched))
        earlier = finished_before(folder)
        attempts = Attempts(work, earlier)
        # A divided stage may have been interrupted since for another reason: it goes on.
        if self.killed_for_memory and begun and not attempts.divided:
            attempts.again(stage.training, killed_for_memory(stage.training))
            self._store.forget(folder)
        learner = Learner(self.config, self.task, self.seed, self.metric)
        while True:
            training = attempts.training(stage.training)
            checkpoint = self._checkpoint(work)
            try:
                with (
                    stage_reporting(
                        self.config,
                        stage,
                        training,
                        self.seed,
                        folder,
                        resumed=checkpoint is not None,
                    ),
                    self._store.keeping(folder) as callbacks,
                ):
                    trained = learner.train(
                        stage,
                        training,
                        parent,
                        train,
                        [dev, *watched],
                        work,
                        title=None if self.quiet else title,
                        callbacks=callbacks,
                        checkpoint=checkpoint,
                    )
                break
            except (Diverged, OutOfMemory) as error:
                attempts.again(stage.training, error)
                self._store.forget(folder)
            gc.collect()  # trainer and model hold each other; two would not fit everywhere
            if best_device() == "cuda":
                torch.cuda.empty_cache()
        trainer = trained.trainer
        if not trainer.args.should_save:
            return
        primary = selector(stage.dev)
        last = trainer.state.global_step
        selected = {name: dict(best) for name, best in trainer.selector.best.items()}
        if primary == LAST:
            selected[LAST] = {"step": last, "score": float("nan")}
        with writing(folder, resumes=True):
            changed = attempts.changes(stage.training)
            if earlier is None or earlier.get("changed", {}) != changed:
                earlier = None
                if not attempts.saving:
                    discard(folder)
                    attempts.save()
            model, subwords = trainer.model, trainer.subwords
            about = self._about(model, trained.backbone)
            steps = [int(selected[n]["step"]) for n in (primary, *(selected.keys() - {primary}))]
            save_selected(
                trainer,
                model,
                about,
                trained.backbone.tokenizer,
                trained.vocabulary,
                steps,
                folder,
                trained.temperatures,
            )
            known = intact(folder, earlier or {"selected": {}})
            write_sealed(
                folder / DONE,
                {
                    "key": wanted.key,
                    "stage": stage.name,
                    "parent": parent.folder.name if parent else None,
                    "primary": primary,
                    # Trained again for more observers, in the same way: the weights are the same,
                    # so is the rest.
                    "selected": known["selected"]
                    | {
                        n: {"step": b["step"], "score": _finite(b["score"])}
                        for n, b in selected.items()
                    },
                    "observed": known["observed"] | contents(watched),
                    "labels": {layer: list(values) for layer, values in model.labels.items()},
                    "history": trainer.selector.history,
                    "keep": "all" if trainer.selector.keep_all else "best",
                    "log": trainer.state.log_history,
                    "steps": last,
                    "precision": trainer.precision,
                    "halved": attempts.halved,
                    "divided": attempts.divided,
                    "changed": changed,
                    "pieces_trained": None if subwords is None else len(subwords.to_full),
                },
            )
            shutil.rmtree(work)

    def _prepare_folder(
        self, folder: Path, work: Path, wanted: Identity, observed: Observed
    ) -> None:
        """Forget what an earlier process left unfinished, unless it is to be resumed.

        A finished stage stays: another run may be reading it.
        """
        if PartialState().is_main_process:
            with writing(folder, resumes=True):
                keep = self.config.selection.keep
                if work.exists() and not (self.resume and goes_on(work, observed, keep)):
                    shutil.rmtree(work)
                if self.resume:
                    self._store.resume(folder, partial(goes_on, observed=observed, keep=keep))
                work.mkdir(parents=True, exist_ok=True)
                for place in (folder, work):
                    sweep(place)
                wanted.write(folder)
                begin(work, observed, keep)
        PartialState().wait_for_everyone()

    def _checkpoint(self, work: Path) -> str | None:
        """The newest intact checkpoint, where the run is to be resumed; damaged ones go."""
        newest: Path | None = None
        if self.resume and PartialState().is_main_process:
            newest, problems = ckpt.last_intact(work)
            for problem in problems:
                log.warning("%s: going back to the checkpoint before it", problem)
            if problems and newest is None:
                log.warning("no intact checkpoint in %s: the stage starts again", work)
        return of_main_process(None if newest is None else str(newest))

    def _about(self, model: TaskModel, backbone: Backbone) -> ModelInfo:
        return ModelInfo(
            task=self.task.name,
            options=self.task.options.model_dump(mode="json"),
            labels=model.labels,
            encoder=without_folders(self.config.model.encoder),
            max_length=backbone.max_length,
        )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
