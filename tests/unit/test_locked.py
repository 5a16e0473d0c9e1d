"""What `make env` installs is locked by hash, and the lock is that of pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
BY_MACHINE = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
"""What has other files on other machines; see requirements/README.md."""
_ENTRY = re.compile(
    r"(?P<name>[\w.-]+)==(?P<version>[^ ]+)(?: ; [^\\]+)? \\\n(?P<rest>(?: .*\n?)+)"
)


def locked(name: str) -> dict[str, set[Version]]:
    """Package → versions, of a lock of which every entry has hashes."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    found: dict[str, set[Version]] = {}
    for entry in _ENTRY.finditer(text):
        assert re.fullmatch(r"(?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+", entry["rest"])
        found.setdefault(normal(entry["name"]), set()).add(Version(entry["version"]))
    assert not _ENTRY.sub("", text).strip(), "a line that is no locked package"
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(extra: str | None = None) -> set[Requirement]:
    """Of the package, with an extra and those that it names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    found = set() if extra is None else required()
    for requirement in map(Requirement, wanted):
        if requirement.name == "xlt":
            for inner in requirement.extras:
                found |= required(inner)
        else:
            found.add(requirement)
    return found


@pytest.mark.parametrize(
    ("name", "extra"), [("dev.txt", "dev"), ("image.txt", "e5"), ("image.txt", "serve")]
)
def test_the_lock_has_what_the_project_requires(name, extra):
    lock = locked(name)
    for requirement in required(extra):
        if not BY_MACHINE.fullmatch(normal(requirement.name)):
            versions = lock.get(normal(requirement.name), set())
            fits = versions and all(requirement.specifier.contains(one) for one in versions)
            assert fits, f"{requirement} is not in requirements/{name}: run `make lock`"


def test_the_image_has_the_versions_that_are_tested():
    tested = locked("dev.txt")
    assert {name: tested.get(name) for name in locked("image.txt")} == locked("image.txt")


@pytest.mark.parametrize("name", ["dev.txt", "image.txt"])
def test_what_differs_by_machine_is_not_in_it(name):
    assert [found for found in locked(name) if BY_MACHINE.fullmatch(found)] == []
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert re.search(r"^torch==[\d.]+$", pinned, re.M)


@pytest.mark.parametrize(
    ("name", "lock"), [("build", "dev.txt"), ("build", "image.txt"), ("tools", "tools.txt")]
)
def test_what_builds_and_lists_is_locked(name, lock):
    lock = locked(lock)
    stated = (ROOT / "requirements" / f"{name}.in").read_text(encoding="utf-8").splitlines()
    for requirement in (Requirement(line) for line in stated if line and line[0] != "#"):
        (version,) = lock[normal(requirement.name)]
        assert requirement.specifier.contains(version)
