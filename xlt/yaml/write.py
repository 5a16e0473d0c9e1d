"""Plain values to YAML that `xlt.yaml.nodes` reads back as the same values."""

from __future__ import annotations

import io
import json
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from xlt.yaml.nodes import resolve

# Plain text in YAML 1.2, but a boolean to the YAML 1.1 readers that others may use.
_OTHERS_MISREAD = frozenset({"y", "n", "yes", "no", "on", "off"})

_PLAIN = re.compile(r"(?!(?:null|true|false|yes|no|on|off|y|n)$)[A-Za-z][\w./-]*", re.I | re.A)
"""What YAML takes as text without quotes, in all its versions and within `{…}`."""


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


def scalar(text: str) -> str:
    """A text as it may stand anywhere in YAML, quoted where it has to be."""
    return text if _PLAIN.fullmatch(text) else flow(text)


def flow(value: Any) -> str:
    """A value in one line. JSON is YAML, but for characters that YAML takes as line ends, or does
    not take at all."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
