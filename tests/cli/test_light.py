"""`pip install xlt`, without any extra: what works, and what it says of the rest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "scripts" / "examples" / "demo"

BLOCKED = """\
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
from xlt.cli import main
main(sys.argv[1:])
"""


def optional_modules() -> set[str]:
    """What the extras bring, and what comes with it."""
    lines = [line for line in requires("xlt") or [] if "extra ==" in line]
    packages = {re.match(r"[\w.-]+", line)[0] for line in lines} - {"xlt"}
    return {name.replace("-", "_") for name in packages} | {"pyarrow", "pandas", "thinc"}


@pytest.fixture
def light(tmp_path):
    def run(*arguments: str):
        return subprocess.run(
            [sys.executable, "-c", BLOCKED.format(blocked=optional_modules()), *arguments],
            cwd=tmp_path,
            env={**os.environ, "XLT_CACHE": str(tmp_path / "cache")},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )

    return run


def test_the_extras_are_known():
    assert {"torch", "transformers", "datasets", "accelerate", "spacy"} <= optional_modules()
    assert not {"numpy", "scipy", "pydantic", "typer"} & optional_modules()


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("--help", "predict-source"),
        ("predict-source Basque --task dependency_parsing --top 3", "expected"),
        ("predict-source jav --task ner --available sample --count 2 --explain", "together"),
        ("encoders --target Hausa --source eng --task ner --max-gb 4", "take "),
        ("encoders mdeberta-v3-base", "MIT"),
        ("data list --task ner", "masakhaner2"),
        ("data check sample-ner", "sample-ner"),
        (f"config check {DEMO / 'ner.yaml'}", "is valid"),
        ("config schema", "strategy_zero_shot"),
        ("tasks", "dependency_parsing"),
        ("runs", "no runs"),
        ("scores list", "none"),
        ("analyse-typology eusie_event --permutations 50", "lexical"),
    ],
)
def test_works(light, command, shown):
    done = light(*command.split())
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


def test_serving_says_what_to_install(light):
    done = light("serve", "runs/names")
    assert done.returncode == 2, done.stderr
    assert done.stderr.endswith("  fix: pip install 'xlt[serve]'\n")


@pytest.mark.parametrize("command", ["train", "plan"])
def test_training_says_what_to_install(light, command):
    done = light(command, str(DEMO / "ner.yaml"))
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(
        rf"xlt {command}: this needs the package \w+, which is not installed\n"
        r"  fix: pip install 'xlt\[train\]'\n",
        done.stderr,
    )
