"""Translate-test: the target's text is translated into the source language and predicted there.

The predictions are carried back along the word links. The training is that of zero-shot transfer.
"""

from __future__ import annotations

from xlt.config.schema import Config
from xlt.transfer.stage import Prediction
from xlt.transfer.zero_shot import ZeroShot


class TranslateTest(ZeroShot):
    needs = ("project",)

    def prediction(self, config: Config, target: str) -> Prediction:
        (source,) = config.source
        return Prediction("translate", source)
