"""Answers that are checked, and asked for again where they are none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from xlt.chat.client import Client
from xlt.chat.protocol import Prompt

T = TypeVar("T")

MAX_AGAIN = 2
"""Times that an invalid answer is asked for again."""

_THOUGHTS = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)
_FENCED = re.compile(r"^\s*```[a-z]*\n(.*?)\n?```\s*$", re.DOTALL)


class InvalidAnswerError(Exception):
    """An answer that cannot be used. complaint: why, told to the model; best: what of it can."""

    def __init__(self, complaint: str, best: Any = None) -> None:
        super().__init__(complaint)
        self.complaint, self.best = complaint, best


@dataclass(frozen=True)
class Checked(Generic[T]):
    """What became of a prompt.

    value:     of a valid answer; of the last invalid one what of it can be used, or None.
    complaint: about that last answer; None for a valid one.
    failed:    why there was no answer at all.
    """

    value: T | None
    complaint: str | None = None
    failed: str | None = None


def ask_checked(
    client: Client, prompts: Sequence[Prompt], read: Callable[[int, str], T]
) -> list[Checked[T]]:
    """What the answers say; invalid ones are asked for again with the complaint.

    read: the number of a prompt and its answer → what it says, or InvalidAnswerError.

    Raises XltError as `Client.ask` does.
    """
    done: dict[int, Checked[T]] = {}
    waiting = dict(enumerate(prompts))
    for _ in range(MAX_AGAIN + 1):
        answers = client.ask(list(waiting.values()))
        again: dict[int, Prompt] = {}
        for (n, prompt), answer in zip(waiting.items(), answers, strict=True):
            if answer.failed is not None:
                done[n] = Checked(None, failed=answer.failed)
                continue
            try:
                if answer.finish == "length":
                    raise InvalidAnswerError("It was cut off: it is too long.")
                done[n] = Checked(read(n, plain(answer.text)))
            except InvalidAnswerError as invalid:
                client.tally.invalid += 1
                done[n] = Checked(invalid.best, invalid.complaint)
                said = ("assistant", answer.text), ("user", _told(invalid.complaint))
                again[n] = replace(prompt, messages=(*prompt.messages, *said))
        waiting = again
        if not waiting:
            break
    client.tally.unusable += len(waiting)
    return [done[n] for n in range(len(prompts))]


def plain(text: str) -> str:
    """An answer without what some models put before and around it: thoughts, a fence."""
    text = _THOUGHTS.sub("", text)
    fenced = _FENCED.match(text)
    return (fenced[1] if fenced else text).strip()


def read_object(text: str) -> dict[str, Any]:
    """The JSON object in an answer, whatever is said around it. Raises InvalidAnswerError."""
    start, end = text.find("{"), text.rfind("}")
    try:
        value = json.loads(text[start : end + 1]) if start >= 0 else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidAnswerError("It is no JSON object.")
    return value


def _told(complaint: str) -> str:
    return f"That answer cannot be used. {complaint} Answer again, in the same form."
