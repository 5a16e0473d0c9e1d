"""Before anything is trained: is all there that a run needs, and does it go together?

`xlt train` begins with it and `xlt plan` reports it, so that neither refuses what the other takes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from xlt.config.intermediate import learning, of_other_task
from xlt.config.places import VARIABLE
from xlt.config.schema import STAGES, TEXT, Config, Reference
from xlt.data.references import key_of, read_as, read_from, resolve
from xlt.errors import XltError, flat, raise_all
from xlt.projection.predict import projector_of
from xlt.runs.experiment import Experiment
from xlt.runs.publish import check_reachable
from xlt.runs.shared_stages import stage_store
from xlt.runs.sources import Sources, reads
from xlt.task import Labels, extend_labels
from xlt.training.labels import check_overlap
from xlt.training.rehearsal import check_reports
from xlt.transfer.kind import kind_of, solves, with_full_keys
from xlt.transfer.stage import DataSplit, Stage


def preflight(experiment: Experiment, sources: Sources) -> None:
    """Look for whatever could stop the run; then project what has to be.

    Raises XltError with everything that is missing, malformed or impossible here.
    """
    raise_all(find_problems(experiment, sources))
    for data_split in experiment.data_splits:
        sources.load(data_split)


class Shared:
    """What runs that are looked at one after the other have in common: it is looked at once.

    rehearsed: as `find_problems` has it.
    """

    def __init__(self) -> None:
        self.rehearsed: set[str] = set()
        self._read: tuple[str, Sources] | None = None

    def sources(self, experiment: Experiment) -> Sources:
        """Those of the run before, where this one reads the same data."""
        key = reads(experiment.config)
        if self._read is None or self._read[0] != key:
            self._read = key, Sources(experiment.config, experiment.task)
        return self._read[1]


def find_problems(
    experiment: Experiment,
    sources: Sources,
    *,
    local: bool = False,
    rehearsed: set[str] | None = None,
) -> list[XltError]:
    """Whatever would stop a run before its first step, each thing once, with its line.

    It costs little: data are read, weights are not, and nothing is projected (that may take hours).

    local: no encoder is fetched; one that is not on this machine is a problem. Nor is the store
        asked.
    rehearsed: stages of other configs in which nothing was found; which grows.
    """
    inventories = _Inventories(experiment, sources)
    problems = [
        *_check_output(experiment.config),
        *([] if local else _raised(_check_store, experiment.config)),
        *_check_data(experiment, sources),
        *check_predictions(experiment),
        *_check_labels(experiment, inventories),
        *_check_stages(
            experiment, inventories, set() if rehearsed is None else rehearsed, local=local
        ),
    ]
    located = (experiment.loaded.locate(one) for error in problems for one in flat(error))
    return list({problem.render(): problem for problem in located}.values())


def _raised(work: Callable[..., Any], *arguments: Any, **options: Any) -> Iterator[XltError]:
    """The error of a call that may raise one."""
    try:
        work(*arguments, **options)
    except XltError as error:
        yield error


def _check_output(config: Config) -> Iterator[XltError]:
    """Folders that cannot be made or written to. Nothing is made here."""
    for folder in (config.output.root / config.name, config.output.root / STAGES):
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            what = f"cannot write here: {there} is not a folder"
        elif not os.access(there, os.W_OK | os.X_OK):
            what = f"cannot write here: no permission to write to {there}"
        else:
            continue
        yield XltError(
            what, where="output.root", fix="set `output.root` to a folder you may write to"
        )
    if config.output.push_to_hub is not None:
        yield from _raised(check_reachable)


def _check_store(config: Config) -> None:
    """Raise XltError for a store of stages that cannot be used."""
    try:
        stage_store(config.output).check()
    except XltError as error:
        raise error.at("output.store" if config.output.store else VARIABLE) from error


def _check_data(experiment: Experiment, sources: Sources) -> Iterator[XltError]:
    """References that lead nowhere, what cannot be projected here, files that cannot be read."""
    for data_split in experiment.data_splits:
        unresolved = list(_unresolved(experiment.config, data_split.origin))
        yield from unresolved
        if not unresolved:
            yield from _raised(sources.check, data_split)
            yield from _raised(sources.load, data_split.origin)


def _unresolved(config: Config, data_split: DataSplit) -> Iterator[XltError]:
    """One error for each reference of a split that is not on this machine."""
    name = data_split.task
    if name is not None:
        for error in _unresolved(learning(config, name), replace(data_split, task=None)):
            yield of_other_task(error, name)
        return
    data = config.data[data_split.language]
    split = read_from(data, data_split.split)
    key = key_of(data_split.language, split)
    references: list[tuple[str, Reference]] = [
        (f"{key}.{n}", reference) for n, reference in enumerate(data.listed(split))
    ]
    if not references and data.all:
        references = [(f"data.{data_split.language}.all", Reference(ref=data.all))]
    for where, reference in references:
        yield from _raised(resolve, reference, data_split.language, read_as(split), where=where)


def check_predictions(experiment: Experiment) -> Iterator[XltError]:
    """What is missing for the way in which the strategy predicts on the targets."""
    for target in experiment.plans:
        prediction = experiment.prediction(target)
        if prediction.mode != "direct":
            yield from _raised(
                projector_of, experiment.task, prediction, experiment.config.projection, target
            )


class _Inventories:
    """The labels of data and of the models that learn from them."""

    def __init__(self, experiment: Experiment, sources: Sources) -> None:
        self._sources = sources

    def of(self, data_split: DataSplit) -> Labels:
        """Those in the records. Raises XltError where they cannot be read."""
        # A projected data_split's inventory is that of the records it comes from.
        origin = data_split.origin
        return self._sources.labels(origin)

    def learnt(self, stage: Stage) -> Labels:
        """What the model knows after a stage. Raises XltError as `of` does, and if the stage has
        nothing in common with those before it."""
        known: Labels = {}
        for parent in stage.parents:
            known = extend_labels(known, self.learnt(parent))
        if not kind_of(stage).learns_labels or stage.task is not None:
            return known
        new = self._taught(stage)
        check_overlap(known, new, stage)
        return extend_labels(known, new)

    def known(self, stage: Stage, task: str | None) -> Labels:
        """What the stage's network of a task knows. Raises XltError as `learnt`."""
        return self.learnt(stage) if task is None else self._taught(stage)

    def _taught(self, stage: Stage) -> Labels:
        """Those in the data that a stage trains on, of whatever task."""
        new: Labels = {}
        for data_split in stage.train:
            new = extend_labels(new, self.of(data_split))
        return new


def _check_labels(experiment: Experiment, inventories: _Inventories) -> Iterator[XltError]:
    """Labels that a stage shares with none before it, or that a model would not know."""
    for target, plan in experiment.plans.items():
        scored = [data_split for data_split in experiment.scored if data_split.language == target]
        try:
            checked = [
                (one, stage)
                for stage in plan.history
                for one in (*stage.dev, *(() if kind_of(stage).learns_labels else stage.train))
                if one.split != TEXT
            ]
            for data_split, stage in [*checked, *((one, plan) for one in scored)]:
                task = experiment.task_of(data_split.task)
                known = inventories.known(stage, data_split.task)
                task.check_labels(known, inventories.of(data_split), where=data_split.key)
        except XltError as error:
            yield error


def _check_stages(
    experiment: Experiment, inventories: _Inventories, rehearsed: set[str], *, local: bool
) -> Iterator[XltError]:
    """What is wrong with the encoder, or cannot be done with it in a stage."""
    config, task = experiment.config, experiment.task
    about = [config.model, config.task, config.intermediate, config.evaluation]
    for plan in experiment.plans.values():
        for stage in plan.history:
            kind, started = kind_of(stage), list[Labels]()
            try:
                labels: Labels | None = inventories.known(stage, stage.task)
                started = [inventories.learnt(parent) for parent in stage.parents]
            except XltError:  # said of the data already; the encoder can be looked at all the same
                labels = None
            goes_on = any(map(solves, stage.parents))
            own = (stage.kind, stage.options, stage.training, stage.from_scratch, goes_on)
            setup = repr((about, own, labels, started if len(started) > 1 else None))
            if setup not in rehearsed:
                of_kind = [
                    *([] if labels is None else kind.check_parents(stage, started)),
                    *kind.check(config, task, stage, labels, local=local),
                ]
                found = [
                    *check_reports(stage.training),
                    *(with_full_keys(error, stage) for error in of_kind),
                ]
                yield from found
                if not found:
                    rehearsed.add(setup)
