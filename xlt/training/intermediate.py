"""The kind of stages in which the encoder is trained on another task than the config's.

Intermediate-task training (Phang et al. 2018, arXiv 1811.01088; Pruksachatkun et al. 2020,
2005.00628): the encoder is carried on, each task has layers of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from xlt.config.intermediate import learning, of_other_task
from xlt.config.schema import Config, Training
from xlt.data.references import has_split
from xlt.errors import XltError
from xlt.options import Temperature
from xlt.task import Labels, Task, make_task
from xlt.training.pretrain_options import TARGET, Codes
from xlt.training.training_kind import TrainingKind
from xlt.transfer.item import StageOptions
from xlt.transfer.stage import Stage, StageOverrides, data_splits, override

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from xlt.training.making import Making
    from xlt.training.training_run import Trained


class Learning(StageOptions):
    """Which of the tasks in `intermediate`, and in which languages."""

    name: str = Field(description="of the task in `intermediate`")
    on: Codes = Field(
        default_factory=list,
        description="languages of its data; `target` is each target; by default all that have "
        "training data",
    )
    temperature: Temperature = Field(1.0, description="for several languages, as in `joint`")
    training: StageOverrides | None = Field(
        None, description="what this stage does differently in `training`"
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        full = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [{"type": "string"}, dict(full)]}

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        value = {"name": value} if isinstance(value, str) else value
        if isinstance(value, dict) and isinstance(value.get("on"), str):
            value = {**value, "on": [value["on"]]}
        return value


class OtherTask(TrainingKind):
    """Training of another task."""

    Options: ClassVar[type[Learning]] = Learning

    def plan(
        self,
        options: Any,
        config: Config,
        target: str,
        parents: tuple[Stage, ...],
        *,
        from_scratch: bool = False,
    ) -> Stage:
        name = options.name
        try:
            other = learning(config, name)
        except XltError as error:
            raise error.at("strategy.name") from error
        try:
            codes = [target if code == TARGET else code for code in options.on]
            codes = list(dict.fromkeys(codes)) or [
                code for code, data in other.data.items() if has_split(data, code, "train")
            ]
            if not codes:
                raise XltError(
                    f"no language of {name} has training data",
                    where="data",
                    fix="add `train` to one of them",
                )
            splits = {
                split: tuple(
                    replace(one, task=name)
                    for code in codes
                    for one in data_splits(other, code, split, required=split == "train")
                )
                for split in ("train", "dev")
            }
        except XltError as error:
            raise of_other_task(error, name) from error
        return Stage(
            name=f"{name}-{'+'.join(codes)}",
            train=splits["train"],
            dev=() if config.selection.on == "last" else splits["dev"],
            training=override(config.training, options.training),
            temperature=options.temperature,
            from_scratch=from_scratch,
            parents=parents,
            kind="task",
            # What is said by other fields of the stage is said once.
            options=options.model_copy(update={"on": codes, "training": None}),
        )

    def settings(self, config: Config, stage: Stage) -> Mapping[str, Any]:
        other = learning(config, stage.task)
        return {
            "learns": other.task.model_dump(mode="json"),
            "selection": other.selection.model_dump(mode="json", exclude={"keep"}),
            # It decides what a model that writes text learns.
            "trim_vocabulary": config.model.trim_vocabulary,
        }

    def keep(self, config: Config) -> str:
        return "best"

    def check(
        self, config: Config, task: Task, stage: Stage, labels: Labels | None, *, local: bool
    ) -> Iterator[XltError]:
        from xlt.training.rehearsal import rehearse

        other = learning(config, stage.task)
        try:
            rehearse(other, make_task(other), stage, labels, local=local)
        except XltError as error:
            yield of_other_task(error, stage.task)

    def learn(
        self,
        making: Making,
        training: Training,
        *,
        callbacks: Sequence[TrainerCallback],
        checkpoint: str | None,
    ) -> Trained:
        from xlt.training.other_task import learn

        return learn(making, training, callbacks=callbacks, checkpoint=checkpoint)
