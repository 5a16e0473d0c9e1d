"""Kill `xlt train` and `xlt study` at random, resume, and compare with the uninterrupted run.

    python -m scripts.reliability.kill --number 200 --seed 1

Half of the kills (SIGKILL) come at a random time, half at a random operation on files: just before
it, or in the middle of it where it is a write. One in four cases is killed again while it resumes.
Every task with every strategy and a study of each task take turns. What must be equal, bit for bit:
every weight, prediction, count and score. Nothing half written may be left.
"""

from __future__ import annotations

import random
import sys
from typing import Any

from scripts.reliability import scenario
from scripts.reliability.outcome import BUG, differences, left_over, outcome
from scripts.reliability.scenario import Case, Plan, Reference, Scenario

MAX_TRIES = 6
"""Times that a case is begun: it may end before the time at which it was to be killed."""


def killed(
    chosen: Scenario, expected: Reference, draw: random.Random, *, resume: bool = False
) -> str | None:
    """Kill the command once; says when, or None if it had ended by then."""
    settings: dict[str, Any]
    if draw.random() < 0.5:
        seconds = draw.uniform(0, expected.seconds)
        settings = {"kill_after": seconds}
        when = f"after {seconds:.2f} s"
    else:
        at, part = draw.randint(1, expected.operations), draw.choice((0.0, 0.5))
        settings = {"before": chosen.begin_record(at, part)}
        when = f"at operation {at}" + (" (half of it done)" if part else "")
    ended = chosen.resume(**settings) if resume else chosen.start(**settings)
    if ended.code == 0:
        return None
    if ended.code != -9:
        raise AssertionError(f"failed before it was killed {when}: {ended.text}")
    return when


def interrupt(chosen: Scenario, expected: Reference, draw: random.Random) -> str:
    """Begin until it is killed; in one case of four a second time, while it resumes."""
    for _ in range(MAX_TRIES):
        chosen.world.clear()
        when = killed(chosen, expected, draw)
        if when is not None:
            break
    else:
        raise AssertionError("always ended before it was killed")
    if draw.random() < 0.25:
        again = killed(chosen, expected, draw, resume=True)
        when += f", again {again}" if again else ", resumed twice"
    return f"killed {when}"


def examine(number: int, chosen: Scenario, expected: Reference, draw: random.Random) -> Case:
    what = interrupt(chosen, expected, draw)
    ended = chosen.resume()
    if ended.code != 0:
        verdict = "bug" if BUG.search(ended.err) else "hangs" if ended.hung else "refused"
        return Case(number, chosen.name, what, verdict, False, ended.text.splitlines())
    different = differences(expected.outcome, outcome(chosen.world.runs))
    if different:
        return Case(number, chosen.name, what, "different", False, different)
    remains = [
        f"{path.relative_to(chosen.world.place)} is left" for path in left_over(chosen.world.place)
    ]
    return Case(
        number, chosen.name, what, "left-over" if remains else "equal", not remains, remains
    )


def kill(plan: Plan) -> None:
    references: dict[str, Reference] = {}
    for number, name in plan.numbered():
        chosen = scenario.make(name, plan.folder)
        if name not in references:
            references[name] = scenario.reference(chosen)
        plan.add(examine(number, chosen, references[name], plan.draw(number)))


if __name__ == "__main__":
    sys.exit(scenario.command("kill", __doc__, kill, number=200, known=scenario.names))
