"""What a power cut leaves of a folder, from the record of what was done to it.

A file system holds writes back. What it may lose is what POSIX lets it lose: content that was not
synced (`fsync`) since it was written, and names that were made, changed or taken away since their
folder was synced. Of content there is what was before, what is new, a part of it, or zeros where
it should be, by page. Names go as on a file system that keeps an order: what is lost is the end of
what was done to a folder. Two kinds of order are drawn: a journal, which every `fsync` of whatever
file brings to the disk (ext4, XFS), or a folder that only its own `fsync` does.

See Pillai et al. (OSDI 2014), All File Systems Are Not Created Equal.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from scripts.reliability.trace import Kind, Operation

PAGE = 4096
NAMES = {Kind.CREATE, Kind.RENAME, Kind.LINK, Kind.UNLINK, Kind.MKDIR, Kind.RMDIR}
CONTENT = {Kind.WRITE, Kind.TRUNCATE, Kind.OPAQUE}
FATES = ("kept", "before", "part", "cut", "zeros", "pages")
"""Of a file's content that was not synced."""


def cut_power(
    root: Path, graveyard: Path, operations: Sequence[Operation], draw: random.Random
) -> list[str]:
    """Change what is below `root` into what a power cut after the operations could have left.

    graveyard: where files are that no longer have a name; emptied. Returns what was lost, in words.
    """
    lost = _lose_content(root, graveyard, operations, draw)
    lost += _lose_names(root, graveyard, operations, draw)
    shutil.rmtree(graveyard)
    graveyard.mkdir()
    return lost


# Content ---------------------------------------------------------------------------------------


def _lose_content(
    root: Path, graveyard: Path, operations: Sequence[Operation], draw: random.Random
) -> list[str]:
    unsynced: dict[int, list[Operation]] = {}
    for operation in operations:
        if operation.kind in CONTENT:
            unsynced.setdefault(operation.inode, []).append(operation)
        elif operation.kind is Kind.SYNC:
            unsynced.pop(operation.inode, None)
        elif operation.kind is Kind.SYNC_ALL:
            unsynced.clear()
    everywhere = {
        path.lstat().st_ino: path
        for folder in (graveyard, root)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
    policy = draw.choice((*FATES, "any", "any", "any"))
    lost = []
    for inode, undone in unsynced.items():
        path = everywhere.get(inode)
        if path is None:
            continue
        fate = draw.choice(FATES) if policy == "any" else policy
        now = path.read_bytes()
        then = _content(now, undone, fate, draw)
        if then != now:
            _replace(path, then)
            if path.parent == graveyard:  # nobody can tell, unless its name comes back
                continue
            lost.append(f"{_shown(path, root)}: {fate} ({len(now)} → {len(then)} bytes)")
    return lost


def _content(now: bytes, undone: Sequence[Operation], fate: str, draw: random.Random) -> bytes:
    """What is left of a file's content of which some operations were not synced."""
    if fate == "kept":
        return now
    if fate == "part":  # operations reach the disk one after the other
        return _undo(now, undone[draw.randint(0, len(undone)) :])
    before = _undo(now, undone)
    if fate == "before":
        return before
    if fate == "cut":
        return now[: draw.randint(0, len(now))] if len(now) > len(before) else before
    safe = b"" if any(one.kind is not Kind.WRITE for one in undone) else before
    pages = []
    for at in range(0, len(now), PAGE):
        new = now[at : at + PAGE]
        old = safe[at : at + PAGE].ljust(len(new), b"\0")[: len(new)]
        pages.append(old if fate == "zeros" or draw.random() < 0.5 else new)
    return b"".join(pages)


def _undo(now: bytes, operations: Sequence[Operation]) -> bytes:
    content = bytearray(now)
    for one in reversed(operations):
        if one.kind is Kind.OPAQUE:
            content = bytearray(one.before)
        elif one.kind is Kind.TRUNCATE:
            content[one.length :] = one.before
        else:
            content[one.offset : one.offset + len(one.before)] = one.before
        del content[one.size :]
    return bytes(content)


def _replace(path: Path, content: bytes) -> None:
    """In place: other names of the file keep being its names."""
    mode = path.stat().st_mode
    path.chmod(0o600)
    with path.open("r+b") as stream:
        stream.write(content)
        stream.truncate()
    path.chmod(mode)


# Names -----------------------------------------------------------------------------------------


def _lose_names(
    root: Path, graveyard: Path, operations: Sequence[Operation], draw: random.Random
) -> list[str]:
    journal = draw.random() < 0.5
    loose = [n for n, one in enumerate(operations) if one.kind in NAMES]
    for number, one in enumerate(operations):
        if one.kind is Kind.SYNC_ALL or (journal and one.kind in (Kind.SYNC, Kind.SYNC_FOLDER)):
            loose = [n for n in loose if n > number]
        elif one.kind is Kind.SYNC_FOLDER:
            loose = [n for n in loose if n > number or operations[n].folder != one.inode]
    end = len(operations)
    cut = draw.choice((0, end, draw.randint(0, end)))
    made = {one.inode: n for n, one in enumerate(operations) if one.kind is Kind.MKDIR}
    lost = []
    for number in reversed([n for n in loose if n >= cut]):
        one = operations[number]
        # A folder may be gone with all that was in it, and another one have its inode since.
        reused = {inode for inode in (one.folder, one.other_folder) if made.get(inode, 0) > number}
        with contextlib.suppress(FileNotFoundError):
            _forget(root, graveyard, one, reused)
        lost.append(f"{_shown(one.path, root)}: {one.kind.name.lower()} undone")
    return lost[::-1]


def _forget(root: Path, graveyard: Path, one: Operation, reused: Collection[int]) -> None:
    """Undo one operation on names; those that came after it in the same folder are undone.

    reused: inodes of its folders that are those of other folders now.
    """
    path = _folder(root, one.folder, one.path, reused) / one.path.name
    if one.kind in (Kind.CREATE, Kind.LINK):
        named = [path] if _inode(path) == one.inode else []
        # Some programs rename behind the record's back, by a system call of their own.
        named = named or [p for p in path.parent.iterdir() if _inode(p) == one.inode]
        for found in named[:1]:
            found.unlink()
    elif one.kind is Kind.RENAME:
        path.rename(_folder(root, one.other_folder, one.other, reused) / one.other.name)
        if one.inode:
            os.link(graveyard / str(one.inode), path)
    elif one.kind is Kind.UNLINK:
        if not path.exists():
            os.link(graveyard / str(one.inode), path)
    elif one.kind is Kind.MKDIR:
        shutil.rmtree(path)
    elif not path.exists():
        path.mkdir()


def _folder(root: Path, inode: int, path: Path, reused: Collection[int]) -> Path:
    """Where the folder is now in which the path stood."""
    if _inode(path.parent) == inode:
        return path.parent
    for folder, _, _ in os.walk(root) if inode not in reused else ():
        if _inode(Path(folder)) == inode:
            return Path(folder)
    if path.parent.is_dir():  # made again since
        return path.parent
    raise FileNotFoundError(path.parent)


def _inode(path: Path) -> int:
    try:
        return path.lstat().st_ino
    except FileNotFoundError:
        return 0


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else f"unlinked {path.name}"
