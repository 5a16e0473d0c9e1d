"""HTML and SVG from the templates in `xlt/templates`. Whatever a template is given is escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def template(name: str, suffix: str = "html") -> Template:
    """Return the template `xlt/templates/<name>.<suffix>.j2`."""
    return _environment().get_template(f"{name}.{suffix}.j2")


def macros(name: str) -> Any:
    """Return the macros of a template as functions of one object, for pages written in parts."""
    return template(name).module


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("xlt", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
