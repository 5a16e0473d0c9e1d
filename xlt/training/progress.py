"""How far a stage is: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import ExitStack
from contextvars import ContextVar
from typing import Any, Protocol

from tqdm.contrib.logging import logging_redirect_tqdm
from transformers import TrainerCallback

log = logging.getLogger(__name__)

INTERVAL = 60.0
"""Seconds between two lines."""


class Whole(Protocol):
    """A command that a stage is part of."""

    def began(self, first: int, total: int) -> None:
        """The stage has so many steps, the first of which were done before."""

    def ended(self) -> None:
        """The stage is trained."""

    def left(self, step: int) -> float | None:
        """Seconds for what is left of the command at a step; None where that is not known."""


whole: ContextVar[Whole | None] = ContextVar("whole", default=None)
"""Who is asked what is left of all; by default nobody."""


def progress(title: str) -> Bar | Lines:
    """What fits standard error. title: what is trained, as "stage 2 of 4 (eng), seed 1"."""
    return Bar(title) if sys.stderr is not None and sys.stderr.isatty() else Lines(title)


class Bar(TrainerCallback):
    """Steps, time that is left, loss, and the score of the last evaluation; and, once a minute, the
    time that is left of all."""

    def __init__(self, title: str) -> None:
        from tqdm import tqdm

        self.bar: Any = tqdm(desc=title, unit="step", dynamic_ncols=True, leave=True)
        self.shown: dict[str, str] = {}
        self.log = ExitStack()  # messages get lines of their own, above the bar
        self.said = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.log.enter_context(logging_redirect_tqdm([logging.getLogger("xlt")]))
        self.bar.reset(total=state.max_steps)
        self.bar.update(state.global_step)
        _begin(state)
        self.said = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.update(1)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        self.shown |= _scores(logs)
        now = time.monotonic()
        if now - self.said >= INTERVAL:
            self.said = now
            if (seconds := _left(state)) is not None:
                self.shown["of all"] = f"{duration(seconds)} left"
        self.bar.set_postfix(self.shown)

    def close(self) -> None:
        """Give the log back. However training ends: another run begins with handlers of its own."""
        self.bar.close()
        self.log.close()
        _end()


class Lines(TrainerCallback):
    """As `Bar`, in the log: a file of it stays readable."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.shown: dict[str, str] = {}
        self.began = self.said = 0.0
        self.first = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.began = self.said = time.monotonic()
        self.first = state.global_step
        _begin(state)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        self.shown |= _scores(logs)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        now = time.monotonic()
        if now - self.said < INTERVAL:
            return
        self.said = now
        done, left = state.global_step - self.first, state.max_steps - state.global_step
        facts = [f"step {state.global_step:,} of {state.max_steps:,}"]
        facts += [f"{name} {value}" for name, value in self.shown.items()]
        own = duration((now - self.began) / done * left)
        facts += [f"{own} left"]
        if (seconds := _left(state)) is not None and duration(seconds) != own:
            facts += [f"{duration(seconds)} with all that follows"]
        log.info("%s: %s", self.title, ", ".join(facts))

    def close(self) -> None:
        """Nothing is said."""
        _end()


def _scores(logs: dict[str, Any] | None) -> dict[str, str]:
    """Loss and scores of what is logged, without the prefix of evaluations."""
    return {
        name.removeprefix("eval_"): f"{float(value):.4g}"
        for name, value in (logs or {}).items()
        if name == "loss" or name.startswith("eval_")
    }


def _begin(state: Any) -> None:
    if (command := whole.get()) is not None:
        command.began(state.global_step, state.max_steps)


def _end() -> None:
    if (command := whole.get()) is not None:
        command.ended()


def _left(state: Any) -> float | None:
    command = whole.get()
    return None if command is None else command.left(state.global_step)


def duration(seconds: float) -> str:
    """About how long that is, in words."""
    minutes = seconds / 60
    if minutes < 1:
        return "less than a minute"
    return f"about {minutes:.0f} min" if minutes < 120 else f"about {minutes / 60:.1f} h"
