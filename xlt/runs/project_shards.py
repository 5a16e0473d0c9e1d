"""`xlt project --on`: records in shards, each a job of an executor; the output of one process.

A shard is a part of `xlt.projection.store`: so many records, from which a statistical aligner
learns in one process, too. What is done lies where one process has it, in the cache, under a key of
all that decides it; what is to be done in ``OUTPUT.shards``, until all is. Translations and links
that are known by the number of a line are read here, and go to the jobs with the records.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from xlt.chat.client import Answers
from xlt.chat.endpoint import Endpoint
from xlt.config.schema import ProjectionSettings
from xlt.document import Document, Schema
from xlt.errors import XltError
from xlt.executors.base import Executor, Job
from xlt.files import writing
from xlt.permissions import allowing, given
from xlt.projection import store
from xlt.projection.project import Projected, Projector
from xlt.projection.translate.cache import Cache
from xlt.registry import tasks
from xlt.runs import shards

Shard = tuple[Path, int]
"""Where a part is kept, and how many records it has."""


@contextmanager
def projecting(
    executor: Executor,
    projector: Projector,
    records: Iterable[Document],
    output: str,
    *,
    part: str,
) -> Iterator[Iterator[Projected]]:
    """What `store.project` gives, once an executor has made all of it.

    Raises XltError as the jobs do, and for what cannot be done in shards.
    """
    _check(projector, output)
    schema = projector.task.schema
    make_caches(projector, shared=not executor.on_this_machine)
    with shards.folder_for(Path(output)) as folder:
        known: list[Shard] = []

        def jobs() -> Iterator[tuple[str, Job]]:
            for path, begun in store.parts(projector, records, part=part):
                known.append((path.absolute(), len(begun)))
                done = store.read(path, schema, len(begun))
                if done is None or any(one.failed for one in done):
                    name = f"{len(known):06}-{path.name}"
                    with writing(folder):
                        store.write_begun(folder / name, begun, schema)
                    yield name, _job(projector, folder / name, path.absolute(), part, len(known))

        shards.make(executor, jobs(), "project", store.default_folder())
        yield _read(known, schema)


def make_caches(projector: Projector, *, shared: bool) -> None:
    """Give the files in which jobs keep translations and answers the journal that they need.

    Nothing here uses them, or keeps them open: what is read by the number of a line is not kept
    there. shared: as of `TextStore`.
    """
    Cache(shared=shared).close()
    if isinstance(projector.translator.options, Endpoint):
        Answers(shared=shared).close()


def _read(known: Iterable[Shard], schema: Schema) -> Iterator[Projected]:
    """All records in order. Raises XltError for a part that was damaged since it was made."""
    for path, size in known:
        projected = store.read(path, schema, size)
        if projected is None:
            raise shards.damaged(path)
        store.warn_of_failures(projected)
        yield from projected


def _check(projector: Projector, output: str) -> None:
    """Raise XltError where there are no shards, or no file that they go into."""
    if output == "-":
        raise XltError("shards are put together in one file", where="OUT", fix="name a file")
    if not projector.in_parts:
        raise XltError(
            "the links are given by the number of a line, and what they link has to be translated "
            "first, all in one stream: there are no shards of it",
            where="--on",
            fix="leave out --on",
        )


def _job(projector: Projector, begun: Path, path: Path, part: str, number: int) -> Job:
    task = projector.task
    stated = {
        "task": task.name,
        "options": task.options.model_dump(mode="json"),
        "settings": projector.settings.model_dump(mode="json"),
        "languages": [projector.source, projector.target],
    }
    arguments = {
        "projector": json.dumps(stated, sort_keys=True),
        "identity": projector.identity(),
        "granted": given(),
        "begun": str(begun.absolute()),
        "path": str(path),
        "part": part,
    }
    return Job("xlt.runs.project_shards:project_shard", arguments, f"shard {number}")


def project_shard(
    projector: str, identity: str, granted: Sequence[str], begun: str, path: str, part: str
) -> None:
    """Project what `begun` holds, and keep it as `path`, unless it is there.

    Raises XltError as projecting does, and where other things would come of it here than where the
    job was made.
    """
    with allowing(*granted), Cache() as cache:
        made = _projector(projector)
        if made.identity() != identity:
            raise XltError(
                "what translates or aligns is another version here, or has other files",
                where="--on",
                fix="install the same on all machines, or leave out --on",
            )
        todo = store.read_begun(Path(begun), made)
        if store.key_of(identity, todo, made.task.schema) != Path(path).name.partition(".")[0]:
            raise XltError(
                "what is to be projected is not what was written",
                where=begun,
                fix="run the same command again, which writes it again",
            )
        if store.kept(made, Path(path), todo, cache) is None:
            store.make(made, Path(path), todo, part=part, cache=cache)


@lru_cache(maxsize=1)
def _projector(stated: str) -> Projector:
    about: dict[str, Any] = json.loads(stated)
    kind = tasks.get(about["task"])
    task = kind(kind.Options.model_validate(about["options"]))
    settings = ProjectionSettings.model_validate(about["settings"])
    return Projector(task, settings, *about["languages"])
