"""What errors advise can be done: of all that the sources say, and of what the checker must see."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_inputs import advice

ROOT = Path(__file__).parents[2]
PLACEHOLDER = "PLACEHOLDER"


def said(node: ast.AST | None) -> Iterator[str]:
    """The texts of an expression, with `PLACEHOLDER` where something is filled in."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = (v.value if isinstance(v, ast.Constant) else PLACEHOLDER for v in node.values)
        yield "".join(map(str, parts))
    elif node is not None:
        for inner in ast.iter_child_nodes(node):
            yield from said(inner)


def advised() -> dict[str, str]:
    """Place → text: what is given as `fix`, to `advise`, or quotes one of our commands."""
    found = {}
    for folder in ("xlt", "tasks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                texts: list[str] = []
                if isinstance(node, ast.Call):
                    for keyword in node.keywords:
                        texts += said(keyword.value) if keyword.arg == "fix" else ()
                    if getattr(node.func, "id", "") == "advise":
                        texts += (f"`{text}`" for one in node.args for text in said(one))
                elif isinstance(node, ast.JoinedStr):
                    texts += (text for text in said(node) if "`xlt " in text)
                for number, text in enumerate(texts):
                    if "`" in text:
                        place = f"{path.relative_to(ROOT)}:{node.lineno}:{node.col_offset}.{number}"
                        found[place] = text
    return found


ADVICE = advised()


@pytest.mark.parametrize("place", ADVICE)
def test_it_can_be_done(place):
    assert advice.problem(ADVICE[place]) is None


def test_there_is_much_of_it():
    assert len(ADVICE) > 100
    assert sum("`xlt " in text for text in ADVICE.values()) > 10


@pytest.mark.parametrize(
    "text",
    [
        "`xlt tran CONFIG`",
        "`xlt train`, or `xlt train CONFIG --again`",
        "`xlt scores remove`, then `xlt scores put FILE`",
        "`xlt evaluate MODEL`",
        "add `--no-such-option`",
        "lower `training.epoch`",
        "write `attention: auto`",
        "write `model.attention: fast`",
        "write `strategy: no_such_strategy`",
        "set `schem: IOB1` beside `ref:`",
    ],
)
def test_what_cannot_be_done_is_seen(text):
    assert advice.problem(text)


@pytest.mark.parametrize(
    "text",
    [
        "`xlt train run.yaml --overwrite`, see `xlt runs`",
        "write `model.attention: auto`, `strategy: joint` or `strategy.k: 8`",
        "set `scheme: IOB1` beside `ref:`",
        "`data.eng.train: FILE`",
    ],
)
def test_what_can_be_done_is_fine(text):
    assert advice.problem(text) is None
