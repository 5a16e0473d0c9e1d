"""The stages below an output root, which runs have in common: what there is, whether it is as it
was written, and what of it may go."""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from filelock import FileLock, Timeout

from xlt.config.schema import STAGES
from xlt.errors import XltError
from xlt.files import PART, DamagedFile, files_below, sweep, write_sealed, writing
from xlt.results import CONFIG, RESULT, read_result
from xlt.training.differences import check_difference
from xlt.training.finished import DONE, damaged, read_done
from xlt.training.identity import FILE
from xlt.training.selected import EVALUATED, SELECTED

log = logging.getLogger(__name__)

Keep = Literal["best", "used", "none"]

_IN_USE = ".in-use"
"""Suffix of files that studies lock while they run."""


def list_stages(root: Path) -> list[dict[str, Any]]:
    """Every stage below `root`, JSON-able: "stage" (its folder's name), "state" (finished,
    unfinished or damaged), "bytes", "later" (those of them that only later dev sets have use for)
    and "runs" that it is part of."""
    runs, _ = _users(root)
    rows = []
    for folder in stage_folders(root):
        try:
            state = "unfinished" if read_done(folder) is None else "finished"
        except DamagedFile as error:
            log.warning("%s: %s", error.where, error.what)
            state = "damaged"
        rows.append(
            {
                "stage": folder.name,
                "state": state,
                "bytes": _size(folder),
                "later": _size(folder / EVALUATED),
                "runs": sorted(runs[folder.name]),
            }
        )
    return rows


def verify(root: Path) -> list[dict[str, str]]:
    """What of the finished stages is not as it was written: "stage", "what"; all files are read."""
    found = []
    for folder in stage_folders(root):
        try:
            done = read_done(folder)
        except DamagedFile as error:
            found.append({"stage": folder.name, "what": error.what})
            continue
        if done is None:
            continue
        found += [{"stage": folder.name, "what": one} for one in problems(folder, done)]
    return found


def problems(folder: Path, done: dict[str, Any]) -> list[str]:
    """What of a finished stage is not as it was written. done: what it says of itself."""
    found = list(damaged(folder, done["selected"]).values())
    for kept in sorted((folder / EVALUATED).glob("*")):
        if (problem := check_difference(kept, folder / SELECTED)) is not None:
            found.append(f"{EVALUATED}/{kept.name}: {problem}")
    return list(dict.fromkeys(found))


def prune(root: Path, keep: Keep, *, dry_run: bool = False) -> dict[str, Any]:
    """Remove what is not to be kept of finished stages: "removed", each with "bytes" and "what";
    "in_use", stages that a process is training.

    keep: "best": weights that were selected, without those that only later dev sets have use for;
        "used": of these the stages that are part of a run; "none": no stage, since runs have their
        own copies of models. What is gone is trained again where it is needed.

    Unfinished stages stay. Raises XltError for "used" where a run is not finished, since it is not
    known what it will need; and, but for "best", while runs are being made, which may need any.
    """
    runs, unknown = _users(root)
    if keep == "used" and unknown:
        raise XltError(
            f"{', '.join(unknown)}: not finished, or made by an older xlt, so it is not known "
            "which stages will be needed",
            where=root,
            fix="finish the run, or remove its folder; `--keep best` frees what no run has "
            "selected, `--keep none` everything",
        )
    if not dry_run and keep != "best" and (users := _busy(root)):
        raise XltError(
            f"stages are in use by {', '.join(users)}",
            where=root,
            fix="wait for the end, or stop it: the same command goes on later",
        )
    removed, in_use = [], []
    for folder in stage_folders(root):
        with _locked(folder.with_name(f"{folder.name}.lock")) as free:
            if not free:
                in_use.append(folder.name)
                continue
            try:
                done = read_done(folder)
            except DamagedFile as error:  # `verify` says so; training makes it again
                log.warning("%s: %s: it stays", error.where, error.what)
                continue
            if done is None:
                continue
            whole = keep == "none" or (keep == "used" and not runs[folder.name])
            gone = folder if whole else folder / EVALUATED
            if not gone.exists():
                continue
            what = "the stage" if whole else "weights for later dev sets"
            removed.append({"stage": folder.name, "what": what, "bytes": _size(gone)})
            if dry_run:
                continue
            with writing(folder):
                if not whole:
                    write_sealed(folder / DONE, {**done, "keep": "best"})
                _remove(gone)
    if not dry_run and (root / STAGES).is_dir():
        with writing(root / STAGES):
            sweep(root / STAGES)
    return {"removed": removed, "in_use": in_use, "bytes": sum(one["bytes"] for one in removed)}


@contextmanager
def using(root: Path) -> Iterator[None]:
    """Within the block, `prune` leaves the stages below `root` to whoever has asked for this."""
    with writing(root, resumes=True):
        (root / STAGES).mkdir(parents=True, exist_ok=True)
        marker = root / STAGES / f"{uuid4().hex}{_IN_USE}"
        lock = FileLock(marker)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
        marker.unlink(missing_ok=True)


def _busy(root: Path) -> list[str]:
    """Who is making runs below `root`."""
    found = [lock.parent.name for lock in sorted(root.glob("*/.lock")) if _is_held(lock)]
    for marker in (root / STAGES).glob(f"*{_IN_USE}"):
        if _is_held(marker):
            return ["a study", *found]
        marker.unlink(missing_ok=True)  # of a process that was killed
    return found


def _is_held(lock: Path) -> bool:
    with _locked(lock) as free:
        return not free


def stage_folders(root: Path) -> list[Path]:
    """Of every stage below a root, finished or not."""
    return sorted(path.parent for path in (root / STAGES).glob(f"*/{FILE}"))


def _users(root: Path) -> tuple[dict[str, set[str]], list[str]]:
    """Stage → names of the runs that it is part of; and the runs of which that is not known."""
    found: dict[str, set[str]] = defaultdict(set)
    unknown = []
    for config in sorted(root.glob(f"*/{CONFIG}")):
        run = config.parent
        try:
            result = read_result(run) if (run / RESULT).is_file() else None
        except DamagedFile as error:
            log.warning("%s: %s", error.where, error.what)
            result = None
        if result is None or "lineage" not in result:
            unknown.append(run.name)
            continue
        for stages in result["lineage"].values():
            for stage in stages:
                found[Path(stage["folder"]).name].add(run.name)
    return found, unknown


def _size(folder: Path) -> int:
    """Bytes in its files; what a file system shares between copies counts for each."""
    return sum(path.stat().st_size for path in files_below(folder).values())


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether nobody holds this lock; nobody takes it before the block ends."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _remove(folder: Path) -> None:
    """All of it or nothing, as far as others see."""
    gone = folder.with_name(folder.name + PART)
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    shutil.rmtree(gone)
