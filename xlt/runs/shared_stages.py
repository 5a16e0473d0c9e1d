"""Stages in a store that machines share (`output.store`): finished ones, and the checkpoints of
those that some machine is training.

A finished stage is the bundle `<stage>/finished` (`xlt.runs.object_store`), a checkpoint
`<stage>/step-<n>`. There are no locks, which object stores do not have: two machines may train the
same stage, with equal weights as outcome.
"""

from __future__ import annotations

import logging
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from xlt.config.places import place_of
from xlt.config.schema import Output
from xlt.errors import first_line
from xlt.files import PART, DamagedFile, files_below, publish_folder, remove, writing
from xlt.runs.object_store import ObjectStore, Record, Unreachable
from xlt.runs.store import problems
from xlt.training import checkpoint as ckpt
from xlt.training.attempts import FILE as ATTEMPTS
from xlt.training.attempts import OutOfMemory
from xlt.training.divergence import Diverged
from xlt.training.finished import DONE, Observed, read_done
from xlt.training.identity import FILE, Identity
from xlt.training.identity import read as read_identity
from xlt.training.selected import EVALUATED, SELECTED
from xlt.training.stage_store import StageStore
from xlt.training.unfinished import OBSERVED

log = logging.getLogger(__name__)

FINISHED = "finished"
_STEP = re.compile(r"(?P<stage>[^/]+)/step-(?P<step>\d+)")


def stage_store(output: Output) -> StageStore:
    """The store that a config or the environment names; without one, one that does nothing.

    Raises XltError for a place that can be none.
    """
    place = place_of(output.store)
    return StageStore() if place is None else SharedStages(opened(place), output.store_every)


def opened(place: str) -> ObjectStore:
    """The store at a path or URL. Raises XltError for what can be none."""
    absolute = place if "://" in place else str(Path(place).expanduser().absolute())
    return _opened(absolute)


@lru_cache
def _opened(place: str) -> ObjectStore:
    return ObjectStore(place)


class SharedStages(StageStore):
    """Stages in a store, which is asked no more than is needed.

    every: minutes between two checkpoints of a stage that go there.
    """

    def __init__(self, store: ObjectStore, every: float) -> None:
        self.store, self.every = store, every

    def check(self) -> None:
        self.store.check()

    def fetch(self, folder: Path, wanted: Identity, needed: Observed) -> bool:
        bundle, part = f"{folder.name}/{FINISHED}", folder.with_name(folder.name + PART)
        try:
            record = self.store.record(bundle)
            if record is None or not _serves(record, needed):
                return False
            with writing(folder, resumes=True):
                remove(part)
                self.store.fetch(bundle, record, part)
                found = read_identity(part)
                if found is None or found.key != wanted.key:
                    raise DamagedFile("it is another stage", where=part)
                publish_folder(part, folder)
        except DamagedFile as error:
            log.warning("%s: %s: the stage is trained again", error.where, error.what)
            return False
        except Unreachable as error:
            log.warning("%s: %s: %s is not looked for there", error.where, error.what, folder.name)
            return False
        finally:
            remove(part)
        log.info("%s comes from %s", folder.name, self.store.place)
        return True

    def publish(self, folder: Path, *, anew: bool = False) -> None:
        try:
            self.push(folder, anew=anew)
        except Unreachable as error:
            log.warning(
                "%s: %s: %s is here alone until `xlt store push` publishes it",
                error.where,
                error.what,
                folder.name,
            )

    def push(self, folder: Path, *, anew: bool = False) -> bool:
        """As `publish`: whether something was published. Raises Unreachable.

        What is damaged here is not, and a warning says so.
        """
        try:
            done = read_done(folder)
        except DamagedFile as error:
            log.warning("%s: %s: it stays here", error.where, error.what)
            return False
        if done is None:
            return False
        if wrong := problems(folder, done):
            log.warning("%s: %s: it stays here", folder, wrong[0])
            return False
        bundle = f"{folder.name}/{FINISHED}"
        if not anew:
            try:
                record = self.store.record(bundle)
            except DamagedFile as error:
                log.warning("%s: %s: it is published again", error.where, error.what)
                record = None
            if record is not None and _serves(record, done.get("observed", {})):
                return False
        files = {
            name: path
            for name, path in files_below(folder).items()
            if name in (FILE, DONE) or name.partition("/")[0] in (SELECTED, EVALUATED)
        }
        self.store.publish(bundle, files, about(done))
        self.remove_checkpoints(folder.name)
        return True

    def resume(self, folder: Path, goes_on: Callable[[Path], bool]) -> None:
        work, part = folder / "work", folder / f"fetched{PART}"
        here, _ = ckpt.last_intact(work)
        try:
            for step in reversed(self._steps(folder.name)):
                if here is not None and step <= ckpt.step_of(here):
                    return
                if self._fetch_checkpoint(folder, step, part) and goes_on(part):
                    publish_folder(part, work)
                    log.info("%s: step %d comes from %s", folder.name, step, self.store.place)
                    return
        except Unreachable as error:
            told = "%s: %s: checkpoints of %s are not looked for there"
            log.warning(told, error.where, error.what, folder.name)
        finally:
            remove(part)

    def _fetch_checkpoint(self, folder: Path, step: int, part: Path) -> bool:
        """Whether it is in `part` now."""
        bundle = f"{folder.name}/step-{step}"
        try:
            record = self.store.record(bundle)
            if record is None:  # another machine has a later one, or has finished the stage
                return False
            remove(part)
            self.store.fetch(bundle, record, part)
        except DamagedFile as error:
            log.warning("%s: %s: going back to what was before it", error.where, error.what)
            return False
        return True

    @contextmanager
    def keeping(self, folder: Path) -> Iterator[Sequence[TrainerCallback]]:
        checkpoints = _Checkpoints(self, folder)
        try:
            with _ended_by_sigterm():
                yield [checkpoints]
        except (Diverged, OutOfMemory):  # what leads there is no way to go on
            raise
        except BaseException:
            checkpoints.publish()
            raise

    def forget(self, folder: Path) -> None:
        try:
            self.remove_checkpoints(folder.name)
        except Unreachable as error:
            told = "%s: %s: checkpoints of %s may be left there"
            log.warning(told, error.where, error.what, folder.name)

    def remove_checkpoints(self, stage: str, before: float = inf) -> None:
        """Those of a stage, or of them those before a step. Raises Unreachable."""
        for step in self._steps(stage):
            if step < before:
                self.store.remove(f"{stage}/step-{step}")

    def _steps(self, stage: str) -> list[int]:
        """Of the checkpoints of a stage, in order."""
        found = map(_STEP.fullmatch, self.store.bundles(stage))
        return sorted(int(one["step"]) for one in found if one is not None)


class _Checkpoints(TrainerCallback):
    """Publishes the newest checkpoint of a stage, every so often.

    Where one process trains, one is made when it is due; of several, each would have to know.
    """

    def __init__(self, stages: SharedStages, folder: Path) -> None:
        self._stages, self._stage, self._work = stages, folder.name, folder / "work"
        self._published = -1
        self._last = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        if args.world_size == 1 and self._is_due():
            control.should_save = True
        return control

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        ends = state.global_step >= state.max_steps or control.should_training_stop
        if self._is_due() and not ends:  # what is finished soon needs none
            self.publish()
        return control

    def _is_due(self) -> bool:
        return time.monotonic() - self._last >= 60 * self._stages.every

    def publish(self) -> None:
        """The newest, unless it is there. That the store does not answer is said once a time."""
        self._last = time.monotonic()
        newest = next(reversed(ckpt.checkpoints(self._work)), None)
        if newest is None or (step := ckpt.step_of(newest)) <= self._published:
            return
        files = {f"{newest.name}/{name}": path for name, path in files_below(newest).items()}
        beside = {name: self._work / name for name in (OBSERVED, ATTEMPTS)}
        files |= {name: path for name, path in beside.items() if path.is_file()}
        bundle = f"{self._stage}/step-{step}"
        try:
            self._stages.store.publish(bundle, files, {"step": step}, pauses=())
            self._published = step
            self._stages.remove_checkpoints(self._stage, before=step)
        except (Unreachable, OSError) as error:
            told = "step %d of %s is on this machine alone: %s"
            log.warning(told, step, self._stage, first_line(error))


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM, by which a cluster takes its machine back, ends the block as any exception does."""

    def end(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    alone = threading.current_thread() is threading.main_thread()
    if not alone or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def about(done: dict[str, Any]) -> dict[str, Any]:
    """What is to know of a finished stage without fetching it."""
    later = done.get("keep") == "all" and bool(done["history"])
    return {"observed": done.get("observed", {}), "later": later}


def _serves(record: Record, needed: Observed) -> bool:
    """Whether a stage has scores on all of these dev sets, or what gives them."""
    there = record.about.get("observed", {})
    return bool(record.about.get("later")) or all(there.get(n) == c for n, c in needed.items())
