"""The kind of most stages: a model of the task is trained on labelled data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from xlt.config.schema import Config, Training
from xlt.errors import XltError
from xlt.task import Labels, Task
from xlt.training.training_kind import TrainingKind
from xlt.transfer.stage import Stage

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from xlt.training.making import Making
    from xlt.training.training_run import Trained


class Train(TrainingKind):
    """Training of the task."""

    scored: ClassVar[bool] = True

    def solves(self, stage: Stage) -> bool:
        return True

    def settings(self, config: Config, stage: Stage) -> Mapping[str, Any]:
        return {"selection": config.selection.model_dump(mode="json", exclude={"keep"})}

    def check(
        self, config: Config, task: Task, stage: Stage, labels: Labels | None, *, local: bool
    ) -> Iterator[XltError]:
        from xlt.training.rehearsal import rehearse

        try:
            rehearse(config, task, stage, labels, local=local)
        except XltError as error:
            yield error

    def learn(
        self,
        making: Making,
        training: Training,
        *,
        callbacks: Sequence[TrainerCallback],
        checkpoint: str | None,
    ) -> Trained:
        from xlt.training.learner import Learner

        learner = Learner(making.config, making.task, making.seed, making.metric)
        return learner.train(
            making.stage,
            training,
            making.parent,
            making.train,
            [making.dev, *making.watched],
            making.work,
            title=making.title,
            callbacks=callbacks,
            checkpoint=checkpoint,
        )
