"""The JSON Schema of a config, for editors: the schema plus every registered plugin's options."""

from __future__ import annotations

import inspect
import operator
import sys
from contextlib import suppress
from functools import reduce
from typing import Any, Literal, cast

from pydantic import BaseModel, Field, create_model
from pydantic.json_schema import GenerateJsonSchema

from xlt.config.load import PLUGINS
from xlt.config.schema import INTERMEDIATE, Config, Intermediate, Plugin
from xlt.config.study import Outline
from xlt.errors import XltError
from xlt.options import Shorthand
from xlt.registry import Registry, tasks


class _WithoutTitles(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class _Named(Shorthand):
    """What may be written as its name alone."""

    shorthand = "name"


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a config file, with `extends` and `study`."""
    extends = Field(default=None, description="another config, relative to this one; this one wins")
    study = Field(default=None, description="several runs that differ in this; for `xlt study`")
    base = _with_plugins(Config)
    model = create_model(
        "Config", __base__=base, extends=(str | None, extends), study=(Outline | None, study)
    )
    result = model.model_json_schema(schema_generator=_WithoutTitles)
    _describe_reader_options(result["$defs"]["Reference"])
    result["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    # What a file extends may hold what it lacks itself.
    result["anyOf"] = [{"required": result.pop("required")}, {"required": ["extends"]}]
    return result


def _describe_reader_options(reference: dict[str, Any]) -> None:
    """Put what the readers of any task may be told into the schema of a reference: which one reads
    is not known before the file is."""
    from xlt.reader_options import HubOptions, ReaderOptions, option_models

    models: list[type[BaseModel]] = [HubOptions, ReaderOptions]
    for name in tasks.names():
        with suppress(XltError):  # a broken plugin is described where the task is chosen
            models += option_models(tasks.get(name))
    schemas: dict[str, list[Any]] = {}
    for model in models:
        properties = model.model_json_schema(schema_generator=_WithoutTitles)["properties"]
        for name, value in properties.items():
            if value not in schemas.setdefault(name, []):
                schemas[name].append(value)
    options = {n: {"anyOf": many} if len(many) > 1 else many[0] for n, many in schemas.items()}
    mapping = next(one for one in reference["anyOf"] if one["type"] == "object")["properties"]
    mapping["options"] |= {"properties": options, "additionalProperties": False}
    mapping |= {name: value for name, value in options.items() if name not in mapping}


def _with_plugins(model: type[BaseModel], prefix: str = "") -> type[BaseModel]:
    """The model with every plugin's options where the schema has any plugin."""
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        section = prefix + name
        if section in PLUGINS:
            kind = _any_plugin(PLUGINS[section])
            kind = kind | None if field.default is None else kind
        elif section == INTERMEDIATE:
            one = create_model(
                Intermediate.__name__,
                __base__=Intermediate,
                __doc__=Intermediate.__doc__,
                task=(_any_plugin(tasks), ...),
            )
            kind = dict[str, one]  # type: ignore[valid-type]
        elif any(other.startswith(f"{section}.") for other in PLUGINS):
            kind = _with_plugins(cast("type[BaseModel]", field.annotation), f"{section}.")
        else:
            continue
        default = field.default if field.default_factory is None else {}
        fields[name] = (kind, Field(default=default, description=field.description))
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields)


def _any_plugin(registry: Registry) -> Any:
    return reduce(operator.or_, [_plugin(registry, name) for name in registry.names()] or [Plugin])


def _plugin(registry: Registry, name: str) -> type[BaseModel]:
    bases: tuple[type[BaseModel], ...]
    try:
        plugin = registry.get(name)
        bases, about = (_Named, plugin.Options), summary(plugin)
    except XltError as error:  # one broken plugin must not take the editor's help away
        bases, about = (Plugin,), error.what
    fields: dict[str, Any] = {"name": (Literal[name], ...)}
    return create_model(f"{registry.kind}_{name}", __base__=bases, __doc__=about, **fields)


def summary(plugin: type) -> str:
    """The first paragraph of the docstring of a plugin's module, or of the plugin."""
    text = sys.modules[plugin.__module__].__doc__ or plugin.__doc__ or plugin.__name__
    return inspect.cleandoc(text).partition("\n\n")[0].replace("\n", " ")
