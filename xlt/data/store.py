"""Documents as Arrow files, memory-mapped, cached under the content that they were read from."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.data.checksums import cache_dir, sha256
from xlt.data.code import READING, code_hashes
from xlt.data.controls import controlled
from xlt.data.recognise import hinting
from xlt.data.resolved import ResolvedData
from xlt.data.tools.formats import TOOLS, is_blank
from xlt.document import Document, Documents
from xlt.errors import XltError, choose
from xlt.files import DamagedFile, entry, publishing, read_sealed, write_sealed
from xlt.reader_options import check_options, read_with

if TYPE_CHECKING:
    from xlt.task import Task

log = logging.getLogger(__name__)

__all__ = ["cache_dir", "held", "load_documents", "read_documents"]


def load_documents(task: Task, resolved: ResolvedData, data_seed: int) -> Documents:
    """The documents of the data, in their order.

    data_seed: draws the sample if `resolved.limit` is less than what there is. A larger limit
        with the same seed has the smaller sample's documents and more.

    Raises XltError with ``path:line`` for malformed data and if there is no document.
    """
    from datasets import Dataset

    path = _cache_path(task, resolved)
    if not _is_intact(path):
        if path.is_file():
            log.warning("%s is damaged: it is made again", path)
        _build(task, resolved, path)
    documents = Documents(Dataset.from_file(str(path)), task.schema)
    limit = resolved.limit
    if isinstance(limit, Mapping):
        chosen = _until(task, documents, limit, data_seed, resolved.reference)
        documents = documents.select(chosen)
    elif limit is not None and limit < len(documents):
        documents = documents.select(sample(len(documents), limit, data_seed))
    if resolved.control is None:
        return documents
    return _controlled(task, resolved, documents, data_seed)


def _controlled(
    task: Task, resolved: ResolvedData, documents: Documents, data_seed: int
) -> Documents:
    """The documents after the control that the reference names, from a file of their own."""
    from datasets import Dataset

    assert resolved.control is not None
    drawn = json.dumps([resolved.control, resolved.limit, data_seed], sort_keys=True)
    name = hashlib.sha256(drawn.encode()).hexdigest()[:12]
    path = _cache_path(task, resolved)
    path = path.with_name(f"{path.stem}-{name}.arrow")
    if not _is_intact(path):
        where = resolved.reference
        made = controlled(task, documents, resolved.control, data_seed, where=where)
        _write(task, made, path, where)
    return Documents(Dataset.from_file(str(path)), task.schema)


MAX_HELD = 20_000
"""Documents that stay in memory. Making one from its row takes 30 µs, holding it about 5 kB."""


def held(documents: Documents, most: int = MAX_HELD) -> Sequence[Document]:
    """The documents in memory if they are few; else as they are, made whenever one is asked for."""
    return list(documents) if len(documents) <= most else documents


def _until(
    task: Task, documents: Documents, limit: Mapping[str, int], seed: int, where: str
) -> list[int]:
    """Indices of documents drawn until they reach one of the sizes; the last may go beyond it."""
    import numpy as np

    sizes = [task.sizes(document) for document in documents]
    for name in limit:
        if name not in sizes[0]:
            raise XltError(
                f"{task.name} does not count {name!r}",
                where=f"{where}: limit",
                fix=choose(name, sizes[0]),
            )
    drawn = np.random.default_rng(seed).permutation(len(sizes))
    held = np.array([[sizes[i][name] for name in limit] for i in drawn]).cumsum(axis=0)
    enough = np.flatnonzero((held >= list(limit.values())).any(axis=1))
    if not len(enough):
        there = ", ".join(f"{n} {name}" for name, n in zip(limit, held[-1], strict=True))
        log.warning("%s has only %s, less than its limit", where, there)
    count = int(enough[0]) + 1 if len(enough) else len(drawn)
    return sorted(drawn[:count].tolist())


def sample(size: int, limit: int, seed: int) -> list[int]:
    """`limit` of `size` indices, sorted; nested: a larger limit adds to a smaller one."""
    import numpy as np

    drawn = np.random.default_rng(seed).permutation(size)[:limit]
    return sorted(int(i) for i in drawn)


def read_documents(task: Task, resolved: ResolvedData) -> Iterator[Document]:
    """The documents straight from the files, selected but not limited, one at a time."""
    for index, document in enumerate(_all_documents(task, resolved)):
        select = resolved.select
        if select is None or index % select.modulo in select.remainder:
            stated = document.language
            yield document if stated else replace(document, language=resolved.language)


def _all_documents(task: Task, resolved: ResolvedData) -> Iterator[Document]:
    if resolved.hub is not None:
        from xlt.data.hub import hub_rows, open_hub

        options = check_options(task, None, resolved.options, lambda _: resolved.reference)
        rows = hub_rows(
            open_hub(resolved.hub),
            task,
            options.get("columns", {}),
            options.get("label_names"),
            where=resolved.reference,
        )
        for number, row in enumerate(rows):
            yield task.validate_row(row, where=f"{resolved.reference}[{number}]")
        return
    for path in resolved.files:
        format = task.format_of(path, resolved.format)
        with hinting(task, path, resolved.format):
            for document in read_with(
                task,
                path,
                format,
                resolved.options,
                where=lambda _: resolved.reference,
                language=resolved.language,
            ):
                if format in TOOLS and is_blank(document.texts):  # with `labelled: false`
                    raise XltError(
                        "its text is empty",
                        where=f"{path}: record {document.id}",
                        fix="remove this record, or give it a text",
                    )
                yield document


def _cache_path(task: Task, resolved: ResolvedData) -> Path:
    from xlt import __version__

    # Documents never outlive the code that read them.
    code = code_hashes(type(task), *READING)
    schema = str(task.schema.features())
    parts = [__version__, code, schema, task.options.model_dump_json(), resolved.language]
    variant = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    name = f"{resolved.fingerprint[:32]}-{task.name}-{variant}.arrow"
    return cache_dir() / "records" / name


def _build(task: Task, resolved: ResolvedData, path: Path) -> None:
    """Write the Arrow file of what is in the data."""
    _write(task, read_documents(task, resolved), path, resolved.reference)


def _write(task: Task, documents: Iterable[Document], path: Path, reference: str) -> None:
    """Write an Arrow file, and beside it its checksum."""
    from datasets.arrow_writer import ArrowWriter

    with building(path, _is_intact) as part:
        if part is None:
            return
        count = 0
        schema = task.schema
        features = schema.features()
        with ArrowWriter(features=features, path=str(part), writer_batch_size=1000) as rows:
            for document in documents:
                rows.write(schema.to_row(document))
                count += 1
            # Finalising an empty file fails: there is no batch to take the schema from.
            if count:
                rows.finalize()
        if not count:
            raise XltError(
                "there is no record in this data",
                where=reference,
                fix="check the file, and what `select` leaves of it",
            )
        write_sealed(_list(path), {path.name: list(entry(part))}, cache=True)


def _list(path: Path) -> Path:
    return path.with_suffix(".json")


def _is_intact(path: Path) -> bool:
    """Whether an Arrow file of records is there as it was written."""
    try:
        size, digest = read_sealed(_list(path), fix="")[path.name]
        return bool(path.stat().st_size == size and sha256(path) == digest)
    except (FileNotFoundError, DamagedFile, KeyError):
        return False


@contextmanager
def building(path: Path, is_intact: Callable[[Path], bool] = Path.is_file) -> Iterator[Path | None]:
    """The name to write a file of the cache under, which gets its own when the block ends; None if
    it is there, and intact. One process writes it, and none ever sees half of it.

    Raises XltError if the cache cannot be written.
    """
    from filelock import FileLock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
    except OSError as error:
        raise _unwritable(error) from error
    with lock:
        if is_intact(path):
            yield None
            return
        try:
            with publishing(path, cache=True) as part:
                yield part
        except OSError as error:
            raise _unwritable(error) from error


def _unwritable(error: OSError) -> XltError:
    return XltError(
        f"the cache cannot be written: {error.strerror or error}",
        where=cache_dir(),
        fix="free space there, or set XLT_CACHE to a folder that can be written",
    )
