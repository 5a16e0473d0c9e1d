"""The guides of the docs as notebooks: the page is what is written, the notebook is made of it.

    python -m scripts.docs.notebooks

writes docs/notebooks/. Prose becomes Markdown cells, a file `%%writefile`, and each command a cell
of its own, `%%bash`, so that one that fails stops the notebook. There are no outputs in it: the
tests execute it in place of the page's blocks, and compare what it prints with what the page shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.docs.blocks import Block, blocks, commands

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = ("own-data", "paper", "annotation-tools", "encoders", "no-translation")
"""Pages of `DOCS`, without their suffix."""
_LINK = re.compile(r"\]\((?![a-z]+:|#)")


@dataclass(frozen=True)
class Cell:
    """kind: `markdown` or `code`. shown: what the page shows as its output; none: anything goes."""

    kind: str
    source: str
    shown: Sequence[str] = ()


def path(guide: str) -> Path:
    return DOCS / "notebooks" / f"{guide}.ipynb"


def page(guide: str) -> Path:
    return DOCS / f"{guide}.md"


def cells(guide: str) -> list[Cell]:
    """The cells of a guide. Raises ValueError for a block that no cell can stand for."""
    markdown = page(guide).read_text(encoding="utf-8")
    made = [
        Cell(
            "markdown",
            f"*Made from [the guide](../{guide}.md) by `python -m scripts.docs.notebooks`. "
            "It needs `pip install '.[train]'` in a clone of xlt, and writes into its folder.*",
        )
    ]
    last = 0
    for block in blocks(markdown):
        if block.verb == "skip":
            continue  # stays among the prose
        made += [_prose(markdown[last : block.start]), *_code(block)]
        last = block.end
    made.append(_prose(markdown[last:]))
    return [cell for cell in made if cell.source]


def _prose(text: str) -> Cell:
    without_marks = re.sub(r"^<!--.*?-->\n", "", text, flags=re.M)
    return Cell("markdown", _LINK.sub("](../", without_marks).strip())


def _code(block: Block) -> Iterator[Cell]:
    if block.verb == "file":
        yield Cell("code", f"%%writefile {block.rest}\n{block.text}".rstrip("\n"))
    elif block.verb != "run":
        raise ValueError(f"line {block.line}: a notebook ends at a command that fails")
    elif block.language == "python":
        yield Cell("code", block.text.rstrip("\n"))
    else:
        for command, shown in commands(block.text):
            yield Cell("code", f"%%bash\n{command}", shown)


def notebook(guide: str) -> dict[str, Any]:
    """As nbformat 4.5 has it, without outputs."""
    return {
        "cells": [
            {
                "cell_type": cell.kind,
                "id": f"cell-{number}",
                "metadata": {},
                **({"execution_count": None, "outputs": []} if cell.kind == "code" else {}),
                "source": cell.source.splitlines(keepends=True),
            }
            for number, cell in enumerate(cells(guide))
        ],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def text(guide: str) -> str:
    """The file's content."""
    return json.dumps(notebook(guide), ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    for guide in GUIDES:
        path(guide).parent.mkdir(exist_ok=True)
        path(guide).write_text(text(guide), encoding="utf-8")


if __name__ == "__main__":
    main()
