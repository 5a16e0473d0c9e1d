"""The steps of runs, each once: whether it is done, which cells need it, what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from xlt.config.schema import STAGES, Model
from xlt.errors import XltError
from xlt.inference.device import best_device, choose_precision
from xlt.runs.cost import Load, Machine, estimate, scoring_gib, training_gib
from xlt.runs.estimate import encoder_shape, measure
from xlt.runs.experiment import Experiment
from xlt.runs.graph import EVALUATE, PROJECT, Node
from xlt.runs.sizes import SplitSize
from xlt.runs.sources import Sources
from xlt.training.finished import DONE
from xlt.training.identity import Identity, folder_name
from xlt.training.raw_text import evaluated_subwords
from xlt.training.stages import StageRunner
from xlt.transfer.kind import Effort, kind_of
from xlt.transfer.stage import DataSplit, Stage

BYTES_A_PARAMETER = 4
"""Of stored weights."""


class StageCosts:
    """What stages of one model on data of known sizes take on this machine.

    sizes, vocabulary: of `measure_sizes`. usable: whether the encoder is here.
    """

    def __init__(
        self,
        model: Model,
        sizes: Mapping[DataSplit, SplitSize],
        vocabulary: int | None,
        *,
        usable: bool,
    ) -> None:
        self._model, self._sizes = model, sizes
        self._shape = encoder_shape(model) if usable else None
        self._kept = vocabulary if model.trim_vocabulary else None
        self._machine: Machine | None = None

    def of(self, stage: Stage) -> dict[str, Any]:
        """ "steps", "minutes" and "memory_gib" of one seed; None where something is unknown."""
        load = self._load(stage)
        if self._shape is None or load is None:
            return {"steps": None, "minutes": None, "memory_gib": None}
        device = best_device()
        precision = choose_precision(stage.training.precision, device)
        self._machine = measure(device, precision, self._shape, load.length)
        found = estimate(self._shape, load, stage.training, self._model, self._machine, self._kept)
        return found.as_dict()

    def training_gib(self, stage: Stage) -> float | None:
        """Peak memory; None where something is unknown. Nothing is measured."""
        load = self._load(stage)
        if self._shape is None or load is None:
            return None
        device = best_device()
        precision = choose_precision(stage.training.precision, device)
        return training_gib(
            self._shape, load.length, stage.training, self._model, self._kept, device, precision
        )

    def scoring_gib(self, batch_tokens: int) -> float | None:
        """As `training_gib`, of prediction on all data in batches of so many subwords."""
        if self._shape is None:
            return None
        sizes = self._sizes.values()
        length = sum(one.subwords for one in sizes) / max(1, sum(one.records for one in sizes))
        device = best_device()
        precision = choose_precision("auto", device)
        return scoring_gib(self._shape, length, batch_tokens, self._kept, device, precision)

    def _load(self, stage: Stage) -> Load | None:
        """None where some of the data cannot be read."""
        if not all(split in self._sizes for split in (*stage.train, *stage.dev)):
            return None
        train = [self._sizes[split] for split in stage.train]
        effort = kind_of(stage).effort(
            stage,
            Effort(
                subwords=sum(size.subwords for size in train),
                records=sum(size.records for size in train),
                evaluated=sum(
                    evaluated_subwords(
                        split, self._sizes[split].records, self._sizes[split].subwords
                    )
                    for split in stage.dev
                )
                * stage.training.epochs,
            ),
        )
        return None if effort is None else Load(**asdict(effort))

    @property
    def encoder(self) -> dict[str, Any]:
        """Its identifier, its parameters, and how many of them are trained."""
        shape = self._shape
        return {
            "id": self._model.encoder,
            "parameters": None if shape is None else shape.embeddings + shape.rest,
            "trained": None if shape is None else shape.trimmed(self._kept),
        }

    @property
    def machine(self) -> dict[str, Any] | None:
        """What was measured of it, once there was a stage whose cost is known."""
        machine, shape = self._machine, self._shape
        if machine is None or shape is None:
            return None
        return {
            "device": machine.device,
            "precision": machine.precision,
            "threads": machine.threads,
            "pieces_per_second": round(1 / (shape.layers * (machine.forward + machine.backward))),
            "memory_gib": round(machine.memory, 1),
            "free_gib": round(machine.free, 1),
            "busy": round(machine.busy, 2),
        }


@dataclass(frozen=True)
class Group:
    """Cells that read the same data for the same encoder: what is known of those is shared."""

    experiments: Mapping[str, Experiment]
    sources: Sources
    costs: StageCosts


def row(node: Node, experiment: Experiment, group: Group, unfinished: set[str]) -> dict[str, Any]:
    """A node as JSON has it.

    done: whether it is; None where that is known only when data have been projected, or with the
        encoder, which is not here.
    left: whether a cell that is not finished needs it, and it is not done.
    """
    cost: dict[str, Any] = {"steps": None, "minutes": None, "memory_gib": None}
    done: bool | None = None
    size = group.costs.encoder["parameters"]
    if node.kind == EVALUATE:
        done = node.name not in unfinished
    elif node.stage is not None:
        assert node.seed is not None
        cost = group.costs.of(node.stage)
        if size is not None:
            done = _is_trained(experiment, group.sources, node.stage, node.seed)
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
        if size is None or node.kind == PROJECT
        else BYTES_A_PARAMETER * size / 2**30 * _models(node, experiment),
    }


def _models(node: Node, experiment: Experiment) -> int:
    """Models that it stores, at least: a stage's best; of a run those of its seeds, of targets that
    do not share one."""
    if node.stage is not None:
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
    return runner.identity(stage, starts, train, dev)


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of what is left. minutes: one after the other, without evaluation."""
    left = [row for row in rows if row["left"]]
    trained = [row for row in left if row["kind"] not in (PROJECT, EVALUATE)]
    known = all(row["minutes"] is not None for row in trained)
    sizes = [row["disk_gib"] for row in left if row["kind"] != PROJECT]
    return {
        "nodes": len(rows),
        "left": len(left),
        "minutes": sum(row["minutes"] for row in trained) if known else None,
        "memory_gib": max((row["memory_gib"] for row in trained), default=0.0) if known else None,
        "disk_gib": sum(sizes) if all(size is not None for size in sizes) else None,
    }
