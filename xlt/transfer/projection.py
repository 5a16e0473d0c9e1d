"""Translate-train: the source's records in the target language, with their labels projected.

`with_source` trains on the originals as well (projection + zero-shot), which is often better than
either (García-Ferrero et al. 2022, arXiv 2210.12623).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from xlt.config.schema import Config
from xlt.errors import XltError
from xlt.options import Temperature
from xlt.task import Averaging
from xlt.transfer.stage import (
    DataSplit,
    Prediction,
    Split,
    Stage,
    Strategy,
    StrategyOptions,
    data_splits,
    projected,
    selection_data,
)


class Projection(Strategy):
    class Options(StrategyOptions):
        with_source: bool = Field(False, description="train on the source's own records as well")
        temperature: Temperature = Field(1.0, description="for several sources, or `with_source`")
        select: Literal["projected", "source"] = Field(
            "projected",
            description="what `selection.on: source_dev` means: the source's dev data projected, "
            "or as they are",
        )

    options: Options

    def plan(self, config: Config, target: str) -> Stage:
        if not config.source:
            raise XltError(
                "there is no language to project from", where="source", fix="name at least one"
            )
        options = self.options
        train = self._carried(config, target, "train")
        name = "+".join(f"{p.projected_from}-to-{target}" for p in train)
        if options.with_source:
            train = (
                *(p for s in config.source for p in data_splits(config, s, "train", required=True)),
                *train,
            )
            name = f"{'+'.join(config.source)}+{name}"
        dev = selection_data(config, config.source, target)
        if config.selection.on == "source_dev" and options.select == "projected":
            dev = self._carried(config, target, "dev")
        return Stage(name, train, dev, config.training, options.temperature)

    @staticmethod
    def _carried(config: Config, target: str, split: Split) -> tuple[DataSplit, ...]:
        return tuple(
            p
            for source in config.source
            for p in projected(config, source, target, split, required=split == "train")
        )


class TranslateEnsemble(Projection):
    """Translate-train and translate-test together: one model, trained on the source and its
    projection, predicts on the text and on its translation, and the log-probabilities are averaged
    (after Ebing and Glavaš 2025, arXiv 2505.10507, whose two predictions come from two models)."""

    class Options(Projection.Options):
        with_source: bool = Field(True, description="train on the source's own records as well")

    options: Options

    def needs(self) -> tuple[type, ...]:
        return (Averaging,)

    def prediction(self, config: Config, target: str) -> Prediction:
        return Prediction("ensemble", config.source[0])
