"""Opening text strictly: UTF-8 without NUL, or an error that names the line; .gz, .xz as they are.

Files and standard input obey the same rules. Lines end at "\\n" alone: U+2028, U+0085 and their kin
are characters that words may contain, so nothing here or in the readers uses `str.splitlines` or
universal newlines.

Who wrote a file may want the reader's memory or time: a line ends within 64 MiB, and a compressed
file does not become 100 times as large and 256 MiB; XLT_MAX_LINE_MIB and XLT_MAX_EXPANSION raise
the limits.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from xlt.errors import XltError

Source = Path | str | TextIO
"""A path; "-" for standard input; or an open text stream, which is taken as it is."""

STDIN = "-"

STDIN_PATH = Path("/dev/stdin")
"""Standard input for what takes nothing but a path; opened here it is `sys.stdin`."""

_CHUNK = 1 << 16
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""With what UTF-16 begins, and UTF-8 never does."""

_MAX_KEPT = 1 << 24
"""Bytes of standard input that may be read a second time."""

MAX_LINE_MIB, MAX_EXPANSION = "XLT_MAX_LINE_MIB", "XLT_MAX_EXPANSION"
_LIMITS = {MAX_LINE_MIB: 64, MAX_EXPANSION: 100}
"""Environment variable → what holds without it."""

_HARMLESS = 256 << 20
"""Bytes that any compressed file may have."""


@contextmanager
def standing_in(data: bytes, name: str) -> Iterator[None]:
    """Within the block these bytes are standard input, as `open_text` and whatever uses it read it:
    for what was never in a file.

    name: what errors call it.
    """
    token = _stand_in.set((data, name))
    try:
        yield
    finally:
        _stand_in.reset(token)


_stand_in: ContextVar[tuple[bytes, str] | None] = ContextVar("stand_in", default=None)


def is_stdin(source: Source) -> bool:
    return source is sys.stdin or str(source) in (STDIN, str(STDIN_PATH))


def label(source: Source) -> str:
    """What to call the source in an error."""
    if is_stdin(source):
        instead = _stand_in.get()
        return "<stdin>" if instead is None else instead[1]
    if isinstance(source, str | Path):
        return str(source)
    return str(getattr(source, "name", "<stream>"))


def unpacked_name(path: Path) -> str:
    """The file's name without the suffix of its compression: `a.conllu` of ``x/a.conllu.gz``."""
    return path.name.removesuffix(".gz").removesuffix(".xz")


def check_regular(path: Path, *, pipes: bool = False) -> None:
    """Raises XltError for what is no file on a disk: missing, a folder, a device, a socket; and,
    unless `pipes` may be read, a pipe, which nobody can read twice."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise XltError("there is no such file", where=path, fix="check the path") from error
    except (OSError, ValueError) as error:  # ValueError: NUL in the name
        raise _unreadable(error, path) from error
    if stat.S_ISDIR(mode):
        raise XltError("this is a folder, not a file", where=path, fix="name a file in it")
    if not (stat.S_ISREG(mode) or (pipes and stat.S_ISFIFO(mode))):
        raise XltError(
            f"this is a {_KINDS.get(stat.S_IFMT(mode), 'device')}, not a file",
            where=path,
            fix="save what comes out of it in a file first",
        )


_KINDS = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}


def open_bytes(path: Path) -> io.BufferedReader:
    """The decompressed bytes of a plain, .gz or .xz file, or those of a pipe. Raises XltError if it
    cannot be read."""
    check_regular(path, pipes=True)
    try:
        if path.is_fifo():
            return _open_pipe(path)
        if path.suffix == ".gz":
            return cast(io.BufferedReader, gzip.open(path, "rb"))
        if path.suffix == ".xz":
            return cast(io.BufferedReader, lzma.open(path, "rb"))
        return path.open("rb")
    except OSError as error:
        raise _unreadable(error, path) from error


def _open_pipe(path: Path) -> io.BufferedReader:
    """Without waiting for somebody to write, which nobody may ever do."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "rb")


def _unreadable(error: OSError | ValueError, path: Path) -> XltError:
    if isinstance(error, PermissionError):
        return XltError("no permission to read this", where=path, fix="chmod it")
    why = getattr(error, "strerror", None) or error
    shown = str(path) if str(path).isprintable() else ascii(str(path))
    return XltError(f"this cannot be read: {why}", where=shown, fix="check the path")


@contextmanager
def open_text(source: Source) -> Iterator[TextIO]:
    """The text of a file or of standard input (a byte order mark is dropped), or the stream itself.

    Raises XltError, from within the ``with`` block too: missing, empty or unreadable file, bytes
    that are not UTF-8 and NUL (with the line), broken or cut-off compression, more than the limits.
    """
    name = label(source)
    if isinstance(source, str | Path) and not is_stdin(source):
        path = Path(source)
        with open_bytes(path) as raw, _decoded(raw, name, _most(path)) as text:
            yield text
        return
    if is_stdin(source) and (instead := _stand_in.get()) is not None:
        with _decoded(io.BytesIO(instead[0]), name) as text:
            yield text
        return
    stream = sys.stdin if isinstance(source, str | Path) else source
    if stream is None:
        raise XltError("standard input is closed", where=name, fix="pipe the text in")
    # What Python has decided about the encoding and line ends of standard input depends on the
    # locale; only the bytes below it are the same everywhere.
    if stream is sys.stdin and hasattr(stream, "buffer"):
        with _decoded(_pipe(stream.buffer).open(), name) as text:
            yield text
    else:
        yield stream


def lines(source: Source) -> Iterator[tuple[int, str]]:
    """Line number (from 1) and text without its line end, "\\n" or "\\r\\n"."""
    with open_text(source) as stream:
        for number, line in enumerate(stream, 1):
            yield number, line.rstrip("\r\n")


def lines_between(path: Path, start: int, stop: int, first: int) -> Iterator[tuple[int, str]]:
    """`lines` of a part of a plain file: the bytes from `start` to `stop`, which are whole lines.

    first: the number of the first of them; errors name lines by their numbers in the file.
    """
    with open_bytes(path) as raw:
        raw.seek(start)
        part = io.BufferedReader(_Part(raw, stop - start))
        with _decoded(part, label(path), first=first) as text:
            for number, line in enumerate(text, first):
                yield number, line.rstrip("\r\n")


def _most(path: Path) -> int | None:
    """Bytes that may come out of a compressed file; None for any other."""
    if path.suffix not in (".gz", ".xz"):
        return None
    return max(_HARMLESS, _limit(MAX_EXPANSION) * path.stat().st_size)


def _limit(name: str) -> int:
    text = os.environ.get(name, "")
    if text and not (text.isdecimal() and text.isascii() and len(text) < 10):
        raise XltError(f"{text!r} is no limit", where=name, fix="write a whole number")
    return int(text) if text else _LIMITS[name]


@contextmanager
def _decoded(
    raw: BinaryIO, name: str, most: int | None = None, *, first: int = 1
) -> Iterator[TextIO]:
    """first: the number of the line that begins here; a byte order mark is before line 1 alone."""
    try:
        counted = _Counted(raw, name, most, first)
        if not counted.start:
            raise XltError(f"{_noun(name)} is empty", where=name, fix="check where it came from")
        with io.TextIOWrapper(
            cast(BinaryIO, counted),
            encoding="utf-8-sig" if first == 1 else "utf-8",
            errors="strict",
            newline="\n",
        ) as text:
            yield text
    except _Nul as error:
        raise counted.nul(name) from error
    except UnicodeDecodeError as error:
        raise counted.not_utf8(error, name) from error
    except (gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError) as error:
        raise XltError(
            f"the compressed file is damaged or cut off ({error})",
            where=name,
            fix="fetch it again",
        ) from error


def check_characters(text: str, *, where: object) -> None:
    """Raises XltError, naming it, for NUL and half of a surrogate pair: no text file can hold
    them."""
    if "\0" in text:
        raise nul(where=where)
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise half_a_pair(ord(text[error.start]), where=where) from error


def nul(*, where: object) -> XltError:
    """The error for the character that ends a text for C, and is in none."""
    return XltError("the character NUL (U+0000), which no text has", where=where, fix="remove it")


def half_a_pair(code: int, *, where: object) -> XltError:
    """The error for a UTF-16 code unit that is no character without its other half."""
    return XltError(
        f"half of a surrogate pair (U+{code:04X}), which is no character",
        where=where,
        fix="write both halves, as in \\ud83d\\ude00, or \\ufffd in its place",
    )


class _Nul(Exception):
    """A NUL byte was read: no text file has one, and what takes the text for C's ends there."""


@lru_cache(maxsize=1)
def _pipe(raw: BinaryIO) -> _Pipe:
    return _Pipe(raw)


class _Pipe:
    """Bytes that can be read again from their beginning as long as only few have been read: some
    readers look first how a file is laid out."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw = cast(io.BufferedReader, raw)
        self.kept: bytearray | None = bytearray()

    def open(self) -> BinaryIO:
        """Raises XltError where too much has been read before."""
        if self.kept is None:
            raise XltError(
                "this format is read more than once, and so much cannot be piped in",
                where="<stdin>",
                fix="write it to a file, and give the file's name",
            )
        return cast(BinaryIO, _Reading(self))


class _Reading(io.BufferedIOBase):
    """One reading of a pipe from its beginning."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe, self._at = pipe, 0

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        pipe = self._pipe
        chunk = bytes(pipe.kept[self._at :]) if pipe.kept is not None else b""
        if not chunk:
            chunk = pipe.raw.read1(size)
            if pipe.kept is not None:
                pipe.kept += chunk
                if len(pipe.kept) > _MAX_KEPT:
                    pipe.kept = None
        self._at += len(chunk)
        return chunk

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size >= 0:
            return self.read1(size)
        return b"".join(iter(lambda: self.read1(_CHUNK), b""))


class _Part(io.RawIOBase):
    """The next so many bytes of a file."""

    def __init__(self, raw: io.BufferedReader, size: int) -> None:
        self._raw, self._left = raw, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._raw.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)


class _Counted(io.BufferedIOBase):
    """Bytes that are counted as they are read, so that a wrong one can be found without reading
    again what may be a pipe. Leaves what it reads from open.

    most:  bytes that there may be, for what is decompressed.
    first: the number of the line that begins here.
    start: the first bytes, none of an empty file.
    """

    def __init__(self, raw: BinaryIO, name: str, most: int | None, first: int) -> None:
        self._raw = cast(io.BufferedReader, raw)
        self._name, self._most, self._longest = name, most, _limit(MAX_LINE_MIB) << 20
        self.start = self._unread = self._raw.read1(_CHUNK)
        self._utf_16 = first == 1 and self.start[:2] in _UTF_16
        self._size, self._newlines = 0, first - 1
        self._line = self._line_before = 0  # where the last line begins, now and a chunk ago

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        chunk, self._unread = self._unread or self._raw.read1(max(size, _CHUNK)), b""
        counted = self._count(chunk)
        if self._size - self._line > self._longest:
            raise XltError(
                f"a line of more than {self._longest >> 20} MiB",
                where=f"{self._name}:{self._newlines + 1}",
                fix=f"check what this is; if it is in order, set {MAX_LINE_MIB} to a higher number",
            )
        return counted

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size >= 0:
            return self.read1(size)
        chunk, self._unread = self._unread + self._rest(), b""
        counted = self._count(chunk)
        if self._unread and _is_utf8(counted):  # else decoding it says what comes first
            raise _Nul
        return counted

    def _rest(self) -> bytes:
        """All that follows, or a little more than there may be."""
        if self._most is None:
            return self._raw.read()
        return self._raw.read(max(0, self._most - self._size) + 1)

    def _count(self, chunk: bytes) -> bytes:
        if (end := chunk.find(b"\0")) >= 0 and not self._utf_16:
            if not end:
                raise _Nul
            # What is wrong before it comes first.
            chunk, self._unread = chunk[:end], chunk[end:]
        self._newlines += chunk.count(b"\n")
        self._line_before = self._line
        if (last := chunk.rfind(b"\n")) >= 0:
            self._line = self._size + last + 1
        self._size += len(chunk)
        if self._most is not None and self._size > self._most:
            raise XltError(
                f"more than {self._most >> 20} MiB come out of this compressed file",
                where=self._name,
                fix=f"check what this is; if it is in order, set {MAX_EXPANSION} to how many times "
                f"larger it may become (now {_limit(MAX_EXPANSION)})",
            )
        return chunk

    def nul(self, name: str) -> XltError:
        """The error for the NUL byte that was read last, with its line."""
        return XltError(
            "a NUL byte, which no text has; the file is binary, or in UTF-16 or UTF-32",
            where=f"{name}:{self._newlines + 1}",
            fix=f"if it is text in UTF-16, {_conversion(name, 'UTF-16LE')}; else remove it",
        )

    def not_utf8(self, error: UnicodeDecodeError, name: str) -> XltError:
        """The error with its line; `error` is what decoding the bytes read last has raised."""
        if self._utf_16:
            return XltError(
                f"{_noun(name)} is UTF-16, not UTF-8",
                where=f"{name}:1",
                fix=_conversion(name, "UTF-16"),
            )
        # The decoder's bytes end where ours do, but need not begin there (byte order mark, the
        # first bytes of a character that two chunks share).
        at = self._size - len(error.object) + error.start
        newline = error.object.rfind(b"\n", 0, error.start)
        line = self._line_before if newline < 0 else at - error.start + newline + 1
        number = self._newlines - error.object.count(b"\n", error.start) + 1
        return XltError(
            f"byte 0x{error.object[error.start]:02x} at position {at - line + 1} of the line "
            "is not UTF-8",
            where=f"{name}:{number}",
            fix=_conversion(name, "ITS-ENCODING"),
        )


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _noun(name: str) -> str:
    return "standard input" if name == "<stdin>" else "the file"


def _conversion(name: str, encoding: str) -> str:
    command = f"iconv -f {encoding} -t UTF-8"
    if name == "<stdin>":
        return f"pipe it through {command}"
    path = Path(name)
    unpack = {".gz": "zcat", ".xz": "xzcat"}.get(path.suffix)
    return f"{unpack} {path} | {command} > NEW" if unpack else f"{command} {path} > NEW"
