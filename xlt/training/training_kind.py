"""Kinds of stages that are made by training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xlt.config.schema import Config, Training
from xlt.transfer.kind import StageKind

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from xlt.training.making import Making
    from xlt.training.training_run import Trained


class TrainingKind(StageKind):
    """A kind whose stages are made by `xlt.training.trainer.TransferTrainer`."""

    def keep(self, config: Config) -> str:
        """Which of the weights that were evaluated stay, as `selection.keep` has it."""
        return config.selection.keep

    @abstractmethod
    def learn(
        self,
        making: Making,
        training: Training,
        *,
        callbacks: Sequence[TrainerCallback],
        checkpoint: str | None,
    ) -> Trained:
        """Train.

        training: the stage's, or that of a later attempt. checkpoint: where to go on.
        Raises Diverged where rates are too high, OutOfMemory where passes are too large.
        """

    def make(self, making: Making) -> None:
        from xlt.training.training_run import run

        run(self, making)
