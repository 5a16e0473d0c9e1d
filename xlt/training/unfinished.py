"""Unfinished stages: what their checkpoints have scores of, and whether training may go on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xlt.files import DamagedFile, read_sealed, write_sealed
from xlt.training import checkpoint as ckpt
from xlt.training.finished import Observed

log = logging.getLogger(__name__)

OBSERVED = "observed.json"
"""Beside the checkpoints: what they have scores of, and which weights are kept."""


def begin(work: Path, observed: Observed, keep: str) -> None:
    """Say in a stage's folder of checkpoints what they will have.

    keep: as in `selection.keep`.
    """
    write_sealed(work / OBSERVED, {"observed": observed, "keep": keep})


def goes_on(work: Path, observed: Observed, keep: str) -> bool:
    """Whether the checkpoints of an unfinished stage have all that is wanted of it.

    Without scores of its first steps, or the weights, the best of all could not be known. Where
    checkpoints are of no use a warning says why.
    """
    wanted = {"observed": observed, "keep": keep}
    try:
        began = read_sealed(work / OBSERVED, fix="the stage starts again")
    except (FileNotFoundError, DamagedFile):
        began = {}
    if began == wanted:
        return True
    if ckpt.checkpoints(work):
        log.warning("%s %s: the stage starts again", work, _otherwise(began, wanted))
    return False


def _otherwise(began: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    if not began:
        return "does not say what it has scores of"
    there, observed = began["observed"], wanted["observed"]
    lacking = [name for name, content in observed.items() if there.get(name) != content]
    if lacking:
        return f"has no scores of {', '.join(lacking)}"
    if began["keep"] != wanted["keep"]:
        return f"was begun with `selection.keep: {began['keep']}`"
    return f"has scores of {', '.join(there.keys() - observed.keys())}, which nobody wants now"
