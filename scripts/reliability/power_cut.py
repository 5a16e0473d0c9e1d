"""Cut the power under `xlt train` and `xlt study`; ask every command what it makes of the rest.

    python -m scripts.reliability.power_cut --number 200 --seed 1

The command ends at a random operation on files, or by itself; then what was not synced is lost
(`crash`). After it, `runs`, `predict`, `evaluate` and, of a study, its table must give what the
uninterrupted run gives, or an error that says where and what to do; resuming must give the
uninterrupted run, bit for bit, or such an error, and then what the error advises must give it.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

from scripts.reliability import process, scenario, trace
from scripts.reliability.crash import cut_power
from scripts.reliability.outcome import BUG, differences, left_over, outcome
from scripts.reliability.scenario import Case, Plan, Reference, Scenario
from scripts.reliability.tiny_world import TARGET

AFTER_THE_END = 0.2
"""Share of cases in which the command has ended before the power is cut."""
MAX_ADVICE = 3
"""Times that the advice of an error is followed."""


def questions(chosen: Scenario) -> dict[str, list[object]]:
    """Name → arguments of every command that reads what the scenario has stored."""
    world = chosen.world
    data = world.data(TARGET, "test")
    asked: dict[str, list[object]] = {"runs": ["runs", world.runs]}
    for run in chosen.run_folders:
        asked[f"predict {run.name}"] = ["predict", run, data, "--language", TARGET]
        asked[f"evaluate {run.name}"] = ["evaluate", run, data, "--language", TARGET]
    if chosen.is_study:
        asked["table"] = ["study", chosen.config, "--table"]
    return asked


def ask(chosen: Scenario, arguments: list[object]) -> process.Ended:
    return process.xlt("--json", "--quiet", *arguments, environment=chosen.world.environment)


def answers(chosen: Scenario) -> dict[str, str]:
    """Of all questions, after the uninterrupted run."""
    given = {}
    for name, arguments in questions(chosen).items():
        ended = ask(chosen, arguments)
        assert ended.code == 0, f"{name}: {ended.text}"
        given[name] = ended.out
    return given


def errors(ended: process.Ended) -> list[dict[str, Any]]:
    """What a command printed as errors under --json; empty where it printed none."""
    start = ended.err.find('{\n  "errors"')
    if start < 0:
        return []
    listed: list[dict[str, Any]] = json.loads(ended.err[start:])["errors"]
    return listed


def refusal(ended: process.Ended) -> str:
    """The verdict on a command that failed: "refused" where it said where, and what to do."""
    if ended.hung:
        return "hangs"
    if BUG.search(ended.err):
        return "bug"
    said = errors(ended)
    named = said and all(one["where"] and one["fix"] for one in said)
    return "refused" if ended.code == 2 and named else "unnamed"


def judge(name: str, ended: process.Ended, known: dict[str, str]) -> str:
    """The verdict on one answer after the power cut: "right", "refused", or what is wrong."""
    if ended.code != 0:
        return refusal(ended)
    if name == "runs":
        return "right" if _listed(ended.out, known["runs"]) else "wrong"
    if name == "table":
        return "right" if _rows(ended.out, known["table"]) else "wrong"
    return "right" if ended.out == known.get(name) else "wrong"


def _listed(found: str, expected: str) -> bool:
    """Whether every run that is said to be finished has its scores."""
    right = {row["name"]: row["scores"] for row in json.loads(expected)}
    finished = [row for row in json.loads(found) if row["state"] == "finished"]
    return all(row["scores"] == right[row["name"]] for row in finished)


def _rows(found: str, expected: str) -> bool:
    """Whether every row of the study's table is right; its baseline may not be there yet."""
    right = {row["cell"]: row for row in json.loads(expected)["rows"]}
    return all(
        row == {**right[row["cell"]], "against": row["against"]}
        and row["against"] in (None, right[row["cell"]]["against"])
        for row in json.loads(found)["rows"]
    )


def resumed(chosen: Scenario, expected: Reference) -> tuple[str, list[str]]:
    """Resume, following advice where there is any: verdict, and what else is to be said."""
    ended = chosen.resume()
    followed, said = 0, []
    while ended.code != 0:
        if refusal(ended) != "refused":
            return refusal(ended), ended.text.splitlines()
        said += [f"{one['where']}: {one['what']}; {one['fix']}" for one in errors(ended)]
        if followed == MAX_ADVICE:
            return "stuck", said
        ended = follow(chosen, ended)
        followed += 1
    different = differences(expected.outcome, outcome(chosen.world.runs))
    if different:
        return "different", [*said, *different]
    if remains := left_over(chosen.world.place):
        return "left-over", [*said, *map(str, remains)]
    return "mended" if followed else "equal", said


def follow(chosen: Scenario, ended: process.Ended) -> process.Ended:
    """Do what the errors advise: delete what they name where they say so, else start again."""
    deleted = False
    for one in errors(ended):
        path = Path(one["where"])
        advised = one["fix"].startswith(("delete", "remove"))
        if advised and path.exists() and path.is_relative_to(chosen.world.place):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            deleted = True
    return chosen.resume() if deleted else chosen.start("--overwrite")


def examine(
    number: int, chosen: Scenario, expected: Reference, known: dict[str, str], draw: random.Random
) -> Case:
    world = chosen.world
    world.clear()
    end = draw.random() < AFTER_THE_END
    at = 0 if end else draw.randint(1, expected.operations)
    ended = chosen.start(before=chosen.begin_record(at, draw.choice((0.0, 0.5))))
    if ended.code not in (0, -9):
        raise AssertionError(f"failed before the power was cut: {ended.text}")
    operations = trace.read_record(chosen.record())
    lost = cut_power(world.place, world.graveyard, operations, draw)
    what = f"{len(lost)} losses after the end" if end else f"{len(lost)} losses at operation {at}"
    verdicts, details = [], []
    for name, arguments in questions(chosen).items():
        ended = ask(chosen, arguments)
        verdict = judge(name, ended, known)
        if verdict not in ("right", "refused"):
            verdicts.append(verdict)
            details += [f"{name}: {verdict}", *ended.text.splitlines()]
    verdict, said = resumed(chosen, expected)
    ok = not verdicts and verdict in ("equal", "mended")
    details += said
    verdicts.append(verdict)
    worst = min(verdicts, key=SEVERITY.index)
    return Case(number, chosen.name, what, worst, ok, details if ok else [*details, *lost])


SEVERITY = (
    "wrong", "different", "bug", "hangs", "stuck", "unnamed", "left-over", "mended", "equal",
)  # fmt: skip


def cut(plan: Plan) -> None:
    known: dict[str, tuple[Reference, dict[str, str]]] = {}
    for number, name in plan.numbered():
        chosen = scenario.make(name, plan.folder)
        if name not in known:
            known[name] = scenario.reference(chosen), answers(chosen)
        plan.add(examine(number, chosen, *known[name], plan.draw(number)))


if __name__ == "__main__":
    sys.exit(scenario.command("power_cut", __doc__, cut, number=200, known=scenario.names))
