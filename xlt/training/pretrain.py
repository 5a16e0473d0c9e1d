"""The kind of stages in which an encoder learns from text without labels, of which some is masked.

An encoder that has read little of a language reads the target's text before the task is learnt, or
after (Gururangan et al. 2020, "Don't Stop Pretraining", arXiv 2004.10964; Liu et al. 2021,
CrossNER, arXiv 2012.04373). What it learns from one language it forgets of others, so that text of
the source may be mixed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from xlt.config.schema import TEXT, Config, Training
from xlt.errors import XltError
from xlt.task import Labels, Task
from xlt.training.pretrain_options import TARGET, WINDOW, Pretraining
from xlt.training.training_kind import TrainingKind
from xlt.transfer.kind import Effort
from xlt.transfer.stage import Stage, data_splits, override

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from xlt.training.making import Making
    from xlt.training.training_run import Trained

DEFAULTS = {
    "epochs": 5,
    "learning_rate": 5e-5,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "batch_tokens": 4096,
}
"""Of `training` in such a stage."""

_OF_THE_MACHINE = {
    *("accumulate", "precision", "gradient_checkpointing", "checkpoint_every", "report_to"),
    "on_divergence",
}
"""Of the run's `training`: what holds for whatever is trained."""


class Pretrain(TrainingKind):
    """Masked language modelling on `text` of `data`."""

    Options: ClassVar[type[Pretraining]] = Pretraining

    def plan(
        self,
        options: Any,
        config: Config,
        target: str,
        parents: tuple[Stage, ...],
        *,
        from_scratch: bool = False,
    ) -> Stage:
        codes = list(dict.fromkeys(target if code == TARGET else code for code in options.on))
        kept = config.training.model_dump(include=_OF_THE_MACHINE)
        training = Training.model_validate({**kept, **DEFAULTS})
        return Stage(
            name=f"text-{'+'.join(codes)}",
            train=tuple(
                s for code in codes for s in data_splits(config, code, TEXT, required=True)
            ),
            dev=(),
            training=override(training, options.training),
            temperature=options.temperature,
            from_scratch=from_scratch,
            parents=parents,
            kind="pretrain",
            # What is said by other fields of the stage is said once.
            options=options.model_copy(update={"on": codes, "training": None}),
        )

    def settings(self, config: Config, stage: Stage) -> Mapping[str, Any]:
        # Among fewer subwords each is more probable; the seed draws what is held out.
        trimmed = config.model.trim_vocabulary
        return {"trim_vocabulary": trimmed, "data_seed": config.data_seed}

    def keep(self, config: Config) -> str:
        return "best"

    def check(
        self, config: Config, task: Task, stage: Stage, labels: Labels | None, *, local: bool
    ) -> Iterator[XltError]:
        from xlt.training.language_model import rehearse

        try:
            rehearse(config, stage, local=local)
        except XltError as error:
            yield error

    def effort(self, stage: Stage, train: Effort) -> Effort:
        assert isinstance(stage.options, Pretraining)
        held = round(stage.options.held_out * train.subwords)
        rows = max(1, train.subwords // (stage.options.window or WINDOW))
        evaluated = held * (stage.training.epochs + 1)
        return replace(train, records=rows, evaluated=evaluated, predicted=stage.options.mask)

    def learn(
        self,
        making: Making,
        training: Training,
        *,
        callbacks: Sequence[TrainerCallback],
        checkpoint: str | None,
    ) -> Trained:
        from xlt.training.language_model import learn

        return learn(making, training, callbacks=callbacks, checkpoint=checkpoint)
