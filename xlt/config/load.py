"""Read a config: YAML 1.2, `extends`, overrides; every problem at once, each with its line.

Precedence: the command line, over the file, over what it extends, over the defaults for the kind of
encoder (`xlt.config.families`), over the schema's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, reduce
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from xlt.config.families import Family, family
from xlt.config.layers import COMMAND_LINE, merge, read_layers, read_overrides
from xlt.config.normalise import Normaliser
from xlt.config.schema import INTERMEDIATE, TASK_NAME, Config, Model, Plugin
from xlt.errors import XltError, flat, raise_all
from xlt.registry import Registry, aligners, strategies, tasks, translators
from xlt.yaml.nodes import Node, SourceLocation
from xlt.yaml.problems import Problems
from xlt.yaml.write import to_yaml

PLUGINS: dict[str, Registry] = {
    "task": tasks,
    "strategy": strategies,
    "projection.translator": translators,
    "projection.aligner": aligners,
}
"""The sections that carry the options of a plugin, and where the plugins are; beside them there is
`intermediate.NAME.task` for every name (`_sections`)."""


@dataclass(frozen=True)
class LoadedConfig:
    """A config, and where each of its values was written.

    files: the file that was asked for and everything it extends, the most basic first.
    family: the kind of encoder whose defaults lie below them.
    """

    config: Config
    path: Path
    files: tuple[Path, ...]
    sources: Node
    family: Family | None = None

    def where(self, key: str) -> str:
        """``file.yaml:7 (training.epochs)`` for a dotted key; the nearest parent's line.

        The key is shown as it was written: ``data.eng.train.0`` is ``data.eng.train`` where the
        only reference stands without a list.
        """
        path = tuple(int(part) if part.isdigit() else part for part in key.split("."))
        node, _, _ = self.sources.find(path)
        return node.at.of(self.sources.as_written(path))

    @property
    def family_defaults(self) -> dict[str, Any]:
        """Dotted key → value of what the family decided."""
        if self.family is None:
            return {}
        source = _source(self.family)
        keys = [
            f"{section}.{key}" for section, values in self.family.sections.items() for key in values
        ]
        found = {key: self.sources.get(key) for key in keys}
        return {k: node.value for k, node in found.items() if node and node.at.source == source}

    def locate(self, error: XltError) -> XltError:
        """The same error with file and line, where `error.where` is a key of the config."""

        def place(one: XltError) -> str | None:
            is_key = (one.where or "").partition(".")[0] in Config.model_fields
            return self.where(one.where or "") if is_key else one.where

        return error.placed(place)


@dataclass
class ReadLayers:
    """The layers of a file that describes many runs.

    layers: as they were read. full: plugins → the layers in full form, once one of the runs has
        turned out to be valid.
    """

    layers: Sequence[Node]
    full: dict[tuple[Any, ...], list[Node]] = field(default_factory=dict)


def load_config(
    path: str | Path | None,
    overrides: Sequence[str] = (),
    *,
    cell: Node | None = None,
    read: ReadLayers | None = None,
) -> LoadedConfig:
    """The config in the file `path`, with `overrides` such as ``training.epochs=3`` on top.

    path: None where the overrides say everything.
    cell: what one run of the study in the file does differently (`xlt.config.study`).
    read: the layers of the file, for the next cell of a study.

    Raises XltError (XltErrors for several) with everything that is wrong: each problem has the
    line it stands in, and the nearest valid name.
    """
    unread: list[XltError] = []
    if read is not None:
        layers = [*read.layers]
    else:
        layers = [] if path is None else read_layers(Path(path), unread)
    unread_files = list(unread)
    above = read_overrides(overrides, unread)
    if unread_files:  # what the other files lack may stand in one that could not be read
        raise_all(unread)
    problems = Problems()
    problems.sources = [*(layer.at.source for layer in layers), COMMAND_LINE]
    files = tuple(Path(layer.at.source) for layer in layers)
    _take_study(layers, cell, problems)
    if above is not None:
        layers.append(above)
    sections = _sections(layers)
    plugins = {
        name: _plugin(name, registry, layers, problems) for name, registry in sections.items()
    }
    options = {section: plugin and plugin.Options for section, plugin in plugins.items()}
    readers = {
        section.removesuffix("task"): _reader_options(plugin)
        for section, plugin in plugins.items()
        if sections[section] is tasks
    }
    normaliser = Normaliser(options, readers, problems)
    chosen = tuple(plugins.items())
    full = list(read.full.get(chosen, ())) if read is not None else []
    full += [normaliser.layer(layer) for layer in layers[len(full) :]]
    root = reduce(merge, full)
    kind = _family(root)
    if kind is not None:
        root = _over_defaults(root, kind)
    config = _validate(root, options, normaliser, problems)
    try:
        problems.raise_all()
    except XltError as error:
        if read is not None and chosen in read.full:  # with all that is to say about every layer
            return load_config(path, overrides, cell=cell, read=ReadLayers(read.layers))
        raise_all([*unread, *flat(error)])
    raise_all(unread)
    assert config is not None
    if read is not None:
        read.full.setdefault(chosen, full[: len(read.layers)])
    return LoadedConfig(config, Path(path or COMMAND_LINE), files, root, kind)


def _take_study(layers: list[Node], cell: Node | None, problems: Problems) -> None:
    """Put a cell of the study over the layers, instead of the key that describes them all."""
    node = layers[-1].get("study") if layers else None
    if node is not None and cell is None:
        problems.add(node.at, "study", "this is a study of several runs", "use `xlt study`")
    layers[:] = [layer.without("study") for layer in layers]
    if cell is not None:
        layers.append(cell)


def _family(root: Node) -> Family | None:
    """The family of the encoder that the layers name, or that is the schema's default."""
    named, start = (
        Model.model_fields[key].get_default() if node is None else node.value
        for key in ("encoder", "initialise")
        for node in [root.get(f"model.{key}")]
    )
    return family(named, str(start)) if isinstance(named, str) else None


def _source(found: Family) -> str:
    return f"the defaults for {found.name}"


def _over_defaults(root: Node, found: Family) -> Node:
    """`root` over what is good for its kind of encoder."""
    at = SourceLocation(_source(found), None, root.at.folder)
    own_rate = root.get("training.learning_rate") is not None
    below = {
        section: Node(
            {
                key: Node(value, at)
                for key, value in values.items()
                if not (own_rate and key.endswith("learning_rate"))
            },
            root.at,
        )
        for section, values in found.sections.items()
    }
    return merge(Node(below, root.at), root)


def _sections(layers: Sequence[Node]) -> dict[str, Registry]:
    """All sections with the options of a plugin."""
    stated = (layer.get(INTERMEDIATE) for layer in layers)
    names = [
        name for node in stated if node and isinstance(node.value, dict) for name in node.value
    ]
    known = (name for name in names if re.match(TASK_NAME, name))
    return PLUGINS | {f"{INTERMEDIATE}.{name}.task": tasks for name in known}


def _plugin(section: str, registry: Registry, layers: list[Node], problems: Problems) -> Any:
    """The plugin that the layers choose, None if there is none.

    A layer that names a plugin drops the options that lower layers gave to another one.
    """
    stated = []
    for n, layer in enumerate(layers):
        name = _name(layer.get(section))
        if name is not None:
            stated.append((n, name))
    if not stated:
        default = _default_name(section)
        return None if default is None else registry.get(default)
    _, chosen = stated[-1]
    other = max((n for n, name in stated if name.value != chosen.value), default=-1)
    first = min(n for n, _ in stated if n > other)
    below = first if other >= 0 else 0
    layers[:below] = [layer.without(section) for layer in layers[:below]]
    try:
        return registry.get(str(chosen.value))
    except XltError as error:
        problems.add_error(chosen.at, section, error)
        return None


def default_plugin(section: str) -> Plugin | None:
    """The plugin that the schema chooses where the config names none."""
    *above, key = section.split(".")
    model: Any = Config
    if above[:1] == [INTERMEDIATE]:
        return None
    for part in above:
        model = model.model_fields[part].annotation
    default: Plugin | None = model.model_fields[key].get_default()
    return default if isinstance(default, Plugin) else None


@cache
def _default_name(section: str) -> str | None:
    default = default_plugin(section)
    return None if default is None else default.name


def _name(node: Node | None) -> Node | None:
    if node is not None and isinstance(node.value, dict):
        node = node.value.get("name")
    return node if node is not None and isinstance(node.value, str) else None


def _reader_options(task: Any) -> set[str] | None:
    """What may stand beside `ref` for the readers of a task; None if the task is unknown."""
    from xlt.reader_options import option_names

    return None if task is None else option_names(task)


def _validate(
    root: Node,
    plugins: dict[str, type[BaseModel] | None],
    normaliser: Normaliser,
    problems: Problems,
) -> Config | None:
    plain = root.plain()
    for section, options in plugins.items():
        *above, key = section.split(".")
        holder = plain
        for part in above:
            holder = holder.setdefault(part, {}) if isinstance(holder, dict) else None
        if options is None or not isinstance(holder, dict):
            continue
        stated = holder.get(key, {})
        if not isinstance(stated, dict):
            continue
        name = stated.get("name", _default_name(section))
        given = {key: value for key, value in stated.items() if key != "name"}
        try:
            checked = _strictly(options, given)
        except ValidationError as error:
            path = tuple(section.split("."))
            problems.add_invalid(
                error, root, normaliser.fields.get, prefix=path, meant=normaliser.meant
            )
        except XltError as error:  # from a validator: pydantic only collects ValueErrors
            node, _, shown = root.find(tuple(section.split(".")))
            problems.add_error(node.at, shown, error)
        else:
            holder[key] = {"name": name, **checked.model_dump(mode="json")}
    try:
        config: Config = _strictly(Config, plain)
        return config
    except ValidationError as error:
        problems.add_invalid(error, root, normaliser.fields.get, meant=normaliser.meant)
        return None


def _strictly(model: type[Any], plain: Any) -> Any:
    # Strict JSON mode is what YAML means: "3" is no number and 1 is no boolean, but a list is a
    # tuple and text is a path.
    return model.model_validate_json(json.dumps(plain), strict=True)


def resolved(config: Config) -> dict[str, Any]:
    """The complete config, every default included, as plain JSON-able values."""
    return config.model_dump(mode="json")


def dump(config: Config) -> str:
    """The complete config as YAML; `load_config` reads it back as an equal one."""
    return to_yaml(resolved(config))
