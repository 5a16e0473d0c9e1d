"""An extension of Griffe (mkdocs.yml): xlt's docstrings as Markdown.

They describe fields and arguments as ``name: text``, one a line, and introduce code by ``::``.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Docstring, Extension, Object

FIELD = re.compile(r"^(?P<indent> *)(?P<names>[a-z_]\w*(, [a-z_]\w*)*): +(?P<text>\S.*)$")
"""``where: a path``; not ``Registers a task::``, not a sentence with a colon in it."""


class Docstrings(Extension):
    """Rewrites the docstring of every object that Griffe collects."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring = Docstring(markdown(obj.docstring.value), parent=obj)


def markdown(docstring: str) -> str:
    """The docstring with a list for its fields and code blocks that Markdown knows."""
    lines: list[str] = []
    in_field = False
    for line in docstring.splitlines():
        field = FIELD.match(line)
        if field:
            if lines and lines[-1].strip() and not in_field:
                lines.append("")
            lines.append(f"{field['indent']}* `{field['names']}`: {field['text']}")
            in_field = True
            continue
        if in_field and line.strip() and not line.startswith(" "):
            lines.append("")
            in_field = False
        if line.rstrip() != "::":
            lines.append(re.sub(r"::$", ":", line))
    return "\n".join(lines)
