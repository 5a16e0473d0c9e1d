"""YAML text to a tree that remembers where each value was written.

ruamel.yaml parses; the values are read here, by the core schema of YAML 1.2 and nothing else:
`no` and `on` are text, `1e-5` is a number, a date is text. Tags, which would build objects, and
repeated keys are errors.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xlt.errors import XltError, nearest, raise_all

_MAX_DEPTH = 50
_MAX_NODES = 100_000  # aliases of aliases can make a short file expand without bounds

_MAX_BYTES = 500_000  # ten seconds for the parser; what people write is a hundredth of it
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")

_INTEGER = re.compile(r"[-+]?[0-9]+")
_PREFIXED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_MAX_DIGITS = 1000  # longer ones stay text: Python refuses to convert them
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + w: float("inf") for sign in ("", "+") for w in (".inf", ".Inf", ".INF")},
    **{"-" + w: float("-inf") for w in (".inf", ".Inf", ".INF")},
}


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """A line of a file, or the command line.

    folder: what relative paths written there are relative to.
    """

    source: str
    line: int | None
    folder: Path

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"

    def of(self, key: str) -> str:
        """Where, as errors say it: ``file.yaml:7 (training.epochs)``."""
        return f"{self} ({key})" if key else str(self)


@dataclass(slots=True)
class Node:
    """A value with its place: for the value of a key, the key's.

    implied: not written as such, but meant by a shorthand; not part of the path that is shown.
    """

    value: dict[str, Node] | list[Node] | str | int | float | bool | None
    at: SourceLocation
    implied: bool = False
    size: int = 1

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def without(self, key: str) -> Node:
        """The tree without what is at a dotted key; itself where there is nothing."""
        first, _, rest = key.partition(".")
        if not isinstance(self.value, dict) or first not in self.value:
            return self
        value = dict(self.value)
        if rest:
            value[first] = value[first].without(rest)
        else:
            del value[first]
        return Node(value, self.at, self.implied, self.size)

    def get(self, key: str) -> Node | None:
        """The node at a dotted key, None if there is none."""
        node = self
        for part in key.split("."):
            if not isinstance(node.value, dict) or part not in node.value:
                return None
            node = node.value[part]
        return node

    def find(self, path: tuple[str | int, ...]) -> tuple[Node, tuple[str | int, ...], str]:
        """Follow `path` as far as it goes, ignoring parts that are not in the tree.

        Returns the node, the part of the path that led there, and that part as it is shown.
        """
        node, reached, shown = self, [], []
        for part, child in self._follow(path):
            if child is not None:
                node = child
                reached.append(part)
                if not node.implied:
                    shown.append(str(part))
        return node, tuple(reached), ".".join(shown)

    def as_written(self, path: tuple[str | int, ...]) -> str:
        """The dotted key of `path`, without the parts that only a shorthand means.

        Unlike what `find` returns, it keeps the parts that are not in the tree.
        """
        return ".".join(
            str(part) for part, child in self._follow(path) if child is None or not child.implied
        )

    def _follow(self, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, Node | None]]:
        """Yield each part of `path` and the node it leads to; None, and no step, without one."""
        node = self
        for part in path:
            child: Node | None = None
            if isinstance(node.value, dict):
                child = node.value.get(str(part))
            elif isinstance(node.value, list) and isinstance(part, int):
                child = node.value[part] if part < len(node.value) else None
            yield part, child
            if child is not None:
                node = child


def resolve(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means in YAML 1.2's core schema."""
    if text in _WORDS:
        return _WORDS[text]  # type: ignore[no-any-return]
    if _INTEGER.fullmatch(text) and len(text) < _MAX_DIGITS:
        return int(text)
    if _PREFIXED.fullmatch(text) and len(text) < _MAX_DIGITS:
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def read_text(path: Path) -> str:
    """The text of a config file; XltError if there is none or it is not UTF-8."""
    try:
        if not (stat.S_ISREG(path.stat().st_mode) or path.is_dir()):  # of which reading says it
            raise XltError(
                "this is no file but a device or a pipe, which may never end",
                where=path,
                fix="save what comes out of it in a file, and give that",
            )
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        there = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        close = nearest(path.name, there)
        raise XltError(
            "there is no such file",
            where=path,
            fix=f"did you mean {path.with_name(close)}?" if close else "check the path",
        ) from None
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        why = getattr(error, "strerror", None) or error
        raise XltError(
            f"cannot be read: {why}", where=path, fix="give the path of a YAML file"
        ) from None
    if len(raw) > _MAX_BYTES:
        raise XltError(
            f"the file has more than {_MAX_BYTES // 1000} kB",
            where=path,
            fix="give the path of a YAML file that somebody has written, not of data",
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
        raise XltError(
            f"not UTF-8 (byte 0x{raw[error.start]:02x}{'; it looks like UTF-16' if wide else ''})",
            where=f"{path}:{line}",
            fix="save the file as UTF-8",
        ) from None


def parse(text: str, source: str, folder: Path, *, one_line: bool = False) -> Node | None:
    """The tree of a document; None if it is empty. Raises everything that is wrong with it.

    one_line: `text` is not a file (a value on the command line), so places have no line.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    builder = _Builder(source, folder, one_line)
    try:
        root = builder.document(YAML(typ="safe", pure=True).parse(text))
    except YAMLError as error:
        builder.problems.append(_syntax_error(error, text, builder))
        root = None
    raise_all(builder.problems)
    return root


def _syntax_error(error: Any, text: str, builder: _Builder) -> XltError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # a character that YAML does not allow
        position = getattr(error, "position", 0)
        what = f"character {text[position : position + 1]!r} is not allowed in YAML"
        return XltError(
            what, where=builder.place(text.count("\n", 0, position)), fix="remove or escape it"
        )
    problem = error.problem or error.context
    context = f" {error.context}" if error.context and error.problem else ""
    fix = "indent with spaces, not tabs" if "\\t" in problem else "check indentation and brackets"
    return XltError(f"not valid YAML: {problem}{context}", where=builder.place(mark.line), fix=fix)


class _Builder:
    def __init__(self, source: str, folder: Path, one_line: bool) -> None:
        self.source = source
        self.folder = folder
        self.one_line = one_line
        self.anchors: dict[str, Node] = {}
        self.problems: list[XltError] = []

    def place(self, line: int) -> SourceLocation:
        return SourceLocation(self.source, None if self.one_line else line + 1, self.folder)

    def document(self, events: Iterator[Any]) -> Node | None:
        """The only document of a stream of events."""
        root = None
        for event in events:
            name = type(event).__name__
            if name == "DocumentStartEvent":
                if root is not None:
                    raise XltError(
                        "a second document begins here",
                        where=self.place(event.start_mark.line),
                        fix="keep one document in a file; remove `---`",
                    )
                root = self.node(next(events), events, 0)
        if root is not None and root.value is None:
            return None
        return root

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        at = self.place(event.start_mark.line)
        if depth > _MAX_DEPTH:
            raise XltError("nested too deeply", where=at, fix="a config is a few levels deep")
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self.alias(event.anchor, at)
        if event.tag is not None:
            self.problems.append(
                XltError(
                    f"YAML tags are not allowed: {event.tag}",
                    where=at,
                    fix="remove the tag; write plain values, in quotes where text is meant",
                )
            )
        if kind == "ScalarEvent":
            self.check_text(event.value, at)
            node = Node(resolve(event.value) if event.implicit[0] else event.value, at)
        elif kind == "SequenceStartEvent":
            node = self.sequence(events, at, depth)
        else:
            node = self.mapping(events, at, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def check_text(self, text: str, at: SourceLocation) -> None:
        """NUL and halves of characters, which only escapes bring in: no file can be named so, and
        no file can hold them as text."""
        found = _UNWRITABLE.search(text)
        if found is not None:
            self.problems.append(
                XltError(
                    f"the text holds U+{ord(found[0]):04X}, which is no character",
                    where=at,
                    fix="remove it",
                )
            )

    def alias(self, anchor: str, at: SourceLocation) -> Node:
        if anchor not in self.anchors:
            raise XltError(
                f"nothing is named &{anchor} before *{anchor}",
                where=at,
                fix=f"put &{anchor} before the value, or quote the text if it begins with *",
            )
        return replace(self.anchors[anchor], at=at)

    def grow(self, node: Node, child: Node) -> None:
        node.size += child.size
        if node.size > _MAX_NODES:
            raise XltError(
                f"more than {_MAX_NODES} values", where=node.at, fix="do not nest aliases"
            )

    def sequence(self, events: Iterator[Any], at: SourceLocation, depth: int) -> Node:
        items: list[Node] = []
        node = Node(items, at)
        for event in events:
            if type(event).__name__ == "SequenceEndEvent":
                break
            items.append(self.node(event, events, depth + 1))
            self.grow(node, items[-1])
        return node

    def mapping(self, events: Iterator[Any], at: SourceLocation, depth: int) -> Node:
        entries: dict[str, Node] = {}
        node = Node(entries, at)
        for event in events:
            if type(event).__name__ == "MappingEndEvent":
                break
            place = self.place(event.start_mark.line)
            key = self.key(event, events, depth)
            value = replace(self.node(next(events), events, depth + 1), at=place)
            if key in entries:
                self.problems.append(
                    XltError(
                        f"the key {key!r} stands here twice, first at {entries[key].at}",
                        where=place,
                        fix="keep one of the two",
                    )
                )
            entries[key] = value
            self.grow(node, value)
        return node

    def key(self, event: Any, events: Iterator[Any], depth: int) -> str:
        # A key is the text that was written: `no:` is Norwegian, `1:` is "1".
        if type(event).__name__ == "ScalarEvent" and event.tag is None:
            self.check_text(event.value, self.place(event.start_mark.line))
            return str(event.value)
        node = self.node(event, events, depth)
        if not isinstance(node.value, str):
            self.problems.append(
                XltError("a key must be text", where=node.at, fix="write `key: value`")
            )
        return str(node.value)
