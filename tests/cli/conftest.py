"""Commands are run in a process of their own, which is forked: imports would take most of its time.
What only a fresh Python shows (its start, lazy imports, the order of sets) does not show here: the
pages of the docs (tests/e2e/test_readme.py) run what is installed as a user does."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from warm import import_all

from scripts.reliability import process

CONFIG = """\
name: javanese
task: ner
model: {encoder: xlm-roberta-base}
data:
  en: {train: en.bio, dev: en-dev.bio}
  jv: {test: jv.bio}
source: en
target: jv
"""


@pytest.fixture
def xlt():
    import_all()

    def run(*arguments: str, cwd: Path | None = None, **environment: str):
        def work() -> None:
            from xlt.cli import main

            sys.stdin = io.TextIOWrapper(io.BytesIO())
            if cwd is not None:
                os.chdir(cwd)
            main([str(argument) for argument in arguments])

        done = process.run(work, environment)
        assert not done.hung, done.text
        return subprocess.CompletedProcess(arguments, done.code, done.out, done.err)

    return run


@pytest.fixture
def config(tmp_path):
    """A folder with a valid transfer.yaml, whose data do not exist."""
    (tmp_path / "transfer.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path
