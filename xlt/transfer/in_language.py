"""Train on the target's own data alone: what every transfer has to beat."""

from __future__ import annotations

from pydantic import Field

from xlt.config.schema import Config
from xlt.transfer.stage import Stage, Strategy, StrategyOptions, data_splits, selection_data


class InLanguage(Strategy):
    class Options(StrategyOptions):
        scratch: bool = Field(False, description="random weights instead of the encoder's")

    options: Options

    def plan(self, config: Config, target: str) -> Stage:
        return Stage(
            name=target,
            train=data_splits(config, target, "train", required=True),
            dev=selection_data(config, [target], target),
            training=config.training,
            from_scratch=self.options.scratch,
        )
