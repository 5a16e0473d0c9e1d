"""What a finished run has left, in a form that is equal where runs are."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

BUG = re.compile(r"this is a bug|Traceback \(most recent call last\)")
LEFT_OVER = re.compile(r"(\.part|\.tmp)$|^work$")
"""Names of what is only there while something is being written."""
OF_A_PROCESS = re.compile(r"\.\d+\.part$")
"""Of a file of the cache, which any process may write: remains stay for a day, for it may still."""

_KEPT = ("stages/*/selected", "*/seed-*", "*/projection")
_SAME = ("rows", "summary", "metrics", "languages", "projections", "predictions")
"""Of a result; where stages came from and how long they took may differ."""


def outcome(runs: Path) -> dict[str, Any]:
    """Name → SHA-256 of every weight, prediction and count below a folder of runs, and the results.

    Unfinished runs are left out, with their stages.
    """
    files = [path for pattern in _KEPT for path in runs.glob(pattern)]
    made: dict[str, Any] = {
        str(path.relative_to(runs)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in files
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    for path in sorted(runs.glob("*/result.json")):
        text = path.read_text(encoding="utf-8", errors="replace")
        try:
            result = json.loads(text)
            made[str(path.relative_to(runs))] = {key: result[key] for key in _SAME}
        except (ValueError, KeyError, TypeError):
            made[str(path.relative_to(runs))] = text
    return made


def left_over(folder: Path) -> list[Path]:
    """What should have gone when its writer ended, or when it was resumed."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if LEFT_OVER.search(path.name) and not OF_A_PROCESS.search(path.name)
    ]


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """In words; empty where the outcomes are equal."""
    words = []
    for name in sorted({*expected, *found}):
        if name not in found:
            words.append(f"{name}: is missing")
        elif name not in expected:
            words.append(f"{name}: is new")
        elif expected[name] != found[name]:
            words.append(f"{name}: differs")
    return words
