"""Damage each kind of file that xlt stores, and run every command that reads it.

    python -m scripts.reliability.damage --seed 1

A byte is flipped, half is cut off, the file is emptied, filled with zeros, replaced by other text
or, where it is JSON, by an empty value, or taken away. What is promised: the command gives what it
gives without the damage (what is lost is made again), or an error that names the file and says what
to do; lists may leave out what is damaged, if they say so. Never a wrong result in silence, a
traceback, or a command that hangs. `--only` chooses kinds of files, `--number` draws some cases.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from scripts.reliability import process, scenario
from scripts.reliability.outcome import BUG, outcome
from scripts.reliability.power_cut import refusal
from scripts.reliability.scenario import Case, Plan
from scripts.reliability.stored import Command, Stored

IN_FILES = ("train", "study", "project")
"""Commands whose results are the files that they leave; `study --table` is none of them."""


def _flip(content: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(content)) if content else 0
    return (
        content[:at]
        + bytes(byte ^ (1 << draw.randrange(8)) for byte in content[at : at + 1])
        + content[at + 1 :]
    )


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "flipped": _flip,
    "flipped elsewhere": _flip,
    "cut in half": lambda content, _: content[: len(content) // 2],
    "emptied": lambda content, _: b"",
    "zeros": lambda content, _: bytes(len(content)),
    "other text": lambda content, _: b"something else\n",
    "{}": lambda content, _: b"{}",
    "[]": lambda content, _: b"[]",
    "null": lambda content, _: b"null",
    "gone": lambda content, _: None,
}
OF_JSON = ("{}", "[]", "null")


def kind_of(path: Path) -> str:
    """What a file is one of: its path without what differs between files of a kind."""
    text = re.sub(r"[0-9a-f]{8,}", "#", path.as_posix())
    text = re.sub(r"runs/(?!stages)[^/]+/", "runs/RUN/", text)
    text = re.sub(r"stages/[^/#]+-#", "stages/STAGE-#", text)
    return re.sub(r"(eng|ind|jav)-(train|dev|test)|(?<=[-/])\d+", "#", text)


def kinds(files: Sequence[Path], read: Collection[Path], draw: random.Random) -> dict[str, Path]:
    """Kind → one file of it, drawn; one that is read, if there is any."""
    found: dict[str, list[Path]] = {}
    for path in files:
        found.setdefault(kind_of(path), []).append(path)
    return {
        kind: draw.choice([path for path in paths if path in read] or paths)
        for kind, paths in found.items()
    }


def results(stored: Stored, command: Command, ended: process.Ended) -> object:
    """What must be the same as without damage."""
    if command.arguments[0] in IN_FILES and not command.lists:
        return outcome(stored.world.runs)
    return ended.out


def judge(
    stored: Stored,
    command: Command,
    path: Path,
    damage: str,
    ended: process.Ended,
    expected: object,
) -> str:
    """The verdict: "right", "said" or "refused", or what is wrong."""
    said = ended.err + (ended.out if command.lists else "")
    # A list cannot know the name of what is gone.
    named = path.name in said or str(path.parent) in said or (command.lists and damage == "gone")
    if ended.code == 2 and command.lists and not ended.err:  # it tells of problems by itself
        return "refused" if named else "unnamed"
    if ended.code != 0:
        verdict = refusal(ended)
        return "unnamed" if verdict == "refused" and not named else verdict
    if BUG.search(ended.err):
        return "bug"
    if results(stored, command, ended) == expected:
        return "right"
    return "said" if command.lists and named else "wrong"


def drawn(cases: int, number: int, seed: int) -> list[int]:
    """The numbers of so many cases; of all, for 0. A case has its number however many are drawn."""
    if not number:
        return list(range(cases))
    return sorted(random.Random(seed).sample(range(cases), min(number, cases)))


def damage(plan: Plan) -> None:
    stored = Stored(plan.folder)
    stored.make()
    expected: dict[str, object] = {}
    reads: dict[str, set[Path]] = {}
    for command in stored.commands():
        stored.restore()
        ended = stored.ask(command, traced=True)
        assert ended.code == 0, f"{command.name}: {ended.text}"
        expected[command.name] = results(stored, command, ended)
        reads[command.name] = stored.opened()
    files = [p.relative_to(stored.intact) for p in sorted(stored.intact.rglob("*")) if p.is_file()]
    read = set().union(*reads.values())
    chosen = kinds(files, read, random.Random(plan.seed))
    unread = [kind for kind, path in chosen.items() if path not in read]
    print(f"{len(files)} files of {len(chosen)} kinds; no command reads: {', '.join(unread)}")
    cases = [
        (path, name, command)
        for kind, path in chosen.items()
        if any(part in kind for part in plan.scenarios)
        for name in DAMAGES
        if name not in OF_JSON or path.suffix == ".json"
        for command in stored.commands()
        if path in reads[command.name]
    ]
    done = plan.done()
    for number in drawn(len(cases), plan.number, plan.seed):
        if number in done:
            continue
        path, name, command = cases[number]
        draw = random.Random(f"{plan.seed}-{path}-{name}")
        stored.restore()
        target = stored.world.place / path
        content = DAMAGES[name](target.read_bytes(), draw)
        target.unlink()  # another name of it, if there is one, is another file
        if content is not None:
            target.write_bytes(content)
        ended = stored.ask(command)
        verdict = judge(stored, command, path, name, ended, expected[command.name])
        ok = verdict in ("right", "said", "refused")
        detail = [] if ok else ended.text.splitlines()
        plan.add(Case(number, kind_of(path), f"{name}: {command.name}", verdict, ok, detail))


if __name__ == "__main__":
    sys.exit(scenario.command("damage", __doc__, damage))
