"""What a config may say of distillation: who teaches, on what text, and what is learnt of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from xlt.options import Factor, LanguageCode, Section
from xlt.transfer.item import StageOptions
from xlt.transfer.stage import StageOverrides

TARGET_TRAIN = "train"
"""In `on`: the target's training data, whose labels are not used."""


class Teaching(Section):
    """How teachers teach a student on text of the target that nobody has annotated."""

    on: Literal["text", "train"] = Field(
        "text",
        description="what the teachers annotate: the target's `text`; or its training data, whose "
        "labels are not used (for tasks that read more than a text, such as pairs)",
    )
    student: Literal["encoder", "teacher"] = Field(
        "encoder",
        description="what the student's weights start from: the pretrained encoder, or the teacher "
        "that counts most",
    )
    loss: Literal["soft", "hard", "mixed"] | None = Field(
        None,
        description="`soft`: the teachers' probabilities are learnt; `hard`: their labels; "
        "`mixed`: both. By default soft, and hard where a model writes text, which has no other",
    )
    temperature: float = Field(
        1.0, gt=0, le=1e3, description="of the probabilities; more makes them flatter"
    )
    hard_share: float = Field(
        0.5, gt=0, lt=1, description="what the labels count with `loss: mixed`, the rest is soft"
    )
    weights: Literal["uniform", "similarity", "agreement"] | dict[LanguageCode, Factor] = Field(
        "uniform",
        description="what each teacher counts: all alike; as much as the source ranker expects of "
        "its language; as far as it agrees with the others on the text (three teachers or more); "
        "or a number for each source",
    )
    confidence: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="records of which the teacher is less sure, on average over all that it "
        "predicts there, are left out",
    )
    agreement: float | None = Field(
        None,
        gt=0,
        le=1,
        description="records on which the teachers agree less, by the task's first metric (1 is "
        "full agreement), are left out",
    )
    training: StageOverrides | None = Field(
        None, description="what the student's stage does differently in `training`"
    )


class Distilling(Teaching, StageOptions):
    """Of a stage of the kind `distil`, whose teachers are the stages before it."""
