"""Configs that cannot be meant: refused with their line, whatever is wrong with them."""

from __future__ import annotations

import math
from typing import Any, get_args, get_origin

import pytest
from bad_inputs import runner
from bad_inputs.case import unique
from bad_inputs.config_cases import cases
from pydantic import BaseModel

from xlt.config.load import PLUGINS
from xlt.config.schema import Config
from xlt.registry import tasks

CASES = unique(cases())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_refused(case, tmp_path):
    runner.check(case, tmp_path)


def test_there_are_many():
    assert len(CASES) >= 400


def option_models() -> list[type[BaseModel]]:
    plugins = [registry.get(name) for registry in PLUGINS.values() for name in registry.names()]
    readers = [model for name in tasks.names() for model in tasks.get(name).reader_options.values()]
    return [Config, *(plugin.Options for plugin in plugins), *readers]


def numbers(model: type[BaseModel], prefix: str = "") -> dict[str, list[Any]]:
    """Every number that a model and those in it take, with its constraints."""
    found: dict[str, list[Any]] = {}

    def add(kind: Any, metadata: list[Any], name: str) -> None:
        if hasattr(kind, "__metadata__"):
            add(get_args(kind)[0], [*metadata, *kind.__metadata__], name)
        elif kind in (int, float):
            found[name] = metadata
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            found.update(numbers(kind, f"{name}."))
        elif get_origin(kind) is not None:
            for inner in get_args(kind):
                add(inner, metadata, name)

    for name, field in model.model_fields.items():
        add(field.annotation, field.metadata, f"{prefix}{name}")
    return found


def bounds(metadata: list[Any]) -> tuple[float, float]:
    flat = [*metadata, *(m for one in metadata for m in getattr(one, "metadata", ()))]
    low = [
        getattr(m, key) for m in flat for key in ("ge", "gt") if getattr(m, key, None) is not None
    ]
    high = [
        getattr(m, key) for m in flat for key in ("le", "lt") if getattr(m, key, None) is not None
    ]
    return max(low, default=-math.inf), min(high, default=math.inf)


@pytest.mark.parametrize("model", option_models(), ids=lambda model: model.__qualname__)
def test_every_number_has_bounds(model):
    """What has none may be a step that never ends, or more memory than there is."""
    unbounded = [
        name for name, metadata in numbers(model).items() if math.inf in map(abs, bounds(metadata))
    ]
    assert unbounded == []
