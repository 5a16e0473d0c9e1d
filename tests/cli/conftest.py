"""Commands are run as a user runs them: in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    def run(*arguments: str, cwd: Path | None = None, **environment: str):
        return subprocess.run(
            [sys.executable, "-m", "xlt", *arguments],
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )

    return run


@pytest.fixture
def config(tmp_path):
    """A folder with a valid transfer.yaml, whose data do not exist."""
    (tmp_path / "transfer.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path
