"""The commands that need no model, through the real entry point."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from xlt import __version__
from xlt.config.load import load_config

HEAVY = {
    *("torch", "transformers", "accelerate", "datasets", "tokenizers", "safetensors", "spacy"),
    *("numpy", "scipy", "pandas", "pyarrow", "pydantic", "ruamel", "yaml", "jinja2", "rich"),
    *("huggingface_hub", "fsspec", "filelock", "httpx", "requests", "psutil", "fastapi", "PIL"),
}
MOST_MODULES = 240
"""In all, of the standard library, too; a third more than there were when this was written."""


def test_help_imports_little_and_nothing_heavy():
    code = (
        "import sys\nfrom xlt.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    modules = done.stderr.split()
    assert "xlt.cli" in modules
    assert HEAVY & {name.partition(".")[0] for name in modules} == set()
    assert len(modules) < MOST_MODULES


@pytest.mark.parametrize("command", [(), ("train",), ("data", "check")])
def test_help_has_a_short_name(xlt, command):
    assert xlt(*command, "-h").stdout == xlt(*command, "--help").stdout != ""


@pytest.mark.parametrize(
    ("line", "word", "found"),
    [("xlt predi", "1", ["predict", "predict-source"]), ("xlt train --ov", "2", ["--overwrite"])],
)
def test_a_shell_completes_commands_and_options(xlt, line, word, found):
    done = xlt(_XLT_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=word)
    assert done.stdout.split() == found


def test_help_lists_the_commands(xlt):
    said = xlt("--help").stdout
    for command in (
        *("plan", "train", "evaluate", "predict", "compare", "runs", "tasks", "data", "config"),
    ):
        assert f"  {command} " in said


def test_installed_script_and_version():
    script = shutil.which("xlt", path=str(sys.prefix) + "/bin")
    if script is None:
        pytest.skip("xlt is not installed")
    done = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert done.stdout == f"xlt {__version__}\n"


def test_config_check(xlt, config):
    done = xlt("config", "check", "transfer.yaml", cwd=config)
    assert done.returncode == 0, done.stderr
    assert "transfer.yaml is valid" in done.stdout
    found = json.loads(xlt("config", "check", "transfer.yaml", "--json", cwd=config).stdout)
    assert found["stages"] == {"jav": ["eng"]}


def test_config_check_of_a_study(xlt, config):
    text = "extends: transfer.yaml\nname: two\nstudy: {cells: {a: {}, b: {%s}}}\n"
    study = config / "study.yaml"
    study.write_text(text % "training: {epochs: 2}", encoding="utf-8")
    done = xlt("config", "check", "study.yaml", "--json", cwd=config)
    assert json.loads(done.stdout)["cells"] == {"a": {"jav": ["eng"]}, "b": {"jav": ["eng"]}}
    study.write_text(text % "selection: {metric: guess}", encoding="utf-8")
    done = xlt("config", "check", "study.yaml", cwd=config)
    assert done.returncode == 2
    assert "study.yaml:3 (selection.metric)" in done.stderr


def test_config_show_prints_a_config(xlt, config):
    done = xlt("config", "show", "transfer.yaml", "training.epochs=4", cwd=config)
    (config / "shown.yaml").write_text(done.stdout, encoding="utf-8")
    shown = load_config(config / "shown.yaml").config
    assert shown == load_config(config / "transfer.yaml", ["training.epochs=4"]).config
    as_json = json.loads(xlt("config", "show", "transfer.yaml", "--json", cwd=config).stdout)
    assert as_json["training"]["epochs"] == 10


def test_checking_a_config_loads_no_framework(config):
    code = (
        "import sys\nfrom xlt.cli import main\n"
        "try: main(['config', 'check', 'transfer.yaml'])\n"
        "except SystemExit: print([m for m in ('torch', 'transformers', 'datasets', 'spacy') "
        "if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=config, capture_output=True, text=True)
    assert done.stderr == "[]\n"


def test_config_schema_is_json(xlt):
    assert "hierarchical" in json.dumps(json.loads(xlt("config", "schema").stdout))


def test_tasks(xlt):
    found = {task["name"]: task for task in json.loads(xlt("tasks", "--json").stdout)}
    assert {"ner", "dependency_parsing"} <= found.keys()
    assert found["ner"]["metrics"][0] == "f1"
    assert "ner" in xlt("tasks").stdout


def test_runs_of_an_empty_folder(xlt, tmp_path):
    assert xlt("runs", str(tmp_path)).stdout == f"no runs in {tmp_path}\n"


def test_output_is_utf8_in_any_locale(config):
    """Python itself reads these variables, when it starts."""
    with (config / "transfer.yaml").open("a", encoding="utf-8") as stream:
        stream.write("ꦗꦮ: 1\n")
    done = subprocess.run(
        [sys.executable, "-m", "xlt", "config", "check", "transfer.yaml"],
        cwd=config,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 2
    assert "ꦗꦮ" in done.stderr


CARD = """\
identifier: village
name: Village names
task: ner
licence: CC0-1.0
citation: none
origin: native
format: bio
labels: {tag: [O, B-LOC]}
languages:
  jav:
    test: {files: [{local: [village.bio], note: made by a test}]}
    train: {files: [{local: [missing.bio], note: made by a test}]}
"""


def test_data_commands_on_a_card_of_ones_own(xlt, tmp_path):
    (tmp_path / "village.yaml").write_text(CARD, encoding="utf-8")
    (tmp_path / "village.bio").write_text("Solo\tB-LOC\n\n", encoding="utf-8")
    here = {"XLT_CARDS": str(tmp_path), "XLT_CACHE": str(tmp_path / "cache"), "XLT_DATA": ""}
    assert "village" in xlt("data", "list", "--task", "ner", "--language", "jv", **here).stdout
    shown = xlt("data", "show", "village", **here).stdout
    assert str(tmp_path / "village.bio") in shown
    assert "CC0-1.0" in shown
    checked = xlt("data", "check", "village", "--json", "--quiet", **here)
    assert checked.returncode == 2, checked.stderr
    (report,) = json.loads(checked.stdout)
    assert [(s["split"], s["records"]) for s in report["splits"]] == [("test", 1), ("train", None)]
    assert not report["ok"]
    assert "not ok" in xlt("data", "check", "village", **here).stdout
    done = xlt("data", "get", "village", **here)
    assert "has no publisher" in done.stdout
    refused = xlt("data", "show", "vilage", **here)
    assert refused.returncode == 2
    assert "did you mean village" in refused.stderr


def test_plan_exits_with_2_where_something_is_missing(xlt, config):
    done = xlt("plan", "transfer.yaml", cwd=config, HF_HUB_OFFLINE="1")
    assert done.returncode == 2, done.stderr
    for name in ("en.bio", "en-dev.bio", "jv.bio", "xlm-roberta-base"):
        assert name in done.stdout
    assert "missing (4)" in done.stdout
