"""Train on several sources at once, sampled with a temperature."""

from __future__ import annotations

from pydantic import Field

from xlt.config.schema import Config
from xlt.errors import XltError
from xlt.options import Temperature
from xlt.transfer.stage import Stage, Strategy, StrategyOptions, data_splits, selection_data


class Joint(Strategy):
    class Options(StrategyOptions):
        temperature: Temperature = Field(
            1.0, description="1: by size; large: evenly (Devlin et al. use about 1.43)"
        )

    options: Options

    def plan(self, config: Config, target: str) -> Stage:
        if len(config.source) < 2:
            raise XltError(
                "joint needs at least two source languages",
                where="source",
                fix="name several, or use `strategy: zero_shot`",
            )
        return Stage(
            name="+".join(config.source),
            train=tuple(
                p
                for lang in config.source
                for p in data_splits(config, lang, "train", required=True)
            ),
            dev=selection_data(config, config.source, target),
            training=config.training,
            temperature=self.options.temperature,
        )
