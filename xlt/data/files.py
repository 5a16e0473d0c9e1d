"""Opening text files strictly: UTF-8 or an error that names the line; .gz and .xz as they are.

Lines end at "\\n" alone. U+2028, U+0085 and their kin are characters that words may contain, so
nothing here or in the readers uses `str.splitlines` or universal newlines.
"""

from __future__ import annotations

import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

from xlt.errors import XltError

Source = Path | str | TextIO
"""A path, or an open text stream such as stdin."""


def label(source: Source) -> str:
    """What to call the source in an error."""
    if isinstance(source, str | Path):
        return str(source)
    return str(getattr(source, "name", "<stream>"))


def open_bytes(path: Path) -> io.BufferedReader:
    """The decompressed bytes of a plain, .gz or .xz file. Raises XltError if it cannot be read."""
    try:
        if path.is_dir():
            raise XltError("this is a folder, not a file", where=path, fix="name a file in it")
        if path.suffix == ".gz":
            return cast(io.BufferedReader, gzip.open(path, "rb"))
        if path.suffix == ".xz":
            return cast(io.BufferedReader, lzma.open(path, "rb"))
        return path.open("rb")
    except FileNotFoundError as error:
        raise XltError("there is no such file", where=path, fix="check the path") from error
    except PermissionError as error:
        raise XltError("no permission to read this", where=path, fix="chmod it") from error


@contextmanager
def open_text(source: Source) -> Iterator[TextIO]:
    """The text of a file (a byte order mark is dropped), or the stream itself, for reading.

    Raises XltError, from within the ``with`` block too: missing, empty or unreadable file, bytes
    that are not UTF-8 (with the line), broken or cut-off compression.
    """
    if not isinstance(source, str | Path):
        yield source
        return
    path = Path(source)
    try:
        with open_bytes(path) as raw:
            if not raw.peek(1):
                raise XltError("the file is empty", where=path, fix="check where it came from")
            with io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n") as text:
                yield text
    except UnicodeDecodeError as error:
        raise _encoding_error(path) from error
    except (gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError) as error:
        raise XltError(
            f"the compressed file is damaged or cut off ({error})",
            where=path,
            fix="fetch it again",
        ) from error


def lines(source: Source) -> Iterator[tuple[int, str]]:
    """Line number (from 1) and text without its line end, "\\n" or "\\r\\n"."""
    with open_text(source) as stream:
        for number, line in enumerate(stream, 1):
            yield number, line.rstrip("\r\n")


def _encoding_error(path: Path) -> XltError:
    with open_bytes(path) as raw:
        start = raw.read(2)
        if start in (b"\xff\xfe", b"\xfe\xff"):
            return XltError(
                "the file is UTF-16, not UTF-8",
                where=f"{path}:1",
                fix=f"iconv -f UTF-16 -t UTF-8 {path.name} > NEW",
            )
        raw.seek(0)
        number = 0
        for number, line in enumerate(raw, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return XltError(
                    f"byte 0x{line[error.start]:02x} at position {error.start + 1} of the line "
                    "is not UTF-8",
                    where=f"{path}:{number}",
                    fix=f"iconv -f ITS-ENCODING -t UTF-8 {path.name} > NEW",
                )
    return XltError("the file is not UTF-8", where=f"{path}:{number}", fix="convert it with iconv")
