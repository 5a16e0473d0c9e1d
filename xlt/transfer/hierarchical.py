"""Source → one or more intermediates → target, all weights carried from stage to stage.

`eng>ind` among them is what the English data become in Indonesian, by translation and projection.

Ghiffari et al. 2024 (arXiv 2401.12072) train English → Indonesian → Javanese; a chain may have
any length, a stage may train on several languages at once, and the stage on the target may be
left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from xlt.config.schema import Config
from xlt.errors import XltError, choose
from xlt.options import Count, Temperature, as_list, distinct
from xlt.task import Averaging
from xlt.transfer.item import StageItem
from xlt.transfer.kind import planned
from xlt.transfer.stage import (
    DataSplit,
    Prediction,
    Stage,
    StageOverrides,
    Strategy,
    StrategyOptions,
    override,
    selection_data,
    stage_name,
    step,
    step_data,
)

Steps = Annotated[
    list[Annotated[str, BeforeValidator(step)]],
    AfterValidator(distinct),
    BeforeValidator(as_list, json_schema_input_type=str | list[str]),
]


def _form(value: Any) -> str:
    return "kind" if isinstance(value, dict) else "languages"


Step = Annotated[
    Annotated[Steps, Tag("languages")] | Annotated[StageItem, Tag("kind")], Discriminator(_form)
]
"""Languages, or a stage of another kind than training."""


def _name(step: list[str] | dict[str, Any]) -> str:
    """By which `stages` names a stage; none of one of another kind, which says all itself."""
    return "" if isinstance(step, dict) else "+".join(step)


def _stage(key: Any) -> Any:
    """The name of a stage: `source`, `target`, or its data, joined by `+`."""
    if not isinstance(key, str) or key in ("source", "target"):
        return key
    return "+".join(step(part) for part in key.split("+"))


def _replayed(earlier: Iterable[DataSplit], records: int | None, seed: int) -> Iterator[DataSplit]:
    """Some of what stages before have learnt from."""
    for split in earlier if records is not None else ():
        yield replace(split, limit=records, seed=seed)


class Hierarchical(Strategy):
    class Options(StrategyOptions):
        through: Annotated[
            list[Step],
            BeforeValidator(as_list, json_schema_input_type=str | list[Step]),
        ] = Field(
            default_factory=list,
            description="intermediate languages, in order; may be empty. A list inside the list "
            "is one stage on several languages, e.g. [[ind, jav]]; `eng>ind` is English data in "
            "Indonesian, translated and projected, `eng>target` the same in each target; a mapping "
            "is a stage of another kind, e.g. `{pretrain: ind}`",
        )
        target_stage: bool = Field(True, description="end with a stage on the target's own data")
        temperature: Temperature = Field(1.0, description="for stages of several languages")
        replay: Count | None = Field(
            None,
            description="against forgetting: so many records of each language that a stage before "
            "has learnt from are mixed into each stage, drawn with `data_seed`; 5 to 10 % of the "
            "stage's own are usual",
        )
        stages: dict[Annotated[str, BeforeValidator(_stage)], StageOverrides] = Field(
            default_factory=dict,
            description="by language, `ind+jav` for several (`source` for the first stage, "
            "`target` for the last): what that stage does differently in `training`",
        )
        predict: Literal["direct", "translate", "ensemble"] = Field(
            "direct",
            description="on the text; on its translation into the (first) source language, "
            "projected back; or on both, with averaged log-probabilities",
        )

    options: Options
    example: ClassVar[Mapping[str, Any]] = {"through": ["ind"]}

    def plan(self, config: Config, target: str) -> Stage:
        options = self.options
        if not config.source:
            raise XltError(
                "hierarchical needs a source language", where="source", fix="name at least one"
            )
        steps = [config.source, *options.through]
        if options.target_stage:
            steps.append([target])
        names = ["source", *map(_name, options.through), *["target"] * options.target_stage]
        known = {*filter(None, names), *filter(None, map(_name, steps)), *config.target}
        for key in options.stages:
            if key not in known:
                raise XltError(
                    f"{key!r} is not a stage of this plan",
                    where=f"strategy.stages.{key}",
                    fix=choose(key, known),
                )
        if options.replay is not None and sum(map(bool, names)) < 2:
            raise XltError(
                "there is no stage before another, whose data could be replayed",
                where="strategy.replay",
                fix="leave it out, or name languages in `strategy.through`",
            )
        plan: Stage | None = None
        learnt: dict[DataSplit, None] = {}
        last = max(n for n, one in enumerate(steps) if not isinstance(one, dict))
        for position, (name, one) in enumerate(zip(names, steps, strict=True)):
            parents = () if plan is None else (plan,)
            if isinstance(one, dict):
                where = f"strategy.through.{position - 1}"
                plan = planned(one, config, target, parents, last=position > last, where=where)
                continue
            train = tuple(
                p
                for name_of_data in one
                for p in step_data(config, name_of_data, target, "train", required=True)
            )
            overrides = options.stages.get(name)
            if overrides is None:
                overrides = options.stages.get(_name(one))
            earlier = [split for split in learnt if split not in train]
            learnt |= dict.fromkeys(train)
            plan = Stage(
                name=stage_name(train),
                train=(*train, *_replayed(earlier, options.replay, config.data_seed)),
                dev=selection_data(
                    config, [p.name for p in train], target if position == last else None
                ),
                training=override(config.training, overrides),
                temperature=options.temperature,
                parents=parents,
            )
        assert plan is not None  # there is a stage on the source
        return plan

    def needs(self) -> tuple[type, ...]:
        return (Averaging,) if self.options.predict == "ensemble" else ()

    def prediction(self, config: Config, target: str) -> Prediction:
        if self.options.predict == "direct":
            return Prediction()
        return Prediction(self.options.predict, config.source[0])
