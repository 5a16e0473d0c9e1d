"""The reliability scripts in their smallest form; and that they can tell right from wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.reliability import trace
from scripts.reliability.damage import DAMAGES, drawn, kind_of
from scripts.reliability.outcome import differences, left_over
from scripts.reliability.power_cut import judge, refusal, resumed
from scripts.reliability.process import Ended
from scripts.reliability.scenario import Case, Plan, Reference

DAMAGED = ("result.json", "done.json", "model.safetensors")
thorough = pytest.mark.skipif(
    "XLT_THOROUGH" not in os.environ, reason="slow; XLT_THOROUGH=1 runs it"
)
needs_compiler = pytest.mark.skipif(not trace.available(), reason="there is no compiler")


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "options"),
    [
        pytest.param("kill", ("--number", "1", "--only", "ner/study"), marks=thorough),
        pytest.param("power_cut", ("--number", "1", "--only", "ner/projection"), marks=thorough),
        pytest.param("damage", ("--number", "3", "--only", *DAMAGED), marks=thorough),
    ],
)
def test_a_few_cases_of_each(script: str, options: tuple[str, ...], tmp_path: Path) -> None:
    command = [sys.executable, "-m", f"scripts.reliability.{script}", "--folder", tmp_path]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"0 of {options[1]} not as promised" in done.stdout


@needs_compiler
def test_scenarios_that_there_are_not_are_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.reliability.kill", "--only", "no/such"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no such scenario; there are ner/" in done.stderr


def a_plan(folder: Path, **changes: Any) -> Plan:
    settings = {"command": "kill", "seed": 1, "scenarios": ["ner/joint"]} | changes
    return Plan(folder=folder, number=3, verbose=False, **settings)


def test_only_the_same_command_on_the_same_scenarios_goes_on(tmp_path: Path) -> None:
    plan = a_plan(tmp_path)
    plan.add(Case(0, "ner/joint", "killed", "equal", True))
    assert [number for number, _ in a_plan(tmp_path).numbered()] == [1, 2]
    for other in ({"command": "power_cut"}, {"seed": 2}, {"scenarios": ["ner/joint", "nli/joint"]}):
        assert [number for number, _ in a_plan(tmp_path, **other).numbered()] == [0, 1, 2]


def test_a_case_has_its_number_however_many_are_drawn() -> None:
    assert drawn(50, 0, seed=1) == list(range(50))
    few = drawn(50, 5, seed=1)
    assert few == sorted(set(few))
    assert len(few) == 5
    assert few[-1] > 5
    assert drawn(3, 5, seed=1) == [0, 1, 2]


@pytest.mark.parametrize(("refusals", "verdict"), [(0, "equal"), (3, "mended"), (4, "stuck")])
def test_the_last_advice_counts_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refusals: int, verdict: str
) -> None:
    left = [*[refused()] * refusals, Ended(0, "", "", 0.1)]

    class Chosen:
        class world:
            runs = place = tmp_path

        def resume(self) -> Ended:
            return left.pop(0)

        def start(self, option: str) -> Ended:
            assert option == "--overwrite"
            return left.pop(0)

    monkeypatch.setattr("scripts.reliability.power_cut.outcome", lambda _: {})
    assert resumed(Chosen(), Reference({}, 1.0, 1))[0] == verdict


def refused(**changes: str | None) -> Ended:
    error = {"what": "is damaged", "where": "/runs/a/result.json", "fix": "train again"} | changes
    return Ended(2, "", json.dumps({"errors": [error]}, indent=2), 0.1)


@pytest.mark.parametrize(
    ("ended", "verdict"),
    [
        (refused(), "refused"),
        (refused(where=None), "unnamed"),
        (refused(fix=None), "unnamed"),
        (Ended(2, "", "no JSON at all", 0.1), "unnamed"),
        (Ended(1, "", "xlt: this is a bug: KeyError: 'rows'", 0.1), "bug"),
        (Ended(1, "", "Traceback (most recent call last):\n…", 0.1), "bug"),
        (Ended(-9, "", "", 120, hung=True), "hangs"),
        (Ended(-11, "", "", 0.1), "unnamed"),
        (Ended(0, "right", "", 0.1), "right"),
        (Ended(0, "wrong", "", 0.1), "wrong"),
        (Ended(0, "", "", 0.1), "wrong"),
    ],
)
def test_answers_are_judged(ended: Ended, verdict: str) -> None:
    assert judge("predict a", ended, {"predict a": "right"}) == verdict
    if ended.code != 0:
        assert refusal(ended) == verdict


def test_finished_runs_that_are_listed_have_their_scores() -> None:
    row = {"name": "a", "state": "finished", "scores": [{"mean": 1.0}]}
    known = {"runs": json.dumps([row])}
    for found, verdict in (
        ([row], "right"),
        ([{**row, "state": "unfinished", "scores": []}], "right"),
        ([], "right"),
        ([{**row, "scores": [{"mean": 2.0}]}], "wrong"),
    ):
        assert judge("runs", Ended(0, json.dumps(found), "", 0.1), known) == verdict


def test_outcomes_are_compared_by_name(tmp_path: Path) -> None:
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 2}) == []
    found = differences({"a": 1, "b": 2}, {"b": 3, "c": 4})
    assert found == ["a: is missing", "b: differs", "c: is new"]
    for name in ("a.json.part", "work/checkpoint-2/x", "a.json", "workers", "b.json.123.part"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert [path.name for path in left_over(tmp_path)] == ["a.json.part", "work"]


def test_damages_change_what_they_damage() -> None:
    import random

    content = b'{"a": 1}\n' * 3
    for name, damage in DAMAGES.items():
        assert damage(content, random.Random(1)) != content, name
    flipped = DAMAGES["flipped"](content, random.Random(1))
    assert flipped is not None
    assert sum(a != b for a, b in zip(flipped, content, strict=True)) == 1


def test_files_of_a_kind_differ_in_numbers_hashes_and_languages() -> None:
    first = kind_of(Path("runs/one/seed-1/jav/model/xlt.json"))
    assert first == kind_of(Path("runs/study-two/seed-23/jav/model/xlt.json"))
    assert first != kind_of(Path("runs/stages/eng-0123456789ab/selected/4/xlt.json"))
