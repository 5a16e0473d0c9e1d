"""The code blocks of a Markdown file, and what the comment above each says is done with it::

    <!-- run -->                  execute it: a python block, or the `$` lines of a console block
    <!-- fails: 2 -->             the same, of a console block whose commands end with that status
    <!-- file: transfer.yaml -->  write it to that file
    <!-- skip: installs xlt -->   leave it alone, for the reason given

A block has to have one of these, so that none goes untested by oversight. All blocks of a file
share one folder and are taken in their order.

What stands below a command is what it prints, and is compared: the standard output, or of what
fails, the standard error. `…` stands for any text within a line, alone on a line for any lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTED = ("python", "yaml", "json", "console", "toml", "bash", "sh")
_FENCE = re.compile(
    r"^(?P<ticks>`{3,})(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=ticks)\s*$", re.M | re.S
)
_MARK = re.compile(r"<!--\s*(?P<verb>run|fails|file|skip)(?::\s*(?P<rest>[^>]*?))?\s*-->\s*\Z")


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
                f"line {line}: put `<!-- run -->`, `<!-- fails: STATUS -->`, `<!-- file: NAME -->` "
                f"or `<!-- skip: WHY -->` above this {language} block"
            )
        yield Block(line, language, match["text"], mark["verb"], mark["rest"] or "")


def commands(console: str) -> list[tuple[str, list[str]]]:
    """Each command after a ``$``, with the lines that a trailing backslash continues, and the lines
    that are shown as its output. Raises ValueError for output before the first command."""
    shown: list[tuple[str, list[str]]] = []
    continued = False
    for line in console.splitlines():
        if continued:
            command, output = shown[-1]
            shown[-1] = (f"{command}\n{line}", output)
        elif line.startswith("$ "):
            shown.append((line[2:], []))
        elif shown:
            shown[-1][1].append(line)
            continue
        else:
            raise ValueError(f"there is no command above {line!r}; commands start with `$ `")
        continued = line.endswith("\\")
    return shown


def as_shown(shown: list[str], printed: str) -> bool:
    """Whether a command printed the lines that are shown of it."""
    patterns = []
    for line in shown:
        if line.strip() == "…":
            patterns.append("(?:[^\n]*\n)*?")
        else:
            patterns.append("[^\n]*".join(map(re.escape, line.rstrip().split("…"))) + "\n")
    lines = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    return re.fullmatch("".join(patterns), lines) is not None


def execute(block: Block, folder: Path) -> None:
    """Do what the block says in `folder`.

    Raises AssertionError with the output of what fails or prints something else than is shown.
    """
    if block.verb == "skip":
        return
    if block.verb == "file":
        path = folder / block.rest
        assert path.resolve().is_relative_to(folder.resolve()), f"{block.rest} leads out"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        return
    if block.language == "python":
        _run([sys.executable, "-c", block.text], [], block, folder)
        return
    for command, shown in commands(block.text):
        _run(["bash", "-euo", "pipefail", "-c", command], shown, block, folder)


def _run(command: list[str], shown: list[str], block: Block, folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    expected = int(block.rest) if block.verb == "fails" else 0
    where = f"line {block.line}: `{command[-1]}`"
    assert done.returncode == expected, (
        f"{where} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
    printed = done.stderr if expected else done.stdout
    assert not shown or as_shown(shown, printed), f"{where} printed\n{printed}"


def _environment(folder: Path) -> dict[str, str]:
    """This interpreter's commands; what pip installs goes into the folder."""
    site = str(folder / ".site")
    return {
        **os.environ,
        "XLT_CACHE": str(folder / ".cache"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, [site, os.environ.get("PYTHONPATH")])),
        "PIP_TARGET": site,
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this one the other way round
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
