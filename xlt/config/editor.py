"""The JSON Schema of a config, for editors: the schema plus every registered plugin's options."""

from __future__ import annotations

import inspect
import operator
import sys
from functools import reduce
from typing import Any, Literal

from pydantic import BaseModel, Field, create_model
from pydantic.json_schema import GenerateJsonSchema

from xlt.config.load import PLUGINS
from xlt.config.schema import Config, Plugin, Shorthand
from xlt.errors import XltError
from xlt.registry import Registry


class _WithoutTitles(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a config file, with `extends`."""
    fields: dict[str, Any] = {
        section: (_any_plugin(registry), Config.model_fields[section].default)
        for section, registry in PLUGINS.items()
    }
    extends = Field(default=None, description="another config, relative to this one; this one wins")
    model = create_model("Config", __base__=Config, __doc__=Config.__doc__, **fields)
    model = create_model("Config", __base__=model, extends=(str | None, extends))
    result = model.model_json_schema(schema_generator=_WithoutTitles)
    result["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    # What a file extends may hold what it lacks itself.
    result["anyOf"] = [{"required": result.pop("required")}, {"required": ["extends"]}]
    return result


def _any_plugin(registry: Registry) -> Any:
    return reduce(operator.or_, [_plugin(registry, name) for name in registry.names()])


def _plugin(registry: Registry, name: str) -> type[BaseModel]:
    bases: tuple[type[BaseModel], ...]
    try:
        plugin = registry.get(name)
        bases, about = (Shorthand, plugin.Options), summary(plugin)
    except XltError as error:  # one broken plugin must not take the editor's help away
        bases, about = (Plugin,), error.what
    fields: dict[str, Any] = {"name": (Literal[name], ...)}
    model = create_model(f"{registry.kind}_{name}", __base__=bases, __doc__=about, **fields)
    model.shorthand = "name"  # type: ignore[attr-defined]
    return model


def summary(plugin: type) -> str:
    """The first paragraph of the docstring of a plugin's module, or of the plugin."""
    text = sys.modules[plugin.__module__].__doc__ or plugin.__doc__ or plugin.__name__
    return inspect.cleandoc(text).partition("\n\n")[0].replace("\n", " ")
