"""Plain values to YAML that `xlt.yaml.nodes` reads back as the same values."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from xlt.yaml.nodes import resolve

# Plain text in YAML 1.2, but a boolean to the YAML 1.1 readers that others may use.
_OTHERS_MISREAD = frozenset({"y", "n", "yes", "no", "on", "off"})


def to_yaml(value: Any) -> str:
    """A block-style document."""
    yaml = YAML()
    yaml.width = 10_000  # a folded line would be hard to grep
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_quoted(value), stream)
    return stream.getvalue()


def _quoted(value: Any) -> Any:
    if isinstance(value, dict):
        return {_quoted(key): _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    if isinstance(value, str) and (
        value.lower() in _OTHERS_MISREAD
        or not isinstance(resolve(value), str)
        or not value.isprintable()
    ):
        return DoubleQuotedScalarString(value)
    return value
