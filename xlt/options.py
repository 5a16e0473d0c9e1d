"""Base of every model of options, and the marks that its fields may carry.

The config's sections, the options of plugins and the data cards are all made of these. What a
mark needs to know of languages and of the names of cards is here; nothing of data themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from xlt import languages
from xlt.errors import XltError
from xlt.registry import NAMED_ENCODERS, data_cards


class Section(BaseModel):
    """A part of the config: unknown keys are errors, values cannot change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    shorthand: ClassVar[str | None] = None
    """The key that a plain string stands for: `ner` is `{name: ner}`."""


class Shorthand(Section):
    """A section that may also be written as a plain string."""

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        return {cls.shorthand: value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        full = handler.resolve_ref_schema(handler(schema))
        properties = full["properties"]
        if {*full.get("required", ())} <= {cls.shorthand}:
            choices = properties[cls.shorthand]
            short = {key: choices[key] for key in ("const", "enum") if key in choices}
            return {"anyOf": [{"type": "string", **short}, dict(full)]}
        return full


def _language(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return languages.code(value)
    except XltError as error:
        # pydantic collects a ValueError and goes on; the loader takes the XltError back out.
        raise ValueError(str(error)) from error


LanguageCode = Annotated[
    str,
    BeforeValidator(_language, json_schema_input_type=str),
    Field(examples=["jav", "jv", "Javanese"]),
]
"""A language in any form that `xlt.languages.code` knows; the value is its ISO 639-3 code."""


def as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


def number_as_list(value: Any) -> Any:
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else value


def distinct(values: list[Any]) -> list[Any]:
    for position, value in enumerate(values):
        if value in values[:position]:
            raise ValueError(f"names {value!r} twice")
    return values


MAX_COUNT = 2**31 - 1
"""What a 32-bit integer holds: no count of anything here comes near it."""

Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
"""How many of something, at least one."""

CountOrZero = Annotated[int, Field(ge=0, le=MAX_COUNT)]
"""How many of something, perhaps none."""

Width = Annotated[int, Field(ge=1, le=4096)]
"""The size of a vector or a layer: weights grow with its square, and have to fit into memory."""

Beams = Annotated[int, Field(ge=1, le=128)]
"""Texts that a generator pursues side by side."""

Factor = Annotated[float, Field(gt=0, le=1e6)]
"""What something is multiplied by, or may be at most."""

LearningRate = Annotated[float, Field(gt=0, le=1)]
"""AdamW moves every weight by about so much a step; with more than 1 nothing of them is left."""

Temperature = Annotated[float, Field(ge=1, le=1e6)]
"""Flattens how often each of several data sets is drawn: 1 by size, large evenly."""

Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""Of a random generator; what NumPy's takes."""

Languages = Annotated[
    list[LanguageCode],
    AfterValidator(distinct),
    BeforeValidator(as_list, json_schema_input_type=LanguageCode | list[LanguageCode]),
]


class LocalPath:
    """Marks text that may be a path; a relative one is taken from the file that states it.

    `always`:   it is a path.
    `data`:     unless it names a card or a hub data set.
    `existing`: if it begins with a dot or a tilde, or if that folder exists: a model id looks
                like a path. The names of encoders that come without a hub never are one.

    Empty text is none of them, and no file system takes a name of more than 255 bytes.
    """

    def __init__(self, kind: Literal["always", "data", "existing"]) -> None:
        self.kind = kind

    def resolve(self, text: str, folder: Path) -> str:
        """The absolute path if `text` is one, otherwise `text`."""
        if _unusable(text) is not None:
            return text  # refused when the value is validated
        path = folder / Path(text).expanduser()
        if self.kind == "data":
            is_path = _is_data_path(text, path)
        else:
            is_path = self.kind == "always" or text.startswith((".", "~")) or path.is_dir()
            is_path = is_path and not (self.kind == "existing" and text in NAMED_ENCODERS)
        return os.path.normpath(path) if is_path else text

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(path_text, handler(source))


MAX_NAME = 255
"""Bytes in a name of a file or folder, on every usual file system."""


def path_text(value: Any) -> Any:
    """The text or path, if it can be one; ValueError otherwise."""
    problem = _unusable(str(value))
    if problem is not None:
        raise ValueError(problem)
    return value


def _unusable(text: str) -> str | None:
    """Why no file can be called so."""
    if not text.strip():
        return "is empty; name a file, a folder, or what else stands here"
    if "\0" in text:
        return "holds the character NUL, which no name may hold"
    too_long = len(os.fsencode(text)) > MAX_NAME  # else none of its parts is
    if too_long and any(len(os.fsencode(part)) > MAX_NAME for part in Path(text).parts):
        return f"holds a name of more than {MAX_NAME} bytes, which no file system takes"
    return None


FolderPath = Annotated[
    Path,
    # Path("") is the current folder, which nobody means who leaves a value empty.
    BeforeValidator(path_text, json_schema_input_type=str),
]
"""A folder to write to, relative to the current one."""


_Options = TypeVar("_Options", bound=BaseModel)


def with_places(options: _Options, place: Callable[[LocalPath, str], str]) -> _Options:
    """A copy in which `place` has replaced every text that `LocalPath` marks, whatever depth."""
    changes: dict[str, Any] = {}
    for name, field in type(options).model_fields.items():
        value, mark = getattr(options, name), _mark(field.annotation, field.metadata)
        if isinstance(value, BaseModel):
            changes[name] = with_places(value, place)
        elif mark is not None and isinstance(value, str):
            changes[name] = place(mark, value)
        elif mark is not None and isinstance(value, list):
            changes[name] = [place(mark, one) for one in value]
    # What stays as it is does not count as set, which defaults are not.
    return options.model_copy(
        update={name: new for name, new in changes.items() if new != getattr(options, name)}
    )


def _mark(annotation: Any, metadata: list[Any]) -> LocalPath | None:
    """The `LocalPath` on a type, on what it is a list of, or on a member of a union."""
    if get_origin(annotation) is Annotated:
        annotation, *inner = get_args(annotation)
        metadata = [*metadata, *inner]
    for one in metadata:
        if isinstance(one, LocalPath):
            return one
    marks = (_mark(one, []) for one in get_args(annotation))
    return next((mark for mark in marks if mark is not None), None)


def _is_data_path(text: str, path: Path) -> bool:
    name, *rest = text.split(":")
    if name == "hf" or (name in data_cards() and len(rest) <= 2):
        return False
    # What is neither there nor written like a path is a misspelt card: left to the data reader.
    written = os.sep in text or text.startswith((".", "~")) or (bool(path.suffix) and not rest)
    return written or path.exists()
