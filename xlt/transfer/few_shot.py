"""Zero-shot plus a few labelled target examples, mixed in or afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from xlt.config.schema import Config
from xlt.options import Count, Seed, Temperature
from xlt.transfer.stage import (
    DataSplit,
    Stage,
    StageOverrides,
    Strategy,
    StrategyOptions,
    data_splits,
    override,
    selection_data,
)


class FewShot(Strategy):
    class Options(StrategyOptions):
        k: Count = Field(description="target examples, drawn with `sample_seed`")
        mode: Literal["afterwards", "mixed"] = "afterwards"
        sample_seed: Seed = 1
        temperature: Temperature = Field(1.0, description="for `mixed`")
        target_stage: StageOverrides | None = Field(
            None, description="what the stage on target examples does differently"
        )

    options: Options
    example: ClassVar[Mapping[str, Any]] = {"k": 2}

    def plan(self, config: Config, target: str) -> list[Stage]:
        options = self.options
        data_splits(config, target, "train", required=True)
        few = DataSplit(target, "train", limit=options.k, seed=options.sample_seed)
        source = tuple(
            p for lang in config.source for p in data_splits(config, lang, "train", required=True)
        )
        dev = selection_data(config, config.source, target)
        name = "+".join(config.source)
        if options.mode == "mixed":
            return [
                Stage(
                    name=f"{name}+{target}",
                    train=(*source, few),
                    dev=dev,
                    training=config.training,
                    temperature=options.temperature,
                )
            ]
        first = Stage(
            name,
            source,
            selection_data(config, config.source, None),
            config.training,
            options.temperature,
        )
        return [
            first,
            Stage(target, (few,), dev, override(config.training, options.target_stage)),
        ]
