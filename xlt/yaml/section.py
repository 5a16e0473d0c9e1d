"""A YAML file that is one section, read strictly: every problem at once, each with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from xlt.errors import XltError, choose
from xlt.yaml.nodes import Node, parse, read_text
from xlt.yaml.problems import Problems

S = TypeVar("S", bound=BaseModel)


def read_section(path: Path, model: type[S], example: str) -> tuple[S, Node]:
    """The section in a file, and where its values stand.

    example: what it may hold, for who left it empty.

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
        return model.model_validate_json(json.dumps(root.plain()), strict=True), root
    except ValidationError as error:
        problems, fields = Problems(), model.model_fields
        problems.add_invalid(error, root, lambda path: fields.get(str(path[0])) if path else None)
        for detail in error.errors(include_url=False):
            if detail["type"] == "extra_forbidden":
                node, _, shown = root.find(detail["loc"])
                name = str(detail["loc"][-1])
                problems.add(node.at, shown, f"unknown key {name!r}", choose(name, fields))
        problems.raise_all()
        raise
