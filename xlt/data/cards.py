"""Data cards: one YAML a data set, saying what it is, whose it is, where it is and its checksum.

Cards are found in the package's ``data_cards``, in its ``sample`` folder, and in the folders that
the environment variable XLT_CARDS lists. A card's file is named after its identifier.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from xlt import __version__, languages
from xlt.data.checksums import cache_dir, sha256
from xlt.errors import XltError, choose
from xlt.files import DamagedFile, read_sealed, write_sealed
from xlt.options import Count, Section
from xlt.registry import data_cards
from xlt.yaml.nodes import Node, parse, read_text
from xlt.yaml.problems import Problems, explain

Origin = Literal["native", "translated", "machine-translated"]

_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9._-]*")
_HEX = re.compile(r"[0-9a-f]+")


def _inside(path: str) -> str:
    """A path that stays in the data folder, with forward slashes."""
    pure = PurePosixPath(path)
    outside = pure.is_absolute() or PureWindowsPath(path).is_absolute() or ".." in pure.parts
    if outside or "\\" in path or not pure.parts:
        raise ValueError(f"the path {path!r} leaves the data folder")
    return path


def _is_hex(length: int) -> AfterValidator:
    def check(value: str) -> str:
        if len(value) != length or not _HEX.fullmatch(value):
            raise ValueError(f"must be {length} hexadecimal digits in lower case")
        return value

    return AfterValidator(check)


RelativePath = Annotated[str, AfterValidator(_inside)]


class File(Section):
    """One file of a split: where the publisher has it, and where a copy may lie."""

    url: str | None = Field(None, pattern=r"^https?://")
    size: Annotated[int, Field(ge=1)] | None = Field(
        None, description="bytes of the publisher's file"
    )
    sha256: Annotated[str, _is_hex(64)] | None = None
    git_blob_sha1: Annotated[str, _is_hex(40)] | None = Field(
        None, description="sha1 of `blob <size>\\0` and the content, where sha256 is not known"
    )
    local: list[RelativePath] = Field(
        default_factory=list, description="paths in the data folder (XLT_DATA), the first found"
    )
    note: str | None = Field(None, description="how the local copy was made, if there is no url")

    @model_validator(mode="after")
    def _obtainable(self) -> File:
        if self.url is None and not self.local:
            raise ValueError("a file needs `url` or `local`")
        if self.url is None and not self.note:
            raise ValueError("a file without `url` needs a `note` that says how it was made")
        return self


class Select(Section):
    """Which records of the files belong to the split: those whose index % modulo is listed."""

    modulo: Count
    remainder: list[int] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_range(self) -> Select:
        if not all(0 <= r < self.modulo for r in self.remainder):
            raise ValueError(f"`remainder` must lie between 0 and {self.modulo - 1}")
        return self


class Split(Section):
    """The files of a split, read one after the other. What it does not say, the card says."""

    files: list[File] = Field(min_length=1)
    format: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    select: Select | None = None
    origin: Origin | None = None
    licence: str | None = None
    caveats: list[str] = Field(default_factory=list)


class Card(Section):
    """A data set."""

    identifier: str
    name: str
    task: str
    licence: str = Field(min_length=1)
    citation: str = Field(min_length=1)
    homepage: str | None = None
    origin: Origin
    format: str = Field(description="the reader, one of the task's formats")
    options: dict[str, Any] = Field(default_factory=dict, description="of the reader")
    labels: dict[str, list[str]] = Field(
        default_factory=dict, description="label layer → all labels that may occur"
    )
    answers: dict[str, str] = Field(
        default_factory=dict,
        description="for `xlt probe`: a model's label → the label here, where there are fewer",
    )
    parallel: bool = Field(
        False, description="whether record n of a split is the same in every language that has it"
    )
    caveats: list[str] = Field(default_factory=list)
    languages: dict[str, dict[str, Split]] = Field(
        min_length=1, description="language → split → files"
    )

    @model_validator(mode="after")
    def _codes(self) -> Card:
        for language in self.languages:
            code = languages.code(language)
            if code != language:
                raise ValueError(f"language {language!r} must be written {code!r}")
        return self

    def splits(self) -> Iterator[tuple[str, str, Split]]:
        """Language, name and content of every split."""
        for language, splits in self.languages.items():
            for name, split in splits.items():
                yield language, name, split

    def language(self, text: str, *, where: object = None) -> str:
        """The card's own code for a language (``swa`` for ``swh``). Raises XltError."""
        code = languages.match(text, self.languages)
        if code is None:
            raise XltError(
                f"the card {self.identifier} has no {languages.name(text)} ({text})",
                where=where,
                fix=f"it has {', '.join(self.languages)}",
            )
        return code

    def split(self, language: str, name: str, *, where: object = None) -> Split:
        """The content of a split. Raises XltError that lists the splits there are."""
        splits = self.languages[self.language(language, where=where)]
        if name not in splits:
            raise XltError(
                f"the card {self.identifier} has no split {name!r} for {language}",
                where=where,
                fix=f"it has {', '.join(splits)}",
            )
        return splits[name]


def get(identifier: str, *, where: object = None) -> Card:
    """The card called so. Raises XltError: with the nearest names if there is none."""
    available = data_cards()
    if identifier not in available:
        fix = _suggest(identifier, list(available))
        raise XltError(f"there is no data card called {identifier!r}", where=where, fix=fix)
    return load(available[identifier])


def check_reader(card: Card, language: str, split: str) -> bool:
    """Whether the format and the reader's options of a split could be checked: the card's task is
    installed.

    language, split: as in the card.

    Raises XltError (XltErrors for several) with ``file:line`` for what the task's readers lack.
    """
    from xlt import reader_options as options
    from xlt.registry import data_cards, tasks

    if card.task not in tasks.names():
        return False
    task = tasks.get(card.task)
    stated = card.languages[language][split]

    def where(location: options.Location) -> object:
        path = data_cards()[card.identifier]
        root = parse(read_text(path), str(path), path.parent)
        assert root is not None
        # What the split says stands over what the card says; either may say nothing of it.
        homes: tuple[options.Location, ...] = (("languages", language, split), ())
        places = [(root.find((*home, *location)), len(home)) for home in homes]
        (node, _, shown), _ = max(places, key=lambda place: len(place[0][1]) - place[1])
        return node.at.of(shown)

    format = stated.format or card.format
    if format not in task.readable():
        raise XltError(
            f"{card.task} has no format called {format!r}",
            where=where(("format",)),
            fix=choose(format, task.readable()),
        )
    given = options.merge_options(card.options, stated.options)
    options.check_options(task, format, given, lambda location: where(("options", *location)))
    return True


def load(path: Path) -> Card:
    """The card in a file. Raises XltError(s) with ``file:line``."""
    return _load(path, sha256(path))


@lru_cache(maxsize=256)
def _load(path: Path, content: str) -> Card:
    # Reading YAML takes 20 ms a card, so what was found valid is kept as JSON.
    key = hashlib.sha256(f"{__version__} {path.resolve()} {content}".encode()).hexdigest()
    kept = cache_dir() / "cards" / f"{key}.json"
    with contextlib.suppress(OSError, DamagedFile, KeyError, ValidationError):
        stored = read_sealed(kept, fix="delete it")["card"]
        return Card.model_validate_json(stored, strict=True)
    card = _read(path)
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(kept, {"card": card.model_dump_json()}, cache=True)
    return card


def _read(path: Path) -> Card:
    root = parse(read_text(path), str(path), path.parent)
    if root is None:
        raise XltError("the card is empty", where=path, fix="see data_cards/ for examples")
    try:
        # Strict JSON mode: "3" is no number, and nothing is guessed.
        card = Card.model_validate_json(json.dumps(root.plain()), strict=True)
    except ValidationError as error:
        _report(error, root)
        raise
    if card.identifier != path.stem or not _IDENTIFIER.fullmatch(card.identifier):
        node, _, _ = root.find(("identifier",))
        raise XltError(
            f"the identifier {card.identifier!r} must be the file's name, {path.stem!r}",
            where=node.at,
            fix="use lower-case letters, digits, `.`, `_` and `-` in both",
        )
    return card


def _report(error: ValidationError, root: Node) -> None:
    problems = Problems()
    for detail in error.errors(include_url=False):
        node, keys, shown = root.find(detail["loc"])
        name = str(detail["loc"][-1]) if detail["loc"] else ""
        if detail["type"] == "missing":
            problems.add(node.at, shown, f"the key {name!r} is missing", f"add `{name}:`")
        elif detail["type"] == "extra_forbidden":
            home = _section(detail["loc"][:-1])
            problems.add(node.at, shown, f"unknown key {name!r}", choose(name, home.model_fields))
        else:
            what, fix = explain([detail], None)
            known = _section(keys[:-1]).model_fields.get(str(keys[-1])) if keys else None
            if known is not None and known.description:
                fix = known.description
            elif fix.startswith("see `xlt config"):
                fix = "see data_cards/ for examples"
            problems.add(node.at, shown, what, fix)
    problems.raise_all()


def _section(location: tuple[str | int, ...]) -> type[Section]:
    """The model that holds the keys found at a place in a card."""
    parts = [part for part in location if isinstance(part, str)]
    if parts[:1] != ["languages"] or len(parts) < 3:
        return Card
    if "select" in parts[3:]:
        return Select
    return File if "files" in parts[3:] and isinstance(location[-1], int) else Split


def _suggest(identifier: str, available: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(identifier, available, n=4, cutoff=0.5)
    shown = "`xlt data list` shows all"
    return f"did you mean {', '.join(close)}? {shown}" if close else shown
