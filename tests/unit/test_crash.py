"""The record of what a process does to files, and what a power cut may make of it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from scripts.reliability import trace
from scripts.reliability.crash import cut_power
from scripts.reliability.trace import Kind

pytestmark = pytest.mark.skipif(not trace.available(), reason="there is no compiler")

DRIVER = """
import json, os, random, shutil, sys
from pathlib import Path
from tempfile import TemporaryDirectory
from scripts.reliability import trace
from scripts.reliability.crash import cut_power

program, before, seeds, at = json.load(sys.stdin)
root, graveyard, record = (Path.cwd() / name for name in ("root", "graveyard", "record"))

def sync(path):
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)

found = []
for seed in range(seeds):
    for folder in (root, graveyard):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    record.unlink(missing_ok=True)
    for name, text in before.items():
        (root / name).write_text(text)
    child = os.fork()
    if child == 0:
        trace.start(root, graveyard, record, at=at)
        exec(program)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == (-9 if at else 0)
    if seeds > 1:
        cut_power(root, graveyard, trace.read_record(record), random.Random(seed))
        assert not list(graveyard.iterdir())
    paths = sorted(root.rglob("*"))
    found.append({str(p.relative_to(root)): p.read_text() if p.is_file() else None for p in paths})
print(json.dumps(found))
"""

SEEDS = 60

Run = Callable[..., list[dict[str, str | None]]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trace.build(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """In memory, where it can be: what is synced hundreds of times need not wait for a disk."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder).resolve()


@pytest.fixture
def run(library: Path, place: Path) -> Run:
    """What is in a folder after a program has run in it, and after a power cut of every seed.

    seeds: with 1 the power is not cut. before: what the folder held.
    """

    def run(program: str, *, seeds: int = SEEDS, at: int = 0, **before: str) -> Any:
        environment = {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(Path.cwd())}
        done = subprocess.run(
            [sys.executable, "-c", DRIVER],
            input=json.dumps([program, before, seeds, at]),
            cwd=place, env=environment, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)

    return run


def outcomes(found: list[dict[str, str | None]]) -> set[str | None]:
    """What `a` holds; None where it is not there."""
    return {files.get("a") for files in found}


def test_operations_are_recorded_in_their_order(run: Run, place: Path) -> None:
    run(
        """
(root / "folder").mkdir()
part = root / "folder/x.part"
with part.open("w") as stream:
    stream.write("hello")
    stream.flush()
    os.fsync(stream.fileno())
part.rename(root / "folder/x")
sync(root / "folder")
with (root / "folder/x").open("r+") as stream:
    stream.write("HE")
    stream.truncate(3)
os.link(root / "folder/x", root / "y")
(root / "y").unlink()
Path(root.with_name("elsewhere")).touch()
""",
        seeds=1,
    )
    done = trace.read_record(place / "record")
    root = place / "root"
    kinds = [one.kind for one in done]
    assert kinds == [
        Kind.MKDIR, Kind.CREATE, Kind.WRITE, Kind.SYNC, Kind.RENAME, Kind.SYNC_FOLDER,
        Kind.WRITE, Kind.TRUNCATE, Kind.LINK, Kind.UNLINK,
    ]  # fmt: skip
    assert (done[4].other, done[4].path) == (root / "folder/x.part", root / "folder/x")
    assert (done[6].before, done[6].offset, done[6].size) == (b"he", 0, 5)
    assert (done[7].before, done[7].length) == (b"lo", 3)
    assert len({one.inode for one in done if one.kind in (Kind.CREATE, Kind.WRITE, Kind.LINK)}) == 1


def test_the_process_dies_at_the_operation_asked_for(run: Run, place: Path) -> None:
    program = """
root.mkdir(exist_ok=True)
for n in range(5):
    (root / str(n)).touch()
"""
    assert run(program, seeds=1, at=5) == [{"0": "", "1": "", "2": ""}]
    # What fails, as making a folder that is there, is counted but not recorded.
    assert [one.number for one in trace.read_record(place / "record")] == [2, 3, 4]


def test_what_was_not_synced_may_be_lost_in_every_way(run: Run) -> None:
    found = outcomes(run('(root / "a").write_text("new content")'))
    assert found > {None, "", "new content", "\0" * 11}
    assert any(text and text.startswith("new") and len(text) < 11 for text in found)


def test_what_was_synced_is_there(run: Run) -> None:
    program = """
(root / "a").write_text("new content")
sync(root / "a")
sync(root)
(root / "b").write_text("other")
"""
    assert outcomes(run(program)) == {"new content"}


def test_a_file_that_replaces_another(run: Run) -> None:
    program = """
(root / "b").write_text("newest")
{sync}
(root / "b").rename(root / "a")
"""
    assert outcomes(run(program.format(sync=""), a="old")) > {"old", "", "newest", "\0" * 6}
    assert outcomes(run(program.format(sync='sync(root / "b")'), a="old")) == {"old", "newest"}


def test_what_was_overwritten_or_taken_away_may_come_back(run: Run) -> None:
    overwritten = 'os.pwrite(os.open(root / "a", os.O_WRONLY), b"XX", 1)'
    assert outcomes(run(overwritten, a="abcdef")) == {"abcdef", "aXXdef"}
    assert outcomes(run('(root / "a").unlink()', a="abc")) == {None, "abc"}


def test_a_folder_that_was_not_synced_may_be_lost_with_all_that_is_in_it(run: Run) -> None:
    program = """
(root / "part").mkdir()
(root / "part/a").write_text("new")
sync(root / "part/a")
sync(root / "part")
(root / "part").rename(root / "final")
"""
    found = run(program)
    assert {tuple(files) for files in found} == {(), ("part", "part/a"), ("final", "final/a")}
    assert {files.get("part/a", files.get("final/a")) for files in found} == {None, "new"}


def test_a_name_does_not_come_back_in_a_folder_that_has_the_inode_of_its_own(place: Path) -> None:
    root, graveyard = place / "root", place / "graveyard"
    found = set()
    for seed in range(SEEDS):
        for folder in (root / "new", graveyard):
            folder.mkdir(parents=True)
        (graveyard / "5").write_text("x")
        number = (root / "new").stat().st_ino
        top = root.stat().st_ino

        def did(kind: Kind, inode: int, path: Path, folder: int) -> trace.Operation:
            return trace.Operation(0, kind, inode, path, Path(), folder, 0, 0, 0, 0, b"")

        done = [
            did(Kind.UNLINK, 5, root / "old/x", number),
            did(Kind.RMDIR, 0, root / "old", top),
            did(Kind.MKDIR, number, root / "new", top),
            did(Kind.SYNC_FOLDER, top, root, top),
        ]
        cut_power(root, graveyard, done, random.Random(seed))
        found.add(tuple(sorted(str(path.relative_to(root)) for path in root.rglob("*"))))
        shutil.rmtree(root)
        graveyard.rmdir()
    assert found == {("new",)}
