"""What a config may say of a stage that learns from text without labels."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from xlt import languages
from xlt.errors import XltError
from xlt.options import MAX_COUNT, Temperature, distinct
from xlt.transfer.item import StageOptions
from xlt.transfer.stage import StageOverrides

TARGET = "target"
"""In `on`: the target of the plan."""

WINDOW = 256
"""Subwords in a window, where the encoder takes as many."""


def _code(value: Any) -> Any:
    if value == TARGET or not isinstance(value, str):
        return value
    try:
        return languages.code(value)
    except XltError as error:
        raise ValueError(str(error)) from error


Codes = Annotated[
    list[Annotated[str, BeforeValidator(_code, json_schema_input_type=str)]],
    AfterValidator(distinct),
]
"""Languages, or `TARGET`."""


def _is_language(key: str) -> bool:
    try:
        return bool(languages.code(key))
    except XltError:
        return False


class Pretraining(StageOptions):
    """Text of which languages, and how it is masked."""

    on: Codes = Field(
        min_length=1,
        description="languages that have `text` in `data`; `target` is each target. Several keep "
        "one from being forgotten for another",
    )
    mask: float = Field(0.15, gt=0, lt=1, description="share of the subwords that is predicted")
    whole_words: bool = Field(True, description="mask words, and not subwords by themselves")
    window: int | None = Field(
        None,
        ge=8,
        le=MAX_COUNT,
        description=f"subwords in a window, which text is packed into; by default {WINDOW}, or "
        "as many as the encoder takes",
    )
    held_out: float = Field(
        0.05,
        ge=0,
        le=0.5,
        description="share of each language's windows that is not learnt from, at least 20 windows "
        "and at most a fifth: the weights that predict it best are kept; 0: the last ones are",
    )
    temperature: Temperature = Field(1.0, description="for several languages, as in `joint`")
    training: StageOverrides | None = Field(
        None, description="what of `training` is otherwise than the defaults of such stages"
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        full = handler.resolve_ref_schema(handler(schema))
        language = {"type": "string"}
        short: list[Any] = [language, {"type": "array", "items": language, "minItems": 1}]
        full["properties"]["on"] = {
            "description": full["properties"]["on"]["description"],
            "anyOf": list(short),
        }
        return {"anyOf": [*short, dict(full)]}

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        value = {"on": value} if isinstance(value, str | list) else value
        if isinstance(value, dict) and isinstance(value.get("on"), str):
            value = {**value, "on": [value["on"]]}
        for key in value if isinstance(value, dict) else ():
            if key not in cls.model_fields and _is_language(key):
                said = XltError(
                    "names languages; their text stands in `data`",
                    fix=f"put the file under `data.{key}.text`, and write `pretrain: {key}`",
                )
                raise ValueError(str(said)) from said
        return value
