"""What somebody sees who makes a mistake."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest


def refused(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "  fix: " in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("addition", "overrides", "said"),
    [
        ("training: {epoch: 3}", [], "transfer.yaml:9 (training.epoch): unknown key 'epoch'"),
        ("training: {epochs: three}", [], "transfer.yaml:9 (training.epochs): must be a whole"),
        ("strategy: {name: hierarchical, through: [Klingonese]}", [], "unknown language 'Kling"),
        ("output: !!python/object:os.system {}", [], "YAML tags are not allowed"),
        ("seeds: [1]\nseeds: [2]", [], "transfer.yaml:10"),
        ("extends: transfer.yaml", [], "circle"),
        ("extends: missing.yaml", [], "missing.yaml: there is no such file"),
        ("", ["training.epoch=3"], "command line (training.epoch): unknown key 'epoch'"),
        ("", ["training.epochs=no"], "command line (training.epochs): must be a whole number"),
        ("", ["training.epochs"], "cannot read the override"),
        ("", ["data.en.train=[]"], "(data.eng.train): there is no train data for eng"),
        ("", ["selection.metric=f2"], "ner has no metric called 'f2'"),
        ("", ["source=[en, id]"], "zero_shot takes one source language"),
    ],
)
def test_mistakes_in_a_config(xlt, config, addition, overrides, said):
    with (config / "transfer.yaml").open("a", encoding="utf-8") as stream:
        stream.write(f"{addition}\n")
    assert said in refused(xlt("config", "check", "transfer.yaml", *overrides, cwd=config))


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), ("name: x".encode("utf-16"), "UTF-8"), (b"- a", "mapping"), (b"a: [", "YAML")],
)
def test_files_that_are_no_config(xlt, config, content, said):
    (config / "transfer.yaml").write_bytes(content)
    assert said in refused(xlt("config", "show", "transfer.yaml", cwd=config))


def test_a_missing_file_names_the_nearest(xlt, config):
    assert "did you mean transfer.yaml?" in refused(
        xlt("config", "check", "trasnfer.yaml", cwd=config)
    )


def test_several_problems_are_listed_together(xlt, config):
    done = xlt("config", "check", "transfer.yaml", "a=1", "seeds=[]", cwd=config)
    assert refused(done).count("  fix: ") == 2


def test_errors_as_json(xlt, config):
    done = xlt("config", "check", "transfer.yaml", "training.epoch=1", "--json", cwd=config)
    (error,) = json.loads(done.stderr)["errors"]
    assert error["where"] == "command line (training.epoch)"
    assert done.returncode == 2


def test_debug_adds_the_traceback(xlt, config):
    done = xlt("--debug", "config", "check", "transfer.yaml", "training.epoch=1", cwd=config)
    assert "Traceback" in done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize("arguments", [["confg"], ["config", "chekc"], ["train"], ["--what"], []])
def test_wrong_use(xlt, arguments):
    refused(xlt(*arguments))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "CONFIG: there is nothing to train"),
        (("a.yaml", "--input-format", "bio"), "--input-format: this is said of the files that go"),
        (("a.yaml", "--option", "scheme=IOB1"), "--option: this is said of the files that go"),
    ],
)
def test_what_xlt_train_needs(xlt, tmp_path, arguments, said):
    assert said in refused(xlt("train", *arguments, cwd=tmp_path))


def test_what_is_gone_on_from_is_a_run(xlt, tmp_path):
    pytest.importorskip("torch")
    said = refused(xlt("train", "--from", "nowhere", "a.json", cwd=tmp_path))
    assert "nowhere: this is not a run folder" in said


def test_a_wrong_command_names_the_nearest(xlt):
    assert "`xlt config check`" in refused(xlt("config", "chekc"))


def run_with(setup: str, *arguments: str) -> subprocess.CompletedProcess:
    """The command line in a fresh process, with something in it replaced."""
    code = f"import sys\nfrom xlt.cli import main\n{setup}\nmain(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, encoding="utf-8", timeout=120
    )


FAIL = "import xlt.commands.tasks as t\ndef fail(): raise {}\nt.tasks = fail"


def test_our_own_errors_are_called_a_bug_in_one_line():
    done = run_with(FAIL.format("ValueError('odd\\nthing')"), "tasks")
    assert done.returncode == 1
    assert done.stderr == "xlt: this is a bug: ValueError: odd; `--debug` shows where\n"
    assert "Traceback" in run_with(FAIL.format("ValueError()"), "tasks", "--debug").stderr


CAUSED = """
import xlt.commands.tasks as t
from xlt.errors import XltError, raise_all
def caused(text):
    try:
        raise ValueError(text)
    except ValueError as cause:
        error = XltError("no number")
        error.__cause__ = cause
        return error
def fail():
    raise_all([caused("one"), caused("other")][:{}])
t.tasks = fail
"""


@pytest.mark.parametrize("problems", [1, 2])
def test_debug_shows_the_causes_of_every_problem(problems):
    said = run_with(CAUSED.format(problems), "tasks", "--debug").stderr
    assert said.count("xlt tasks: no number\n") >= problems
    assert [cause in said for cause in ("ValueError: one", "ValueError: other")] == [
        True,
        problems == 2,
    ]


def test_a_full_disk_is_no_bug():
    done = run_with(FAIL.format("OSError(28, 'No space left on device', '/x')"), "tasks")
    assert "/x: No space left on device" in refused(done)
    shown = run_with(FAIL.format("OSError(28, 'No space left on device')"), "tasks", "--debug")
    assert "in fail" in shown.stderr


def test_interruption_is_one_line():
    slow = "t.tasks = lambda: (print('busy', flush=True), time.sleep(60))"
    # What a shell starts in the background ignores the signal, and so would what it starts.
    hears = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    setup = FAIL.format("SystemExit") + f"\nimport signal, time\n{slow}\n{hears}"
    code = f"import sys\nfrom xlt.cli import main\n{setup}\nmain(['tasks'])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "busy\n"  # not in the midst of an import
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "xlt: interrupted\n")


def test_a_reader_that_leaves_is_no_error():
    line = f"{sys.executable} -m xlt config schema | head -1 > /dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert int(done.stdout) in (0, 1)
