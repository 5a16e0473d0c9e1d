"""Source → one or more intermediates → target, all weights carried from stage to stage.

Ghiffari et al. 2024 (arXiv 2401.12072) train English → Indonesian → Javanese; a chain may have
any length, a stage may train on several languages at once, and the stage on the target may be
left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, TypeAdapter

from xlt.config.schema import Config, LanguageCode, Languages, as_list
from xlt.errors import XltError, choose
from xlt.transfer.stage import (
    Stage,
    StageOverrides,
    Strategy,
    StrategyOptions,
    override,
    portions,
    selection_data,
)

_language = TypeAdapter(LanguageCode).validate_python


def _stage(key: Any) -> Any:
    """The name of a stage: `source`, `target`, or its languages, joined by `+`."""
    if not isinstance(key, str) or key in ("source", "target"):
        return key
    return "+".join(_language(part) for part in key.split("+"))


class Hierarchical(Strategy):
    class Options(StrategyOptions):
        through: Annotated[
            list[Languages],
            BeforeValidator(as_list, json_schema_input_type=LanguageCode | list[Languages]),
        ] = Field(
            default_factory=list,
            description="intermediate languages, in order; may be empty. A list inside the list "
            "is one stage on several languages, e.g. [[ind, jav]]",
        )
        target_stage: bool = Field(True, description="end with a stage on the target's own data")
        temperature: float = Field(1.0, ge=1, description="for stages of several languages")
        stages: dict[Annotated[str, BeforeValidator(_stage)], StageOverrides] = Field(
            default_factory=dict,
            description="by language, `ind+jav` for several (`source` for the first stage, "
            "`target` for the last): what that stage does differently in `training`",
        )

    options: Options
    example: ClassVar[Mapping[str, Any]] = {"through": ["ind"]}

    def plan(self, config: Config, target: str) -> list[Stage]:
        options = self.options
        if not config.source:
            raise XltError(
                "hierarchical needs a source language", where="source", fix="name at least one"
            )
        steps = [config.source, *options.through]
        if options.target_stage:
            steps.append([target])
        intermediate = ["+".join(languages) for languages in options.through]
        names = ["source", *intermediate, *(["target"] if options.target_stage else [])]
        known = {*names, *("+".join(languages) for languages in steps), *config.target}
        for key in options.stages:
            if key not in known:
                raise XltError(
                    f"{key!r} is not a stage of this plan",
                    where=f"strategy.stages.{key}",
                    fix=choose(key, known),
                )
        plan = []
        for position, (name, languages) in enumerate(zip(names, steps, strict=True)):
            last = position == len(steps) - 1
            overrides = options.stages.get(name)
            if overrides is None:
                overrides = options.stages.get("+".join(languages))
            plan.append(
                Stage(
                    name="+".join(languages),
                    train=tuple(
                        p
                        for lang in languages
                        for p in portions(config, lang, "train", required=True)
                    ),
                    dev=selection_data(config, languages, target if last else None),
                    training=override(config.training, overrides),
                    temperature=options.temperature,
                )
            )
        return plan
