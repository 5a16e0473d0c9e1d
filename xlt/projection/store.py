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
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from xlt.data.checksums import cache_dir
from xlt.document import Document, Schema
from xlt.document.document import text_from_row, text_to_row
from xlt.errors import XltError
from xlt.files import disk_error, publishing, sweep
from xlt.projection.pair import AlignedPair, Outcome, Projection
from xlt.projection.pairing import Paired
from xlt.projection.project import Begun, Projected, Projector
from xlt.projection.translate.cache import Cache
from xlt.projection.translate.run import MIN_LOG_INTERVAL

log = logging.getLogger(__name__)

MAX_DOCUMENTS = 10_000
"""Documents in a file and in memory. A statistical aligner learns from so many."""


def project(
    projector: Projector,
    documents: Iterable[Document],
    *,
    part: str = "",
    folder: Path | None = None,
    size: int = MAX_DOCUMENTS,
) -> Iterator[Projected]:
    """Every document with its projection, in order; as `Projector.stream`, but kept in `folder`.

    folder: by default below the cache folder.
    Raises XltError if the disk is full; finished parts are kept.
    """
    with Cache() as cache:
        said = _Progress(projector)
        folder = folder or cache_dir() / "projections"
        identity = projector.identity()
        schema = projector.task.schema
        remaining = projector.begin(documents, part=part, cache=cache)
        done = 0
        while chunk := list(islice(remaining, size)):
            path = folder / f"{_key(identity, chunk, schema)}.jsonl.gz"
            projected = _read(path, schema, len(chunk))
            if projected is None or _worth_a_try(projector, projected, chunk, cache):
                made = projector.finish(chunk, part=part, cache=cache)
                projected = list(said.watch(made))
                _write(path, projected, schema)
            if number := sum(one.failed for one in projected):
                log.warning(
                    "the translator failed on %d records; the same command tries them again", number
                )
            yield from projected
            done += len(chunk)
            said.done = done
            said.say()


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
    projector: Projector, projected: list[Projected], begun: list[Begun], cache: Cache
) -> bool:
    """Whether a translation that failed may be had now; one that has begun has just been tried."""
    failed = [
        one.source
        for one, given in zip(projected, begun, strict=True)
        if one.failed and isinstance(given, Document)
    ]
    return bool(failed) and projector.translates_any(failed, cache=cache)


def _key(identity: str, chunk: list[Begun], schema: Schema) -> str:
    digest = hashlib.sha256(identity.encode())
    for begun in chunk:
        digest.update(json.dumps(_begun_row(begun, schema), sort_keys=True).encode())
    return digest.hexdigest()[:40]


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


def _read(path: Path, schema: Schema, size: int) -> list[Projected] | None:
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
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
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


def decode(row: dict[str, Any], schema: Schema) -> Projected:
    """What `encode` wrote."""
    outcomes = tuple(
        Outcome(kind, (start, end), None if place is None else (place[0], place[1]), c, reason, t)
        for kind, start, end, place, c, reason, t in row["outcomes"]
    )
    pairs = {
        name: AlignedPair(
            text_from_row(pair["source"]),
            text_from_row(pair["target"]),
            {(i, j): score for i, j, score in pair["links"]},
            pair["warning"],
        )
        for name, pair in row["pairs"].items()
    }
    document = None if row["document"] is None else schema.from_row(row["document"])
    projection = Projection(document, outcomes)
    return Projected(schema.from_row(row["source"]), pairs, projection, row["failed"])
