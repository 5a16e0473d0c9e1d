"""Projected documents on disk, part by part: what is interrupted goes on where it was.

A part is a gzipped file of JSON lines under the hash of what it was made from (the records, what
files say of them line by line, and all that `Projector.identity` covers), complete or not there.
So nothing is ever stale, and equal work is done once, by whatever command.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

from xlt.data.checksums import cache_dir
from xlt.document import Document, Schema
from xlt.document.document import text_from_row, text_to_row
from xlt.errors import XltError
from xlt.files import disk_error, publishing, sweep
from xlt.projection.pair import AlignedPair, Outcome, Projection
from xlt.projection.pairing import Paired, Translated
from xlt.projection.project import Begun, Projected, Projector
from xlt.projection.translate.cache import Cache
from xlt.projection.translate.run import MIN_LOG_INTERVAL, TranslatedText

log = logging.getLogger(__name__)

MAX_DOCUMENTS = 10_000
"""Documents in a file and in memory. A statistical aligner learns from so many."""
SUFFIX = ".jsonl.gz"
"""Of a part's file."""


def project(
    projector: Projector,
    documents: Iterable[Document],
    *,
    part: str = "",
    folder: Path | None = None,
    size: int | None = None,
) -> Iterator[Projected]:
    """Every document with its projection, in order; as `Projector.stream`, but kept in `folder`.

    folder: by default below the cache folder.
    size: documents of a part; by default `MAX_DOCUMENTS`.
    Raises XltError if the disk is full; finished parts are kept.
    """
    with Cache() as cache:
        said, done = _Progress(projector), 0
        for path, begun in parts(
            projector, documents, part=part, cache=cache, folder=folder, size=size
        ):
            projected = kept(projector, path, begun, cache)
            if projected is None:
                projected = make(projector, path, begun, part=part, cache=cache, watch=said.watch)
            warn_of_failures(projected)
            yield from projected
            done += len(begun)
            said.done = done
            said.say()


def parts(
    projector: Projector,
    documents: Iterable[Document],
    *,
    part: str,
    cache: Cache | None = None,
    folder: Path | None = None,
    size: int | None = None,
) -> Iterator[tuple[Path, list[Begun]]]:
    """Where each part of a projection is kept, and what it is made from; arguments as of `project`.

    No part depends on another: they can be made (`make`) in any order, by any process.
    """
    folder = folder or default_folder()
    identity, schema = projector.identity(), projector.task.schema
    remaining = projector.begin(documents, part=part, cache=cache)
    while begun := list(islice(remaining, size or MAX_DOCUMENTS)):
        yield folder / f"{key_of(identity, begun, schema)}{SUFFIX}", begun


def default_folder() -> Path:
    """Where parts are kept, unless asked otherwise."""
    return cache_dir() / "projections"


def kept(
    projector: Projector, path: Path, begun: Sequence[Begun], cache: Cache
) -> list[Projected] | None:
    """A part that is there; None if it is not, if it is damaged, and if the translator, which has
    failed on some of it, can do one of these now."""
    projected = read(path, projector.task.schema, len(begun))
    if projected is None or _worth_a_try(projector, projected, begun, cache):
        return None
    return projected


def make(
    projector: Projector,
    path: Path,
    begun: Sequence[Begun],
    *,
    part: str,
    cache: Cache,
    watch: Callable[[Iterable[Projected]], Iterable[Projected]] = iter,
) -> list[Projected]:
    """A part, which is kept. watch: sees what is projected, one by one.

    Raises XltError if the disk is full.
    """
    projected = list(watch(projector.finish(begun, part=part, cache=cache)))
    _write(path, projected, projector.task.schema)
    return projected


def warn_of_failures(projected: Iterable[Projected]) -> None:
    """Say on how many of these the translator failed."""
    if number := sum(one.failed for one in projected):
        log.warning(
            "the translator failed on %d records; the same command tries them again", number
        )


class _Progress:
    """Says how many records are projected, now and then."""

    def __init__(self, projector: Projector) -> None:
        self.projector, self.done, self.said = projector, 0, time.monotonic()

    def watch(self, projected: Iterable[Projected]) -> Iterator[Projected]:
        for one in projected:
            self.done += 1
            if time.monotonic() - self.said >= MIN_LOG_INTERVAL:
                self.say()
            yield one

    def say(self) -> None:
        self.said = time.monotonic()
        log.info("%s → %s: %d records", self.projector.source, self.projector.target, self.done)


def _worth_a_try(
    projector: Projector, projected: list[Projected], begun: Sequence[Begun], cache: Cache
) -> bool:
    """Whether what the translator failed on may be had now. What `begun` says is of just now."""
    failed = [
        one.source
        for one, given in zip(projected, begun, strict=True)
        if one.failed and not _has_failed(given)
    ]
    return bool(failed) and projector.translates_any(failed, cache=cache)


def _has_failed(begun: Begun) -> bool:
    if isinstance(begun, Translated):
        return any(one.failed for _, one in begun.texts.values())
    return isinstance(begun, Paired) and begun.failed


def key_of(identity: str, begun: Iterable[Begun], schema: Schema) -> str:
    """Of all that a part depends on: `Projector.identity`, and what it is made from."""
    digest = hashlib.sha256(identity.encode())
    for one in begun:
        digest.update(json.dumps(_begun_row(one, schema), sort_keys=True).encode())
    return digest.hexdigest()[:40]


def write_begun(path: Path, begun: Iterable[Begun], schema: Schema) -> None:
    """Write what a part is made from, for `read_begun`. Raises OSError."""
    with (
        publishing(path, cache=True) as part,
        gzip.open(part, "wt", encoding="utf-8", compresslevel=1) as stream,
    ):
        for one in begun:
            stream.write(json.dumps(_begun_row(one, schema), ensure_ascii=False) + "\n")


def read_begun(path: Path, projector: Projector) -> list[Begun]:
    """What `write_begun` wrote. Raises XltError if it is not there as it was written."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            return [_begun_from_row(json.loads(line), projector) for line in stream]
    except _UNREADABLE as error:
        raise XltError(
            f"what is to be projected is damaged ({error})",
            where=path,
            fix="run the same command again, which writes it again",
        ) from error


def _begun_row(begun: Begun, schema: Schema) -> Any:
    if isinstance(begun, Document):
        return schema.to_row(begun)
    if isinstance(begun, Paired):
        pairs = {name: _pair_to_row(pair) for name, pair in begun.pairs.items()}
        return [schema.to_row(begun.document), pairs, begun.failed]
    translations = {
        name: [text_to_row(one.text), one.warning, one.failed]
        for name, (_, one) in begun.texts.items()
    }
    return [schema.to_row(begun.document), translations]


def _begun_from_row(row: Any, projector: Projector) -> Begun:
    schema = projector.task.schema
    if isinstance(row, dict):
        return schema.from_row(row)
    document = schema.from_row(row[0])
    if len(row) == 3:
        _, pairs, failed = row
        return Paired(
            document, {name: _pair_from_row(pair) for name, pair in pairs.items()}, failed
        )
    texts = projector.texts(document)
    return Translated(
        document,
        {
            name: (texts[name], TranslatedText(text_from_row(text), warning, failed))
            for name, (text, warning, failed) in row[1].items()
        },
    )


_UNREADABLE = (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError)
"""What reading of a damaged file may raise."""


def read(path: Path, schema: Schema, size: int) -> list[Projected] | None:
    """What a part of so many documents holds; None if it is not there, or damaged.

    What gzip's checksum does not tell is that the file is empty, or ends between two members.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            projected = [decode(json.loads(line), schema) for line in stream]
        if len(projected) != size:
            raise ValueError(f"it has {len(projected)} documents and had {size}")
    except FileNotFoundError:
        return None
    except _UNREADABLE as error:
        log.warning("%s is damaged (%s): it is made again", path, error)
        return None
    return projected


def _write(path: Path, projected: list[Projected], schema: Schema) -> None:
    from filelock import FileLock

    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            sweep(folder)
            with (
                publishing(path) as part,
                gzip.open(part, "wt", encoding="utf-8", compresslevel=1) as stream,
            ):
                write_lines(projected, stream, schema)
    except OSError as error:
        problem = disk_error(error, path)
        raise XltError(
            f"{problem.what} (parts of the projection that were finished are kept)",
            where=path,
            fix="free some space, or set XLT_CACHE to a folder that has some; the same command "
            "goes on",
        ) from error


def write_lines(projected: Iterable[Projected], stream: IO[str], schema: Schema) -> None:
    for one in projected:
        stream.write(json.dumps(encode(one, schema), ensure_ascii=False) + "\n")


def encode(one: Projected, schema: Schema) -> dict[str, Any]:
    """JSON-able; `decode` gives an equal value back."""
    document = one.projection.document
    return {
        "source": schema.to_row(one.source),
        "document": None if document is None else schema.to_row(document),
        "outcomes": [
            [o.kind, *o.source, o.target, o.confidence, o.reason, o.text]
            for o in one.projection.outcomes
        ],
        "pairs": {name: _pair_to_row(pair) for name, pair in one.pairs.items()},
        "failed": one.failed,
    }


def _pair_to_row(pair: AlignedPair) -> dict[str, Any]:
    return {
        "source": text_to_row(pair.source),
        "target": text_to_row(pair.target),
        "links": [[i, j, score] for (i, j), score in pair.links.items()],
        "warning": pair.warning,
    }


def _pair_from_row(row: Any) -> AlignedPair:
    return AlignedPair(
        text_from_row(row["source"]),
        text_from_row(row["target"]),
        {(i, j): score for i, j, score in row["links"]},
        row["warning"],
    )


def decode(row: dict[str, Any], schema: Schema) -> Projected:
    """What `encode` wrote."""
    outcomes = tuple(
        Outcome(kind, (start, end), None if place is None else (place[0], place[1]), c, reason, t)
        for kind, start, end, place, c, reason, t in row["outcomes"]
    )
    pairs = {name: _pair_from_row(pair) for name, pair in row["pairs"].items()}
    document = None if row["document"] is None else schema.from_row(row["document"])
    projection = Projection(document, outcomes)
    return Projected(schema.from_row(row["source"]), pairs, projection, row["failed"])
