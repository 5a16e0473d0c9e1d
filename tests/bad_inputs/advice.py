"""Advice in errors that can be followed as it stands: commands that parse, keys that there are."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema
import yaml

from bad_inputs.config_cases import fields
from xlt.cli import command_tree
from xlt.config.load import PLUGINS
from xlt.config.schema import Config, LanguageData, Reference
from xlt.data.cards import Card
from xlt.reader_options import ReaderOptions
from xlt.registry import stage_kinds, tasks

QUOTED = re.compile("`([^`]+)`")
_LINE = re.compile(r"([a-z_]+(?:\.[\w<>-]+)*):(?: +(.*))?", re.DOTALL)
_KEY = re.compile(r"[a-z_]+(?:\.[\w<>-]+)+")
_OPEN = re.compile(r"…|\.\.\.|\b[A-Z]{2,}\b")
"""What the reader has to fill in: FILE, …"""
_BESIDE = {"extends", "study", "key", "trigger"}
"""Keys of a config that are gone when it is checked; `key: value`, which is any; what a record of
events has."""


def problem(text: str) -> str | None:
    """What of an error's advice cannot be done; None if all can."""
    return next(filter(None, map(_problem, QUOTED.findall(text))), None)


def _problem(quoted: str) -> str | None:
    if quoted.startswith("xlt "):
        return _command(quoted)
    if re.match("--[a-z]", quoted):
        known = {option for command in _leaves() for option in _options(command)}
        return None if quoted.split()[0] in known else f"no command has {quoted}"
    if line := _LINE.fullmatch(quoted):
        return _key(line[1], line[2] or "")
    if _KEY.fullmatch(quoted) and quoted.partition(".")[0] in Config.model_fields:
        return _key(quoted, "")
    return None


def _command(quoted: str) -> str | None:
    """Whether the command line takes it. The name of a command, and of an option, is no line."""
    command: Any = command_tree()
    arguments = shlex.split(quoted)[1:]
    while arguments and arguments[0] in getattr(command, "commands", {}):
        command = command.commands[arguments.pop(0)]
    if hasattr(command, "commands"):
        return None if not arguments and command.name in ("runs",) else f"there is no `{quoted}`"
    if all(text.startswith("--") for text in arguments):
        unknown = {*arguments} - {*_options(command)}
        return f"`{quoted}` has no {', '.join(unknown)}" if unknown else None
    try:
        command.make_context(command.name, arguments)
    except Exception as error:  # its class moves between typer's versions
        return f"`{quoted}`: {error}"
    return None


def _key(key: str, value: str) -> str | None:
    """Whether a config, or what stands beside `ref:` in it, has the key, and may have the value."""
    first = key.partition(".")[0]
    if first not in Config.model_fields or first == "data":
        known = first == "data" or first in _BESIDE or key in _others()
        return None if known else f"nothing is called `{key}`"
    # `projection.PLACEHOLDER` in a source stands for several.
    schemas = _schemas().get(key.partition(".PLACEHOLDER")[0])
    if schemas is None:
        return f"no config has `{key}`"
    if not value or _OPEN.search(value):
        return None
    given = yaml.safe_load(value)
    if any(jsonschema.Draft202012Validator(schema).is_valid(given) for schema in schemas):
        return None
    return f"`{key}` cannot be {value}"


@cache
def _schemas() -> Mapping[str, list[Any]]:
    """Every key of a config, those of plugins among them, and what values it may have."""
    found = defaultdict(list)
    for path, schema in fields(Config, ()):
        found[".".join(path)].append(schema)
    for section, registry in PLUGINS.items():
        # A plugin without options may be named alone.
        found[section] = [{"enum": [*registry.names()]}, {"type": "object"}]
        for name in registry.names():
            for path, schema in fields(registry.get(name).Options, tuple(section.split("."))):
                found[".".join(path)].append(schema)
    for key in [*found]:
        for above in _above(key):
            found.setdefault(above, [{"type": "object"}])
    return found


def _above(key: str) -> Iterator[str]:
    while "." in key:
        key = key.rpartition(".")[0]
        yield key


@cache
def _others() -> set[str]:
    """What may be said of data, by a reference, in a card, of a language; and of a stage by its
    kind."""
    for name in tasks.names():
        tasks.get(name)  # which loads the models of its readers
    models = {Reference, LanguageData, Card, ReaderOptions}
    todo = [ReaderOptions]
    while todo:
        new = todo.pop().__subclasses__()
        models.update(new)
        todo += new
    names = stage_kinds.names()
    kinds = [stage_kinds.get(name).Options for name in names]
    keys = {key for model in (*models, *filter(None, kinds)) for key in model.model_fields}
    return {*names, *keys}


@cache
def _leaves() -> tuple[Any, ...]:
    def walk(command: Any) -> Iterator[Any]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield command
        for one in (inner or {}).values():
            yield from walk(one)

    return tuple(walk(command_tree()))


def _options(command: Any) -> Iterator[str]:
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
