"""The parts a config is made of: the files that `extends` names, the file itself, overrides.

A later layer wins. Mappings are merged, everything else is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from xlt.errors import XltError, flat
from xlt.yaml.nodes import Node, SourceLocation, parse, read_text

COMMAND_LINE = "command line"


def read_layers(path: Path, problems: list[XltError]) -> list[Node]:
    """The file and everything it extends, the most basic first."""
    return _read_chain(path, None, [], problems)


def _read_chain(
    path: Path, stated: SourceLocation | None, chain: list[Path], problems: list[XltError]
) -> list[Node]:
    resolved = path.resolve()
    if resolved in chain:
        names = " → ".join(p.name for p in [*chain[chain.index(resolved) :], resolved])
        problems.append(
            XltError(
                f"files extend each other in a circle: {names}",
                where=stated.of("extends") if stated else path,
                fix="remove one of the `extends`",
            )
        )
        return []
    try:
        root = parse(read_text(path), str(path), resolved.parent)
    except XltError as error:
        if stated and error.where == str(path):  # the file itself: say who asks for it
            error = error.at(f"{stated.of('extends')}: {path}")
        problems.extend(flat(error))
        return []
    if root is None:
        problems.append(
            XltError(
                "the file is empty",
                where=path,
                fix="a config needs name, task, model, data and target",
            )
        )
        return []
    if not isinstance(root.value, dict):
        kind = "a list" if isinstance(root.value, list) else "a single value"
        problems.append(
            XltError(
                f"a config is a mapping, not {kind}",
                where=root.at,
                fix="write `key: value` lines: name, task, model, data, target, ...",
            )
        )
        return []
    base = root.value.pop("extends", None)
    if base is None:
        return [root]
    if not isinstance(base.value, str):
        problems.append(
            XltError(
                "`extends` takes the path of one other config",
                where=base.at.of("extends"),
                fix="write `extends: other.yaml`",
            )
        )
        return [root]
    basis = path.parent / Path(base.value).expanduser()
    return [*_read_chain(basis, base.at, [*chain, resolved], problems), root]


def read_overrides(
    overrides: Iterable[str],
    problems: list[XltError],
    *,
    what: str = "override",
    source: str = COMMAND_LINE,
    example: str = "training.epochs=3",
) -> Node | None:
    """``training.epochs=3`` and the like as one more layer, later ones over earlier ones.

    what, source, example: what they are, where they stand, and one of them, for errors.
    """
    at = SourceLocation(source, None, Path.cwd())
    layer = Node({}, at)
    for text in overrides:
        key, equals, value = text.partition("=")
        key = key.strip()
        parts = key.split(".")
        if not equals or not all(parts):
            problems.append(
                XltError(
                    f"cannot read the {what} {text!r}",
                    where=source,
                    fix=f"write key.key=value, for example {example}",
                )
            )
            continue
        if parts == ["extends"]:
            problems.append(
                XltError(
                    "`extends` stands in a file",
                    where=at.of(key),
                    fix="give the other file to the command instead",
                )
            )
            continue
        try:
            node = parse(value, at.of(key), at.folder, one_line=True)
        except XltError as error:
            problems.extend(flat(error))
            continue
        node = Node(None, at) if node is None else _placed(node, at)
        for part in reversed(parts):
            node = Node({part: node}, at)
        layer = merge(layer, node)
    return layer if layer.value else None


def _placed(node: Node, at: SourceLocation) -> Node:
    if isinstance(node.value, dict):
        return Node({key: _placed(child, at) for key, child in node.value.items()}, at)
    if isinstance(node.value, list):
        return Node([_placed(child, at) for child in node.value], at)
    return Node(node.value, at)


def merge(below: Node, above: Node) -> Node:
    """`above` over `below`."""
    if not (isinstance(below.value, dict) and isinstance(above.value, dict)):
        return above
    entries = dict(below.value)
    for key, node in above.value.items():
        entries[key] = merge(entries[key], node) if key in entries else node
    # What is missing from a mapping is missing from a file, not from the command line.
    return Node(entries, below.at if above.at.line is None else above.at)
