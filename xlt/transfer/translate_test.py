"""Translate-test: the target's text is translated into the source language and predicted there.

The predictions are carried back along the word links. The training is that of zero-shot transfer.
"""

from __future__ import annotations

from pydantic import Field

from xlt.config.schema import Config
from xlt.task import Averaging
from xlt.transfer.stage import Prediction, StrategyOptions
from xlt.transfer.zero_shot import ZeroShot


class TranslateTest(ZeroShot):
    class Options(StrategyOptions):
        average: bool = Field(
            False,
            description="average the log-probabilities on the translation and on the text itself; "
            "without, only what the translation leaves open is predicted on the text",
        )

    options: Options

    def needs(self) -> tuple[type, ...]:
        return (Averaging,) if self.options.average else ()

    def prediction(self, config: Config, target: str) -> Prediction:
        (source,) = config.source
        return Prediction("ensemble" if self.options.average else "translate", source)
