"""What a config may say of distillation: who teaches, on what text, and what is learnt of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from xlt import languages
from xlt.errors import XltError
from xlt.options import Factor, Section
from xlt.transfer.item import StageOptions
from xlt.transfer.stage import StageOverrides

TARGET_TRAIN = "train"
"""In `on`: the target's training data, whose labels are not used."""

ANNOTATION = "annotation"
"""In `weights`: the annotation of the training data as a teacher."""


def _teacher(value: Any) -> Any:
    """The name of a teacher: a source's code, or `ANNOTATION`."""
    if value == ANNOTATION or not isinstance(value, str):
        return value
    try:
        return languages.code(value)
    except XltError as error:
        raise ValueError(str(error)) from error


class Teaching(Section):
    """How teachers teach a student on text of the target that nobody has annotated."""

    on: Literal["text", "train"] = Field(
        "text",
        description="what the teachers annotate: the target's `text`; or its training data, whose "
        "labels are not used (for tasks that read more than a text, such as pairs)",
    )
    annotation: Literal["unused", "teacher"] = Field(
        "unused",
        description="with `on: train`, what the annotation of these data is: not used; or one more "
        "teacher's, such as a language model's (`xlt annotate`) or another tool's",
    )
    student: Literal["encoder", "teacher"] = Field(
        "encoder",
        description="what the student's weights start from: the pretrained encoder, or the teacher "
        "that counts most",
    )
    loss: Literal["soft", "hard", "mixed"] | None = Field(
        None,
        description="`soft`: the teachers' probabilities are learnt; `hard`: their labels; "
        "`mixed`: both. By default soft; hard where a model writes text, which has no other, "
        "where `annotation` teaches, which has no probabilities, and where the student begins as "
        "its only teacher, whose probabilities are its own",
    )
    temperature: float = Field(
        1.0, gt=0, le=1e3, description="of the probabilities; more makes them flatter"
    )
    hard_share: float = Field(
        0.5, gt=0, lt=1, description="what the labels count with `loss: mixed`, the rest is soft"
    )
    weights: (
        Literal["uniform", "similarity", "agreement"]
        | dict[Annotated[str, BeforeValidator(_teacher, json_schema_input_type=str)], Factor]
    ) = Field(
        "uniform",
        description="what each teacher counts: all alike; as much as the source ranker expects of "
        "its language; as far as it agrees with the others on the text (three teachers or more); "
        "or a number for each source (and for `annotation`)",
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


def shares(weights: Mapping[str, float]) -> dict[str, float]:
    """Numbers as parts of 1, to six digits of each: none becomes 0 by rounding."""
    total = sum(weights.values())
    return {name: float(f"{weight / total:.6g}") for name, weight in weights.items()}
