"""What happens along the way: when to evaluate and save, which weights are best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

if TYPE_CHECKING:
    from xlt.training.trainer import TransferTrainer

Scores = dict[str, float]
"""Selector ("dev:eng", "dev:jav") → score of the current weights."""


class Selector(TrainerCallback, ExportableState):
    """Remembers the best step by every criterion, and stops when the first stops improving.

    keep_all: the weights of every evaluation are kept, not only of the best by a criterion.
    """

    def __init__(
        self, primary: str | None, patience: int | None, *, keep_all: bool = False
    ) -> None:
        self.primary, self.patience, self.keep_all = primary, patience, keep_all
        self.best: dict[str, dict[str, float]] = {}
        self.since_best = 0
        self.history: list[dict[str, float]] = []

    def update(self, step: int, scores: Scores) -> bool:
        """Take note of an evaluation; True if its weights are to be kept."""
        self.history.append({"step": step, **scores})
        improved = [n for n, v in scores.items() if n not in self.best or v > self.best[n]["score"]]
        for name in improved:
            self.best[name] = {"step": step, "score": scores[name]}
        if self.primary in scores:
            self.since_best = 0 if self.primary in improved else self.since_best + 1
        return self.keep_all or bool(improved)

    @property
    def exhausted(self) -> bool:
        return self.patience is not None and self.since_best >= self.patience

    @property
    def steps(self) -> set[int]:
        """Those whose weights are kept."""
        kept = self.history if self.keep_all else self.best.values()
        return {int(one["step"]) for one in kept}

    def state(self) -> dict[str, Any]:
        return {
            "args": {"primary": self.primary, "patience": self.patience},
            "attributes": {
                "best": self.best,
                "since_best": self.since_best,
                "history": self.history,
            },
        }


class SaveCallback(TrainerCallback):
    """Evaluates and saves at the ends of our epochs, or every so many steps."""

    def __init__(self, trainer: TransferTrainer) -> None:
        self.trainer = trainer

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        sampler, training = self.trainer.sampler, self.trainer.training
        step = state.global_step
        state.epoch = sampler.epoch_of(step)
        if self.trainer.average is not None:
            self.trainer.average.update(step)
        at_boundary = step in self.trainer.boundaries
        last = step == len(sampler.steps)
        every, save = training.evaluate_every, training.checkpoint_every
        due = step % every == 0 if every else at_boundary
        control.should_evaluate = self.trainer.evaluator is not None and (due or last)
        control.should_log = control.should_evaluate or last or control.should_log
        control.should_save = last or (step % save == 0 if save else at_boundary)
        return control

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        # transformers sees one long epoch; all that is due has been done by on_step_end.
        control.should_evaluate = control.should_save = control.should_log = False
        return control

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        if self.trainer.selector.exhausted:
            control.should_training_stop = control.should_save = True
        return control
