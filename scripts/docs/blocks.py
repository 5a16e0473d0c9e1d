"""The code blocks of a Markdown file, and what the comment above each says is done with it::

    <!-- run -->                  execute it: a python block, or the `$` lines of a console block
    <!-- fails: 2 -->             the same, of a console block whose commands end with that status
    <!-- file: transfer.yaml -->  write it to that file
    <!-- skip: installs xlt -->   leave it alone, for the reason given

A block in a language of `TESTED` has to have one of these, so that none goes untested by oversight;
others may be files. All blocks of a page share one folder and are taken in their order.

What stands below a command is what it prints, and is compared: the standard output, or of what
fails, the standard error. `…` stands for any text within a line, alone on a line for any lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

TESTED = ("python", "yaml", "json", "console", "toml", "bash", "sh")
_FENCE = re.compile(
    r"^(?P<ticks>`{3,})(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=ticks)\s*$", re.M | re.S
)
_MARK = re.compile(r"<!--\s*(?P<verb>run|fails|file|skip)(?::\s*(?P<rest>[^>]*?))?\s*-->\s*\Z")


@dataclass(frozen=True)
class Block:
    """line: of the opening fence. verb, rest: of the comment above it. start, end: of the comment
    and the block in the file, in characters."""

    line: int
    language: str
    text: str
    verb: str
    rest: str
    start: int = 0
    end: int = 0


def blocks(markdown: str) -> Iterator[Block]:
    """Every block in a language of `TESTED`, and every file.

    Raises ValueError for one of the former without its comment.
    """
    for match in _FENCE.finditer(markdown):
        line = markdown.count("\n", 0, match.start()) + 1
        language = match["language"]
        mark = _MARK.search(markdown[: match.start()])
        if language not in TESTED and (mark is None or mark["verb"] != "file"):
            continue
        if mark is None or (mark["verb"] != "run" and not mark["rest"]):
            raise ValueError(
                f"line {line}: put `<!-- run -->`, `<!-- fails: STATUS -->`, `<!-- file: NAME -->` "
                f"or `<!-- skip: WHY -->` above this {language} block"
            )
        place = mark.start(), match.end()
        yield Block(line, language, match["text"], mark["verb"], mark["rest"] or "", *place)


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
