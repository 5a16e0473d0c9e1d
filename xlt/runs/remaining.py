"""How long all of a command will take, by what it took so far.

Seconds are those that this command took for such work (`xlt.runs.workload`), and for what a stage
does before and after its steps: weights, encoding, saving. Nothing is said before there are any.

Not counted are projections that later runs of a study make: nothing tells how fast their
translators are.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property

from xlt.errors import XltError
from xlt.runs.experiment import Experiment
from xlt.runs.graph import EVALUATE, PROJECT, build
from xlt.runs.progress import Listener, Steps
from xlt.runs.workload import Spent, Workload
from xlt.training import progress
from xlt.transfer.stage import Stage

log = logging.getLogger(__name__)

BASIS = 30.0
"""Seconds of training from which on its speed is relied on."""


class Remaining:
    """What is left of runs that this process makes one after the other."""

    def __init__(self, experiments: Iterable[Experiment]) -> None:
        self._experiments = {one.config.name: one for one in experiments}
        self._keys: dict[str, list[tuple[Stage | None, int | None, str]]] = {}
        self._ended: set[str] = set()  # runs
        self._spent: dict[str, tuple[float, float]] = {}  # of a stage the seconds of its steps
        self._around: list[float] = []  # seconds of each stage before and after its steps
        # The node that is being done:
        self._now: str | None = None
        self._start = self._began = self._trained = 0.0
        self._steps: tuple[int, int] | None = None  # those done before, and all
        self._told: Steps | None = None

    @cached_property
    def load(self) -> Workload:
        """What there is to do."""
        nodes = build(self._experiments).items()
        return Workload(self._experiments, {k: one for k, one in nodes if one.kind != PROJECT})

    @contextmanager
    def doing(self, run: str, stage: Stage | None, seed: int | None) -> Iterator[None]:
        """While a stage is trained under a seed, or, without one, the run's models are scored."""
        if stage is None:
            self._say_scoring(run)
        self._now, self._steps = self._key(run, stage, seed), None
        self._start, self._trained = time.monotonic(), 0.0
        if self._told is not None:
            self._told.begin(self._now, self.load.nodes[self._now].title)
        try:
            yield
            self._add(self._now, time.monotonic() - self._start, stage)
            if self._told is not None:
                self._told.end(self._now)
        except XltError as error:
            if self._told is not None:
                self._told.end(self._now, error)
            raise
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
        if self._told is not None:
            self._told.release([run])

    def tell(self, title: str, names: Mapping[str, str], listeners: Collection[Listener]) -> Steps:
        """Have these told what happens to the steps of a study. names: run → cell."""
        for node in self.load.nodes.values():
            if node.kind == EVALUATE:
                node.name = names[node.name]
        self._told = Steps(
            self.load, 1, title=title, cells=(len(names), 0), names=names, listeners=listeners
        )
        return self._told

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
                (one.stage, one.seed, key) for key, one in own.items() if one.kind != PROJECT
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
        pace = self.load.pace(spent)
        total = 0.0
        for key, work in self.load.work.items():
            node = self.load.nodes[key]
            if key in spent or self._ended.issuperset(node.cells):
                continue
            rate = pace.rate(node.kind)
            if rate is None:
                return None
            total += rate * work
            if node.stage is not None:
                total += sum(around) / max(1, len(around))
        return total


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
