"""One lazy registry for everything that can be plugged in.

A plugin registers by entry point, in its own pyproject.toml::

    [project.entry-points."xlt.tasks"]
    my_task = "my_package:MyTask"

Nothing is imported until it is asked for by name. Code without a distribution (a notebook, a
test) registers with ``tasks.register("my_task", MyTask)``.

Data cards are files, found in the package's ``data_cards``, in its ``sample`` folder, and in the
folders that the environment variable XLT_CARDS lists; here are their names.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xlt.errors import XltError, choose
from xlt.extras import missing_package

EMBEDDED = "xlt-mini"
"""The encoder that is in the package (`xlt.model.embedded`)."""

E5_SMALL = "e5-small"
"""The encoder that is in another package of the index (`xlt.model.e5_small`)."""

NAMED_ENCODERS = frozenset({EMBEDDED, E5_SMALL})
"""Names in `model.encoder` that are never a path and never a hub id (`xlt.model.named`)."""


_Stamps = tuple[tuple[str, int], ...]

_kept: list[_Stamps] = []
"""The newest is that of the innermost `nothing_installed`."""


@contextmanager
def nothing_installed() -> Iterator[None]:
    """No package is installed within it, so that nobody looks whether one was. A decorator, too.

    Thousands of configs ask for a plugin a dozen times each.
    """
    _kept.append(_stamps())
    try:
        yield
    finally:
        _kept.pop()


def _points(group: str) -> dict[str, EntryPoint]:
    """What installed packages register in a group, by name."""
    return _scan(group, _kept[-1] if _kept else _stamps())


def _stamps() -> _Stamps:
    """When something was last installed, by folder."""
    stamps = []
    for folder in sys.path:
        try:
            stamps.append((folder, Path(folder).stat().st_mtime_ns))
        except OSError:
            continue  # there is nothing to be found
    return tuple(stamps)


@lru_cache(maxsize=16)
def _scan(group: str, stamps: _Stamps) -> dict[str, EntryPoint]:
    """Read once: every package's metadata are looked through, and a config asks a dozen times.

    A package that is installed meanwhile changes its folder's time.
    """
    return {point.name: point for point in (*entry_points(group=group), *_of_checkout(group))}


def _of_checkout(group: str) -> Iterator[EntryPoint]:
    """What xlt itself registers, where it runs from a checkout: an installation with `-e` knows
    what there was when it was made."""
    file = Path(__file__).parents[1] / "pyproject.toml"
    if file.is_file():
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
        if project.get("name") == "xlt":
            for name, value in project["entry-points"].get(group, {}).items():
                yield EntryPoint(name, value, group)


class Registry:
    """Names to classes, from the entry-point group ``xlt.<kind>s`` and from `register`."""

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self._registered: dict[str, Any] = {}

    def register(self, name: str, value: Any) -> Any:
        """Add or replace a plugin in this process; returns `value`."""
        self._registered[name] = value
        return value

    def unregister(self, name: str) -> None:
        self._registered.pop(name, None)

    def names(self) -> list[str]:
        return sorted({*self._registered, *_points(self.group)})

    def get(self, name: str, *, where: object = None) -> Any:
        """The plugin called `name`.

        Raises XltError if there is none (with the nearest name) or if it cannot be imported.
        """
        if name in self._registered:
            return self._registered[name]
        points = _points(self.group)
        if name not in points:
            raise XltError(
                f"there is no {self.kind} called {name!r}",
                where=where,
                fix=choose(name, self.names()),
            )
        point = points[name]
        try:
            return point.load()
        except (ImportError, AttributeError) as error:
            if lacking := missing_package(error, where=where):
                raise lacking from error
            package = point.dist.name if point.dist else "?"
            raise XltError(
                f"the {self.kind} {name!r} cannot be loaded from {point.value}: {error}",
                where=where,
                fix=f"reinstall the package that provides it ({package})",
            ) from error


tasks = Registry("task", "xlt.tasks")
strategies = Registry("strategy", "xlt.strategies")
aligners = Registry("aligner", "xlt.aligners")
translators = Registry("translator", "xlt.translators")
executors = Registry("executor", "xlt.executors")
stage_kinds = Registry("stage kind", "xlt.stages")


def data_cards() -> Mapping[str, Path]:
    """Identifier → file of every data card, by file name; nothing is read.

    Raises XltError for a folder in XLT_CARDS that is not there.
    """
    # Adding or removing a card changes the folder's time.
    return _cards(tuple((folder, folder.stat().st_mtime_ns) for folder in _card_folders()))


def _card_folders() -> list[Path]:
    """Where cards are looked for; earlier ones win."""
    package = Path(__file__).resolve().parent
    extra = os.environ.get("XLT_CARDS", "").split(os.pathsep)
    # Installed, data_cards lies inside the package; in a checkout, beside it.
    own = [package / "data_cards", package.parent / "data_cards", package / "sample"]
    named = [Path(folder).expanduser() for folder in extra if folder]
    for folder in named:
        if not folder.is_dir():
            raise XltError(
                "there is no such folder of cards", where=f"XLT_CARDS: {folder}", fix="correct it"
            )
    return [*named, *(folder for folder in own if folder.is_dir())]


@lru_cache(maxsize=32)
def _cards(folders: tuple[tuple[Path, int], ...]) -> Mapping[str, Path]:
    """What `data_cards` gives, of folders as they were at these times."""
    cards: dict[str, Path] = {}
    for folder, _ in folders:
        for path in folder.glob("*.yaml"):
            cards.setdefault(path.stem, path)
    return MappingProxyType(dict(sorted(cards.items())))
