"""A stage that begins again with other settings: at lower rates, or in smaller passes.

What is otherwise than was asked for stands in the stage's folder from the moment when it begins
again, so that it goes on with the same settings whoever resumes it, and with the finished stage.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate import PartialState

from xlt.config.schema import Training
from xlt.errors import XltError
from xlt.files import DamagedFile, read_sealed, remove, write_sealed, write_text
from xlt.training.checkpoint import checkpoints
from xlt.training.divergence import Diverged

log = logging.getLogger(__name__)

MAX_HALVED = 3
"""How often a stage begins again at half the rates."""

FILE = "attempts.json"
"""In the folder of an unfinished stage: what `Attempts` has counted."""

SAVING = "saving"
"""There, too, where models in the stage's folder are of this attempt, though no finished stage says
so yet. It does not travel with a checkpoint, as models do not."""


class OutOfMemory(XltError):
    """A pass of a stage did not fit into memory."""


def smaller_passes(asked: Training, *, tried: int | None = None) -> str:
    """What to do where a pass does not fit into memory.

    asked: as the config has it. tried: `accumulate` of an attempt that did not fit either.
    """
    also = "" if tried is None else f", and {tried} was tried"
    return (
        f"raise training.accumulate (now {asked.accumulate}{also}), or lower "
        f"training.batch_tokens (now {asked.batch_tokens})"
    )


def killed_for_memory(asked: Training) -> OutOfMemory:
    """Of a stage whose process the system has ended."""
    return OutOfMemory(
        "its process was killed for lack of memory",
        where="training.batch_tokens",
        fix=f"run fewer steps at a time, {smaller_passes(asked)}",
    )


class Attempts:
    """How a stage is trained after what went wrong before, kept in its folder.

    halved:  how often its rates have been halved, because it diverged.
    divided: whether its steps are computed in twice as many passes, because memory ran out. A step
        holds the same records then, and about half as many are in memory at a time. Weights are
        those of a stage that was asked to do so, which differ from those that were asked for by
        rounding, and by what dropout draws.

    folder: where its checkpoints are.
    finished: what the stage said of itself when it was finished before. Trained again it is trained
        in the same way, so that its models are those that are there.
    """

    def __init__(self, folder: Path, finished: Mapping[str, Any] | None = None) -> None:
        self.path = folder / FILE
        self.halved, self.divided = 0, False
        try:
            stored = read_sealed(self.path, fix="")
            self.halved, self.divided = int(stored["halved"]), bool(stored["divided"])
        except FileNotFoundError:
            if finished is not None and not checkpoints(folder):  # which are of the first attempt
                self.halved = int(finished.get("halved", 0))
                self.divided = bool(finished.get("divided", False))
                if (self.halved or self.divided) and PartialState().is_main_process:
                    self._write()
        except DamagedFile as damage:
            log.warning("%s: the stage starts again", damage.what)
            self._begin_again()

    def training(self, asked: Training) -> Training:
        """What was asked for, with the settings of this attempt."""
        return asked.model_copy(update=self.changes(asked))

    def changes(self, asked: Training) -> dict[str, Any]:
        """Setting → value, of those that this attempt has otherwise than was asked for."""
        changed: dict[str, Any] = {}
        for name in ("learning_rate", "head_learning_rate") if self.halved else ():
            if (rate := getattr(asked, name)) is not None:
                changed[name] = rate / 2**self.halved
        if self.divided:
            changed["accumulate"] = 2 * asked.accumulate
        return changed

    def again(self, asked: Training, error: Diverged | OutOfMemory) -> None:
        """Go on to the next attempt. Raises `error` if there is none."""
        if isinstance(error, Diverged):
            if asked.on_divergence != "halve" or self.halved >= MAX_HALVED:
                raise error
            self.halved += 1
            how = f"at a rate of {self.training(asked).learning_rate:g}"
        else:
            if self.divided:
                fix = smaller_passes(asked, tried=self.training(asked).accumulate)
                raise OutOfMemory(error.what, where=error.where, fix=fix) from error
            # One process of several that begins again alone would leave the others waiting.
            if PartialState().num_processes > 1:
                raise error
            self.divided = True
            passes = self.training(asked).accumulate
            how = (
                f"with training.accumulate {passes} instead of {asked.accumulate}: as many "
                "subwords a step, half as many at a time"
            )
        self._begin_again()
        log.warning("warning: %s: the stage begins again %s", error.what, how)

    @property
    def saving(self) -> bool:
        """Whether models in the stage's folder are of this attempt."""
        return (self.path.parent / SAVING).exists()

    def save(self) -> None:
        """Say that they are from now on."""
        write_text(self.path.parent / SAVING, "")

    def _begin_again(self) -> None:
        """Remove the checkpoints and snapshots of the attempt before."""
        if PartialState().is_main_process:
            for left in (*self.path.parent.glob("*-*"), self.path.parent / SAVING):
                remove(left)
            self._write()
        PartialState().wait_for_everyone()

    def _write(self) -> None:
        write_sealed(self.path, {"halved": self.halved, "divided": self.divided})
