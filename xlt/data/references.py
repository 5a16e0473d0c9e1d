"""From what a config says about its data to files that exist, and a fingerprint of their content.

A reference is ``card:language:split``, a local path, or ``hf:dataset:split``. Files of a card are
looked for in the data folder (XLT_DATA), beside a user's own card, and in the cache, where
``xlt data get`` puts them; nothing here goes to the network unless it is allowed to.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from xlt.config.schema import BESIDE, SPLITS, LanguageData, Reference
from xlt.data import cards
from xlt.data.checksums import cache_dir, git_blob_sha1, sha256
from xlt.data.hub import resolve_hub
from xlt.data.resolved import ResolvedData
from xlt.data.tools.formats import files_of
from xlt.errors import XltError, choose
from xlt.reader_options import Location, check_options, merge_options
from xlt.registry import data_cards
from xlt.yaml.problems import explain

if TYPE_CHECKING:
    from xlt.task import Task


def for_split(
    data: LanguageData, language: str, split: str, *, allow_network: bool = False
) -> list[ResolvedData]:
    """All data that a config gives for one split of a language, in its order.

    What is listed under the split comes first; `all` stands in where nothing is listed.
    Raises XltError if there is none.
    """
    split = read_from(data, split)
    where = key_of(language, split)
    listed = data.listed(split)
    if not listed and data.all and split in SPLITS:
        listed, where = [Reference(ref=data.all)], f"data.{language}.all"
    if not listed:
        raise XltError(
            f"there is no {split} data for {language}",
            where=where,
            fix=f"add `{split}:` under `data.{language}`, or `all:` with a card",
        )
    return [
        resolve(reference, language, read_as(split), where=where, allow_network=allow_network)
        for reference in listed
    ]


def reference_to(ref: str, **settings: Any) -> Reference:
    """The reference to what a command line names. Raises XltError if it can be none."""
    try:
        return Reference(ref=ref, **settings)
    except ValidationError as error:
        what, fix = explain(error.errors(include_url=False), Reference.model_fields["ref"])
        raise XltError(f"the name of the data {what}", where=repr(ref[:80]), fix=fix) from error


def read_from(data: LanguageData, split: str) -> str:
    """The split that a split is read from: of dev data that are a share of it, `train`."""
    return "train" if split == "dev" and data.dev_share is not None else split


def key_of(language: str, split: str) -> str:
    """Where a config says what the data of a split, or of a name in `tests`, are."""
    own = split in (*SPLITS, *BESIDE)
    return f"data.{language}.{split}" if own else f"data.{language}.tests.{split}"


def read_as(split: str) -> str:
    """The split of a card that stands in where a reference names none: of further test data, its
    `test`."""
    return split if split in (*SPLITS, *BESIDE) else "test"


def has_split(data: LanguageData, language: str, split: str) -> bool:
    """Whether a config names such data, directly or through a card's own splits.

    Nothing is read but the card. Raises XltError if there is no such card, or not in `language`.
    """
    split = read_from(data, split)
    if data.listed(split) or data.all is None or split not in SPLITS:
        return bool(data.listed(split))
    where = f"data.{language}.all"
    name, *rest = data.all.split(":")
    card = cards.get(name, where=where)
    return split in card.languages[card.language(rest[0] if rest else language, where=where)]


def resolve(
    reference: Reference,
    language: str,
    split: str,
    *,
    where: object = None,
    allow_network: bool = False,
) -> ResolvedData:
    """The data of one reference.

    language, split: stand in for what the reference leaves out.
    allow_network:   hub data may be fetched; XLT_ALLOW_NETWORK=1 means the same.

    Raises XltError: unknown card, language or split; file neither in XLT_DATA nor in the cache;
    hub data set that is not cached.
    """
    ref = reference.ref
    if ref.startswith("hf:"):
        return resolve_hub(reference, language, split, where=where, allow_network=allow_network)
    path = Path(ref).expanduser()
    name, *rest = ref.split(":")
    if name in data_cards() and len(rest) <= 2:
        return _from_card(reference, name, rest, language, split, where)
    if path.exists():
        return _from_path(reference, path, language, split)
    if path.is_absolute() or os.sep in ref or ref.startswith(".") or (path.suffix and not rest):
        raise XltError(f"there is no file {ref}", where=where, fix="check the path")
    cards.get(name, where=where)
    raise XltError(
        f"{ref!r} is no data reference",
        where=where,
        fix="write `card:language:split`, a path, or `hf:dataset:split`",
    )


def check_reference(
    task: Task,
    reference: Reference,
    language: str,
    split: str,
    where: str | Callable[[Location], object],
) -> None:
    """Raise XltError for a format that the task lacks and for options that its reader lacks.

    language, split: as in `resolve`.
    where: the key of the reference; or says where a format or an option was written. What is wrong
        with the reference itself is left to `resolve`; no data are looked at.
    """
    if isinstance(where, str):
        key = where

        def where(location: Location) -> object:
            return ".".join([key, *map(str, location)])

    if reference.format is not None and reference.format not in task.readable():
        raise XltError(
            f"{task.name} has no format called {reference.format!r}",
            where=where(("format",)),
            fix=choose(reference.format, task.readable()),
        )
    if not reference.options:
        return
    if reference.ref.startswith("hf:"):
        format = None
    else:
        name, *rest = reference.ref.split(":")
        try:
            if name in data_cards() and len(rest) <= 2:
                card = cards.get(name)
                stated = card.split(*[*rest, *(language, split)[len(rest) :]])
                format = reference.format or stated.format or card.format
            else:
                format = task.format_of(Path(reference.ref), reference.format)
        except XltError:
            return  # no such card, split or suffix: `resolve` and the reader say so in any case
    check_options(task, format, reference.options, lambda at: where(("options", *at)))


def locate(card: cards.Card, file: cards.File) -> Path | None:
    """Where the file of a card lies on this machine, or None.

    Raises XltError if a link leads out of the folder that the card's path is relative to.
    """
    for folder in _data_folders(card):
        for relative in file.local:
            path = folder / relative
            if not path.is_file():
                continue
            if not path.resolve().is_relative_to(folder.resolve()):
                raise XltError(
                    f"{relative} is a link that leads out of the data folder",
                    where=f"{card.identifier}: {path}",
                    fix="copy the file into the folder, or point XLT_DATA at where it is",
                )
            return path
    cached = cache_path(card, file)
    return cached if cached is not None and cached.is_file() else None


def cache_path(card: cards.Card, file: cards.File) -> Path | None:
    """Where `xlt data get` puts the file; None for a file without URL."""
    if file.url is None:
        return None
    # Two files of a card may have the same name in different folders.
    tag = hashlib.sha256(file.url.encode()).hexdigest()[:8]
    name = file.url.rsplit("/", 1)[-1]
    if name in ("", ".", "..") or not name.isprintable() or len(name.encode()) > 200:
        name = "file"
    return cache_dir() / "data" / card.identifier / tag / name


def difference(file: cards.File, path: Path) -> str | None:
    """How a local file differs from the publisher's; None if it is the same file."""
    if file.sha256 is not None:
        same = sha256(path) == file.sha256
    elif file.git_blob_sha1 is not None:
        same = git_blob_sha1(path) == file.git_blob_sha1
    elif file.url is not None:
        return f"{path.name}: no checksum is known"
    else:
        return f"{path.name}: not a publisher's file; {file.note}"
    if same:
        return None
    note = f" ({file.note})" if file.note else ""
    return f"{path.name} differs from the publisher's checksum{note}"


def _is_damaged(card: cards.Card, file: cards.File, path: Path) -> bool:
    """Whether a file that differs was the publisher's once: `xlt data get` keeps no other."""
    known = file.sha256 is not None or file.git_blob_sha1 is not None
    return known and path == cache_path(card, file)


def _data_folders(card: cards.Card) -> Iterator[Path]:
    given = os.environ.get("XLT_DATA")
    if given:
        folder = Path(given).expanduser()
        if not folder.is_dir():
            raise XltError("there is no such folder", where=f"XLT_DATA: {given}", fix="correct it")
        yield folder
    own = data_cards().get(card.identifier)
    if own is not None:
        yield own.parent


def _from_card(
    reference: Reference, name: str, rest: list[str], language: str, split: str, where: object
) -> ResolvedData:
    card = cards.get(name, where=where)
    wanted = rest[0] if rest else language
    split = rest[1] if len(rest) > 1 else split
    chosen = card.split(wanted, split, where=where)
    code = card.language(wanted, where=where)
    files, caveats = [], [*card.caveats, *chosen.caveats]
    differs = False
    for file in chosen.files:
        path = locate(card, file)
        if path is None:
            raise _missing(card, file, f"{name}:{code}:{split}", where)
        if note := difference(file, path):
            if _is_damaged(card, file, path):
                raise XltError(
                    f"the downloaded file is damaged: {note}",
                    where=path,
                    fix=f"`xlt data get {name}` fetches it again",
                )
            caveats.append(note)
            differs = True
        files.append(path)
    format = reference.format or chosen.format or card.format
    cards.check_reader(card, code, split)
    options = merge_options(merge_options(card.options, chosen.options), reference.options)
    return ResolvedData(
        reference=f"{name}:{code}:{split}",
        language=language,
        split=split,
        files=tuple(files),
        format=format,
        options=options,
        select=chosen.select,
        limit=reference.limit,
        control=reference.control,
        fingerprint=_fingerprint(files, format, options, chosen.select),
        card=name,
        licence=chosen.licence or card.licence,
        citation=card.citation,
        origin=chosen.origin or card.origin,
        caveats=tuple(caveats),
        differs=differs,
    )


def _missing(card: cards.Card, file: cards.File, reference: str, where: object) -> XltError:
    data = os.environ.get("XLT_DATA")
    looked = f"XLT_DATA ({data})" if data else "XLT_DATA (not set)"
    if file.url is None:
        return XltError(
            f"{reference}: {file.local[0]} is not in {looked}, and no publisher has it",
            where=where,
            fix=f"set XLT_DATA to the folder that holds it ({file.note})",
        )
    return XltError(
        f"{reference}: {file.url.rsplit('/', 1)[-1]} is neither in {looked} nor in the cache",
        where=where,
        fix=f"xlt data get {card.identifier}, or set XLT_DATA",
    )


def _from_path(reference: Reference, path: Path, language: str, split: str) -> ResolvedData:
    files = files_of(path, reference.format)
    return ResolvedData(
        reference=reference.ref,
        language=language,
        split=split,
        files=(path,),
        format=reference.format,
        options=reference.options,
        limit=reference.limit,
        control=reference.control,
        # Without a format the suffix decides, so the name is part of what the records depend on.
        fingerprint=_fingerprint(files, reference.format or path.name, reference.options, None),
    )


def _fingerprint(
    files: list[Path],
    format: str,
    options: Mapping[str, Any],
    select: cards.Select | None,
) -> str:
    parts = [
        [sha256(path) for path in files],
        format,
        options,
        select.model_dump() if select else None,
    ]
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
