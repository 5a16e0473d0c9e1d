"""`xlt data get`: the publisher's files into the cache, resumed, retried and verified.

A file appears under its name only when it is complete and its checksum is right; until then it
is ``NAME.part``, which the next attempt continues by an HTTP range.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xlt import __version__
from xlt.data import cards
from xlt.data.checksums import CHUNK, git_blob_sha1, sha256
from xlt.data.references import cache_path
from xlt.errors import XltError

Progress = Callable[[str, int, int | None], None]
"""Called with the file's name, the bytes there are, and the bytes there will be, if known."""

MAX_ATTEMPTS = 4
TIMEOUT = 30.0
"""Seconds without a byte after which an attempt has failed."""
PAUSE = 1.0
"""Seconds before the second attempt; doubled for each further one."""


@dataclass(frozen=True)
class Fetched:
    """One file of a card after `get`.

    status: ``present`` was there before, ``fetched`` is new, ``unpublished`` has no URL.
    verified: a checksum was known and is right.
    """

    language: str
    split: str
    path: Path | None
    status: Literal["present", "fetched", "unpublished"]
    verified: bool


def get(
    identifier: str,
    *,
    languages: Collection[str] | None = None,
    splits: Collection[str] | None = None,
    progress: Progress | None = None,
) -> list[Fetched]:
    """Fetch the files of a card, or those of some languages and splits.

    Raises XltError: unknown card, language or split; no network; wrong checksum.
    """
    card = cards.get(identifier)
    wanted = {card.language(language) for language in languages or card.languages}
    names = {name for _, name, _ in card.splits()}
    for name in splits or ():
        if name not in names:
            raise XltError(
                f"the card {identifier} has no split {name!r}", fix=f"it has {', '.join(names)}"
            )
    fetched = []
    for language, name, split in card.splits():
        if language in wanted and (splits is None or name in splits):
            for file in split.files:
                fetched.append(_fetch(card, file, language, name, progress))
    return fetched


def _fetch(
    card: cards.Card, file: cards.File, language: str, split: str, progress: Progress | None
) -> Fetched:
    path = cache_path(card, file)
    if path is None or file.url is None:
        return Fetched(language, split, None, "unpublished", False)
    known = file.sha256 is not None or file.git_blob_sha1 is not None
    if path.is_file() and not _wrong(file, path):
        return Fetched(language, split, path, "present", known)
    fetch(file, path, progress)
    return Fetched(language, split, path, "fetched", known)


def fetch(file: cards.File, path: Path, progress: Progress | None = None) -> None:
    """Download one file to `path`. Raises XltError; `path` is then as it was."""
    from filelock import FileLock

    assert file.url is not None
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(path.name + ".lock")):
            if path.is_file() and not _wrong(file, path):
                return
            resumed = part.is_file()
            _transfer(file.url, part, file.size, progress)
            if resumed and _wrong(file, part):
                # What was there belonged to another version of the file.
                part.unlink()
                _transfer(file.url, part, file.size, progress)
            if wrong := _wrong(file, part):
                part.unlink()
                raise XltError(
                    wrong,
                    where=file.url,
                    fix="the publisher changed the file or something on the way did; "
                    "compare with the publisher, then correct the card",
                )
            part.replace(path)
    except OSError as error:
        raise XltError(
            f"the download cannot be written: {error.strerror or error}",
            where=path.parent,
            fix="free space there, or set XLT_CACHE to another folder",
        ) from error


def _wrong(file: cards.File, path: Path) -> str | None:
    """What is wrong with a file's content; None if it is right or nothing is known about it."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"wrong size: {size} bytes instead of {file.size}"
    if file.sha256 is not None and (digest := sha256(path)) != file.sha256:
        return f"wrong checksum: SHA-256 {digest[:16]}… instead of {file.sha256[:16]}…"
    if file.git_blob_sha1 is not None and (digest := git_blob_sha1(path)) != file.git_blob_sha1:
        return f"wrong checksum: git blob {digest[:16]}… instead of {file.git_blob_sha1[:16]}…"
    return None


def _transfer(url: str, part: Path, size: int | None, progress: Progress | None) -> None:
    """Fill `part`, continuing what is there; try again after passing failures."""
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            _attempt(url, part, size, progress)
            return
        except urllib.error.HTTPError as error:
            error.close()
            # 416: nothing follows what is there, so it is complete or of another version.
            if error.code == 416:
                if size is not None and part.stat().st_size == size:
                    return
                part.unlink()
            elif error.code < 500 and error.code != 429:
                raise XltError(
                    f"the server answers {error.code} {error.reason}",
                    where=url,
                    fix="the publisher may have moved the file: correct the URL in the card",
                ) from error
            failure: Exception = error
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            ConnectionError,
            TimeoutError,
        ) as e:
            failure = e
        if attempt == MAX_ATTEMPTS:
            raise XltError(
                f"the download failed {MAX_ATTEMPTS} times: {failure}",
                where=url,
                fix="check the network; the same command continues where this one stopped",
            ) from failure
        time.sleep(PAUSE * 2 ** (attempt - 1))


def _attempt(url: str, part: Path, size: int | None, progress: Progress | None) -> None:
    done = part.stat().st_size if part.is_file() else 0
    if size is not None and done == size:
        return
    headers = {"User-Agent": f"xlt/{__version__}", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    request = urllib.request.Request(url, headers=headers)
    name = url.rsplit("/", 1)[-1]
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        if response.status != 206:
            done = 0  # the server sends the whole file
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else size
        with part.open("ab" if done else "wb") as stream:
            while chunk := response.read(CHUNK // 8):
                stream.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(name, done, total)
    # read(n) ends quietly when the connection breaks.
    if total is not None and done < total:
        raise http.client.IncompleteRead(b"", total - done)
