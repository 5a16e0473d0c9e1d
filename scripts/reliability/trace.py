"""Records of what a process does to files, by a preloaded shared library (shim.c)."""

from __future__ import annotations

import ctypes
import enum
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")


class Kind(enum.IntEnum):
    """As in shim.c. OPAQUE: any part of the content may have changed; READ: opened to be read."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    OPAQUE = 4
    SYNC = 5
    SYNC_FOLDER = 6
    RENAME = 7
    LINK = 8
    UNLINK = 9
    MKDIR = 10
    RMDIR = 11
    READ = 12
    SYNC_ALL = 13


@dataclass(frozen=True)
class Operation:
    """One operation that was done.

    number: as `start` counts them. What fails is counted and not recorded; what only reads has the
        number of the one before.
    inode:  of the file; of the folder, of SYNC_FOLDER; of the file that RENAME replaced, or 0.
    path:   the name that came or went; RENAME: the new name, and `other` the old one.
    folder, other_folder: inodes of the folders in which these names stand.
    offset, length: what was written, in bytes; TRUNCATE: `length` is the new size.
    size:   of the file before.
    before: the bytes that the operation has overwritten or cut off; from `offset` on, those of
        TRUNCATE from the new size on.
    """

    number: int
    kind: Kind
    inode: int
    path: Path
    other: Path
    folder: int
    other_folder: int
    offset: int
    length: int
    size: int
    before: bytes


_HEAD = struct.Struct("<4I7Q")


def read_record(path: Path) -> list[Operation]:
    """The operations in a record, in their order; none where no process began one."""
    data = path.read_bytes() if path.is_file() else b""
    operations = []
    at = 0

    def take(length: int) -> bytes:
        nonlocal at
        at += length
        return data[at - length : at]

    while at < len(data):
        head = _HEAD.unpack(take(_HEAD.size))
        kind, path_length, other_length, number, inode, folder, other_folder, offset = head[:8]
        length, size, before_length = head[8:11]
        name, other = (Path(os.fsdecode(take(n))) for n in (path_length, other_length))
        before = take(before_length)
        numbers = offset, length, size
        done = Operation(
            number, Kind(kind), inode, name, other, folder, other_folder, *numbers, before
        )
        operations.append(done)
    return operations


def available() -> bool:
    """Whether this machine can build the library, and load it before others."""
    return sys.platform == "linux" and shutil.which("cc") is not None


def build(folder: Path) -> Path:
    """Compile the library, unless `folder` has it already."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]
    library = folder / f"shim-{digest}.so"
    if not library.is_file():
        part = library.with_suffix(f".{os.getpid()}")
        options = ["-O1", "-Wall", "-shared", "-fPIC"]
        command = ["cc", *options, "-o", str(part), str(SOURCE), "-ldl", "-lpthread"]
        subprocess.run(command, check=True)
        part.replace(library)
    return library


def preload() -> None:
    """Start this program again with the library preloaded; return where it is."""
    if hasattr(ctypes.CDLL(None), "shim_start"):
        os.environ.pop("LD_PRELOAD", None)  # of no use to programs that are started from here
        return
    folder = Path(tempfile.gettempdir()) / f"xlt-reliability-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ["LD_PRELOAD"] = str(build(folder))
    os.execv(sys.executable, [*_interpreter(), *sys.argv[1:]])


def _interpreter() -> list[str]:
    """The command that runs this module again, without its arguments."""
    main = sys.modules["__main__"].__spec__
    assert main is not None, "start it with python -m"
    return [sys.executable, "-m", main.name]


def start(
    root: Path,
    graveyard: Path,
    record: Path,
    *,
    reads: bool = False,
    at: int = 0,
    part: float = 0.0,
) -> None:
    """Record what this process does below `root` from now on.

    graveyard: a folder on the same file system, outside of `root`, for what is unlinked.
    reads: record which files are opened to be read, too.
    at:    kill the process just before its n-th operation that changes something; 0: do not.
    part:  if that is a write, so large a share of it is done.
    """
    begin = ctypes.CDLL(None).shim_start
    begin.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_int, ctypes.c_long, ctypes.c_double]
    paths = [os.fsencode(path) for path in (root.resolve(), graveyard.resolve(), record)]
    if begin(*paths, int(reads), at, part) != 0:
        raise OSError(f"{record} cannot be opened")
