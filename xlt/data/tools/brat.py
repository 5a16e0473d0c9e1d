"""brat's standoff: ``NAME.ann`` with the annotation beside ``NAME.txt`` with the text.

T lines are spans (``T1⇥PER 0 5⇥Amina``; parts of a discontinuous one are separated by ``;``), E
lines events (``E1⇥Motion:T2 Agent:T1``), R lines relations (``R1⇥Family Arg1:T1 Arg2:T3``).
Attributes, notes, normalisations and equivalences are counted and left out. A folder is read with
all its pairs of files.

https://brat.nlplab.org/standoff.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from xlt.data.files import check_characters, lines, open_text
from xlt.data.numbers import MAX_DIGITS, whole
from xlt.data.tools.record import Link, Mark, Record, check_offsets
from xlt.data.tools.tool import FileTool
from xlt.document import Offsets
from xlt.errors import XltError, choose

_OTHERS = {
    "A": "attributes are left out",
    "M": "attributes are left out",
    "N": "normalisations are left out",
    "#": "notes are left out",
    "*": "equivalences are left out",
}
_KIND = re.compile(r"[^\s:]+")
_ID = re.compile(rf"[TER][0-9]{{1,{MAX_DIGITS}}}")


class _Pair(NamedTuple):
    """The name of a document, its text and its annotation; None where there is no such file."""

    name: str
    text: Path
    annotation: Path | None


class Brat(FileTool):
    """Reads one pair of files or a folder of them, and writes a folder."""

    written = ""
    folder = True
    suffixes = (".ann",)
    classes = False

    @classmethod
    def files(cls, path: Path) -> list[Path]:
        if path.is_dir():
            return sorted(p for p in path.rglob("*") if p.suffix in (".ann", ".txt"))
        both = [path.with_suffix(suffix) for suffix in (".ann", ".txt")]
        return [one for one in both if one.exists()]

    def raw(self, path: Path) -> Iterator[tuple[str, Any]]:
        if path.is_dir():
            texts = sorted(path.rglob("*.txt"))
            if not texts:
                raise XltError("there is no .txt file in it", where=path, fix="check the folder")
            alone = [ann for ann in path.rglob("*.ann") if not ann.with_suffix(".txt").exists()]
            if alone:
                raise _no_text(min(alone))
        else:
            texts = [path.with_suffix(".txt")]
            if not texts[0].exists():
                raise _no_text(path)
        for text in texts:
            annotation = text.with_suffix(".ann")
            name = text.relative_to(path) if path.is_dir() else Path(text.name)
            found = annotation if annotation.exists() else None
            if found is None and self.told.labelled:
                raise XltError(
                    "there is no .ann file beside this text",
                    where=text,
                    fix="annotate it, or put an empty file there if there is nothing in it to mark",
                )
            yield str(found or text), _Pair(name.with_suffix("").as_posix(), text, found)

    def records(self, where: str, content: Any) -> Iterator[Record]:
        pair: _Pair = content
        with open_text(pair.text) as stream:
            surface = stream.read()
        yield self._parsed(pair, surface)

    def _parsed(self, pair: _Pair, surface: str) -> Record:
        given = {self.texts[0]: surface}
        if pair.annotation is None or not pair.annotation.stat().st_size:
            return Record(pair.name, given, str(pair.annotation or pair.text))
        marks: list[Mark] = []
        numbers: dict[str, int] = {}
        events: list[tuple[str, str, str]] = []
        relations: list[tuple[str, str]] = []
        for number, line in lines(pair.annotation):
            at = f"{pair.annotation}:{number}"
            if not line.strip():
                continue
            name, _, rest = line.partition("\t")
            if name[:1] in _OTHERS:
                self.tally(_OTHERS[name[:1]], at)
            elif not _ID.fullmatch(name) or not rest:
                raise XltError(
                    f"{line[:40]!r} is no line of brat's",
                    where=at,
                    fix="write e.g. T1⇥PER 0 5⇥Amina, with tabs for ⇥",
                )
            elif name in numbers or any(name == other for other, _, _ in events):
                raise XltError(f"{name} is there twice", where=at, fix="number each line anew")
            elif name[0] == "T":
                numbers[name] = len(marks)
                marks.append(_mark(rest, surface, at))
            elif name[0] == "E":
                events.append((name, rest, at))
            else:
                relations.append((rest, at))
        # An event stands for its trigger, as the argument of another, too.
        parsed = [(_pairs(rest, at), at) for _, rest, at in events]
        for (name, _, _), (found, at) in zip(events, parsed, strict=True):
            numbers[name] = _number(found[0][1], numbers, at)
        triggers = set()
        links = []
        for (name, _, _), (found, at) in zip(events, parsed, strict=True):
            triggers.add(numbers[name])
            if marks[numbers[name]].kind != found[0][0]:
                raise XltError(
                    f"{name} is {found[0][0]}, but its trigger {marks[numbers[name]].kind}",
                    where=at,
                    fix="give both the same type",
                )
            roles = {role for role, _ in found[1:]}
            for role, to in found[1:]:
                # Roles of one kind are numbered: Theme, Theme2.
                plain = role.rstrip("0123456789")
                kind = plain if plain in roles else role
                links.append(Link(kind, numbers[name], _number(to, numbers, at)))
        for rest, at in relations:
            kind, _, arguments = rest.partition(" ")
            found = _pairs(arguments.partition("\t")[0], at)
            if len(found) != 2 or not _KIND.fullmatch(kind):
                raise XltError(
                    f"the relation {rest[:40]!r} has not two arguments",
                    where=at,
                    fix="write e.g. R1⇥Family Arg1:T1 Arg2:T3",
                )
            links.append(Link(kind, *(_number(to, numbers, at) for _, to in found)))
        return Record(
            pair.name,
            given,
            str(pair.annotation),
            tuple(marks),
            tuple(links),
            frozenset(triggers) or None,
        )

    @classmethod
    def write(cls, records: Iterable[Record], path: Path) -> None:
        """Write a pair of files for each record, named by its id.

        Raises XltError for ids that are no file names or are there twice, and for labels with
        white space, which the format cannot hold.
        """
        path.mkdir(parents=True)
        for record in records:
            base = _file(path, record.id)
            check_characters(record.text, where=f"record {record.id!r}")
            text = base.with_name(f"{base.name}.txt")
            if text.exists():
                raise XltError(
                    f"two records have the id {record.id!r}, which would name their files",
                    where=f"record {record.id!r}",
                    fix="give each record its own id, or write JSON Lines",
                )
            base.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(record.text, encoding="utf-8", newline="")
            annotation = "".join(f"{line}\n" for line in _annotation(record))
            base.with_name(f"{base.name}.ann").write_text(annotation, encoding="utf-8", newline="")


def _no_text(annotation: Path) -> XltError:
    return XltError(
        "there is no .txt file beside this annotation",
        where=annotation,
        fix=f"put the text there, as {annotation.with_suffix('.txt').name}",
    )


def _mark(rest: str, surface: str, at: str) -> Mark:
    """The span of a T line: ``PER 0 5;8 10⇥Amina Bo``."""
    described, _, own = rest.partition("\t")
    kind, _, places = described.partition(" ")
    parts: list[Offsets] = []
    for place in places.split(";"):
        ends = [whole(end) for end in place.split(" ")]
        if len(ends) != 2 or ends[0] is None or ends[1] is None or not kind:
            raise XltError(
                f"the span {described[:40]!r} is not TYPE START END",
                where=at,
                fix="write e.g. T1⇥PER 0 5⇥Amina; the parts of a discontinuous one as 0 5;8 10",
            )
        start, end = check_offsets(ends[0], ends[1], surface, where=at)
        if parts and start < parts[-1][1]:
            raise XltError(
                "the parts of a span overlap or are out of order", where=at, fix="sort them"
            )
        if parts and not surface[parts[-1][1] : start].strip():  # brat parts spans at line ends
            parts[-1] = parts[-1][0], end
        else:
            parts.append((start, end))
    marked = " ".join(surface[start:end] for start, end in parts)
    if own.split() != marked.split():
        raise XltError(
            f"the text of the span is {own[:40]!r}, but at its offsets is {marked[:40]!r}",
            where=at,
            fix="count characters, \\r\\n as two; or annotate the text as it is now",
        )
    return Mark(kind, tuple(parts))


def _pairs(text: str, at: str) -> list[tuple[str, str]]:
    """``Motion:T2 Agent:T1`` as pairs."""
    found = [tuple(item.split(":")) for item in text.split()]
    if not found or any(len(item) != 2 or not all(item) for item in found):
        raise XltError(
            f"{text[:40]!r} is not NAME:ID NAME:ID …",
            where=at,
            fix="write e.g. E1⇥Motion:T2 Agent:T1",
        )
    return [(item[0], item[1]) for item in found]


def _number(name: str, numbers: dict[str, int], at: str) -> int:
    if name not in numbers:
        raise XltError(f"there is no {name!r:.40}", where=at, fix=choose(name, numbers))
    return numbers[name]


def _file(folder: Path, id: str) -> Path:
    """The files of a record, without suffix."""
    parts = id.split("/")
    if any(not p.strip(". ") or not p.isprintable() or len(p.encode()) > 200 for p in parts):
        raise XltError(
            f"the id {id!r:.60} cannot name a file",
            where=f"record {id!r:.60}",
            fix="give the record another id, or write JSON Lines",
        )
    return folder.joinpath(*parts)


def _annotation(record: Record) -> Iterator[str]:
    for kind in {*(mark.kind for mark in record.marks), *(link.kind for link in record.links)}:
        if not _KIND.fullmatch(kind):
            raise XltError(
                f"the label {kind!r:.40}, which brat cannot have: it has white space or a colon",
                where=f"record {record.id!r}",
                fix="rename it with `task.rename`, or write JSON Lines",
            )
    for number, mark in enumerate(record.marks, 1):
        own = " ".join(record.text[mark.start : mark.end].split("\n"))
        # brat wants no line end within a span: it is written in parts.
        parts, at = [], mark.start
        for piece in record.text[mark.start : mark.end].split("\n"):
            if piece.strip():
                parts.append(f"{at} {at + len(piece)}")
            at += len(piece) + 1
        yield f"T{number}\t{mark.kind} {';'.join(parts)}\t{own}"
    triggers = sorted(record.triggers or ())
    for number, trigger in enumerate(triggers, 1):
        seen: Counter[str] = Counter()
        roles = ""
        for link in record.links:
            if link.head == trigger:
                seen[link.kind] += 1
                again = str(seen[link.kind]) if seen[link.kind] > 1 else ""
                roles += f" {link.kind}{again}:T{link.dependent + 1}"
        yield f"E{number}\t{record.marks[trigger].kind}:T{trigger + 1}{roles}"
    others = [link for link in record.links if link.head not in triggers]
    for number, link in enumerate(others, 1):
        yield f"R{number}\t{link.kind} Arg1:T{link.head + 1} Arg2:T{link.dependent + 1}"
