"""Files that are whole or not there, and that say so when they were damaged since.

What is published is on the disk before it gets its name (`publishing`, `publish_folder`), so that
neither a crash, a full disk nor a power cut leaves a half-written file under it. What a folder
holds stands in a list with sizes and SHA-256 (`listing`, `damage`), and JSON of ours is sealed: it
holds the SHA-256 of the rest of its text (`write_sealed`, `read_sealed`).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xlt.errors import XltError

PART = ".part"
"""Ends the names of files that are being written."""

CHUNK = 1 << 22


def refuse_overwriting(
    output: str | Path | Sequence[str | Path],
    inputs: Iterable[str | Path],
    *,
    where: object = "--output",
) -> None:
    """Raises XltError where an output, or one of several, is one of the files that are read, by
    whatever name: a relative one, a link, or other letters on a disk that takes them as the same.
    None of them need be there yet: an input may be what is written first."""
    outputs = [output] if isinstance(output, (str, Path)) else output
    written = {name for one in outputs for name in _names(one)}
    if any(not written.isdisjoint(_names(file)) for file in inputs):
        raise XltError("the output is a file of the input", where=where, fix="name another file")


def _names(path: str | Path) -> Iterator[Path | tuple[int, int]]:
    """What two paths of one file have in common: where they lead, or what is there."""
    yield Path(path).resolve()
    with contextlib.suppress(OSError):  # who reads it says what is wrong with it
        there = Path(path).stat()
        yield there.st_dev, there.st_ino


# Publishing ------------------------------------------------------------------------------------


@contextmanager
def publishing(path: Path, *, cache: bool = False) -> Iterator[Path]:
    """The name to write a file under that becomes `path` when the block ends well.

    cache: several processes may write the file at once, without a lock, and nobody waits for the
        disk: who reads the file checks it, and it can be made again.

    Whatever happens, `path` is either what it was or the whole new file.
    """
    part = path.with_name(f"{path.name}{f'.{os.getpid()}' if cache else ''}{PART}")
    if cache and path.parent not in _swept:
        sweep(path.parent, older=_ABANDONED)
        _swept.add(path.parent)
    if part.is_symlink() or part.is_file():
        part.unlink()  # it may be a link to anything, and somebody else's
    try:
        yield part
        _share(part)
        if not cache:
            sync(part)
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # the error that brought us here is the one to report
            part.unlink()
        raise
    if not cache:
        sync(path.parent)


_swept: set[Path] = set()
"""Folders of the cache from which this process has removed what others left."""

_ABANDONED = 24 * 3600.0
"""Seconds after which nobody goes on writing a file of the cache."""


def publish_folder(part: Path, final: Path) -> None:
    """Rename a folder that was written as `part`, when all that is in it is on the disk.

    A folder of that name is replaced; for a moment there is none.
    """
    for folder, _, names in os.walk(part, topdown=False):
        for name in names:
            _share(Path(folder) / name)
            sync(Path(folder) / name)
        sync(Path(folder))
    if final.exists():
        shutil.rmtree(final)
    part.rename(final)
    sync(final.parent)


def sync(path: Path) -> None:
    """Have the disk hold what is in a file, or the names that are in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot do that for a folder, and keep names safe by themselves.
        if error.errno != errno.EINVAL or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def _share(file: Path) -> None:
    """Give a file the mode that any new file gets: safetensors makes 0600."""
    mask = os.umask(0o077)  # it can only be read by setting it
    os.umask(mask)
    file.chmod(0o666 & ~mask)


def sweep(folder: Path, *, older: float = 0.0) -> None:
    """Remove what killed processes left half-written in a folder.

    older: seconds since the last write; 0 where nobody else can be writing.
    """
    latest = time.time() - older
    for part in folder.glob(f"*{PART}"):
        with contextlib.suppress(FileNotFoundError):  # its writer has published it
            if part.stat().st_mtime <= latest:
                remove(part)


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, cache: bool = False) -> None:
    """Write a text; after a crash there is either the old file or the new one."""
    with publishing(path, cache=cache) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON; after a crash there is either the old file or the new one."""
    write_text(path, _to_json(value))


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def copy_file(source: str | Path, destination: str | Path) -> None:
    """A copy that shares the disk's space until one of the two changes, where the file system can.

    Btrfs, XFS and Bcachefs can (reflinks); elsewhere it is a plain copy.
    """
    if not _cloned(Path(source), Path(destination)):
        shutil.copyfile(source, destination)


def _cloned(source: Path, destination: Path) -> bool:
    if sys.platform != "linux":
        return False
    with source.open("rb") as old, destination.open("wb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:  # not on this file system, or not between these two
            return False
    return True


_FICLONE = 0x40049409
"""Of Linux' <linux/fs.h>."""


def link_or_copy(source: str | Path, destination: str | Path) -> None:
    """The same file under a second name, where the file system can; else a copy.

    For files that nobody changes: a change to one is a change to the other.
    """
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)


# Checking --------------------------------------------------------------------------------------

Listing = Mapping[str, tuple[int, str]]
"""Path of a file below a folder → its size and SHA-256."""

Stamp = tuple[int, int, int, int]
"""What changes when a file does: inode, size, times of content and of inode (ns)."""


def stamp(path: Path) -> Stamp:
    state = path.stat()
    return (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def settled(before: Stamp, path: Path) -> bool:
    """Whether any change to a file from now on shows in its stamp.

    before: the stamp when reading began. A file that was changed while it was read, or so lately
    that another change might get the same time, is not settled: git calls it "racily clean"
    (Documentation/technical/racy-git). Nobody can set the time of the inode, so a file that is
    put in the place of another, with its size and times (`cp -p`, `rsync -t`, `tar`), shows.
    """
    return stamp(path) == before and time.time_ns() - before[-1] > _RESOLUTION


_RESOLUTION = 2_000_000_000
"""Nanoseconds; the coarsest times of file systems in use (FAT, NFS) are of two seconds."""


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content, read now."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, hashlib.sha256).hexdigest()


def listing(folder: Path, *, without: Iterable[str] = ()) -> dict[str, tuple[int, str]]:
    """Every file below `folder` with its size and SHA-256, by its path there."""
    left_out = set(without)
    wanted = {name: path for name, path in files_below(folder).items() if name not in left_out}
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # hashing does not hold the interpreter
        entries = list(threads.map(entry, wanted.values()))
    return dict(zip(wanted, entries, strict=True))


def files_below(folder: Path) -> dict[str, Path]:
    """Every file below a folder, by its path there, in the order of these."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def is_outside(name: str) -> bool:
    """Whether a file that is listed by this name may lie outside of the folder."""
    return Path(name).is_absolute() or ".." in Path(name).parts


def entry(path: Path) -> tuple[int, str]:
    """A file's size and SHA-256."""
    return path.stat().st_size, sha256(path)


def damage(folder: Path, listed: Listing) -> str | None:
    """None if all files of a list are there as they were; else what is wrong with the first.

    What was found right is not read again by this process until its stamp changes. Files beside
    the listed ones are nobody's business.
    """
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = threads.map(lambda one: _damage(folder, one[0], *one[1]), sorted(listed.items()))
        return next(filter(None, found), None)


def _damage(folder: Path, name: str, size: int, digest: str) -> str | None:
    path = folder / name
    try:
        now = stamp(path)
        if now[1] != size:
            return f"{name} is damaged: it has {now[1]} bytes and had {size}"
        if _right.get((path, digest)) == now:
            return None
        if sha256(path) != digest:
            return f"{name} is damaged: its content is not what was written"
        if settled(now, path):
            _right[path, digest] = now
    except FileNotFoundError:
        return f"{name} is missing"
    except OSError as error:
        return f"{name} cannot be read: {error.strerror or error}"
    return None


_right: dict[tuple[Path, str], Stamp] = {}
"""Files that had this digest when they had this stamp."""


class DamagedFile(XltError):
    """A file of ours that is not as it was written."""


_SEAL = "seal"
_SEALED = re.compile(rb',\n "seal": "sha256:([0-9a-f]{64})"\n\}\n\Z')
_BROKEN_SEAL = re.compile(r"sha256:[0-9a-f]{64}")


def write_sealed(path: Path, value: Mapping[str, Any], *, cache: bool = False) -> None:
    """`write_json`, with the SHA-256 of the text in its last line."""
    body = _to_json(dict(value)).removesuffix("\n}\n")
    assert body != "{}\n", "an empty value cannot be sealed"
    digest = hashlib.sha256(body.encode()).hexdigest()
    write_text(path, f'{body},\n "{_SEAL}": "sha256:{digest}"\n}}\n', cache=cache)


def read_sealed(path: Path, *, fix: str | Callable[[], str], older: bool = False) -> dict[str, Any]:
    """What `write_sealed` wrote, without the seal.

    fix: what to do about a damaged file, or what says it.
    older: also what an older xlt wrote without a seal.

    Raises DamagedFile, with `fix`, for any other content; FileNotFoundError.
    """

    def damaged(how: str) -> DamagedFile:
        advice = fix if isinstance(fix, str) else fix()
        return DamagedFile(f"the file is damaged ({how})", where=path, fix=advice)

    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise damaged(f"it cannot be read: {error.strerror or error}") from error
    seal = _SEALED.search(content)
    if seal is not None and hashlib.sha256(content[: seal.start()]).hexdigest() != seal[1].decode():
        raise damaged("its content is not what was written")
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged(str(error) if content else "it is empty") from error
    if not isinstance(value, dict):
        raise damaged("it is no mapping")
    if seal is None:
        broken = _SEAL in value or any(
            isinstance(one, str) and _BROKEN_SEAL.fullmatch(one) for one in value.values()
        )
        if broken or not older:
            raise damaged("its seal is broken" if broken else "it has no seal")
    value.pop(_SEAL, None)
    return value


# Errors ----------------------------------------------------------------------------------------


def beside(path: Path, suffix: str) -> Path:
    """The path with something behind its name. Raises XltError for one that has no name."""
    if not path.name:
        raise XltError("this is no name of a file", where=str(path), fix="name a file to write")
    return path.with_name(path.name + suffix)


_FORBIDDEN = frozenset(
    (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
)
"""Nothing can be written in such a place, however much room there is."""


def disk_error(
    error: OSError, path: Path, *, fix: str | None = None, resumes: bool = False
) -> XltError:
    """What to tell the user when a write failed.

    fix:     how to write elsewhere.
    resumes: whether it is part of a run, which goes on from its last checkpoint.
    """
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    forbidden = error.errno in _FORBIDDEN
    what = "the disk is full" if full else f"cannot write here: {error.strerror or error}"
    if full and resumes:
        what += "; what was computed up to the last checkpoint is kept"
    if fix is None:
        again = "run the same command again" + (" with --resume" if resumes else "")
        elsewhere = "set `output.root` to" if resumes else "name"
        fix = f"{elsewhere} a folder you may write to" if forbidden else f"mend it and {again}"
        if full:
            fix = f"free some space, then {again}"
    elif full:
        fix = f"free some space, or {fix}"
    return XltError(what, where=path, fix=fix)


@contextmanager
def writing(path: Path, *, fix: str | None = None, resumes: bool = False) -> Iterator[None]:
    """Whatever goes wrong with the disk inside the block becomes an error that says so.

    fix, resumes: as for `disk_error`.
    """
    try:
        yield
    except OSError as error:
        raise disk_error(error, path, fix=fix, resumes=resumes) from error
    except Exception as error:
        # safetensors wraps the operating system's error in one of its own.
        code = re.search(r"\(os error (\d+)\)", str(error))
        if code is None or isinstance(error, XltError):
            raise
        number = int(code.group(1))
        raise disk_error(
            OSError(number, os.strerror(number)), path, fix=fix, resumes=resumes
        ) from error
