"""xlt scores, and `xlt runs` with and without a word after it."""

from __future__ import annotations

import json

CSV = "source,target,score\nind,jav,50\nspa,jav,70\njav,jav,99\n"


def test_add_list_use_remove(xlt, tmp_path):
    (tmp_path / "mine.csv").write_text(CSV, encoding="utf-8")

    def run(*arguments: str):
        return xlt(*arguments, cwd=tmp_path, XLT_CACHE=str(tmp_path / "cache"))

    assert "none in" in run("scores", "list").stdout
    added = run("scores", "add", "mine.csv", "--task", "dependency_parsing")
    assert added.returncode == 0, added.stderr
    assert "mine: 2 scores of 2 pairs, targets jav" in added.stdout
    assert "left out: mine.csv:4: jav is source and target" in added.stderr
    assert "dependency_parsing" in run("scores", "list").stdout
    asked = ("predict-source", "jav", "--task", "dependency_parsing", "--sources", "ind,spa")
    shown = run(*asked).stdout
    assert "own runs took part: mine (2 scores on jav" in shown
    assert "own run" in shown
    assert "own runs" not in run(*asked, "--no-own").stdout
    assert run("scores", "remove", "mine").returncode == 0
    assert json.loads(run("scores", "list", "--json").stdout) == {}


def test_a_bad_file(xlt, tmp_path):
    (tmp_path / "mine.csv").write_text("source,score\nind,5\n", encoding="utf-8")
    done = xlt("scores", "add", "mine.csv", "--task", "ner", cwd=tmp_path)
    assert done.returncode == 2
    assert "mine.csv:1" in done.stderr
    assert "Traceback" not in done.stderr


def test_runs_lists_by_default(xlt, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for arguments in (("runs",), ("runs", "list"), ("runs", "elsewhere")):
        done = xlt(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("no runs in ")
    done = xlt("runs", "regret", cwd=tmp_path)
    assert done.returncode == 2
    assert "no finished zero-shot run" in done.stderr
