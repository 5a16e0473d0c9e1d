"""`pip install xlt`, without any extra: what works, and what it says of the rest."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "scripts" / "examples" / "demo"

BLOCKED = """\
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
from xlt.cli import main

def run(command):
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main(command.split())
    except SystemExit as ended:
        return ended.code, out.getvalue(), err.getvalue()

print(json.dumps({{command: run(command) for command in json.loads(sys.argv[1])}}))
"""


def optional_modules() -> set[str]:
    """What the extras bring, and what comes with it."""
    lines = [line for line in requires("xlt") or [] if "extra ==" in line]
    packages = {re.match(r"[\w.-]+", line)[0] for line in lines} - {"xlt"}
    return {name.replace("-", "_") for name in packages} | {"pyarrow", "pandas", "thinc"}


WORKS = {
    "--help": "predict-source",
    "predict-source Basque --task dependency_parsing --top 3": "expected",
    "predict-source jav --task ner --available sample --count 2 --explain": "together",
    "encoders --target Hausa --source eng --task ner --max-gb 4": "take ",
    "encoders mdeberta-v3-base": "MIT",
    "data list --task ner": "masakhaner2",
    "data check sample-ner": "sample-ner",
    f"config check {DEMO / 'ner.yaml'}": "is valid",
    "config schema": "strategy_zero_shot",
    "tasks": "dependency_parsing",
    "runs": "no runs",
    "scores list": "none",
    "analyse-typology eusie_event --permutations 50": "lexical",
}
"""Command → a part of what it prints."""
REFUSED = ("serve runs/names", f"train {DEMO / 'ner.yaml'}", f"plan {DEMO / 'ner.yaml'}")


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """Command → exit status, standard output and error, all of one process."""
    folder, commands = tmp_path_factory.mktemp("light"), json.dumps([*WORKS, *REFUSED])
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(blocked=optional_modules()), commands],
        cwd=folder,
        env={**os.environ, "XLT_CACHE": str(folder / "cache")},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_extras_are_known():
    assert {"torch", "transformers", "datasets", "accelerate", "spacy"} <= optional_modules()
    assert not {"numpy", "scipy", "pydantic", "typer"} & optional_modules()


@pytest.mark.parametrize("command", WORKS)
def test_works(light, command):
    code, out, err = light[command]
    assert code == 0, err
    assert WORKS[command] in out


@pytest.mark.parametrize("command", REFUSED)
def test_what_needs_more_says_what_to_install(light, command):
    code, _, err = light[command]
    assert code == 2, err
    extra = "serve" if command.startswith("serve") else "train"
    assert re.fullmatch(
        rf"xlt \w+: this needs the package \w+, which is not installed\n"
        rf"  fix: pip install 'xlt\[{extra}\]'\n",
        err,
    )
