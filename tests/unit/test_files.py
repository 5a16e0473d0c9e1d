"""Files, compressed files and standard input: one set of rules for encoding and line ends."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import socket
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.data import files
from xlt.data.files import STDIN, Source, check_regular, label, lines, open_text
from xlt.data.jsonl import load_json
from xlt.errors import XltError
from xlt.files import refuse_overwriting

Given = Callable[[bytes], Source]
"""Makes a source of these bytes."""


@pytest.fixture(params=["plain", ".gz", ".xz", "stdin", "sys.stdin", "pipe"])
def source_of(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Given:
    def path(data: bytes) -> Source:
        packed = {"plain": data, ".gz": gzip.compress(data), ".xz": lzma.compress(data)}
        file = tmp_path / f"a{request.param.removeprefix('plain')}"
        file.write_bytes(packed[request.param])
        return file

    def stdin(data: bytes) -> Source:
        # As Python opens it in the C locale: anything is decoded, every kind of line end is one.
        stream = io.TextIOWrapper(io.BytesIO(data), "ascii", "surrogateescape")
        monkeypatch.setattr(sys, "stdin", stream)
        return STDIN if request.param == "stdin" else stream

    def pipe(data: bytes) -> Source:  # process substitution: it can be read once
        read, write = os.pipe()

        def fill() -> None:
            with os.fdopen(write, "wb") as stream:
                stream.write(data)

        threading.Thread(target=fill).start()
        request.addfinalizer(lambda: os.close(read))
        return f"/dev/fd/{read}"

    return {"stdin": stdin, "sys.stdin": stdin, "pipe": pipe}.get(request.param, path)


def test_byte_order_mark_and_line_ends(source_of: Given) -> None:
    source = source_of("\ufeffä\r\nb\u2028\x85\rc\n\nd".encode())
    assert list(lines(source)) == [(1, "ä"), (2, "b\u2028\x85\rc"), (3, ""), (4, "d")]


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        (b"a\nb\xe9c\n", 2, "byte 0xe9 at position 2 of the line is not UTF-8"),
        (b"\xef\xbb\xbf\xe9\n", 1, "byte 0xe9 at position 4 of the line"),
        (b"\n" * 9000 + b"\xc3\xa9" * 9000 + b"\xff", 9001, "byte 0xff at position 18001 of"),
        (b"a\n" + b"b" * 200_000 + b"\xff", 2, "byte 0xff at position 200001 of the line"),
        (b"a\n\xe2\x82", 2, "byte 0xe2 at position 1 of the line"),
        ("ab\n".encode("utf-16"), 1, "is UTF-16, not UTF-8"),
        (b"a\n\nb\0c\n", 3, "a NUL byte"),
        (b"\n" * 90_000 + b"\0", 90_001, "a NUL byte"),
        ("ab\n".encode("utf-16-le"), 1, "a NUL byte"),
    ],
)
def test_wrong_encoding_is_an_error_with_its_line(
    source_of: Given, data: bytes, line: int, what: str
) -> None:
    for read in (lambda s: list(lines(s)), _whole):
        source = source_of(data)
        with pytest.raises(XltError, match=what) as caught:
            read(source)
        assert caught.value.where == f"{label(source)}:{line}"
        assert "iconv" in str(caught.value.fix)
        if str(source).startswith("/dev/fd"):
            break  # nothing is left to read


def _whole(source: Source) -> str:
    with open_text(source) as stream:
        return stream.read()


@given(st.binary(max_size=40), st.integers(1, 7), st.integers(0, 3))
def test_the_place_of_a_wrong_byte_does_not_depend_on_how_it_is_read(
    data: bytes, size: int, mark: int
) -> None:
    class Slow(io.BytesIO):
        def read1(self, _: int | None = -1, /) -> bytes:
            return super().read1(size)

    data = b"\xef\xbb\xbf" * mark + data
    expected = _first_wrong(data)
    stdin, sys.stdin = sys.stdin, io.TextIOWrapper(Slow(data))
    try:
        found = None
        _ = list(lines(STDIN))
    except XltError as error:
        found = error.where
    finally:
        sys.stdin = stdin
    assert found == expected


def _first_wrong(data: bytes) -> str | None:
    if not data:
        return "<stdin>"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # not asked where
        return "<stdin>:1"
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            line.decode()
        except UnicodeDecodeError:
            return f"<stdin>:{number}"
        if b"\0" in line:
            return f"<stdin>:{number}"
    return None


@pytest.mark.parametrize("kind", ["folder", "device", "socket", "pipe", "nothing", "NUL", "loop"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "data.txt"
    if kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "NUL":
        path = tmp_path / "data\0.txt"
    elif kind == "loop":
        path.symlink_to(path)
    with pytest.raises(XltError) as caught:
        list(lines(path))
    # A pipe that nobody writes to is an empty one.
    wanted = {"pipe": "empty", "nothing": "no such file", "NUL": "null byte", "loop": "symbolic"}
    assert wanted.get(kind, kind) in caught.value.what
    assert "data" in str(caught.value.where)
    with pytest.raises(XltError, match=kind if kind == "pipe" else "data"):
        check_regular(path)


def test_empty_and_closed(source_of: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(XltError, match="is empty"):
        list(lines(source_of(b"")))
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(XltError, match="standard input is closed"):
        list(lines(STDIN))


def test_standard_input_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"a\n"))
    monkeypatch.setattr(sys, "stdin", stream)
    assert list(lines(STDIN)) == [(1, "a")]
    assert not stream.buffer.closed


def test_lines_come_as_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    with os.fdopen(read, encoding="utf-8") as stream, os.fdopen(write, "wb", buffering=0) as end:
        monkeypatch.setattr(sys, "stdin", stream)
        end.write(b"one\n")
        coming = lines(STDIN)
        assert next(coming) == (1, "one")
        end.write(b"two\n")
        assert next(coming) == (2, "two")


def test_unreadable_paths(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(XltError, match="cannot be read: Not a directory"):
        list(lines(tmp_path / "file" / "below"))
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(b"\xe9"))
    with pytest.raises(XltError) as caught:
        list(lines(packed))
    assert caught.value.fix == f"zcat {packed} | iconv -f ITS-ENCODING -t UTF-8 > NEW"


# Hostile ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
@pytest.mark.parametrize("reading", ["lines", "whole"])
def test_a_bomb_is_not_decompressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: Callable[..., bytes], reading: str
) -> None:
    monkeypatch.setattr(files, "_HARMLESS", 1 << 20)
    bomb = tmp_path / ("bomb.gz" if compress is gzip.compress else "bomb.xz")
    bomb.write_bytes(compress(b"a line\n" * (1 << 21)))  # 14 MiB

    def read() -> int:
        if reading == "lines":
            return sum(1 for _ in lines(bomb))
        with open_text(bomb) as stream:
            return stream.read().count("\n")

    with pytest.raises(XltError, match="MiB come out of this compressed file") as caught:
        read()
    assert caught.value.where == str(bomb)
    assert "XLT_MAX_EXPANSION" in str(caught.value.fix)
    monkeypatch.setenv("XLT_MAX_EXPANSION", "100000")
    assert read() == 1 << 21


def test_a_bomb_takes_no_more_memory_than_is_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_HARMLESS", 1 << 20)
    bomb = tmp_path / "bomb.json.gz"
    bomb.write_bytes(gzip.compress(bytes([32]) * (1 << 26)))
    tracemalloc.start()
    try:
        with pytest.raises(XltError, match="come out of"):
            load_json(bomb, fix="")
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


def test_what_compresses_as_text_does_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_HARMLESS", 1 << 10)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress("".join(f"line {n}\n" for n in range(9999)).encode()))
    assert sum(1 for _ in lines(path)) == 9999


def test_a_line_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLT_MAX_LINE_MIB", "1")
    path = tmp_path / "a.txt"
    path.write_bytes(b"short\n" + b"x" * ((1 << 20) + (1 << 17)) + b"\nshort\n")
    found = lines(path)
    assert next(found) == (1, "short")
    with pytest.raises(XltError, match="a line of more than 1 MiB") as caught:
        next(found)
    assert caught.value.where == f"{path}:2"
    monkeypatch.setenv("XLT_MAX_LINE_MIB", "2")
    assert [number for number, _ in lines(path)] == [1, 2, 3]


def test_a_limit_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a\n")
    for text in ("-1", "a lot", "1.5", "٣"):
        monkeypatch.setenv("XLT_MAX_LINE_MIB", text)
        with pytest.raises(XltError, match="is no limit") as caught:
            next(lines(path))
        assert caught.value.where == "XLT_MAX_LINE_MIB"


def test_none_of_several_outputs_is_an_input(tmp_path):
    read, link, free = tmp_path / "read", tmp_path / "link", tmp_path / "free"
    read.write_text("precious")
    link.hardlink_to(read)
    refuse_overwriting([free, tmp_path / "other"], [read, tmp_path / "none"])
    for output in (read, link, tmp_path / "a" / ".." / "read", tmp_path / "none"):
        with pytest.raises(XltError, match="the output is a file of the input"):
            refuse_overwriting([free, output], [read, tmp_path / "none"])
