"""`xlt data get`: the publisher's files into the cache, resumed, retried and verified.

A file appears under its name only when it is complete and its checksum is right; until then it
is ``NAME.part``, which the next attempt continues by an HTTP range.

Cards and servers may be anybody's: never more is written than the card says that the file has,
nothing through a link, and what has no checksum comes by https alone, redirects included.
"""

from __future__ import annotations

import http.client
import os
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal

from xlt import __version__
from xlt.data import cards
from xlt.data.checksums import CHUNK, git_blob_sha1, sha256
from xlt.data.references import cache_path
from xlt.errors import XltError
from xlt.files import sync

Progress = Callable[[str, int, int | None], None]
"""Called with the file's name, the bytes there are, and the bytes there will be, if known."""

MAX_ATTEMPTS = 4
TIMEOUT = 30.0
"""Seconds without a byte after which an attempt has failed."""
MAX_BYTES = 4 << 30
"""Of a file whose size the card does not say."""
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
    max_bytes: int = MAX_BYTES,
) -> list[Fetched]:
    """Fetch the files of a card, or those of some languages and splits.

    max_bytes: of a file whose size the card does not say.
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
                fetched.append(_fetch(card, file, language, name, progress, max_bytes))
    return fetched


def _fetch(
    card: cards.Card,
    file: cards.File,
    language: str,
    split: str,
    progress: Progress | None,
    max_bytes: int,
) -> Fetched:
    path = cache_path(card, file)
    if path is None or file.url is None:
        return Fetched(language, split, None, "unpublished", False)
    known = file.sha256 is not None or file.git_blob_sha1 is not None
    if path.is_file() and not _wrong(file, path):
        return Fetched(language, split, path, "present", known)
    fetch(file, path, progress, max_bytes=max_bytes)
    return Fetched(language, split, path, "fetched", known)


def fetch(
    file: cards.File,
    path: Path,
    progress: Progress | None = None,
    *,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Download one file to `path`. Raises XltError; `path` is then as it was."""
    from filelock import FileLock

    assert file.url is not None
    if file.sha256 is None and file.git_blob_sha1 is None and not file.url.startswith("https:"):
        raise XltError(
            "a file without a checksum may be changed on its way, unless it comes by https",
            where=file.url,
            fix="add its `sha256` to the card, or write https:",
        )
    source = _Source(file.url, file.size, max_bytes, progress)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(path.name + ".lock")):
            if path.is_file() and not _wrong(file, path):
                return
            resumed = _is_own(part)
            if not resumed:
                part.unlink(missing_ok=True)
            _transfer(source, part)
            if resumed and _wrong(file, part):
                # What was there belonged to another version of the file.
                part.unlink()
                _transfer(source, part)
            if wrong := _wrong(file, part):
                part.unlink()
                raise XltError(
                    wrong,
                    where=file.url,
                    fix="the publisher changed the file or something on the way did; "
                    "compare with the publisher, then correct the card",
                )
            sync(part)
            part.replace(path)
            sync(path.parent)
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


@dataclass(frozen=True)
class _Source:
    """size: of the whole file, if it is known; max_bytes: otherwise."""

    url: str
    size: int | None
    max_bytes: int
    progress: Progress | None

    @property
    def most(self) -> int:
        return self.max_bytes if self.size is None else self.size

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]

    def refuse(self, size: int) -> None:
        """Raise XltError if a file has more bytes than may be fetched."""
        if size <= self.most:
            return
        if self.size is None:
            what = f"the server sends {size} bytes or more, and the card does not say how many"
            fix = "raise the limit with --max-gib, if the file may be that large"
        else:
            what = f"wrong size: {size} bytes or more instead of {self.size}"
            fix = "the publisher changed the file; compare, then correct the card"
        raise XltError(what, where=self.url, fix=fix)


def _transfer(source: _Source, part: Path) -> None:
    """Fill `part`, continuing what is there; try again after passing failures."""
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            _attempt(source, part)
            return
        except urllib.error.HTTPError as error:
            error.close()
            # 416: nothing follows what is there, so it is complete or of another version.
            if error.code == 416 and part.exists():
                if source.size is not None and part.stat().st_size == source.size:
                    return
                part.unlink()
            elif error.code < 500 and error.code != 429:
                raise XltError(
                    f"the server answers {error.code} {error.reason}",
                    where=source.url,
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
                where=source.url,
                fix="check the network; the same command continues where this one stopped",
            ) from failure
        time.sleep(PAUSE * 2 ** (attempt - 1))


def _attempt(source: _Source, part: Path) -> None:
    done = part.stat().st_size if _is_own(part) else 0
    if source.size is not None and done == source.size:
        return
    headers = {"User-Agent": f"xlt/{__version__}", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    request = urllib.request.Request(source.url, headers=headers)
    with _opener().open(request, timeout=TIMEOUT) as response:
        if response.status != 206:
            done = 0  # the server sends the whole file
        length = response.headers.get("Content-Length") or ""
        total = done + int(length) if length.isdecimal() and len(length) < 20 else source.size
        source.refuse(total or 0)
        with _open(part, append=done > 0) as stream:
            while chunk := response.read(CHUNK // 8):
                done += len(chunk)
                if done > source.most:
                    part.unlink()
                source.refuse(done)
                stream.write(chunk)
                if source.progress is not None:
                    source.progress(source.name, done, total)
    # read(n) ends quietly when the connection breaks.
    if total is not None and done < total:
        raise http.client.IncompleteRead(b"", total - done)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Only to http and https, and from https never to http: it would hide who answers."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        scheme = newurl.partition(":")[0].lower()
        if scheme != "https" and (scheme != "http" or req.type == "https"):
            raise XltError(
                f"the server redirects to {newurl}, which is no https",
                where=req.full_url,
                fix="correct the URL in the card",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """For http and https alone; a default one opens local files, too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _is_own(part: Path) -> bool:
    """Whether what lies there is a plain file of ours with no other name: in a folder that others
    can write to, it may be a link to anything."""
    try:
        state = part.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(state.st_mode) and state.st_nlink == 1 and state.st_uid == os.geteuid()


def _open(part: Path, *, append: bool) -> BinaryIO:
    """For writing, and never through a link that has come in between."""
    if not append:
        part.unlink(missing_ok=True)
    how = os.O_APPEND if append else os.O_CREAT | os.O_EXCL
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_NOFOLLOW | how, 0o666), "wb")
