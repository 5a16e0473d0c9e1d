"""A stage of another kind than training on the task, as a config writes it: `{pretrain: hau}`."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from xlt.errors import XltError, choose
from xlt.options import Section, as_list
from xlt.registry import stage_kinds
from xlt.yaml.problems import explain


class StageOptions(Section):
    """Base of the `Options` of a kind of stages: what stands under its name in a config."""


def _checked(value: Any) -> dict[str, Any]:
    """The stage with all options of its kind. Raises ValueError for one that is none."""
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("a stage is a mapping of one key, its kind, e.g. `{pretrain: hau}`")
    ((name, stated),) = value.items()
    try:
        options = _options(name)
    except XltError as error:
        raise ValueError(str(error)) from error
    try:
        checked = options.model_validate_json(json.dumps(stated), strict=True)
    except ValidationError as error:
        said = _said(name, error)
        raise ValueError(str(said)) from said
    return {name: checked.model_dump(mode="json")}


def _options(name: str) -> type[StageOptions]:
    """Of a kind that a config may name. Raises XltError for others."""
    options: type[StageOptions] | None = stage_kinds.get(name).Options
    if options is None:
        raise XltError(
            f"stages of the kind {name!r} are planned by strategies",
            fix="name languages, or a kind that has options of its own",
        )
    return options


def _said(name: str, error: ValidationError) -> XltError:
    """The first thing that is wrong with the options of a kind."""
    first = error.errors(include_url=False)[0]
    inside = [part for part in first["loc"] if isinstance(part, str)]
    key = ".".join([name, *inside])
    if first["type"] == "missing":
        return XltError(f"`{key}` is missing", fix=f"add `{inside[-1]}:` to `{name}`")
    if first["type"] == "extra_forbidden":
        fix = choose(inside[-1], _options(name).model_fields)
        return XltError(f"unknown key `{key}`", fix=fix)
    what, fix = explain([first], _options(name).model_fields.get(inside[0]) if inside else None)
    return XltError(f"`{key}` {what}", fix=fix)


def of_item(item: dict[str, Any]) -> tuple[str, StageOptions]:
    """The kind and the options of a `StageItem`."""
    ((name, stated),) = item.items()
    return name, _options(name).model_validate(stated, strict=False)


class _OneKind:
    """The JSON Schema of a stage: a mapping of one key, with the options of its kind."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        kinds: dict[str, Any] = {}
        for name in stage_kinds.names():
            with suppress(XltError):  # a broken plugin is described where it is asked for
                options = _options(name)  # which the handler does not ask how they look in JSON
                own = options.__pydantic_core_schema__
                kinds[name] = options.__get_pydantic_json_schema__(own, handler)
        one = {"minProperties": 1, "maxProperties": 1, "additionalProperties": False}
        return {"type": "object", "properties": kinds, **one}


StageItem = Annotated[dict[str, Any], AfterValidator(_checked), _OneKind()]
"""A mapping of a kind's name to its options, complete with defaults."""


StageItems = Annotated[
    list[StageItem],
    BeforeValidator(as_list, json_schema_input_type=StageItem | list[StageItem]),
]
