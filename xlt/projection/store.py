"""Projected records on disk, part by part: what is interrupted goes on where it was.

A part is a gzipped file of JSON lines under the hash of what it was made from (the records and
all that `Projector.identity` covers), complete or not there. So nothing is ever stale, and equal
work is done once, by whatever command.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from xlt.data.checksums import cache_dir
from xlt.errors import XltError
from xlt.projection.pair import AlignedPair, Outcome, Projection
from xlt.projection.project import Projected, Projector
from xlt.projection.translate.cache import Cache
from xlt.task import Record

log = logging.getLogger(__name__)

PART = 10_000
"""Records in a file, and in memory at most. A statistical aligner learns from so many."""


def project(
    projector: Projector,
    records: Iterable[Record],
    *,
    part: str = "",
    folder: Path | None = None,
    size: int = PART,
) -> Iterator[Projected]:
    """Every record with its projection, in order; as `Projector.stream`, but kept in `folder`.

    folder: by default below the cache folder.
    Raises XltError if the disk is full; finished parts are kept.
    """
    with Cache() as cache:
        if projector.in_order:  # what the files hold may have changed: nothing can be kept
            yield from projector.stream(records, part=part, cache=cache)
            return
        folder = folder or cache_dir() / "projections"
        identity = projector.identity()
        remaining = iter(records)
        done = 0
        while chunk := list(islice(remaining, size)):
            path = folder / f"{_key(identity, chunk)}.jsonl.gz"
            found = _read(path)
            failed = [one.source for one in found or () if one.failed]
            if found is None or (failed and projector.translates_any(failed, cache=cache)):
                found = list(projector.stream(chunk, part=part, cache=cache))
                _write(path, found)
            if number := sum(one.failed for one in found):
                log.warning(
                    "the translator failed on %d records; the same command tries them again", number
                )
            yield from found
            done += len(chunk)
            log.info("%s → %s: %d records", projector.source, projector.target, done)


def _key(identity: str, records: list[Record]) -> str:
    digest = hashlib.sha256(identity.encode())
    for record in records:
        digest.update(json.dumps(record, sort_keys=True).encode())
    return digest.hexdigest()[:40]


def _read(path: Path) -> list[Projected] | None:
    """What a part holds; None if it is not there, or damaged."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            return [decode(json.loads(line)) for line in stream]
    except FileNotFoundError:
        return None
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        log.warning("%s is damaged (%s): it is made again", path, error)
        return None


def _write(path: Path, found: list[Projected]) -> None:
    from xlt.files import disk_error

    temporary = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(temporary, "wt", encoding="utf-8", compresslevel=1) as stream:
            write_lines(found, stream)
        temporary.replace(path)
    except OSError as error:
        problem = disk_error(error, path)
        raise XltError(
            f"{problem.what} (parts of the projection that were finished are kept)",
            where=path,
            fix="free some space, or set XLT_CACHE to a folder that has some; the same command "
            "goes on",
        ) from error


def write_lines(found: Iterable[Projected], stream: IO[str]) -> None:
    for one in found:
        stream.write(json.dumps(encode(one), ensure_ascii=False) + "\n")


def encode(one: Projected) -> dict[str, Any]:
    """JSON-able; `decode` gives an equal value back."""
    return {
        "source": one.source,
        "record": one.projection.record,
        "outcomes": [
            [o.kind, *o.source, o.target, o.confidence, o.reason, o.text]
            for o in one.projection.outcomes
        ],
        "pairs": {
            name: {
                "source": list(pair.source),
                "target": list(pair.target),
                "links": [[i, j, score] for (i, j), score in pair.links.items()],
                "warning": pair.warning,
                "spaces": None if pair.spaces is None else list(pair.spaces),
            }
            for name, pair in one.pairs.items()
        },
        "failed": one.failed,
    }


def decode(row: dict[str, Any]) -> Projected:
    outcomes = tuple(
        Outcome(kind, (start, end), None if place is None else (place[0], place[1]), c, reason, t)
        for kind, start, end, place, c, reason, t in row["outcomes"]
    )
    pairs = {
        name: AlignedPair(
            pair["source"],
            pair["target"],
            {(i, j): score for i, j, score in pair["links"]},
            pair["warning"],
            pair["spaces"],
        )
        for name, pair in row["pairs"].items()
    }
    return Projected(row["source"], pairs, Projection(row["record"], outcomes), row["failed"])
