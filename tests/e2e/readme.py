"""The code blocks of a Markdown file, and what the comment above each says is done with it::

    <!-- run -->                  execute it: a python block, or the `$` lines of a console block
    <!-- file: transfer.yaml -->  write it to that file
    <!-- skip: installs xlt -->   leave it alone, for the reason given

A block has to have one of these, so that none goes untested by oversight. All blocks of a file
share one folder and are taken in their order.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTED = ("python", "yaml", "console", "toml", "bash", "sh")
_FENCE = re.compile(
    r"^(?P<ticks>`{3,})(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=ticks)\s*$", re.M | re.S
)
_MARK = re.compile(r"<!--\s*(?P<verb>run|file|skip)(?::\s*(?P<rest>[^>]*?))?\s*-->\s*\Z")


@dataclass(frozen=True)
class Block:
    """line: of the opening fence. verb, rest: of the comment above it."""

    line: int
    language: str
    text: str
    verb: str
    rest: str


def blocks(markdown: str) -> Iterator[Block]:
    """Every block in a language of `TESTED`. Raises ValueError for one without its comment."""
    for match in _FENCE.finditer(markdown):
        line = markdown.count("\n", 0, match.start()) + 1
        language = match["language"]
        if language not in TESTED:
            continue
        mark = _MARK.search(markdown[: match.start()])
        if mark is None or (mark["verb"] != "run" and not mark["rest"]):
            raise ValueError(
                f"line {line}: put `<!-- run -->`, `<!-- file: NAME -->` or `<!-- skip: WHY -->` "
                f"above this {language} block"
            )
        yield Block(line, language, match["text"], mark["verb"], mark["rest"] or "")


def commands(console: str) -> list[str]:
    """The lines after ``$``, with those that a trailing backslash continues; the rest is output."""
    found: list[str] = []
    open_line = False
    for line in console.splitlines():
        if open_line:
            found[-1] += "\n" + line
        elif line.startswith("$ "):
            found.append(line[2:])
        else:
            continue
        open_line = line.endswith("\\")
    return found


def execute(block: Block, folder: Path) -> None:
    """Do what the block says in `folder`. Raises AssertionError with its output if it fails."""
    if block.verb == "skip":
        return
    if block.verb == "file":
        path = folder / block.rest
        assert path.resolve().is_relative_to(folder.resolve()), f"{block.rest} leads out"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        return
    runs = (
        [[sys.executable, "-c", block.text]]
        if block.language == "python"
        else [["bash", "-euo", "pipefail", "-c", command] for command in commands(block.text)]
    )
    assert runs, f"line {block.line}: nothing to run; commands start with `$ `"
    for command in runs:
        done = subprocess.run(
            command,
            cwd=folder,
            env=_environment(folder),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, (
            f"line {block.line}: `{command[-1]}` ended with {done.returncode}\n"
            f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )


def _environment(folder: Path) -> dict[str, str]:
    """This interpreter's commands; what pip installs goes into the folder."""
    site = str(folder / ".site")
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, [site, os.environ.get("PYTHONPATH")])),
        "PIP_TARGET": site,
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this one the other way round
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
