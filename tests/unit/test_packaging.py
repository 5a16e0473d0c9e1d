"""What is installed is what is in the repository: the wheel's files, metadata and licences."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import xlt
from scripts.pretrain_mini.licences import is_free

ROOT = Path(__file__).parents[2]
IMPORTED_AS = {"xlt": "xlt", "tasks": "xlt/tasks", "data_cards": "xlt/data_cards"}
"""Folder in the repository → its name in the wheel."""
BUILT_FROM = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "NOTICE", *IMPORTED_AS)
NOT_INSTALLED = {"README.md"}
"""Files for readers of the repository."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy: a build folder of before would be packed, too."""
    copy = tmp_path_factory.mktemp("source")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    build = "from setuptools.build_meta import build_wheel; build_wheel('dist')"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=copy, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    (path,) = (copy / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_string(wheel.read(name).decode())


def test_every_file_of_a_package_is_in_the_wheel(wheel):
    expected = {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in IMPORTED_AS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    installed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert not installed - expected
    assert {Path(name).name for name in expected - installed} <= NOT_INSTALLED


def test_the_cards_of_models_and_data_go_with_them(wheel):
    assert {"xlt/mini/README.md", "xlt/sample/README.md"} <= set(wheel.namelist())


def test_metadata(metadata):
    assert metadata["Version"] == xlt.__version__
    assert metadata["Author"] == "xlt maintainers"
    assert metadata["Keywords"]
    assert {"train", "dev", "lora"} <= set(metadata.get_all("Provides-Extra"))


def test_licences(wheel, metadata):
    """The wheel is not Apache-2.0 alone, and says so; all of it may be used commercially."""
    stated = set(metadata["License-Expression"].split(" AND "))
    assert {"Apache-2.0", "CC-BY-SA-4.0"} <= stated
    assert not [name for name in stated if "NC" in name.split("-") or name.startswith("LicenseRef")]
    assert metadata.get_all("License-File") == ["LICENSE", "NOTICE"]
    (notice,) = (name for name in wheel.namelist() if name.endswith("/NOTICE"))
    assert "xlt-mini" in wheel.read(notice).decode()


def test_the_encoder_is_made_of_text_that_may_be_used_commercially():
    """The first table in the card of xlt-mini is the list of what it was made from."""
    card = (ROOT / "xlt" / "mini" / "README.md").read_text(encoding="utf-8")
    read, left_out, *_ = re.split(r"^\| data set \| licence \| languages \|$", card, flags=re.M)[1:]
    rows = [line.split(" | ") for line in read.splitlines() if line.startswith("| ")]
    assert len(rows) > 50
    assert not [row for row in rows if not is_free(row[1])]
    assert "BY-NC" in left_out
    assert "license: cc-by-sa-4.0" in card


# The image. That it builds is not tested: nothing here runs Docker.


@pytest.fixture(scope="module")
def dockerfile():
    """Instruction and its words, in order."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (line.split() for line in text.splitlines() if line and line[0] != "#")
    return [(line[0], line[1:]) for line in lines]


def test_the_image_has_what_the_wheel_is_built_from(dockerfile):
    copied = [word for name, words in dockerfile if name == "COPY" for word in words[:-1]]
    assert sorted(copied) == sorted([*BUILT_FROM, "constraints.txt", "requirements/image.txt"])
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert sorted(line[1:] for line in ignored if line.startswith("!")) == sorted(copied)
    assert ignored.index("*") < min(ignored.index(f"!{name}") for name in copied)


def test_the_image_s_packages_are_locked(dockerfile):
    runs = [" ".join(words) for name, words in dockerfile if name == "RUN"]
    hashed, torch, own = (run for run in runs if "pip install" in run)
    assert "--no-deps --require-hashes --requirement requirements/image.txt" in hashed
    assert "--no-deps --constraint constraints.txt" in torch
    assert torch.endswith(" torch")
    assert "--no-deps --no-build-isolation . && python -m pip check" in own


def test_the_image_runs_xlt_and_not_as_root(dockerfile):
    names = [name for name, _ in dockerfile]
    settings = {name: words for name, words in dockerfile if name in {"FROM", "USER", "ENTRYPOINT"}}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (program,) = json.loads(" ".join(settings["ENTRYPOINT"]))
    assert program in project["scripts"]
    assert settings["USER"] == ["1000"]
    assert names.index("USER") > max(n for n, name in enumerate(names) if name == "RUN")
    minimum = project["requires-python"].removeprefix(">=")
    assert settings["FROM"] == [f"python:{minimum}-slim"]


def test_the_docs_show_the_image_s_two_commands():
    head = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()[1:3]
    guide = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    for command in (line.removeprefix("#").strip().removesuffix(" --help") for line in head):
        assert command.startswith("docker ")
        assert f"$ {command}" in guide
