"""A study: one config file for several runs, which differ as its key `study` says.

::

    name: recipes
    ...                                     # a config as any other
    study:
      cells:                                # name → what this run does differently
        en: {source: eng}
        en+zh: {source: [eng, zho], strategy: joint}
      matrix:                               # or: key → values; one run for each combination
        source: [eng, spa]
        training.epochs: [2, 4]
      baseline: en                          # what the others are compared with; else the first;
                                            # or by target: {jav: en, tur: en+zh}
      square: {en: test, llm: llm}          # cell → the test data of its own kind (`tests` of the
                                            # target's data): how good made data are
      resources: {memory_gb: 8, gpus: 1}    # what a step gets of an executor (`--on`)

With both, every cell is run with every combination. A run's name is the study's and the cell's.
A file that extends a study has its config, not its cells.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import groupby, product
from math import prod
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from xlt import languages
from xlt.collection import uncollected
from xlt.config.layers import merge, read_layers
from xlt.config.load import LoadedConfig, ReadLayers, load_config
from xlt.errors import XltError, choose, flat, raise_all
from xlt.options import Count, Section
from xlt.registry import nothing_installed
from xlt.yaml.nodes import Node
from xlt.yaml.problems import explain, show
from xlt.yaml.write import flow

KEY = "study"
MAX_CELLS = 10_000
"""Runs of a study. Nobody reads the table of more, and a slip of the pen can mean millions."""

_NAME = re.compile(r"[A-Za-z0-9._+-]+")


class Resources(Section):
    """What every step of a study gets of an executor."""

    memory_gb: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        description="GiB of the machine's memory; by default what steps like it took at their "
        "peak, or else what is estimated",
    )
    cpus: Count | None = Field(
        default=None,
        description="processors, and so threads; by default a worker's share of them, or what "
        "`OMP_NUM_THREADS` says",
    )
    gpus: int | None = Field(
        default=None,
        ge=0,
        le=1024,
        description="`0`: none is used; by default 1 where there are any; of several, each has a "
        "process of its own, which trains a stage with the others",
    )
    processes: Count | None = Field(
        default=None,
        description="processes that train a stage together, as by `torchrun`; by default one for "
        "each of its `gpus`",
    )

    @property
    def together(self) -> int:
        """Processes that train a stage together."""
        return self.processes or self.gpus or 1


class Outline(Section):
    """What `study` may say."""

    cells: dict[str, dict[str, Any] | None] = Field(
        default_factory=dict, description="name → what this run does differently"
    )
    matrix: dict[str, list[Any]] = Field(
        default_factory=dict, description="dotted key → values; one run for each combination"
    )
    baseline: str | dict[str, str] | None = Field(
        default=None,
        description="the cell that the others are compared with, or target → cell; by default the "
        "first that has the target",
    )
    square: dict[str, str] = Field(
        default_factory=dict,
        description="cell → the test data of the kind that it learns from: `test` of the cell that "
        "learns from real data, a name in `tests` of the target's data of the others",
    )
    resources: Resources = Resources()


@dataclass(frozen=True)
class Study:
    """The configs of a study's cells, by name.

    title: the study's name. baselines: target → the cell that the others are compared with on it.
    overrides: of the command line, which are in the configs already.
    square: cell → test data of the kind that it learns from; empty where nothing is said of that.
    resources: of every step, where the file states them.
    """

    path: Path
    title: str
    cells: dict[str, LoadedConfig]
    baselines: dict[str, str]
    overrides: tuple[str, ...] = ()
    square: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)


@nothing_installed()
@uncollected()
def load_study(path: str | Path, overrides: Sequence[str] = ()) -> Study:
    """The study in a file. Raises XltError with everything that is wrong in any of its cells."""
    path = Path(path)
    layers, said = outline(path)
    resources = _resources(said.get("resources"))
    read = ReadLayers(_layers(path))
    cells: dict[str, LoadedConfig] = {}
    problems: dict[str, XltError] = {}
    for name, layer in layers.items():
        try:
            cells[name] = load_config(path, overrides, cell=layer, read=read)
        except XltError as error:
            problems |= {problem.render(): problem for problem in flat(error)}
    raise_all(list(problems.values()))
    baselines = _baselines(cells, said.get("baseline"))
    square = _square(cells, said.get("square"))
    return Study(path, _title(path), cells, baselines, tuple(overrides), square, resources)


def _square(cells: dict[str, LoadedConfig], stated: Node | None) -> dict[str, str]:
    """Cell → the test data of its kind. Raises XltError for what is none of these."""
    if stated is None:
        return {}
    square: dict[str, str] = {}
    for cell, node in _mapping(stated, f"{KEY}.square").items():
        where = node.at.of(f"{KEY}.square.{cell}")
        if cell not in cells:
            raise XltError(
                f"there is no cell called {cell!r}", where=where, fix=choose(cell, cells)
            )
        config = cells[cell].config
        there = dict.fromkeys(
            name
            for target in config.target
            for name in ("test", *(config.data[target].tests if target in config.data else ()))
        )
        if node.value not in there:
            raise XltError(
                f"the targets of {cell} have no test data called {show(node.plain())}",
                where=where,
                fix=f"{choose(str(node.value), there)}; or add it under `tests` of the target's "
                "data",
            )
        square[cell] = str(node.value)
    of_real = [cell for cell, name in square.items() if name == "test"]
    if len(square) < 2 or len(of_real) != 1 or len({*square.values()}) < len(square):
        raise XltError(
            "a square has two cells or more, each with test data of its own kind, and one of them "
            "has `test`, the real ones",
            where=stated.at.of(f"{KEY}.square"),
            fix="write `study: {square: {real: test, made: NAME}}`, where NAME is in `tests` of "
            "the target's data",
        )
    return square


def _baselines(cells: dict[str, LoadedConfig], stated: Node | None) -> dict[str, str]:
    """Of each target the cell that is stated, where it has the target; else the first that has."""
    having: dict[str, list[str]] = {}
    for name, loaded in cells.items():
        for target in loaded.config.target:
            having.setdefault(target, []).append(name)
    if stated is None:
        return {target: names[0] for target, names in having.items()}
    if not isinstance(stated.value, dict):
        cell = _label(stated)
        return {target: cell if cell in names else names[0] for target, names in having.items()}
    chosen = {}
    for written, node in stated.value.items():
        where = node.at.of(f"{KEY}.baseline.{written}")
        target = languages.code(written, where=where)
        if _label(node) not in having.get(target, ()):
            raise XltError(
                f"{_label(node)} is not run on {target}"
                if target in having
                else f"no cell has the target {target}",
                where=where,
                fix=choose(_label(node), having[target])
                if target in having
                else choose(target, having),
            )
        chosen[target] = _label(node)
    return {target: chosen.get(target, names[0]) for target, names in having.items()}


def is_study(path: Path) -> bool:
    """Whether this file, not one that it extends, describes several runs."""
    return _layers(path)[-1].get(KEY) is not None


def _layers(path: Path) -> list[Node]:
    problems: list[XltError] = []
    layers = read_layers(path, problems)
    raise_all(problems)
    return layers


def _title(path: Path) -> str:
    """The study's name; the file's where it has none."""
    base = reduce(merge, _layers(path)).get("name")
    if base is not None and not isinstance(base.value, str):
        raise XltError(
            f"must be text, not {show(base.plain())}", where=base.at.of("name"), fix="write a name"
        )
    return path.stem if base is None else str(base.value)


def outline(path: Path) -> tuple[dict[str, Node], Mapping[str, Node]]:
    """Cell → the layer over the rest of the file that makes it; and what else `study` says."""
    stated = _layers(path)[-1].get(KEY)
    if stated is None:
        raise XltError(
            f"the key {KEY!r} is missing",
            where=path,
            fix="add `study: {cells: {name: {...}}}`; a single run is started by `xlt train`",
        )
    study = _mapping(stated, KEY)
    for key, node in study.items():
        if key not in Outline.model_fields:
            raise XltError(
                f"unknown key {key!r}",
                where=node.at.of(f"{KEY}.{key}"),
                fix=choose(key, Outline.model_fields),
            )
    cells = _combined(study.get("cells"), study.get("matrix"), stated, _title(path))
    chosen = study.get("baseline")
    if chosen is not None:
        _check_baseline(chosen, cells)
    return cells, study


def _resources(stated: Node | None) -> Resources:
    if stated is None:
        return Resources()
    known = Resources.model_fields
    values = _mapping(stated, f"{KEY}.resources")
    try:
        return Resources.model_validate_json(json.dumps(stated.plain()), strict=True)
    except ValidationError as error:
        found = groupby(error.errors(include_url=False), key=lambda one: str(one["loc"][0]))
        problems = []
        for key, some in found:
            details, where = list(some), values[key].at.of(f"{KEY}.resources.{key}")
            what, fix = (
                explain(details, known[key])
                if key in known
                else (f"unknown key {key!r}", choose(key, known))
            )
            problems.append(XltError(what, where=where, fix=fix))
        raise_all(problems)
        raise AssertionError from error


def _check_baseline(chosen: Node, cells: dict[str, Node]) -> None:
    """Refuse what names no cell."""
    named = chosen.value if isinstance(chosen.value, dict) else {"": chosen}
    for target, node in named.items():
        where = node.at.of(f"{KEY}.baseline.{target}" if target else f"{KEY}.baseline")
        if not isinstance(node.value, str | int | float):
            raise XltError(
                f"must be the name of a cell, not {show(node.plain())}",
                where=where,
                fix=choose("", cells),
            )
        if _label(node) not in cells:
            raise XltError(
                f"there is no cell called {_label(node)!r}",
                where=where,
                fix=choose(_label(node), cells),
            )


def _combined(cells: Node | None, matrix: Node | None, study: Node, title: str) -> dict[str, Node]:
    """Every cell with every combination of the matrix."""
    named = _mapping(cells, f"{KEY}.cells") if cells is not None else {"": Node({}, study.at)}
    axes: list[list[tuple[str, Node]]] = []
    for key, values in (_mapping(matrix, f"{KEY}.matrix") if matrix is not None else {}).items():
        if not isinstance(values.value, list) or not values.value:
            raise XltError(
                "a list of values is needed",
                where=values.at.of(f"{KEY}.matrix.{key}"),
                fix=f"write `{key}: [..., ...]`",
            )
        axes.append([(_label(value), _nested(key, value)) for value in values.value])
    number = len(named) * prod(len(axis) for axis in axes)
    if number > MAX_CELLS:
        raise XltError(
            f"these are {number:,} runs, and a study has at most {MAX_CELLS:,}",
            where=study.at.of(KEY),
            fix="vary less at once, or write several studies",
        )
    layers: dict[str, Node] = {}
    folders: dict[str, str] = {}
    for name, over in named.items():
        _check_cell(name, over)
        for combination in product(*axes):
            parts = [name, *(label for label, _ in combination)]
            cell = "-".join(part for part in parts if part)
            over_all = Node({}, over.at) if over.value is None else over
            layer = reduce(merge, (value for _, value in combination), over_all)
            if layer.get("name") is not None:
                raise XltError(
                    "a cell has no name of its own: its run is called as the study and the cell",
                    where=over.at.of(f"{KEY}.cells.{name}" if name else f"{KEY}.matrix"),
                    fix="leave out `name`",
                )
            folder = f"{title}-{cell}".replace("+", "_")
            if folder in folders:
                raise XltError(
                    f"the cells {folders[folder]!r} and {cell!r} would have one folder, {folder}",
                    where=over.at.of(f"{KEY}.cells.{name}" if name else f"{KEY}.matrix"),
                    fix="name one of them otherwise, or take it out",
                )
            folders[folder] = cell
            layers[cell] = merge(layer, Node({"name": Node(folder, study.at)}, study.at))
    if not any(layers):
        raise XltError(
            "a study needs cells or a matrix", where=study.at.of(KEY), fix="say what differs"
        )
    return layers


def _check_cell(name: str, over: Node) -> None:
    """Refuse what is no mapping, dotted keys, and names that no folder can have."""
    if name and not _NAME.fullmatch(name):
        raise XltError(
            f"{name!r} cannot be part of a folder's name",
            where=over.at.of(f"{KEY}.cells"),
            fix="use letters, digits, `.`, `_`, `-` and `+`",
        )
    if over.value is None:
        return
    if not isinstance(over.value, dict):
        raise XltError(
            f"must be a mapping of what this run does differently, not {show(over.plain())}",
            where=over.at.of(f"{KEY}.cells.{name}"),
            fix=f"write `{name}: {{source: eng}}`, say, or `{name}:` for no difference",
        )
    dotted = [key for key in over.value if "." in key]
    if dotted:
        nested = reduce(merge, (_nested(key, value) for key, value in over.value.items()))
        raise XltError(
            f"a cell has nested keys, as the rest of the file; {dotted[0]!r} is a dotted one, as "
            f"in `{KEY}.matrix`",
            where=over.value[dotted[0]].at.of(f"{KEY}.cells.{name}.{dotted[0]}"),
            fix=f"write `{name}: {flow(nested.plain())}`",
        )


def _mapping(node: Node, shown: str) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        raise XltError("a mapping is needed", where=node.at.of(shown), fix="write `key: value`")
    return node.value


def _nested(key: str, value: Node) -> Node:
    for part in reversed(key.split(".")):
        value = Node({part: value}, value.at)
    return value


def _label(value: Node) -> str:
    """A value as part of a name."""
    plain = value.plain()
    if isinstance(plain, dict):
        plain = plain.get("name", "-".join(map(str, plain.values())))
    text = "+".join(map(str, plain)) if isinstance(plain, list) else str(plain)
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text)
