"""A guide as a session at a terminal: its files are written, its commands are typed and run.

    python -m scripts.docs.session [own-data] [--folder FOLDER] [--cast FILE]

shows what whoever follows the guide sees, progress included, in a terminal of 80 columns of its
own. `--cast` records it for `asciinema play` (asciicast v2).
"""

from __future__ import annotations

import argparse
import codecs
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from scripts.docs.blocks import blocks, commands
from scripts.docs.notebooks import GUIDES, page

COLUMNS, ROWS = 80, 24


def session(
    markdown: str, folder: Path, environment: Mapping[str, str] = os.environ
) -> Iterator[str]:
    """What the terminal shows, piece by piece, of a page's blocks in `folder`.

    Python blocks are left out. Raises subprocess.CalledProcessError for a command that fails.
    """
    for block in blocks(markdown):
        if block.verb == "file":
            (folder / block.rest).write_text(block.text, encoding="utf-8")
        elif block.verb == "run" and block.language == "console":
            for command, _ in commands(block.text):
                yield f"$ {command}\r\n".replace("\\\n", "\\\r\n")
                yield from at_terminal(command, folder, environment)


def at_terminal(command: str, folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """What a command of the shell shows at a terminal, as it comes."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    size = {"COLUMNS": str(COLUMNS), "LINES": str(ROWS)}  # programs ask these before the terminal
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder, env={**environment, **size}, stdin=its, stdout=its, stderr=its,
    )  # fmt: skip
    os.close(its)
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    try:
        while chunk := os.read(ours, 4096):
            yield decode(chunk)
    except OSError:  # how Linux says that nobody has the other end any more
        pass
    finally:
        os.close(ours)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("guide", nargs="?", choices=GUIDES, default="own-data")
    parser.add_argument("--folder", type=Path, help="by default one that is removed")
    parser.add_argument("--cast", type=Path, help="the recording")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = asked.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        began, events = time.monotonic(), []
        for piece in session(page(asked.guide).read_text(encoding="utf-8"), folder):
            print(piece, end="", flush=True)
            events.append([round(time.monotonic() - began, 3), "o", piece])
    if asked.cast is not None:
        head = {"version": 2, "width": COLUMNS, "height": ROWS, "title": f"xlt: {asked.guide}"}
        lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in (head, *events))
        asked.cast.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
