"""Models of the sources teach one of the target, on text of the target that nobody has annotated.

A model for each source predicts on the text; a student learns what they say together. No label of
the target is used, and the text need not be translated. Knowledge distillation (Hinton et al. 2015,
arXiv 1503.02531) of several source models for cross-lingual transfer: Wu et al. 2020,
"Single-/Multi-Source Cross-Lingual NER via Teacher-Student Learning on Unlabeled Data in Target
Language" (arXiv 2004.12440); of tasks alike to the target's: Bhatt et al. 2023, DistillWeighted
(arXiv 2304.12397).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import Field

from xlt.config.schema import Config
from xlt.errors import XltError
from xlt.options import Count
from xlt.transfer.kind import planned
from xlt.transfer.stage import Stage, Strategy, StrategyOptions, data_splits, selection_data
from xlt.transfer.teaching import Teaching


class Distil(Strategy):
    class Options(Teaching, StrategyOptions):
        rounds: Count = Field(
            1, description="from the second on, the student of the round before teaches"
        )

    options: Options
    example: ClassVar[Mapping[str, Any]] = {"on": "train"}

    def plan(self, config: Config, target: str) -> Stage:
        if not config.source:
            raise XltError(
                "distil needs a source language, whose model teaches",
                where="source",
                fix="name at least one",
            )
        teachers = tuple(
            Stage(
                name=source,
                train=data_splits(config, source, "train", required=True),
                dev=selection_data(config, [source], None),
                training=config.training,
            )
            for source in config.source
        )
        stated = self.options.model_dump(mode="json", include={*Teaching.model_fields})
        rounds = self.options.rounds
        plan = planned({"distil": stated}, config, target, teachers, last=rounds == 1)
        # What a student was taught is all that it teaches.
        own: dict[str, Any] = {"weights": "uniform", "annotation": "unused", "agreement": None}
        if self.options.student == "teacher" and self.options.loss is None:
            own["temperature"] = 1.0  # it begins as its only teacher: labels are learnt
        alone = {"distil": {**stated, **own}}
        for number in range(2, rounds + 1):
            again = planned(alone, config, target, (plan,), last=number == rounds)
            plan = replace(again, name=f"{again.name}-round-{number}")
        return plan
