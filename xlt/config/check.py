"""What a config must satisfy as a whole: the strategy finds its data, the task its metric."""

from __future__ import annotations

from typing import Any

from xlt.config.load import LoadedConfig
from xlt.config.schema import Config
from xlt.config.study import Study
from xlt.errors import XltError, choose, flat, raise_all
from xlt.registry import strategies, tasks
from xlt.task import Task
from xlt.transfer.stage import Stage, Strategy, portions


def make_task(config: Config) -> Task:
    """The config's task with its options."""
    kind: type[Task] = tasks.get(config.task.name, where="task")
    return kind(kind.Options.model_validate(config.task.options))


def make_strategy(config: Config) -> Strategy:
    """The config's strategy with its options."""
    kind: type[Strategy] = strategies.get(config.strategy.name, where="strategy")
    return kind(kind.Options.model_validate(config.strategy.options))


def plan_stages(loaded: LoadedConfig) -> dict[str, list[Stage]]:
    """Target → its stages. Raises everything that the config as a whole lacks, with lines."""
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
            plans[target] = strategy.plan(config, target)
            for split in config.evaluation.splits:
                portions(config, target, split, required=True)
        except XltError as error:
            problems.append(error)
    located = [loaded.locate(problem) for problem in problems]
    raise_all(list({problem.render(): problem for problem in located}.values()))
    return plans


def check(loaded: LoadedConfig) -> dict[str, Any]:
    """Whether a config is valid as a whole; its stages by target. Reads no data."""
    return {
        "config": str(loaded.path),
        "extends": [str(path) for path in loaded.files[:-1]],
        "stages": _names(plan_stages(loaded)),
    }


def plan_cells(study: Study) -> dict[str, dict[str, list[Stage]]]:
    """Cell → target → its stages. Raises everything that any of the cells lacks, once."""
    plans = {}
    problems: dict[str, XltError] = {}
    for name, loaded in study.cells.items():
        try:
            plans[name] = plan_stages(loaded)
        except XltError as error:
            problems |= {problem.render(): problem for problem in flat(error)}
    raise_all(list(problems.values()))
    return plans


def check_study(study: Study) -> dict[str, Any]:
    """Whether all cells of a study are valid; their stages. Reads no data."""
    return {
        "config": str(study.path),
        "cells": {name: _names(plans) for name, plans in plan_cells(study).items()},
    }


def _names(plans: dict[str, list[Stage]]) -> dict[str, list[str]]:
    return {target: [stage.name for stage in plan] for target, plan in plans.items()}


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
    return [*problems, *reference_problems(task, config)]


def reference_problems(task: Task, config: Config) -> list[XltError]:
    """Formats and options in the data references that the task's readers lack, by key."""
    from xlt.data.references import check_reference

    problems: list[XltError] = []
    for language, data in config.data.items():
        for split in ("train", "dev", "test"):
            for n, reference in enumerate(getattr(data, split)):
                key = f"data.{language}.{split}.{n}"
                try:
                    check_reference(task, reference, language, split, key)
                except XltError as error:
                    problems += flat(error)
    return problems
