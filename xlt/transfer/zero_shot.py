"""Train on the source, use the model on the target as it is."""

from __future__ import annotations

from xlt.config.schema import Config
from xlt.errors import XltError
from xlt.transfer.stage import Stage, Strategy, data_splits, selection_data


class ZeroShot(Strategy):
    def plan(self, config: Config, target: str) -> Stage:
        if len(config.source) != 1:
            raise XltError(
                f"{config.strategy.name} takes one source language, not {len(config.source)}",
                where="source",
                fix="name one language, or use `strategy: joint` for several",
            )
        (source,) = config.source
        return Stage(
            name=source,
            train=data_splits(config, source, "train", required=True),
            dev=selection_data(config, [source], target),
            training=config.training,
        )
