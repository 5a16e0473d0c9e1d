"""How much work the steps of several runs are, and how long they take by what others took.

The work of a step (`xlt.runs.graph`) is counted in subwords times parameters that each goes
through, thrice for those that are learnt from: the way back is twice the way ahead. Of a projection
only subwords count: nothing is known of its translator.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property

from xlt.config.intermediate import learning
from xlt.errors import XltError
from xlt.runs.cost import Load
from xlt.runs.estimate import encoder_shape
from xlt.runs.experiment import Experiment
from xlt.runs.graph import EVALUATE, PROJECT, Node
from xlt.runs.observed import observed
from xlt.runs.sizes import SUBWORDS_PER_WORD
from xlt.runs.sources import Sources
from xlt.training.raw_text import (
    MAX_ESTIMATE_SENTENCES,
    MAX_TRANSFER_SENTENCES,
    evaluated_subwords,
)
from xlt.transfer.kind import kind_of
from xlt.transfer.stage import DataSplit, source_dev

_COUNTED = 100
"""Records of a split whose words are counted."""

Spent = Mapping[str, tuple[float, float]]
"""Step → seconds that it took, for what share of its work."""


class Workload:
    """The steps of several runs, by key."""

    def __init__(self, experiments: Mapping[str, Experiment], nodes: Mapping[str, Node]) -> None:
        self._experiments, self.nodes = experiments, nodes

    @cached_property
    def work(self) -> dict[str, float]:
        """Of every step whose data can be read; a run that lacks some fails, and takes no time.

        Only when something is to be said: it reads data that no run may have read yet.
        """
        return dict(_work(self._experiments, self.nodes))

    def pace(self, spent: Spent) -> Pace:
        """By what was spent on some of the steps."""
        pace = Pace()
        for key, (seconds, share) in spent.items():
            if share:
                pace.add(self.nodes[key].kind, seconds, share * self.work.get(key, 0.0))
        return pace


class Pace:
    """Seconds that steps take for a unit of their work, by what some took."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._work: defaultdict[str, float] = defaultdict(float)

    def add(self, kind: str, seconds: float, work: float) -> None:
        """A step took so long for so much work."""
        self._seconds[kind] += seconds
        self._work[kind] += work

    def rate(self, kind: str, *, others: bool = True) -> float | None:
        """That of such steps, else, of others, that of stages; None where it is not known."""
        stages = self._work.keys() - {PROJECT, EVALUATE}
        for kinds in ([kind], stages if others else ()):
            work = sum(self._work[known] for known in kinds if known in self._work)
            if work:
                return sum(self._seconds[known] for known in kinds) / work
        return None


def _work(
    experiments: Mapping[str, Experiment], nodes: Mapping[str, Node]
) -> Iterator[tuple[str, float]]:
    size = _sizes()
    parameters = _parameters(experiments.values())
    scored: dict[str, dict[DataSplit, None]] = {}  # stage → what it is scored on along the way
    for experiment in experiments.values():
        for stage, sets in observed(replace(experiment, companions=())):
            beside = dict.fromkeys(split for some in sets for split in some)
            scored.setdefault(repr(stage), dict.fromkeys(stage.dev)).update(beside)
    for key, node in nodes.items():
        experiment = experiments[node.cells[0]]
        with suppress(XltError):  # the run says it when it fails
            if node.split is not None:
                yield key, float(size(experiment, [node.split]).subwords)
                continue
            if node.stage is None:
                splits = [(split, MAX_ESTIMATE_SENTENCES) for split in experiment.scored]
                for text in experiment.texts.values():
                    compared = source_dev(experiment.config)
                    splits += [(split, MAX_ESTIMATE_SENTENCES) for split in (text, *compared)]
                    splits.append(
                        (text, MAX_TRANSFER_SENTENCES)
                    )  # once more, for its Transfer Score
                sizes = ((split, size(experiment, [split]), most) for split, most in splits)
                read = len(experiment.config.seeds) * sum(
                    float(evaluated_subwords(split, one.records, one.subwords, most))
                    for split, one, most in sizes
                )
            else:
                training, learnt = node.stage.training, size(experiment, node.stage.train)
                steps = learnt.steps(training)
                epochs = training.epochs * steps / learnt.all_steps(training)
                times = steps / training.evaluate_every if training.evaluate_every else epochs
                each = {
                    split: size(experiment, [split])
                    for split in scored.get(repr(node.stage), node.stage.dev)
                }
                dev = sum(
                    evaluated_subwords(split, one.records, one.subwords)
                    for split, one in each.items()
                )
                effort = kind_of(node.stage).effort(
                    node.stage, replace(learnt, evaluated=round(times * dev))
                )
                learnt_from = 3 * epochs * training.computed
                read = 0.0 if effort is None else learnt_from * effort.subwords + effort.evaluated
            yield key, read * parameters[experiment.config.model.encoder]


def _sizes() -> Callable[[Experiment, Iterable[DataSplit]], Load]:
    """What gives the size of splits; of projections that of what they are made from."""
    known: dict[str, tuple[int, int]] = {}

    def one(experiment: Experiment, split: DataSplit) -> tuple[int, int]:
        config, origin = experiment.config, split.origin
        data = learning(config, origin.task).data.get(origin.language)
        about = repr((config.task, config.intermediate, data, config.data_seed, origin))
        if about not in known:
            sources = Sources(config, experiment.task)
            records, task = sources.load(origin).records, sources.task_of(origin)
            some = records[:: max(1, len(records) // _COUNTED)]
            words = sum(len(task.words(record)) for record in some) / max(1, len(some))
            known[about] = len(records), round(len(records) * (words * SUBWORDS_PER_WORD + 2))
        return known[about]

    def size(experiment: Experiment, splits: Iterable[DataSplit]) -> Load:
        sizes = [one(experiment, split) for split in splits]
        records, subwords = (sum(numbers) for numbers in zip((0, 0), *sizes, strict=True))
        return Load(subwords, records, 0)

    return size


def _parameters(experiments: Iterable[Experiment]) -> dict[str, float]:
    """Encoder → parameters that each subword goes through; 1 of all where they are not known."""
    models = {one.config.model.encoder: one.config.model for one in experiments}
    shapes = {} if len(models) == 1 else {n: encoder_shape(model) for n, model in models.items()}
    known = {name: float(shape.rest) for name, shape in shapes.items() if shape is not None}
    return known if len(known) == len(models) else dict.fromkeys(models, 1.0)
