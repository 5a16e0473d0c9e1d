"""Commands that are interrupted, what they give when they are not, and the cases that are done."""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts.reliability import process, trace
from scripts.reliability.outcome import outcome
from scripts.reliability.tiny_world import TASKS, World, make_world, possible

MAX_LINES = 12
"""Lines that are printed of what is to be said of a case; the list of cases has them all."""

STUDY = "study"
CELLS = {
    "one": {"strategy": {"name": "zero_shot"}},
    "two": {"strategy": {"name": "joint"}, "source": ["eng", "ind"]},
}


@dataclass(frozen=True)
class Scenario:
    """One command on a small world. name: task/strategy, or task/study."""

    name: str
    world: World
    config: Path

    @property
    def is_study(self) -> bool:
        return self.name.endswith(f"/{STUDY}")

    @property
    def run_folders(self) -> list[Path]:
        """Of the runs that have begun."""
        return sorted(path.parent for path in self.world.runs.glob("*/config.yaml"))

    def start(self, *options: str, **settings: Any) -> process.Ended:
        """The command from the beginning; `settings` are those of `process.xlt`."""
        command = "study" if self.is_study else "train"
        return process.xlt(
            "--json", "--quiet", command, self.config, *options,
            environment=self.world.environment, **settings,
        )  # fmt: skip

    def resume(self, **settings: Any) -> process.Ended:
        """What a user does after an interruption; a study goes on by itself."""
        return self.start(*(() if self.is_study else ("--resume",)), **settings)

    def record(self) -> Path:
        return self.world.folder / "record"

    def begin_record(self, at: int = 0, part: float = 0.0) -> Callable[[], None]:
        """Has a process write down what it changes, and perhaps end at one of its operations."""
        self.record().unlink(missing_ok=True)
        world = self.world

        def begin() -> None:
            trace.start(world.place, world.graveyard, self.record(), at=at, part=part)

        return begin


@dataclass(frozen=True)
class Reference:
    """An uninterrupted run: what came out, how long it took, how many operations it did."""

    outcome: dict[str, Any]
    seconds: float
    operations: int


def names() -> list[str]:
    """Of all scenarios: every task with every strategy, and a study of each task."""
    pairs = [f"{task}/{strategy}" for task, strategy in possible()]
    return pairs + [f"{task}/{STUDY}" for task in TASKS if task != "question_generation"]


def make(name: str, folder: Path) -> Scenario:
    task, _, strategy = name.partition("/")
    world = make_world(folder / task, task)
    if strategy != STUDY:
        return Scenario(name, world, world.config(strategy))
    config = world.config("zero_shot", name=STUDY)
    content = json.loads(config.read_text(encoding="utf-8"))
    content["study"] = {"cells": CELLS}
    config.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return Scenario(name, world, config)


def reference(scenario: Scenario) -> Reference:
    """Run the scenario without an interruption."""
    scenario.world.clear()
    ended = scenario.start(before=scenario.begin_record())
    if ended.code != 0:
        raise AssertionError(f"{scenario.name} fails without interruption: {ended.text}")
    made = outcome(scenario.world.runs)
    assert any(name.endswith("result.json") for name in made), f"{scenario.name} made no result"
    return Reference(made, ended.seconds, trace.read_record(scenario.record())[-1].number)


# Cases -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """What came of one case. verdict: a word; `ok` says whether it is what is promised."""

    number: int
    scenario: str
    what: str
    verdict: str
    ok: bool
    detail: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What a command is asked for: so many cases, drawn by a seed, of these scenarios."""

    command: str
    folder: Path
    number: int
    seed: int
    scenarios: list[str]
    verbose: bool

    @property
    def report(self) -> Path:
        # Of other scenarios, a case of this number is another one.
        chosen = hashlib.sha256(json.dumps(self.scenarios).encode()).hexdigest()[:8]
        return self.folder / f"{self.command}-{self.seed}-{chosen}.jsonl"

    def draw(self, number: int) -> random.Random:
        return random.Random(f"{self.seed}-{number}")

    def done(self) -> dict[int, Case]:
        """The cases that an earlier call of the command has been through."""
        if not self.report.is_file():
            return {}
        rows = map(json.loads, self.report.read_text(encoding="utf-8").splitlines())
        return {row["number"]: Case(**row) for row in rows}

    def add(self, case: Case) -> None:
        with self.report.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(case), ensure_ascii=False) + "\n")
        if self.verbose or not case.ok:
            print(f"{case.number}: {case.scenario}: {case.what}: {case.verdict}", flush=True)
            for line in case.detail[:MAX_LINES]:
                print(f"    {line}", flush=True)

    def numbered(self) -> Iterator[tuple[int, str]]:
        """Number and scenario of every case that is still to be done.

        Scenarios take turns; those of one task follow one another, so that few worlds are made.
        """
        for number in range(self.number):
            if number not in self.done():
                yield number, self.scenarios[number % len(self.scenarios)]


def command(
    name: str,
    description: str | None,
    work: Callable[[Plan], None],
    *,
    number: int = 0,
    known: Callable[[], Sequence[str]] | None = None,
) -> int:
    """Do the work that the command line asks for, and print what came of it; the exit status.

    description: its first line is for `--help`.
    number:      of cases, where the command line does not say it; 0: all.
    known:       the names of all scenarios; without, `--only` is for `work` to understand.
    """
    began = time.monotonic()
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--number", type=int, default=number, help=f"cases ({number or 'all'})")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (default 1)")
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="NAME", help="scenarios whose name holds one"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="where it works and keeps what is done: the same command goes on",
    )
    parser.add_argument("--verbose", action="store_true", help="print every case")
    asked = parser.parse_args()
    process.settle()
    trace.preload()
    wanted: list[str] = asked.only
    if known is not None:
        wanted = [one for one in known() if any(part in one for part in asked.only)]
        if not wanted:
            parser.error(f"there is no such scenario; there are {', '.join(known())}")
    process.warm_up()
    with tempfile.TemporaryDirectory(prefix="xlt-reliability-") as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        plan = Plan(name, folder.resolve(), asked.number, asked.seed, wanted, asked.verbose)
        work(plan)
        return conclude(plan, time.monotonic() - began)


def conclude(plan: Plan, seconds: float) -> int:
    """Print a table of what came of all cases; the exit status."""
    cases = [case for _, case in sorted(plan.done().items())]
    verdicts = sorted({case.verdict for case in cases})
    width = max([len(case.scenario) for case in cases] + [8])
    print(f"{'scenario':{width}}  cases  " + "  ".join(verdicts))
    for name in [*dict.fromkeys(case.scenario for case in cases), ""]:
        of_it = [case for case in cases if case.scenario == name or not name]
        counts = [sum(case.verdict == verdict for case in of_it) for verdict in verdicts]
        cells = "  ".join(f"{n:{len(v)}d}" for n, v in zip(counts, verdicts, strict=True))
        print(f"{name or 'all':{width}}  {len(of_it):5d}  {cells}")
    broken = sum(not case.ok for case in cases)
    print(f"{broken} of {len(cases)} not as promised, {seconds:.0f} s")
    return 1 if broken or not cases else 0
