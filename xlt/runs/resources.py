"""What the steps of a study need of an executor.

Memory is what the study's file states, else what steps like it took at their peak, else what
`xlt.runs.cost` estimates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from xlt.config.study import Resources
from xlt.executors.base import Needs
from xlt.inference.device import best_device
from xlt.runs.experiment import Experiment
from xlt.runs.graph import PROJECT, Node
from xlt.runs.groups import Groups
from xlt.runs.peaks import Peak, likeness, peak

_OF_PEAK, _OF_ESTIMATE = 1.2, 1.5
"""What is asked for, as a multiple: clusters end what takes more."""

_HOST_GIB = 4.0
"""Of the machine's memory, beside the weights, in a process that computes on a GPU: torch, the
libraries of CUDA, and data."""


class Needed:
    """What each step of a study needs. stated: by its file."""

    def __init__(self, experiments: Mapping[str, Experiment], stated: Resources) -> None:
        self._experiments, self._stated = experiments, stated
        self._groups = Groups(experiments)
        self._estimated: dict[str, Peak | None] = {}

    @cached_property
    def _on_gpu(self) -> bool:
        return best_device() == "cuda" and self._stated.gpus != 0

    @property
    def every(self) -> Needs:
        """Of a step of one process of which nothing is known."""
        stated = self._stated
        gpus = None if stated.gpus is None else min(1, stated.gpus)
        return Needs(memory_gib=stated.memory_gb, cpus=stated.cpus, gpus=gpus)

    def of(self, node: Node) -> Needs:
        every, processes = self.every, 1
        if node.stage is not None:
            every, processes = replace(every, gpus=self._stated.gpus), self._stated.together
        if node.kind == PROJECT or (self._stated.memory_gb is not None and not self._on_gpu):
            return every
        experiment = self._experiments[node.cells[0]]
        like = likeness(experiment.config, node.stage)
        factor, found = _OF_PEAK, peak(like)
        if found is None:
            if like not in self._estimated:
                self._estimated[like] = self._estimate(node)
            factor, found = _OF_ESTIMATE, self._estimated[like]
        if found is None:
            return every
        return replace(
            every,
            memory_gib=self._stated.memory_gb or factor * processes * found.memory,
            gpu_gib=factor * found.gpu or None,
        )

    def _estimate(self, node: Node) -> Peak | None:
        experiment = self._experiments[node.cells[0]]
        costs = self._groups.of(node.cells[0]).costs
        if node.stage is None:
            found = costs.scoring_gib(experiment.config.evaluation.batch_tokens)
        else:
            found = costs.training_gib(node.stage)
        if found is None:
            return None
        if not self._on_gpu:
            return Peak(found)
        weights = 4 * (costs.encoder["parameters"] or 0) / 2**30
        return Peak(_HOST_GIB + 2 * weights, found)
