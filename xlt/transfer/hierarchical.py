"""Source → one or more intermediates → target, all weights carried from stage to stage.

Ghiffari et al. 2024 (arXiv 2401.12072) train English → Indonesian → Javanese; a chain may have
any length and the stage on the target may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, TypeAdapter

from xlt.config.schema import Config, LanguageCode, Languages
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
    return key if key in ("source", "target") else _language(key)


class Hierarchical(Strategy):
    class Options(StrategyOptions):
        through: Languages = Field(
            default_factory=list, description="intermediate languages, in order; may be empty"
        )
        target_stage: bool = Field(True, description="end with a stage on the target's own data")
        temperature: float = Field(1.0, ge=1, description="for a first stage of several sources")
        stages: dict[Annotated[str, BeforeValidator(_stage)], StageOverrides] = Field(
            default_factory=dict,
            description="by language (`source` for the first stage, `target` for the last): "
            "what that stage does differently in `training`",
        )

    options: Options
    example: ClassVar[Mapping[str, Any]] = {"through": ["ind"]}

    def plan(self, config: Config, target: str) -> list[Stage]:
        options = self.options
        if not config.source:
            raise XltError(
                "hierarchical needs a source language", where="source", fix="name at least one"
            )
        steps = [config.source, *([lang] for lang in options.through)]
        if options.target_stage:
            steps.append([target])
        names = ["source", *options.through, *(["target"] if options.target_stage else [])]
        known = {*names, *(lang for step in steps for lang in step), *config.target}
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
            if overrides is None and len(languages) == 1:
                overrides = options.stages.get(languages[0])
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
                    temperature=options.temperature if position == 0 else 1.0,
                )
            )
        return plan
