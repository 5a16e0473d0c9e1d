"""How long all of a command will take, by what it took so far.

What there is to do are the nodes of a graph (`xlt.runs.graph`). The work of one is counted in
subwords times parameters that each goes through, thrice for those that are learnt from: the way
back is twice the way ahead. Seconds are those that this command took for such work, and for what a
stage does before and after its steps: weights, encoding, saving. Nothing is said before there are
any.

Not counted are projections that later runs of a study make: nothing tells how fast their
translators are.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from functools import cached_property

from xlt.errors import XltError
from xlt.runs.cost import Load
from xlt.runs.estimate import encoder_shape
from xlt.runs.experiment import Experiment
from xlt.runs.graph import Kind, Node, build
from xlt.runs.observed import observed
from xlt.runs.sizes import SUBWORDS_PER_WORD
from xlt.runs.sources import Sources
from xlt.training import progress
from xlt.transfer.stage import DataSplit, Stage

log = logging.getLogger(__name__)

BASIS = 30.0
"""Seconds of training from which on its speed is relied on."""
_COUNTED = 100
"""Records of a split whose words are counted."""

Spent = Mapping[str, tuple[float, float]]
"""Node → seconds that it took, for what share of its work; of a stage those of its steps."""


class Remaining:
    """What is left of runs that this process makes one after the other."""

    def __init__(self, experiments: Iterable[Experiment]) -> None:
        self._experiments = {one.config.name: one for one in experiments}
        self._keys: dict[str, list[tuple[Stage | None, int | None, str]]] = {}
        self._ended: set[str] = set()  # runs
        self._spent: dict[str, tuple[float, float]] = {}
        self._around: list[float] = []  # seconds of each stage before and after its steps
        # The node that is being done:
        self._now: str | None = None
        self._start = self._began = self._trained = 0.0
        self._steps: tuple[int, int] | None = None  # those done before, and all

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """What there is to do, by key."""
        return {k: one for k, one in build(self._experiments).items() if one.kind != "project"}

    @cached_property
    def work(self) -> dict[str, float]:
        """Of every node whose data can be read; a run that lacks some fails, and takes no time.

        Only when something is to be said: it reads data that no run may have read yet.
        """
        return dict(_work(self._experiments, self.nodes))

    @contextmanager
    def doing(self, run: str, stage: Stage | None, seed: int | None) -> Iterator[None]:
        """While a stage is trained under a seed, or, without one, the run's models are scored."""
        if stage is None:
            self._say_scoring(run)
        self._now, self._steps = self._key(run, stage, seed), None
        self._start, self._trained = time.monotonic(), 0.0
        try:
            yield
            self._add(self._now, time.monotonic() - self._start, stage)
        finally:
            self._now = None

    def _add(self, key: str, seconds: float, stage: Stage | None) -> None:
        if stage is None:
            self._spent[key] = seconds, 1.0
        elif self._steps is None:  # it was finished before, or for another target
            self._spent.setdefault(key, (0.0, 0.0))
        else:
            first, total = self._steps
            self._spent[key] = self._trained, 1 - first / max(1, total)
            self._around.append(seconds - self._trained)

    def end(self, run: str) -> None:
        """Nothing is left of this run, however it ended."""
        self._ended.add(run)

    def began(self, first: int, total: int) -> None:
        """Training goes on from a step. (`xlt.training.progress.Whole`.)"""
        self._steps, self._began = (first, total), time.monotonic()

    def ended(self) -> None:
        """Training is over, if it began."""
        if self._steps is not None:
            self._trained += time.monotonic() - self._began

    def left(self, step: int) -> float | None:
        """Seconds for the rest of the stage, which is at this step, and all that follows."""
        seconds = time.monotonic() - self._began
        if self._steps is None or self._now is None or seconds < BASIS:
            return None
        first, total = self._steps
        done = max(1, step - first)
        around = self._around or [self._began - self._start]
        others = self._others({**self._spent, self._now: (seconds, done / max(1, total))}, around)
        return None if others is None else seconds / done * (total - step) + others

    def _key(self, run: str, stage: Stage | None, seed: int | None) -> str:
        if run not in self._keys:
            own = build({run: self._experiments[run]})
            self._keys[run] = [
                (one.stage, one.seed, key) for key, one in own.items() if one.kind != "project"
            ]
        return next(key for *about, key in self._keys[run] if about == [stage, seed])

    def _say_scoring(self, run: str) -> None:
        """Where what came before took a while: of scoring there is no other progress."""
        if sum(seconds for seconds, share in self._spent.values() if share) < BASIS:
            return
        seconds = self._others(self._spent, self._around)
        if seconds is not None and seconds >= BASIS:
            log.info("%s: scoring its models, %s left", run, progress.duration(seconds))

    def _others(self, spent: Spent, around: Sequence[float]) -> float | None:
        """Seconds for all that nothing was spent on; None where no speed is known.

        around: what some stages took before and after their steps.
        """
        rates = self._rates(spent)
        total = 0.0
        for key, work in self.work.items():
            node = self.nodes[key]
            if key in spent or self._ended.issuperset(node.cells):
                continue
            rate = rates.get(node.kind, rates.get("train"))
            if rate is None:
                return None
            total += rate * work
            if node.kind == "train":
                total += sum(around) / max(1, len(around))
        return total

    def _rates(self, spent: Spent) -> dict[Kind, float]:
        """Kind of node → seconds for a unit of its work."""
        seconds: defaultdict[Kind, float] = defaultdict(float)
        work: defaultdict[Kind, float] = defaultdict(float)
        for key, (took, share) in spent.items():
            if share:
                kind = self.nodes[key].kind
                seconds[kind] += took
                work[kind] += share * self.work.get(key, 0.0)
        return {kind: seconds[kind] / done for kind, done in work.items() if done}


_current: ContextVar[Remaining | None] = ContextVar("remaining", default=None)


@contextmanager
def watching(experiments: Iterable[Experiment]) -> Iterator[Remaining]:
    """Have stages say what is left of all these runs; of a study's, if it is watched already."""
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    remaining = Remaining(experiments)
    token, told = _current.set(remaining), progress.whole.set(remaining)
    try:
        yield remaining
    finally:
        progress.whole.reset(told)
        _current.reset(token)


@contextmanager
def doing(run: str, stage: Stage | None = None, seed: int | None = None) -> Iterator[None]:
    """While a stage of a run is trained under a seed, or its models are scored."""
    remaining = _current.get()
    if remaining is None:
        yield
        return
    with remaining.doing(run, stage, seed):
        yield


# Work ------------------------------------------------------------------------------------------


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
            if node.stage is None:
                read = float(size(experiment, experiment.scored).subwords)
                read *= len(experiment.config.seeds)
            else:
                training, learnt = node.stage.training, size(experiment, node.stage.train)
                steps = learnt.steps(training)
                epochs = training.epochs * steps / learnt.all_steps(training)
                times = steps / training.evaluate_every if training.evaluate_every else epochs
                dev = size(experiment, scored.get(repr(node.stage), node.stage.dev))
                read = 3 * epochs * learnt.subwords + times * dev.subwords
            yield key, read * parameters[experiment.config.model.encoder]


def _sizes() -> Callable[[Experiment, Iterable[DataSplit]], Load]:
    """What gives the size of splits; of projections that of what they are made from."""
    known: dict[str, tuple[int, int]] = {}

    def one(experiment: Experiment, split: DataSplit) -> tuple[int, int]:
        config, origin = experiment.config, split.origin
        about = repr((config.task, config.data.get(origin.language), config.data_seed, origin))
        if about not in known:
            records = Sources(config, experiment.task).load(origin).records
            some = records[:: max(1, len(records) // _COUNTED)]
            words = sum(len(experiment.task.words(record)) for record in some) / max(1, len(some))
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
