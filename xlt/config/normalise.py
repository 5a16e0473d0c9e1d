"""One layer of a config in its full form, before layers are merged.

Follows the types of the schema through the tree: shorthands are written out, languages become
ISO 639-3, relative paths become absolute, and unknown keys are reported and dropped. Layers must
be in this form when they are merged: `id` in one file and `ind` in another are one key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from xlt.config.schema import Config, Plugin, Reference
from xlt.errors import choose, nearest
from xlt.options import LocalPath, as_list
from xlt.yaml.nodes import Node
from xlt.yaml.problems import Path, Problems, explain


class Normaliser:
    """Brings layers into full form.

    options: for each plugin section (`task`, `projection.aligner`, …) the plugin's model of its
        options, or None where the plugin is unknown and so are its keys.
    reader_options: what a task's readers may be told, in `options` of a data reference or directly
        beside its `ref`, by how the keys of its section begin (`""`, `intermediate.NAME.`); None
        where the task is unknown.
    fields:  filled with the schema's entry for every value met.
    meant:   filled with the paths of valid keys that an unknown one is a misspelling of.
    """

    def __init__(
        self,
        options: dict[str, type[BaseModel] | None],
        reader_options: Mapping[str, set[str] | None],
        problems: Problems,
    ) -> None:
        self.options = options
        self.reader_options = reader_options
        self.problems = problems
        self.fields: dict[Path, FieldInfo] = {}
        self.meant: set[Path] = set()

    def layer(self, root: Node) -> Node:
        return self._section(Config, root, (), "")

    def _value(
        self, annotation: Any, metadata: list[Any], node: Node, path: Path, key: str
    ) -> Node:
        annotation, metadata = _unwrap(annotation, metadata, node.value)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self._section(annotation, node, path, key)
        origin = get_origin(annotation)
        if origin is list:
            if isinstance(node.value, str | dict) and _takes_one(metadata):
                node = Node([replace(node, implied=True)], node.at)
            if isinstance(node.value, list):
                (inner,) = get_args(annotation)
                return replace(
                    node,
                    value=[
                        self._value(
                            inner, [], item, (*path, n), key if item.implied else f"{key}.{n}"
                        )
                        for n, item in enumerate(node.value)
                    ],
                )
        elif origin is dict and isinstance(node.value, dict):
            return self._mapping(get_args(annotation), node, path, key)
        if isinstance(node.value, str):
            for mark in metadata:
                if isinstance(mark, LocalPath):
                    return replace(node, value=mark.resolve(node.value, node.at.folder))
        return node

    def _section(self, model: type[BaseModel], node: Node, path: Path, key: str) -> Node:
        shorthand = getattr(model, "shorthand", None)
        if shorthand and isinstance(node.value, str):
            node = Node({shorthand: replace(node, implied=True)}, node.at, node.implied)
        if not isinstance(node.value, dict):
            return node
        fields, written = dict(model.model_fields), node.value
        if model is Reference:
            written = self._with_options(written, key, self._readers(path))
        if model is Plugin:
            options = self.options.get(".".join(map(str, path)))
            if options is None:
                return node
            fields |= options.model_fields
        entries = {}
        for name, child in written.items():
            full = f"{key}.{name}" if key else name
            if name not in fields:
                valid = [*fields, *(self._readers(path) or ())] if model is Reference else fields
                self._unknown(name, child, list(valid), path, full)
                continue
            field = fields[name]
            self.fields[(*path, name)] = field
            entries[name] = self._value(
                field.annotation,
                field.metadata,
                child,
                (*path, name),
                key if child.implied else full,
            )
        return replace(node, value=entries)

    def _readers(self, path: Path) -> set[str] | None:
        """What the readers of a reference at this path may be told."""
        return self.reader_options["".join(f"{part}." for part in path[: path.index("data")])]

    def _with_options(
        self, entries: dict[str, Node], key: str, known: set[str] | None
    ) -> dict[str, Node]:
        """A reference with the reader's options that stand beside `ref` under `options`."""
        beside = {
            name: child
            for name, child in entries.items()
            if name not in Reference.model_fields and (known is None or name in known)
        }
        options = entries.get("options")
        if not beside:
            return entries
        # Where none is written, keys are shown without it.
        options = options or Node({}, next(iter(beside.values())).at, implied=True)
        if not isinstance(options.value, dict):
            return entries
        for name in beside.keys() & options.value.keys():
            first = options.value[name].at
            what = f"{name!r} stands in `options` too, at {first}"
            self.problems.add(beside[name].at, f"{key}.{name}", what, "keep one of the two")
        rest = {name: child for name, child in entries.items() if name not in beside}
        return rest | {"options": replace(options, value={**options.value, **beside})}

    def _mapping(self, types: tuple[Any, ...], node: Node, path: Path, key: str) -> Node:
        assert isinstance(node.value, dict)
        key_type, value_type = types
        entries: dict[str, Node] = {}
        written: dict[str, str] = {}
        for name, child in node.value.items():
            full = f"{key}.{name}"
            valid = name
            if key_type is not str:
                try:
                    valid = _adapter(key_type).validate_python(name)
                except ValidationError as error:
                    self.problems.add(child.at, full, *explain(error.errors(), None))
                    continue
            if valid in entries:
                self.problems.add(
                    child.at,
                    full,
                    f"{written[valid]!r} and {name!r} are both {valid!r}; the first is at "
                    f"{entries[valid].at}",
                    "keep one of the two, with the data of both",
                )
                continue
            written[valid] = name
            entries[valid] = self._value(value_type, [], child, (*path, valid), full)
        return replace(node, value=entries)

    def _unknown(self, name: str, node: Node, valid: list[str], path: Path, key: str) -> None:
        close = nearest(name.lower().replace("-", "_"), valid)
        home = _HOMES.get(name)
        if close is not None:
            self.meant.add((*path, close))
            prefix = key.removesuffix(name)
            fix = f"did you mean {prefix + close!r}?"
        elif name == "<<":
            fix = "YAML 1.2 has no merge keys; use `extends: other.yaml`"
        elif home is not None:
            fix = f"did you mean {home!r}?"
        else:
            fix = choose(name, valid)
        self.problems.add(node.at, key, f"unknown key {name!r}", fix)


def _takes_one(metadata: list[Any]) -> bool:
    return any(isinstance(mark, BeforeValidator) and mark.func is as_list for mark in metadata)


@lru_cache(maxsize=64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Made once: it takes longer than what it is for, and a study has thousands of configs."""
    return TypeAdapter(kind)


def _unwrap(annotation: Any, metadata: list[Any], value: Any) -> tuple[Any, list[Any]]:
    """The type without Annotated and None; of a union, the member that suits the value."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            metadata = [*annotation.__metadata__, *metadata]
            annotation = annotation.__origin__
        elif origin in (Union, UnionType):
            members = [arg for arg in get_args(annotation) if arg is not NoneType]
            suits = [member for member in members if _suits(member, value)]
            annotation = (suits or members)[0]
        else:
            return annotation, metadata


def _suits(member: Any, value: Any) -> bool:
    member, _ = _unwrap(member, [], value)
    origin = get_origin(member) or member
    if isinstance(value, dict):
        return isinstance(origin, type) and issubclass(origin, dict | BaseModel)
    if isinstance(value, list):
        return origin is list
    return isinstance(origin, type) and not issubclass(origin, dict | list)


def _homes(model: type[BaseModel], prefix: str) -> dict[str, str]:
    homes: dict[str, str] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            homes |= _homes(kind, f"{prefix}{name}.")
        elif prefix:
            homes[name] = prefix + name
    return homes


# `epochs` at the top level belongs to `training`.
_HOMES = _homes(Config, "")
