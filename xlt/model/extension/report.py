"""What was done to an encoder whose vocabulary was extended, as its folder says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REPORT = "extension.json"


def is_model(folder: Path) -> bool:
    return (folder / "config.json").is_file()


def report(folder: Path) -> dict[str, Any]:
    """What was done, JSON-able.

    lines, held_out: different lines that were read, and how many of them nothing was learnt from.
    added:    new subwords; compared: those that have a vector, so that `initialise` weighs old ones
        for them (the others are the mean of the old subwords that they were split into); drawn:
        those of which nothing is known.
    fertility, unknown: before and after, of the held-out lines: subwords a word (at white space),
        and the share of the subwords that are unknown.
    """
    found: dict[str, Any] = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    return found


def said(found: Mapping[str, Any]) -> str:
    """A report in a sentence."""
    if not found["added"]:
        return "the text has no subwords that the encoder lacks: its vocabulary stays as it is"
    (before, after), (unknown, still) = found["fertility"], found["unknown"]
    return (
        f"{found['added']:,} subwords were added to the encoder: {before:.2f} subwords a word "
        f"before, {after:.2f} after, {unknown:.1%} and {still:.1%} of them unknown (in "
        f"{found['held_out']:,} held-out lines of the text)"
    )
