"""A hook of MkDocs (mkdocs.yml): tables of the config's keys, and pages from the top folder.

In a page, ``{{ keys: Training }}`` becomes the table of that section of the config's JSON Schema,
``{{ plugins: strategy }}`` a table for each registered strategy. A section that no page shows is
an error, so that the reference stays complete.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from xlt.config.editor import schema
from xlt.registry import stage_kinds
from xlt.transfer.stage import StrategyOptions

TOP_PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""Files of the top folder → pages of the site."""
WHOLE = "Config"
"""What the schema itself is called in ``{{ keys: … }}``."""
REFERENCE = "configuration.md"
"""The page that shows every section of the config."""

Schema = Mapping[str, Any]
_MARK = re.compile(r"^\{\{ (?P<what>keys|plugins): (?P<name>\w+) \}\}$", re.M)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in the folder of the docs."""
    root = Path(config.docs_dir).parent
    for name, page in TOP_PAGES.items():
        text = (root / name).read_text(encoding="utf-8").replace("](docs/", "](")
        for other, its_page in TOP_PAGES.items():
            text = text.replace(f"]({other})", f"]({its_page})")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace the marks of a page by tables. Raises PluginError for what is not in the schema."""
    if not _MARK.search(markdown):
        return markdown
    whole = _whole()
    shown: set[str] = set()

    def table(mark: re.Match[str]) -> str:
        names = sections(whole, mark["what"], mark["name"])
        if not names:
            raise PluginError(f"{page.file.src_uri}: the config has no {mark['name']!r}")
        shown.update(names)
        if mark["what"] == "keys":
            return keys_table(whole, names[0])
        return "\n\n".join(plugin(whole, name, mark["name"]) for name in names)

    text = _MARK.sub(table, markdown)
    missing = {*whole["$defs"], WHOLE} - shown
    if page.file.src_uri == REFERENCE and missing:
        raise PluginError(f"{REFERENCE} does not show {', '.join(sorted(missing))}")
    return text


def _whole() -> dict[str, Any]:
    """The schema of a config; what stages of other kinds may say are sections, too."""
    whole = schema()
    for name in stage_kinds.names():
        options = stage_kinds.get(name).Options
        if options is not None:
            whole["$defs"][options.__name__] = options.model_json_schema()
    return whole


def sections(whole: Schema, what: str, name: str) -> list[str]:
    """The sections that a mark stands for; none if there is no such section."""
    if what == "plugins":
        return [key for key in whole["$defs"] if key.startswith(f"{name}_")]
    return [name] if name == WHOLE or name in whole["$defs"] else []


def plugin(whole: Schema, name: str, kind: str) -> str:
    """The heading, the description and the options of one plugin."""
    description = resolved(whole, name).get("description", "")
    return f"### {name.removeprefix(kind + '_')}\n\n{description}\n\n{keys_table(whole, name)}"


def resolved(whole: Schema, name: str) -> Schema:
    """A section's own schema, without the plain string that may stand for it."""
    section: Schema = whole if name == WHOLE else whole["$defs"][name]
    choices = section.get("anyOf", ())
    mappings = [choice for choice in choices if "properties" in choice]
    return mappings[0] if mappings and "properties" not in section else section


def keys_table(whole: Schema, name: str) -> str:
    """The keys of a section as a Markdown table; a plugin's `name` is left out, and what every
    strategy takes."""
    section = resolved(whole, name)
    common = StrategyOptions.model_fields if name.startswith("strategy_") else ()
    rows = [
        f"| `{key}` | {cell(kind(value))} | {cell(default(value))} | "
        f"{cell(value.get('description', ''))} |"
        for key, value in section["properties"].items()
        if not (key in common or (key == "name" and "const" in value))
    ]
    if not rows:
        return "No options."
    return "\n".join(["| key | value | default | |", "|---|---|---|---|", *rows])


def kind(value: Schema) -> str:
    """What a key takes, in words."""
    if "$ref" in value:
        return f"`{value['$ref'].rpartition('/')[2]}`"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " or ".join(f"`{choice}`" for choice in value["enum"])
    if "anyOf" in value:
        kinds = [kind(choice) for choice in value["anyOf"] if choice.get("type") != "null"]
        if any(re.fullmatch(r"`(task|strategy|translator|aligner)_\w+`", k) for k in kinds):
            return "a plugin"
        return " or ".join(dict.fromkeys(kinds))
    if value.get("type") == "array":
        return f"list of {kind(value['items'])}" if "items" in value else "list"
    if value.get("type") == "object":
        inner = value.get("additionalProperties")
        return f"mapping to {kind(inner)}" if isinstance(inner, Mapping) else "mapping"
    return str(value.get("type", "any"))


def default(value: Schema) -> str:
    """A key's default; empty where it has none or is a section of its own."""
    if value.get("default") is None or isinstance(value["default"], dict):
        return ""
    return f"`{json.dumps(value['default'], ensure_ascii=False)}`"


def cell(text: str) -> str:
    """Text that may stand in a table."""
    return text.replace("|", "\\|").replace("\n", " ")
