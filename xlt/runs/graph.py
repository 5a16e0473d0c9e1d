"""The steps of several runs as one graph: what they have in common is in it once.

A node's key is the hash of all that decides what comes of it, as the config says it: settings,
the data's references, seed, and the keys of its parents. Equal keys are equal work, which any
process may do, once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from xlt.collection import uncollected
from xlt.config.intermediate import learning
from xlt.config.schema import Config
from xlt.registry import nothing_installed
from xlt.runs.experiment import Experiment
from xlt.transfer.kind import kind_of, solves
from xlt.transfer.stage import DataSplit, Stage

PROJECT, EVALUATE = "project", "evaluate"


@dataclass
class Node:
    """A step.

    kind:    `PROJECT`, `EVALUATE`, or the kind of the stage.
    name:    of what is projected, of the stage, or of the cell that is evaluated.
    parents: keys of what has to be done before.
    cells:   runs that need it; it can be done with the config of any of them.
    seed:    of the stage.
    split, stage: what is projected, what is made.
    targets: those that the stage is made for.
    """

    key: str
    kind: str
    name: str
    parents: tuple[str, ...] = ()
    cells: list[str] = field(default_factory=list)
    seed: int | None = None
    split: DataSplit | None = None
    stage: Stage | None = None
    targets: list[str] = field(default_factory=list)

    @property
    def job(self) -> str:
        """What does it, a function of `xlt.runs.jobs`."""
        return self.kind if self.stage is None else "make"

    @property
    def title(self) -> str:
        """For messages, as "train eng, seed 1"."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.kind} {self.name}{seed}"


@nothing_installed()
@uncollected()
def build(experiments: Mapping[str, Experiment]) -> dict[str, Node]:
    """The graph of these runs, by key; parents stand before what needs them."""
    nodes: dict[str, Node] = {}

    def add(node: Node, cell: str, target: str | None = None) -> str:
        known = nodes.setdefault(node.key, node)
        if cell not in known.cells[-1:]:
            known.cells.append(cell)
        if target is not None and target not in known.targets:
            known.targets.append(target)
        return node.key

    for cell, experiment in experiments.items():
        settings = _Settings(experiment.config)
        ends: dict[str, None] = {}
        for seed in experiment.config.seeds:
            for target, plan in experiment.plans.items():
                keys: list[str] = []
                for stage in plan.history:
                    projected = [one for one in (*stage.train, *stage.dev) if one.projected_from]
                    needed = [
                        add(settings.projection(split), cell, target)
                        for split in dict.fromkeys(projected)
                    ]
                    parents = [keys[plan.history.index(parent)] for parent in stage.parents]
                    node = settings.stage(stage, seed, tuple(dict.fromkeys(parents + needed)))
                    keys.append(add(node, cell, target))
                ends[keys[-1]] = None
        add(settings.evaluation(cell, tuple(ends)), cell)
    return nodes


class _Settings:
    """Nodes of one config."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._task = config.task.model_dump(mode="json")
        self._model = config.model.model_dump(mode="json", exclude={"attention"})
        self._projection = config.projection.model_dump(mode="json")
        self._root = [str(config.output.root), config.output.store]

    def projection(self, split: DataSplit) -> Node:
        name = f"{split.name} {split.split}"
        content = [self._task, self._projection, self._read([split]), repr(split)]
        return Node(_hash(PROJECT, content), PROJECT, name, split=split)

    def stage(self, stage: Stage, seed: int, parents: tuple[str, ...]) -> Node:
        training = stage.training.model_dump(mode="json", exclude={"report_to", "checkpoint_every"})
        own = [stage.name, stage.train, stage.dev, stage.temperature]
        content = [
            *([self._task] if solves(stage) else []),
            kind_of(stage).settings(self._config, stage),
            *(self._model, self._root),
            *(self._read([*stage.train, *stage.dev]), repr(own), training),
            *(repr(stage.options), stage.from_scratch, seed, parents),
        ]
        key = _hash(stage.kind, content)
        return Node(key, stage.kind, stage.name, parents, seed=seed, stage=stage)

    def evaluation(self, cell: str, parents: tuple[str, ...]) -> Node:
        return Node(_hash(EVALUATE, [self._root, cell, parents]), EVALUATE, cell, parents)

    def _read(self, splits: Iterable[DataSplit]) -> list[Any]:
        """What the config says of the data that are read."""
        found: list[Any] = []
        for split in dict.fromkeys(split.origin for split in splits):
            data = learning(self._config, split.task).data[split.language]
            parts = {"all", split.split, *(("dev_share", "train") if data.dev_share else ())}
            found.append([split.name, data.model_dump(mode="json", include=parts)])
            listed = data.listed(split.split)
            if data.dev_share or any(one.limit or one.control for one in listed):
                found.append(self._config.data_seed)
        return found


def _hash(kind: str, content: list[Any]) -> str:
    text = json.dumps([kind, content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]
