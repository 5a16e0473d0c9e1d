"""A YAML file that is one section, read strictly: every problem at once, each with its line."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from xlt.errors import XltError, choose
from xlt.yaml.nodes import Node, parse, read_text
from xlt.yaml.problems import Problems, explain

S = TypeVar("S", bound=BaseModel)


def read_section(path: Path, model: type[S], example: str) -> S:
    """The section in a file. example: what it may hold, for who left it empty.

    Raises XltError (XltErrors for several) with file and line.
    """
    root = parse(read_text(path), str(path), path.parent)
    if root is None or not isinstance(root.value, dict):
        raise XltError(
            "the file is empty" if root is None else "this is no mapping",
            where=path,
            fix=f"write `key: value` lines, e.g. {example}",
        )
    try:
        # Strict JSON mode: "3" is no number, and nothing is guessed.
        return model.model_validate_json(json.dumps(root.plain()), strict=True)
    except ValidationError as error:
        _report(error, root, model)
        raise


def _report(error: ValidationError, root: Node, model: type[BaseModel]) -> None:
    problems = Problems()
    invalid = []
    for detail in error.errors(include_url=False):
        node, reached, shown = root.find(detail["loc"])
        name = str(detail["loc"][-1])
        if detail["type"] == "missing":
            problems.add(node.at, shown, f"the key {name!r} is missing", f"add `{name}:`")
        elif detail["type"] == "extra_forbidden":
            problems.add(node.at, shown, f"unknown key {name!r}", choose(name, model.model_fields))
        else:
            invalid.append((reached, shown, node, detail))
    # Several errors about one value come from a union.
    for (reached, shown), group in groupby(invalid, key=lambda one: (one[0], one[1])):
        members = list(group)
        field = model.model_fields.get(str(reached[0])) if reached else None
        what, fix = explain([detail for *_, detail in members], field)
        problems.add(members[0][2].at, shown, what, fix)
    problems.raise_all()
