"""What the site adds to its pages: tables of the config's keys, docstrings as Markdown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.docs.docstrings import markdown
from scripts.docs.pages import WHOLE, keys_table, kind, sections
from xlt.config.editor import schema

REFERENCE = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.fixture(scope="module")
def whole():
    return schema()


def test_the_reference_shows_every_section(whole):
    marks = re.findall(r"^\{\{ (\w+): (\w+) \}\}$", REFERENCE.read_text(encoding="utf-8"), re.M)
    shown = [name for what, name in marks for name in sections(whole, what, name)]
    assert sorted(shown) == sorted([*whole["$defs"], WHOLE])


def test_a_table_of_keys(whole):
    table = keys_table(whole, "Selection").splitlines()
    assert table[:3] == [
        "| key | value | default | |",
        "|---|---|---|---|",
        "| `on` | `source_dev` or `target_dev` or `target_text` or `last` | "
        '`"source_dev"` | `target_text`: the score that is expected on the target\'s text without '
        "labels |",
    ]
    assert table[3].startswith("| `metric` | string |  | by default the first metric")


def test_a_plugin_s_name_is_no_option(whole):
    assert keys_table(whole, "strategy_zero_shot") == "No options."
    assert "`name`" not in keys_table(whole, "strategy_few_shot")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"$ref": "#/$defs/Lora"}, "`Lora`"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer"),
        ({"anyOf": [{"$ref": "#/$defs/task_a"}, {"$ref": "#/$defs/task_b"}]}, "a plugin"),
        ({"type": "array", "items": {"type": "string"}}, "list of string"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "mapping to string"),
    ],
)
def test_kind(value, words):
    assert kind(value) == words


def test_fields_of_a_docstring_become_a_list():
    docstring = (
        "One text.\n\nid:   its name.\nspans, trees: layers,\n    as read.\n"
        "Raises: no.\nEnd::\n\n    code"
    )
    assert markdown(docstring) == (
        "One text.\n\n* `id`: its name.\n* `spans, trees`: layers,\n    as read.\n\n"
        "Raises: no.\nEnd:\n\n    code"
    )
