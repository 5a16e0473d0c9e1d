"""Training that diverges, or never begins to learn: noticed and said (`attempts` tries again).

Everything is decided from what a checkpoint holds (the losses that were logged, the scores of the
evaluations), so a stage that is resumed decides as one that was never interrupted, and so do all
processes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

from transformers import TrainerCallback

from xlt.config.schema import Training
from xlt.errors import XltError

log = logging.getLogger(__name__)

AT_START, LEARNT = 0.97, 0.8
"""Shares of the first logged loss: from here on it is as at the start, and below it had fallen."""

HAD_LEARNT = 20.0
"""A dev score below it may be 0 at times where the dev set is small."""


class Diverged(XltError):
    """Training went wrong in a way that lower learning rates mend."""


def diverged(losses: Sequence[float], scores: Sequence[float]) -> str | None:
    """What is wrong, if what had been learnt is lost; None if nothing is.

    losses: as they were logged after the warm-up, with the first of all before them; none where
        that is not the loss of a model that has learnt nothing.
    scores: of the evaluations by what selects.
    """
    if len(scores) > 2 and max(scores[-2:]) == 0 and max(scores) >= HAD_LEARNT:
        return f"the dev score, once {max(scores):.1f}, has fallen to 0"
    if _as_at_start(losses) and min(losses) < LEARNT * losses[0]:
        return f"the loss, once {min(losses):.3g}, is {losses[-1]:.3g} again, as at the start"
    return None


def learns_nothing(losses: Sequence[float], scores: Sequence[float], *, over: bool) -> str | None:
    """What shows that the model learns nothing; None if it does, or it is too early to say.

    over: whether this was the stage's last evaluation.
    """
    if _as_at_start(losses):
        return f"the loss is {losses[-1]:.3g}, as at the start ({losses[0]:.3g})"
    if over and scores and max(scores) == 0:
        return "the dev score is 0 after the last step, as it has always been"
    return None


def _as_at_start(losses: Sequence[float]) -> bool:
    return len(losses) > 2 and min(losses[-2:]) >= AT_START * losses[0] > 0


class Watch(TrainerCallback):
    """Says once if the stage learns nothing, and raises or says that it has diverged.

    selector: what the stage is selected on; None: it is not evaluated.
    steps:    of the stage.
    fresh:    the model has learnt nothing before. One that has may begin with a loss that it keeps.
    """

    def __init__(
        self, training: Training, selector: str | None, steps: int, *, fresh: bool = True
    ) -> None:
        self.training, self.selector, self.steps, self.fresh = training, selector, steps, fresh
        self.said: set[str] = set()

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        warmed = self.training.warmup * self.steps
        logged = [row for row in state.log_history if "loss" in row]
        losses = [
            row["loss"]
            for n, row in enumerate(logged)
            if self.fresh and (n == 0 or row["step"] > warmed)
        ]
        name = f"eval_{self.selector}"
        scores = [row[name] for row in state.log_history if name in row]
        if logged and not math.isfinite(logged[-1]["loss"]):
            what: str | None = f"the loss is {logged[-1]['loss']}"
        else:
            what = diverged(losses, scores)
        if what is not None and self.training.on_divergence == "halve":
            raise Diverged(f"training diverged: {what}", where="training.learning_rate",
                           fix=advice(self.training))  # fmt: skip
        if what is not None:
            self._say(f"training diverges: {what}", advice(self.training))
            return
        what = learns_nothing(losses, scores, over=state.global_step >= self.steps)
        if what is not None:
            self._say(
                f"the model learns nothing so far: {what}",
                "give it more steps (training.epochs, a smaller training.batch_tokens), another "
                "training.learning_rate, or `model.standardise: true`",
            )

    def _say(self, what: str, fix: str) -> None:
        kind = what.partition(":")[0]
        if kind not in self.said:
            self.said.add(kind)
            log.warning("warning: %s\n  fix: %s", what, fix)


def advice(training: Training) -> str:
    return (
        f"lower training.learning_rate (now {training.learning_rate:g}) or raise training.warmup; "
        "with `training.on_divergence: halve` the stage begins again at half the rates"
    )
