"""Bundles of files in a folder that several machines reach: a path, or a URL that fsspec knows.

The bundle `eng-0123/finished` is a record, `eng-0123/finished.json`, and the files that this lists
with sizes and SHA-256, each in `eng-0123/finished/` under its SHA-256. The record is written last,
so that a bundle is whole or not there. Two that publish a bundle at once write equal files under
equal names; of their records the last one counts, and what it lists is there.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from uuid import uuid4

from xlt.errors import XltError, first_line
from xlt.extras import missing_package
from xlt.files import (
    CHUNK,
    PART,
    DamagedFile,
    Listing,
    damage,
    disk_error,
    entry,
    read_sealed,
    write_sealed,
)

log = logging.getLogger(__name__)

MARKER, FORMAT = "xlt-store.json", 1
"""What says that a folder is a store, and how bundles lie in it."""

PAUSES = (1, 2, 4, 8, 15, 30, 60, 60, 60)
"""Seconds to wait before each further attempt."""

_FEW = PAUSES[:5]
"""Where somebody waits for what the command has to say."""

ABANDONED = timedelta(days=1)
"""After which nobody goes on with a bundle whose record is not there."""

_WHOLE = frozenset(
    ("memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "hf")
)
"""Protocols by which a file that is written is whole or not there; elsewhere it is renamed."""

_LASTING = frozenset(
    (
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
        *(errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP, errno.EEXIST),
    )
)
"""What does not go away by waiting. Whatever is none of these may."""

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS))
"""What no reading from a store comes to: it is this machine's disk that what is read goes to."""

_BUNDLE = re.compile(r"(?P<bundle>[^/]+/[^/]+)\.json")
_OBJECT = re.compile(r"(?P<bundle>[^/]+/[^/]+)/(?P<digest>[0-9a-f]{64})")

Result = TypeVar("Result")


class Unreachable(XltError):
    """A store that does not answer, or refuses."""


@dataclass(frozen=True)
class Record:
    """What a bundle consists of. about: JSON-able, of whoever published it."""

    files: Listing
    about: Mapping[str, Any]

    @property
    def bytes(self) -> int:
        return sum(size for size, _ in self.files.values())


class ObjectStore:
    """The store at a path or URL. Nothing is looked at before it is needed.

    Methods raise Unreachable for a store that refuses, or has not answered for some minutes; after
    that it is asked once each time, until it answers. Raises XltError for a URL that cannot be one.
    """

    def __init__(self, place: str) -> None:
        import fsspec

        self.place = place
        if "::" in place:
            raise XltError(
                "a store is one file system, and this is several",
                where=place,
                fix="name the last one alone, as s3://bucket/prefix",
            )
        options = {} if "://" in place else {"auto_mkdir": True}
        if place.startswith(("file://", "local://")):
            options = {"auto_mkdir": True}
        try:
            # What others have written is seen at once, so no listing is remembered.
            self._fs, self._root = fsspec.core.url_to_fs(place, use_listings_cache=False, **options)
        except ImportError as error:
            missing = missing_package(error.__cause__ or error, where=place)
            fix = "install the package that fsspec names"
            raise missing or XltError(first_line(error), where=place, fix=fix) from error
        except ValueError as error:
            raise XltError(
                first_line(error), where=place, fix="write a path, or a URL as s3://bucket/prefix"
            ) from error
        names = self._fs.protocol
        self._whole = not _WHOLE.isdisjoint([names] if isinstance(names, str) else names)
        self._patient, self._checked = True, False

    def check(self) -> None:
        """Raise XltError if this is no place that can be read and written; it is asked once."""
        if self._checked:
            return
        try:
            self.is_store()
        except DamagedFile as error:
            log.warning("%s: %s: it is written again", error.where, error.what)
        with tempfile.TemporaryDirectory() as folder:
            marker = Path(folder) / MARKER
            write_sealed(marker, {"format": FORMAT})
            self._put(marker, MARKER, _FEW)
        self._checked = True

    def is_store(self) -> bool:
        """Whether there is one. Raises XltError for that of another xlt."""
        try:
            stated = self._read(MARKER, _FEW)
        except FileNotFoundError:
            return False
        if stated.get("format") != FORMAT:
            raise XltError(
                "this store was made by another version of xlt",
                where=self.place,
                fix="name another folder, or use that version",
            )
        return True

    def publish(
        self,
        bundle: str,
        files: Mapping[str, Path],
        about: Mapping[str, Any],
        *,
        kept: Listing | None = None,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        """Write a bundle: its files by their names in it, and then its record.

        kept: files that are in the store already. pauses: as for PAUSES.
        """
        listed = {name: entry(path) for name, path in files.items()}
        for name, path in files.items():
            self._put(path, f"{bundle}/{listed[name][1]}", pauses)
        with tempfile.TemporaryDirectory() as folder:
            record = Path(folder) / "record.json"
            write_sealed(record, {"files": {**(kept or {}), **listed}, "about": dict(about)})
            self._put(record, f"{bundle}.json", pauses)

    def record(self, bundle: str) -> Record | None:
        """Of a bundle; None where there is none. Raises DamagedFile."""
        try:
            stated = self._read(f"{bundle}.json")
        except FileNotFoundError:
            return None
        try:
            files = {str(name): (int(e[0]), str(e[1])) for name, e in stated["files"].items()}
            about = dict(stated["about"])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise self._damaged(bundle, "its record is no record") from error
        for name, (_, digest) in files.items():
            if not _is_below(name) or not re.fullmatch("[0-9a-f]{64}", digest):
                raise self._damaged(bundle, "its record names what can be no file of it")
        return Record(files, about)

    def bundles(self, below: str = "") -> list[str]:
        """Those that have a record, in order; `below`: of a folder of the store alone."""
        found = map(_BUNDLE.fullmatch, self._names(below))
        return sorted(one["bundle"] for one in found if one is not None)

    def fetch(self, bundle: str, record: Record, into: Path) -> None:
        """Write the files of a bundle to a folder.

        Raises DamagedFile for what is not as listed; OSError where the folder cannot be written.
        """
        for name, (_, digest) in record.files.items():
            target = into / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                get = partial(self._fs.get_file, self._path(f"{bundle}/{digest}"), str(target))
                self._asked(get, own=_FULL)
            except FileNotFoundError as error:
                raise self._damaged(bundle, f"{name} is missing") from error
        if (problem := damage(into, record.files)) is not None:
            raise self._damaged(bundle, problem)

    def damage(self, bundle: str, record: Record) -> Iterator[str]:
        """What of a bundle is not as it was written; all of it is read."""
        for name, (_, digest) in record.files.items():
            try:
                if self._asked(partial(self._sha256, f"{bundle}/{digest}")) != digest:
                    yield f"{name} is damaged: its content is not what was written"
            except FileNotFoundError:
                yield f"{name} is missing"

    def remove(self, bundle: str) -> None:
        """First its record: nobody finds a bundle of which a part is gone."""
        for name in (f"{bundle}.json", bundle):
            with suppress(FileNotFoundError):
                self._asked(partial(self._fs.rm, self._path(name), recursive=True))

    def discard(self, bundle: str, digests: set[str]) -> None:
        """Remove files that a bundle's record no longer lists."""
        for digest in digests:
            with suppress(FileNotFoundError):
                self._asked(partial(self._fs.rm, self._path(f"{bundle}/{digest}")))

    def sweep(self) -> None:
        """Remove what was left by a publication that did not come to its end."""
        listed: dict[str, set[str] | None] = {}
        for bundle in self.bundles():
            try:
                record = self.record(bundle)
            except DamagedFile:  # so nothing is known of its files
                listed[bundle] = None
                continue
            listed[bundle] = set() if record is None else {d for _, d in record.files.values()}
        for name in self._names():
            found = _OBJECT.fullmatch(name)
            known = set[str]() if found is None else listed.get(found["bundle"], set())
            left = name.endswith(PART) if found is None else known is not None
            if left and (found is None or found["digest"] not in (known or ())):
                with suppress(FileNotFoundError):
                    if self._age(name) > ABANDONED:
                        self._asked(partial(self._fs.rm, self._path(name)))

    # One file ------------------------------------------------------------------------------

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root

    def _names(self, below: str = "") -> list[str]:
        """Every file, by its path in the store."""
        try:
            found = self._asked(partial(self._fs.find, self._path(below)))
        except FileNotFoundError:
            return []
        root = self._path("x")[:-1]
        return [path[len(root) :] for path in found if path.startswith(root)]

    def _age(self, name: str) -> timedelta:
        changed: datetime = self._asked(partial(self._fs.modified, self._path(name)))
        return datetime.now(UTC) - (changed if changed.tzinfo else changed.replace(tzinfo=UTC))

    def _read(self, name: str, pauses: Sequence[float] = PAUSES) -> dict[str, Any]:
        """What `write_sealed` wrote. Raises FileNotFoundError, DamagedFile, and XltError where the
        disk here has no room for it."""
        with tempfile.TemporaryDirectory() as folder:
            here = Path(folder) / "file.json"
            get = partial(self._fs.get_file, self._path(name), str(here))
            try:
                self._asked(get, pauses, own=_FULL)
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                fix = "set TMPDIR to a folder that you may write to"
                raise disk_error(error, Path(folder), fix=fix) from error
            try:
                return read_sealed(here, fix="the stage has to be trained again")
            except DamagedFile as error:
                raise self._damaged(name, error.what) from error

    def _put(self, file: Path, name: str, pauses: Sequence[float]) -> None:
        """Copy a file into the store, where it is whole or not there."""
        path = self._path(name)

        def put() -> None:
            part = path if self._whole else f"{path}.{uuid4().hex}{PART}"
            self._fs.put_file(str(file), part)
            if part != path:
                self._fs.mv(part, path)

        try:
            self._asked(put, pauses)
        except FileNotFoundError as error:  # of a bucket
            raise self._refused(error) from error

    def _sha256(self, name: str) -> str:
        digest = hashlib.sha256()
        with self._fs.open(self._path(name), "rb") as stream:
            while content := stream.read(CHUNK):
                digest.update(content)
        return digest.hexdigest()

    # Errors --------------------------------------------------------------------------------

    def _asked(
        self,
        ask: Callable[[], Result],
        pauses: Sequence[float] = PAUSES,
        *,
        own: Collection[int] = (),
    ) -> Result:
        """What comes of a call, which is made again while the store does not answer.

        own: numbers of errors (`errno`) for which this machine is to blame, not the store.
        Raises FileNotFoundError, Unreachable, and OSError for these.
        """
        left = list(pauses) if self._patient else []
        while True:
            try:
                result = ask()
            except FileNotFoundError:
                raise
            except Exception as error:  # each file system has its own
                if isinstance(error, OSError) and error.errno in own:
                    raise
                if _is_lasting(error):
                    raise self._refused(error) from error
                if not left:
                    self._patient = False
                    raise Unreachable(
                        f"the store does not answer: {first_line(error)}",
                        where=self.place,
                        fix="see that it can be reached from here, and run the same command again",
                    ) from error
                pause = left.pop(0)
                told = "%s does not answer (%s); again in %d s"
                log.warning(told, self.place, first_line(error), pause)
                time.sleep(pause)
            else:
                self._patient = True
                return result

    def _refused(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"the store refuses: {first_line(error)}",
            where=self.place,
            fix="see that the folder or bucket is there, and that you may read and write it",
        )

    def _damaged(self, name: str, how: str) -> DamagedFile:
        fix = "the same `xlt train` or `xlt study` makes it again"
        return DamagedFile(how, where=f"{self.place.rstrip('/')}/{name}", fix=fix)


def _is_below(name: str) -> bool:
    """Whether a name of a file leads nowhere else, on any system."""
    path = PurePosixPath(name)
    plain = not any(c in name for c in "\\\0:") and str(path) == name
    return plain and not path.is_absolute() and ".." not in path.parts and name != "."


def _is_lasting(error: Exception) -> bool:
    """Whether an error is there to stay: no permission, no credentials, no such thing."""
    if isinstance(error, OSError):
        return isinstance(error, PermissionError) or error.errno in _LASTING
    named = any("Credential" in kind.__name__ for kind in type(error).__mro__)
    return named or isinstance(error, ValueError | TypeError | ImportError | NotImplementedError)
