"""How far a study is: which of its steps run, which are done, and how long the others will take.

Who wants to know gets events, each a JSON-able mapping with "event", "time" (UTC) and, for

    study             "study", "cells" and "finished" (of them), "steps", "slots"
    begun             "step" (its title), "kind", "name", "seed", "cells" (how many need it)
    done, failed      the same, "seconds", "left_seconds", how many steps are "done", have "failed"
                      and are "waiting" or running; "errors" of what failed
    lost              "cell", "errors": why it is not finished

left_seconds is what all that is left will take, as far as it is known: by the work of steps
(`xlt.runs.workload`) and the seconds of those that are done, on all workers.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from xlt.errors import XltError, described
from xlt.runs.graph import EVALUATE, PROJECT
from xlt.runs.workload import Pace, Workload

log = logging.getLogger(__name__)

Event = dict[str, Any]
Listener = Callable[["Steps", Event], None]

EVERY = 1.0
"""Seconds between two reckonings of what is left."""
_FEW = 4
"""Steps for each worker, up to which chains of them are followed to their end."""


@dataclass(frozen=True)
class Running:
    """A step that is being done. since: as `time.monotonic` has it."""

    title: str
    since: float


class Steps:
    """The steps of a study, told by key when they begin and end.

    load:     all of them, parents before what needs them.
    slots:    how many are done at a time.
    title:    of the study. cells: how many it has, and how many of them are finished.
    names:    of cells, where their steps know them by others.
    """

    def __init__(
        self,
        load: Workload,
        slots: int,
        *,
        title: str,
        cells: tuple[int, int],
        names: Mapping[str, str] | None = None,
        listeners: Collection[Listener] = (),
    ) -> None:
        self.title, self.slots, self.began = title, slots, time.monotonic()
        self.cells, self.finished = cells
        self.done = self.failed = 0
        self.running: dict[str, Running] = {}
        self._load, self._listeners, self._names = load, listeners, names or {}
        self._left = dict.fromkeys(load.nodes)
        self._gone: set[str] = set()  # cells that need nothing any more
        self._pace = Pace()
        self._reckoned: tuple[float, float | None] | None = None  # when, and what is left
        self._changing = threading.RLock()
        self._tell(
            "study",
            study=title,
            cells=self.cells,
            finished=self.finished,
            steps=len(load.nodes),
            slots=slots,
        )

    @property
    def waiting(self) -> int:
        """How many steps are to be done yet, with those that run."""
        return len(self._left)

    @property
    def now(self) -> list[Running]:
        """What runs, the longest first."""
        with self._changing:
            return sorted(self.running.values(), key=lambda one: one.since)

    @property
    def an_hour(self) -> float:
        """Steps that this command has done, by the hour."""
        return 3600 * self.done / max(1e-9, time.monotonic() - self.began)

    def begin(self, key: str, title: str) -> None:
        with self._changing:
            if key not in self._left or key in self.running:
                return
            self.running[key] = Running(title, time.monotonic())
        self._tell("begun", **self._about(key, title))

    def end(self, key: str, error: XltError | None = None) -> None:
        """It is done, or, with an error, has failed."""
        with self._changing:
            if key not in self._left:
                return
            step = self.running.pop(key, None)
            seconds = 0.0 if step is None else time.monotonic() - step.since
            node = self._load.nodes[key]
            if error is not None:
                self.failed += 1
            else:
                self.done += 1
                self.finished += node.kind == EVALUATE
                if self._counts:
                    self._pace.add(node.kind, seconds, self._load.work.get(key, 0.0))
            self._drop(key)
        if not self._listeners:
            return
        self._tell(
            "done" if error is None else "failed",
            **self._about(key, node.name if step is None else step.title),
            seconds=round(seconds, 3),
            left_seconds=self.left(),
            done=self.done,
            failed=self.failed,
            waiting=self.waiting,
            **({} if error is None else described(error)),
        )

    def release(self, cells: Iterable[str]) -> None:
        """These are finished: what only they need is not done any more."""
        with self._changing:
            new = self._end(cells)
            evaluated = [key for cell in new for key in self._needed.get(cell, ())]
            self.finished += sum(
                key in self._left and self._load.nodes[key].kind == EVALUATE for key in evaluated
            )
            self._drop_unneeded(new)

    def lose(self, cells: Iterable[str], error: XltError) -> None:
        """These cannot be finished."""
        with self._changing:
            new = self._end(cells)
            self._drop_unneeded(new)
        for cell in new:
            self._tell("lost", cell=self._names.get(cell, cell), **described(error))

    def left(self) -> float | None:
        """Seconds for what is left; None where they are not known. Reckoned once in `EVERY`."""
        if not self._counts:
            return None
        self._load.work  # noqa: B018  which may take a while, and nobody else has to wait for that
        with self._changing:
            now = time.monotonic()
            if self._reckoned is None or now - self._reckoned[0] >= EVERY or not self._left:
                self._reckoned = now, self._reckon()
            then, seconds = self._reckoned
            return None if seconds is None else max(0.0, seconds - (now - then))

    # What is reckoned with -------------------------------------------------------------------

    def _reckon(self) -> float | None:
        total = 0.0
        for kind, work in self._work_left.items():
            rate = self._rate(kind)
            if rate is None and work > 0:
                return None
            total += (rate or 0.0) * max(0.0, work)
        total -= sum(self._seconds(key) - self._still(key) for key in self.running)
        longest = 0.0
        if len(self._left) <= _FEW * self.slots:
            ends: dict[str, float] = {}
            for key in self._left:
                after = [ends[one] for one in self._load.nodes[key].parents if one in ends]
                ends[key] = self._still(key) + max(after, default=0.0)
            longest = max(ends.values(), default=0.0)
        return max(longest, total / max(1, min(self.slots, len(self._left))))

    @property
    def _counts(self) -> bool:
        """Whether anybody wants to know what is left."""
        return bool(self._listeners) or log.isEnabledFor(logging.INFO)

    @cached_property
    def _needed(self) -> dict[str, list[str]]:
        """Cell → its steps."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for key, node in self._load.nodes.items():
            for cell in node.cells:
                found[cell].append(key)
        return found

    @cached_property
    def _work_left(self) -> dict[str, float]:
        """Kind of step → work of all that are left."""
        found: defaultdict[str, float] = defaultdict(float)
        for key in self._left:
            found[self._load.nodes[key].kind] += self._load.work.get(key, 0.0)
        return found

    def _end(self, cells: Iterable[str]) -> list[str]:
        """Those of them that had not ended."""
        new = [cell for cell in cells if cell not in self._gone]
        self._gone.update(new)
        return new

    def _drop_unneeded(self, cells: Iterable[str]) -> None:
        for cell in cells:
            for key in self._needed.get(cell, ()):
                if key in self._left and self._gone.issuperset(self._load.nodes[key].cells):
                    self.running.pop(key, None)
                    self._drop(key)

    def _drop(self, key: str) -> None:
        del self._left[key]
        if "_work_left" in self.__dict__:
            self._work_left[self._load.nodes[key].kind] -= self._load.work.get(key, 0.0)

    def _rate(self, kind: str) -> float | None:
        """Seconds for a unit of work; of projections nothing is reckoned before one has ended."""
        rate = self._pace.rate(kind, others=kind != PROJECT)
        return 0.0 if rate is None and kind == PROJECT else rate

    def _seconds(self, key: str) -> float:
        """Of a whole step."""
        kind = self._load.nodes[key].kind
        return (self._rate(kind) or 0.0) * self._load.work.get(key, 0.0)

    def _still(self, key: str) -> float:
        """Seconds for what is left of a step."""
        running = self.running.get(key)
        past = 0.0 if running is None else time.monotonic() - running.since
        return max(0.0, self._seconds(key) - past)

    # What is told ----------------------------------------------------------------------------

    def _about(self, key: str, title: str) -> Event:
        node = self._load.nodes[key]
        about = {"step": title, "kind": node.kind, "name": node.name, "seed": node.seed}
        return {**about, "cells": len(node.cells)}

    def _tell(self, event: str, **about: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for listener in self._listeners:
            listener(self, {"event": event, "time": now, **about})
