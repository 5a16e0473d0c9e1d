"""`xlt plan` of a study: its graph, what of it is done, what is missing, what the rest costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from xlt.config.schema import STAGES
from xlt.config.study import Study
from xlt.errors import XltError
from xlt.permissions import obeying
from xlt.runs.cells import study_cells
from xlt.runs.experiment import Experiment, prepare_cells
from xlt.runs.graph import Node, build
from xlt.runs.plan import StageCosts, allowed, other_run, refused
from xlt.runs.preflight import find_problems
from xlt.runs.sizes import count_words, find_tokenizer, measure_sizes
from xlt.runs.sources import Sources, reads
from xlt.training.finished import DONE
from xlt.training.identity import Identity, folder_name
from xlt.training.stages import StageRunner
from xlt.transfer.stage import Stage

BYTES_A_PARAMETER = 4
"""Of stored weights."""


def plan_study(study: Study) -> dict[str, Any]:
    """Every step of the study once, with what it takes; what is missing of which cell.

    Reads data files, but no network. Raises XltError for what is wrong with the configs.
    """
    experiments = prepare_cells(study)
    cells = study_cells(study)
    nodes = build(experiments)
    groups = list(_groups(experiments))
    missing: list[XltError] = []
    rehearsed: set[str] = set()
    for group in groups:
        for experiment in group.experiments.values():
            with obeying(allowed(experiment.loaded)):
                found = find_problems(experiment, group.sources, local=True, rehearsed=rehearsed)
            missing += [*refused(experiment.loaded), *other_run(experiment, group.sources), *found]
    unfinished = {*study.cells} - {*cells.finished}
    rows = []
    for node in nodes.values():
        group = next(one for one in groups if node.cells[0] in one.experiments)
        experiment = group.experiments[node.cells[0]]
        with obeying(allowed(experiment.loaded)):
            rows.append(_row(node, experiment, group, unfinished))
    return {
        "name": study.title,
        "cells": {name: name in cells.finished for name in study.cells},
        "nodes": rows,
        "encoders": list({one.costs.encoder["id"]: one.costs.encoder for one in groups}.values()),
        "machine": next((m for group in groups if (m := group.costs.machine)), None),
        "total": _total(rows),
        "missing": [
            {"what": one.what, "where": one.where, "fix": one.fix}
            for one in {problem.render(): problem for problem in missing}.values()
        ],
    }


@dataclass(frozen=True)
class _Group:
    """Cells that read the same data for the same encoder: what is known of those is shared."""

    experiments: Mapping[str, Experiment]
    sources: Sources
    costs: StageCosts


def _groups(experiments: Mapping[str, Experiment]) -> Iterator[_Group]:
    alike: dict[str, dict[str, Experiment]] = {}
    for name, experiment in experiments.items():
        alike.setdefault(reads(experiment.config), {})[name] = experiment
    for some in alike.values():
        first = next(iter(some.values()))
        sources = Sources(first.config, first.task)
        with obeying(allowed(first.loaded)):
            splits = dict.fromkeys(one for each in some.values() for one in each.data_splits)
            counted = count_words(first.task, sources, splits)
            tokenizer = find_tokenizer(first.config.model)
            sizes, vocabulary = measure_sizes(counted, tokenizer)
            costs = StageCosts(first.config.model, sizes, vocabulary, usable=tokenizer is not None)
        yield _Group(some, sources, costs)


def _row(node: Node, experiment: Experiment, group: _Group, unfinished: set[str]) -> dict[str, Any]:
    """A node as JSON has it.

    done: whether it is; None where that is known only when data have been projected.
    left: whether a cell that is not finished needs it, and it is not done.
    """
    cost: dict[str, Any] = {"steps": None, "minutes": None, "memory_gib": None}
    done: bool | None = None
    if node.kind == "evaluate":
        done = node.name not in unfinished
    elif node.kind == "train":
        assert node.stage is not None
        assert node.seed is not None
        cost = group.costs.of(node.stage)
        done = _is_trained(experiment, group.sources, node.stage, node.seed)
    size = group.costs.encoder["parameters"]
    return {
        "key": node.key,
        "kind": node.kind,
        "name": node.name,
        "seed": node.seed,
        "parents": list(node.parents),
        "cells": list(node.cells),
        "done": done,
        "left": not done and not unfinished.isdisjoint(node.cells),
        **cost,
        "disk_gib": None
        if size is None or node.kind == "project"
        else BYTES_A_PARAMETER * size / 2**30 * _models(node, experiment),
    }


def _models(node: Node, experiment: Experiment) -> int:
    """Models that it stores, at least: a stage's best; of a run those of its seeds, of targets that
    do not share one."""
    if node.kind == "train":
        return 1
    plans = {repr(plan) for plan in experiment.plans.values()}
    seeds = {"all": len(experiment.config.seeds), "best": 1, "scores": 0}
    return len(plans) * seeds[experiment.config.output.keep]


def _is_trained(experiment: Experiment, sources: Sources, stage: Stage, seed: int) -> bool | None:
    """Whether a stage is finished; None where it learns from data that have to be projected first.

    It is not looked whether its weights are as they were written: `xlt study` does.
    """
    if any(one.projected_from for each in stage.history for one in (*each.train, *each.dev)):
        return None
    config = experiment.config
    root = config.output.root / STAGES
    runner = StageRunner(config, experiment.task, root, sources.load, seed)
    with suppress(XltError):  # `find_problems` has it
        return (root / folder_name(stage.name, _identity(runner, stage)) / DONE).is_file()
    return False


def _identity(runner: StageRunner, stage: Stage) -> Identity:
    """What decides the weights of a stage, of which nothing need be trained."""
    starts = [_identity(runner, parent).key for parent in stage.parents]
    train, dev = ([runner.load(one) for one in splits] for splits in (stage.train, stage.dev))
    return runner.identity(stage, starts[0] if starts else None, train, dev)


def _total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of what is left. minutes: one after the other, without evaluation."""
    left = [row for row in rows if row["left"]]
    trained = [row for row in left if row["kind"] == "train"]
    known = all(row["minutes"] is not None for row in trained)
    sizes = [row["disk_gib"] for row in left if row["kind"] != "project"]
    return {
        "nodes": len(rows),
        "left": len(left),
        "minutes": sum(row["minutes"] for row in trained) if known else None,
        "memory_gib": max((row["memory_gib"] for row in trained), default=0.0) if known else None,
        "disk_gib": sum(sizes) if all(size is not None for size in sizes) else None,
    }
