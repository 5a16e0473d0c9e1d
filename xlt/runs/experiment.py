"""A config that is valid as a whole, with what it asks for: its source, task, strategy and stages.

Whatever a command does with a config begins with `prepare`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from xlt.collection import uncollected
from xlt.config.intermediate import learning, of_other_task
from xlt.config.load import LoadedConfig
from xlt.config.schema import AUTO, BESIDE, SPLITS, TEXT, Config, Reference
from xlt.config.study import Study
from xlt.data.references import check_reference, key_of, read_as
from xlt.errors import XltError, choose, flat, raise_all
from xlt.projection.project import check_settings
from xlt.registry import nothing_installed, strategies
from xlt.task import Naming, Task, confident, make_task, takes_text
from xlt.training.tagged_text import reader
from xlt.transfer.kind import kind_of, preceded, solves
from xlt.transfer.learnt import learnt
from xlt.transfer.stage import (
    DataSplit,
    Prediction,
    Stage,
    Strategy,
    data_splits,
    source_dev,
)
from xlt.typology.choice import choose_source


@dataclass(frozen=True)
class Experiment:
    """A config with its task, its strategy and the stages that the strategy makes of it.

    loaded: the config; its source is a language, whatever the file says.
    plans:  target → the stage whose model is used on it, with those that it comes from.
    source_choice: why `source: auto` became what `config.source` says, JSON-able; None where the
        file names a source.
    companions: others that may begin with the same stages, as the cells of a study do.
    notes: what the config leaves out, and what comes of it.
    """

    loaded: LoadedConfig
    task: Task
    strategy: Strategy
    plans: Mapping[str, Stage]
    source_choice: dict[str, Any] | None = None
    companions: tuple[Experiment, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def config(self) -> Config:
        return self.loaded.config

    def task_of(self, name: str | None) -> Task:
        """The task, or another one, by its name in `intermediate`."""
        return self.task if name is None else make_task(learning(self.config, name))

    @property
    def data_splits(self) -> list[DataSplit]:
        """Everything that training and evaluation read, each once."""
        stages = [stage for plan in self.plans.values() for stage in plan.history]
        trained = [data_split for stage in stages for data_split in (*stage.train, *stage.dev)]
        texts = self.texts
        dev = source_dev(self.config) if texts else ()
        watched = self.remembered
        return list(dict.fromkeys([*trained, *self.scored, *texts.values(), *dev, *watched]))

    @property
    def remembers(self) -> bool:
        """Whether it is seen after each stage what has been forgotten (`xlt.runs.forgetting`)."""
        wanted = self.config.evaluation.forgetting
        if wanted is None:
            stages = (stage for plan in self.plans.values() for stage in plan.history)
            return any(stage.task is not None for stage in stages)
        return wanted

    @property
    def remembered(self) -> list[DataSplit]:
        """By which data it is seen what has been forgotten."""
        if not self.remembers:
            return []
        found: dict[DataSplit, None] = {}
        for target, plan in self.plans.items():
            for stage in plan.history:
                found |= dict.fromkeys(learnt(self.config, stage))
            for split in BESIDE:
                found |= dict.fromkeys(data_splits(self.config, target, split, required=False))
        return list(found)

    @property
    def scored(self) -> list[DataSplit]:
        """What the models are evaluated on: every split of every target that there is."""
        return [one for target in self.plans for one in self.scored_on(target)]

    def scored_on(self, target: str) -> list[DataSplit]:
        """What the target's models are evaluated on."""
        data = self.config.data.get(target)
        splits = [*self.config.evaluation.splits, *(() if data is None else data.tests)]
        found = (data_splits(self.config, target, one, required=False) for one in splits)
        return [data_split for some in found for data_split in some]

    @property
    def texts(self) -> dict[str, DataSplit]:
        """Target → its text without labels, where that and dev data of the sources say what its
        models are expected to score (`xlt.runs.unlabelled`)."""
        wanted = self.config.evaluation.estimate
        if not wanted or not source_dev(self.config) or not takes_text(self.task):
            return {}
        found = {t: data_splits(self.config, t, TEXT, required=False) for t in self.plans}
        return {target: splits[0] for target, splits in found.items() if splits}

    def prediction(self, target: str) -> Prediction:
        """How the target's model predicts on it."""
        return self.strategy.prediction(self.config, target)

    def indirect_predictions(self) -> dict[str, str]:
        """Target → how its text is predicted, where that is not on the text itself."""
        ways = {target: self.prediction(target) for target in self.plans}
        return {target: way.describe() for target, way in ways.items() if way.mode != "direct"}

    def stage_names(self) -> dict[str, list[str]]:
        """Target → its stages in order."""
        plans = self.plans.items()
        return {target: [stage.name for stage in plan.history] for target, plan in plans}


def prepare(loaded: LoadedConfig) -> Experiment:
    """The experiment that a config describes. Reads no data.

    Raises everything that the config as a whole lacks (XltError, XltErrors), with lines.
    """
    loaded, source_choice = resolve_source(loaded)
    config = loaded.config
    task, strategy = make_task(config), make_strategy(config)
    problems = _check_task(task, config)
    for ability in strategy.needs():
        if not isinstance(task, ability):
            problems.append(
                XltError(
                    f"the task {task.name} cannot do what this strategy needs "
                    f"({ability.__name__.lower()})",
                    where="strategy",
                    fix=f"implement what xlt.task.{ability.__name__} asks for, or choose another "
                    "strategy, e.g. zero_shot",
                )
            )
    plans = {}
    for target in config.target:
        try:
            plans[target] = _planned(strategy, config, target)
            _check_projection(task, strategy.prediction(config, target), config, plans[target])
        except XltError as error:
            problems.append(error)
    located = [loaded.locate(problem) for problem in problems]
    raise_all(list({problem.render(): problem for problem in located}.values()))
    experiment = Experiment(loaded, task, strategy, plans, source_choice)
    return replace(experiment, notes=tuple(_notes(experiment)))


def _planned(strategy: Strategy, config: Config, target: str) -> Stage:
    """The plan for a target. Raises XltError for a strategy that gives something else."""
    plan: object = strategy.plan(config, target)
    if not isinstance(plan, Stage):
        raise XltError(
            f"{config.strategy.name} plans {type(plan).__name__}, and a plan is its last stage",
            where="strategy",
            fix="have its `plan` return the stage whose model is used, with those that it starts "
            "from as its `parents` (docs/plugins.md, A strategy of your own)",
        )
    plan = preceded(plan, strategy.options.before, config, target)
    for stage in plan.history:
        if len(stage.parents) > 1 and not kind_of(stage).several_parents:
            names = ", ".join(parent.name for parent in stage.parents)
            raise XltError(
                f"the stage {stage.name} starts from {names}, and weights start from one model",
                where="strategy",
                fix="give it one of these as its parent, or train a stage on the data of all",
            )
    if not solves(plan):
        raise XltError(
            f"the plan ends with {plan.name}, which makes an encoder that cannot do the task",
            where="strategy",
            fix="have a stage that trains on the task's data come after it",
        )
    return plan


def _check_projection(task: Task, prediction: Prediction, config: Config, plan: Stage) -> None:
    """Raise XltError where something is to be projected, and the config says not how."""
    stages = plan.history
    if any(one.projected_from for stage in stages for one in (*stage.train, *stage.dev)):
        check_settings(task, config.projection)
    if prediction.mode != "direct":
        check_settings(task, config.projection, annotate=False)


def _notes(experiment: Experiment) -> Iterator[str]:
    """What is not there of the data, and what comes of it."""
    config = experiment.config
    told: dict[str, None] = {}
    for plan in experiment.plans.values():
        for stage in plan.history if config.selection.on == "source_dev" else ():
            kind = kind_of(stage)
            if not kind.scored and stage.task is None:
                continue
            own, of_sources = learning(config, stage.task), kind.selected_on_sources
            origins = dict.fromkeys(
                config.source if of_sources else (one.origin.language for one in stage.train)
            )
            lacking = [c for c in origins if not data_splits(own, c, "dev", required=False)]
            if lacking and stage.dev:
                on = ", ".join(dict.fromkeys(one.origin.language for one in stage.dev))
                told[
                    f"no dev data for {', '.join(lacking)}: stage {stage.name} is selected on {on}"
                ] = None
            elif lacking:
                kept = "is selected by no score" if of_sources else "keeps its last checkpoint"
                told[
                    f"no dev data for {', '.join(lacking)}: stage {stage.name} {kept}, and its "
                    "confidences are not calibrated (`dev_share` holds a part of the training data "
                    "out)"
                ] = None
    for plan in experiment.plans.values():
        if solves(plan) and not kind_of(plan).scored:
            told[
                f"stage {plan.name} comes last, and the task is not learnt in it: its confidences "
                "are not calibrated"
            ] = None
    yield from told
    if (choice := experiment.source_choice) is not None:
        others = {t: code for t, code in choice["best"].items() if code != choice["chosen"]}
        if others:
            alone = ", ".join(f"{code} for {target}" for target, code in others.items())
            yield (
                f"source: auto is {choice['chosen']} for all targets, which is best on average; "
                f"the best for one alone is {alone} (a config for each target takes it)"
            )
    for target in experiment.plans:
        there = {one.split for one in experiment.scored_on(target)}
        lacking = [split for split in config.evaluation.splits if split not in there]
        if lacking:
            yield f"no {' and '.join(lacking)} data for {target}: there are no scores on it"


@nothing_installed()
@uncollected()
def prepare_cells(study: Study) -> dict[str, Experiment]:
    """Every cell's experiment. Raises everything that any of the cells lacks, once."""
    experiments = {}
    problems: dict[str, XltError] = {}
    for name, loaded in study.cells.items():
        try:
            experiments[name] = prepare(loaded)
        except XltError as error:
            problems |= {problem.render(): problem for problem in flat(error)}
    raise_all(list(problems.values()))
    together = tuple(experiments.values())
    return {name: replace(one, companions=together) for name, one in experiments.items()}


def resolve_source(loaded: LoadedConfig) -> tuple[LoadedConfig, dict[str, Any] | None]:
    """The config with the language that `source: auto` stands for, and why it is that one.

    A config that names its source is returned as it is, with None.
    Raises XltError if no language but the targets has training data.
    """
    config = loaded.config
    if config.source != [AUTO]:
        return loaded, None
    try:
        code, reason = choose_source(
            config.data, config.target, config.task.name, config.model.encoder
        )
    except XltError as error:
        raise loaded.locate(error.at("source")) from error
    return replace(loaded, config=config.model_copy(update={"source": [code]})), reason


def make_strategy(config: Config) -> Strategy:
    """The config's strategy with its options."""
    kind: type[Strategy] = strategies.get(config.strategy.name, where="strategy")
    return kind(kind.Options.model_validate(config.strategy.options))


def check(loaded: LoadedConfig) -> dict[str, Any]:
    """`xlt config check`: the stages of a valid config by target, JSON-able."""
    experiment = prepare(loaded)
    return {
        "config": str(loaded.path),
        "extends": [str(path) for path in loaded.files[:-1]],
        "stages": experiment.stage_names(),
        "notes": list(experiment.notes),
    }


def check_study(study: Study) -> dict[str, Any]:
    """`xlt config check` of a study: the stages of every cell, JSON-able."""
    cells = prepare_cells(study)
    return {
        "config": str(study.path),
        "cells": {name: experiment.stage_names() for name, experiment in cells.items()},
    }


def _check_task(task: Task, config: Config) -> list[XltError]:
    problems = []
    metric = config.selection.metric
    if metric is not None and metric not in task.metrics_reported:
        problems.append(
            XltError(
                f"{config.task.name} has no metric called {metric!r}",
                where="selection.metric",
                fix=choose(metric, task.metrics_reported),
            )
        )
    if config.selection.on == "target_text" and (confident(task) is None or not takes_text(task)):
        problems.append(
            XltError(
                f"a model of {config.task.name} does not say how sure it is"
                if confident(task) is None
                else f"{config.task.name} does not predict on text alone",
                where="selection.on",
                fix="write `source_dev`, `target_dev` or `last`",
            )
        )
    for name in config.intermediate:
        other = learning(config, name)
        found = reference_problems(make_task(other), other)
        problems += [of_other_task(problem, name) for problem in found]
    return [*problems, *reference_problems(task, config)]


def reference_problems(task: Task, config: Config) -> list[XltError]:
    """Formats and options in the data references that the task's readers lack, by key."""
    problems: list[XltError] = []
    for language, data in config.data.items():
        for split in (*SPLITS, *BESIDE, *data.tests):
            reads = reader(split, task)
            for n, reference in enumerate(data.listed(split)):
                key = f"{key_of(language, split)}.{n}"
                try:
                    check_reference(reads, reference, language, read_as(split), key)
                except XltError as error:
                    problems += flat(error)
                if (problem := control_problem(reads, reference, split, key)) is not None:
                    problems.append(problem)
    return problems


def control_problem(task: Task, reference: Reference, split: str, key: str) -> XltError | None:
    """What is wrong with a control: that no score would mean anything, or the task has no names."""
    if reference.control == "masked_names" and not isinstance(task, Naming):
        return XltError(
            f"the annotation of {task.name} does not say which words are names",
            where=f"{key}.control",
            fix="take `random_text` or `shuffled_labels`",
        )
    if reference.control in ("shuffled_labels", "random_text") and split not in ("train", "dev"):
        return XltError(
            f"a score on data after `{reference.control}` says nothing of a model",
            where=f"{key}.control",
            fix="put the control on training data, and test on data as they are",
        )
    return None
