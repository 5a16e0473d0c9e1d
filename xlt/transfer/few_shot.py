"""Zero-shot plus a few labelled target examples, mixed in or afterwards.

The stage on the target's examples alone keeps its last checkpoint: dev data of the source would
keep the one that has learnt least of the target, and dev data of the target are more labels than
the k (Perez et al. 2021, "True Few-Shot Learning with Language Models").
"""

from __future__ import annotations

import logging
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

log = logging.getLogger(__name__)


class FewShot(Strategy):
    class Options(StrategyOptions):
        k: Count = Field(description="target examples, drawn with `sample_seed`")
        mode: Literal["afterwards", "mixed"] = "afterwards"
        sample_seed: Seed = 1
        select: Literal["last", "source"] = Field(
            "last",
            description="for `afterwards`: what `selection.on: source_dev` means for the stage on "
            "the target's examples: its last checkpoint; or the best on the source's dev data, "
            "which tends to be the one that has learnt least of the target",
        )
        temperature: Temperature = Field(1.0, description="for `mixed`")
        target_stage: StageOverrides | None = Field(
            None, description="what the stage on target examples does differently"
        )

    options: Options
    example: ClassVar[Mapping[str, Any]] = {"k": 2}

    def plan(self, config: Config, target: str) -> Stage:
        options = self.options
        data_splits(config, target, "train", required=True)
        few = DataSplit(target, "train", limit=options.k, seed=options.sample_seed)
        source = tuple(
            p for lang in config.source for p in data_splits(config, lang, "train", required=True)
        )
        dev = selection_data(config, config.source, target)
        name = "+".join(config.source)
        if options.mode == "mixed":
            return Stage(
                name=f"{name}+{target}",
                train=(*source, few),
                dev=dev,
                training=config.training,
                temperature=options.temperature,
            )
        if config.selection.on == "source_dev" and options.select == "last":
            dev = ()
        elif config.selection.on == "source_dev":
            log.warning(
                "%s: source dev data select the stage on target examples, which favours what has "
                "learnt least of them",
                target,
            )
        first = Stage(
            name,
            source,
            selection_data(config, config.source, None),
            config.training,
            options.temperature,
        )
        training = override(config.training, options.target_stage)
        return Stage(target, (few,), dev, training, parents=(first,))
