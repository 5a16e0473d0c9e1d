"""A task of a third party: installed from its own package, found by its entry point."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from records import UPOS, WORDS

from xlt.registry import tasks
from xlt.testing import check_task

SOURCE = Path(__file__).parents[1] / "contract" / "plugin"


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """The plugin's package, installed into a folder of its own on the path."""
    site = tmp_path / "site"
    build = tmp_path / "build"
    build.mkdir()
    for path in SOURCE.glob("*.*"):
        (build / path.name).write_bytes(path.read_bytes())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--target", str(site), str(build)], check=True
    )
    monkeypatch.syspath_prepend(site)
    yield tasks.get("word_tags")
    sys.modules.pop("word_tags")


def test_contract(plugin, tmp_path):
    assert "word_tags" in tasks.names()
    rows = zip(WORDS, UPOS, strict=True)
    documents = [
        plugin().validate_row({"id": f"s{n}", "words": words, "tags": tags}, where=f"row {n}")
        for n, (words, tags) in enumerate(rows, 1)
    ]
    check_task(plugin, documents, tmp_path=tmp_path / "contract")


def test_unknown_again_after_it():
    assert "word_tags" not in tasks.names()


def test_it_is_short():
    source = (SOURCE / "word_tags.py").read_text(encoding="utf-8")
    assert len([line for line in source.splitlines() if line.strip()]) <= 40
