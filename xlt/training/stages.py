"""Runs one stage: from weights and data to a finished model folder that is never made twice."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from accelerate import PartialState
from filelock import FileLock, Timeout

from xlt.collection import freeze_existing
from xlt.config.intermediate import learning
from xlt.config.schema import Config
from xlt.errors import XltError
from xlt.files import disk_error, sweep, writing
from xlt.inference.device import best_device, choose_precision
from xlt.model.backbone import Backbone
from xlt.task import Task, make_task
from xlt.training.data import Data
from xlt.training.finished import Observed, StageResult, find
from xlt.training.identity import (
    Identity,
    differences,
    environment,
    folder_name,
    made_otherwise,
)
from xlt.training.making import Making
from xlt.training.observing import observe
from xlt.training.processes import of_main_process
from xlt.training.scoring import contents
from xlt.training.stage_store import StageStore
from xlt.transfer.kind import kind_of, with_full_keys
from xlt.transfer.stage import DataSplit, Stage

log = logging.getLogger(__name__)


class StageRunner:
    """Runs stages of one config, of whatever kind, under one seed.

    root: where stages live; equal stages of any run there are made once.
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
        """Make the stage, or return it if it (with all observers) has been made before.

        A finished stage whose weights are damaged that this run needs is made again, with a
        warning.

        parents: the results of the stage's parents, in their order.

        observers: further dev sets to score along the way, or afterwards (`observing`); the best
            weights by each of them are kept beside those that the stage is selected on.
        title: what it is called in what is said of its progress; None: its name.
        """
        assert len(parents) == len(stage.parents)
        state = PartialState()
        train = [self.load(data_split) for data_split in stage.train]
        dev = [self.load(data_split) for data_split in stage.dev]
        wanted = self.identity(stage, [parent.key for parent in parents], train, dev)
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
            self._prepare(folder, wanted)
            freeze_existing()
            making = Making(
                config=self.config,
                task=self.task,
                seed=self.seed,
                metric=self.metric,
                stage=stage,
                parents=parents,
                train=train,
                dev=dev,
                watched=watched,
                folder=folder,
                key=wanted.key,
                resume=self.resume,
                title=None if self.quiet else title or stage.name,
                killed_for_memory=self.killed_for_memory,
                store=self._store,
            )
            try:
                kind_of(stage).make(making)
            except XltError as error:
                raise with_full_keys(error, stage) from error
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
        self, stage: Stage, parents: Sequence[str], train: Sequence[Data], dev: Sequence[Data]
    ) -> Identity:
        """What decides the stage's weights. parents: the keys of the stages that it starts from."""
        kind, config, task = kind_of(stage), self.config, self.task
        solves = kind.solves(stage)
        model_settings = config.model
        same = {"attention"} if task.generates and solves else {"attention", "trim_vocabulary"}
        # What the vocabulary was extended by is part of the encoder's content.
        model = model_settings.model_dump(
            exclude={*same, "encoder", "revision", "vocabulary"}, mode="json"
        )
        if not parents:
            model["encoder"] = Backbone(model_settings.encoder, model_settings).content
        settings = {
            "model": model,
            "start": [*parents] if len(parents) > 1 else next(iter(parents), stage.from_scratch),
            "train": [[d.data_split.name, d.fingerprint] for d in train],
            "dev": [[d.data_split.name, d.fingerprint] for d in dev],
            "training": stage.training.model_dump(
                mode="json", exclude={"report_to", "checkpoint_every"}
            ),
            "temperature": stage.temperature,
            "seed": self.seed,
            **kind.settings(config, stage),
        }
        if solves:
            settings |= {"task": task.name, "options": task.options.model_dump(mode="json")}
        if (stage.kind, stage.options) != (Stage.kind, None):
            # Of those that there have always been nothing is said.
            own = None if stage.options is None else stage.options.model_dump(mode="json")
            settings |= {"kind": stage.kind, "own": own}
        device = best_device()
        precision = choose_precision(stage.training.precision, device)
        plugins = [type(kind), *([type(task)] if solves else [])]
        if stage.task is not None:
            plugins.append(type(make_task(learning(config, stage.task))))
        lora = model_settings.lora is not None
        return Identity(settings, environment(plugins, precision, device, lora=lora))

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

    def _prepare(self, folder: Path, wanted: Identity) -> None:
        """A folder that says what the stage is. A finished one stays: another run may read it."""
        if PartialState().is_main_process:
            with writing(folder, resumes=True):
                folder.mkdir(exist_ok=True)
                sweep(folder)
                wanted.write(folder)
        PartialState().wait_for_everyone()
