"""`xlt runs`: the runs under a folder and how they stand."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from xlt.files import DamagedFile
from xlt.results import CONFIG, RESULT, read_manifest, read_result

log = logging.getLogger(__name__)


def list_runs(root: Path) -> list[dict[str, Any]]:
    """Every run below `root`, oldest first: name, state, when it started, its main scores.

    A run with a damaged file is listed as damaged, with a warning that names the file.
    """
    runs = []
    for config in sorted(root.glob(f"*/{CONFIG}")):
        folder = config.parent
        row: dict[str, Any] = {"name": folder.name, "state": "unfinished", "started": None}
        try:
            row |= _started(folder) | _outcome(folder)
        except DamagedFile as error:
            log.warning("%s: %s", error.where, error.what)
            row["state"] = "damaged"
        runs.append(row)
    return sorted(runs, key=lambda row: str(row["started"]))


def _started(folder: Path) -> dict[str, Any]:
    try:
        return {"started": read_manifest(folder)["started"]}
    except FileNotFoundError:
        return {}


def _outcome(folder: Path) -> dict[str, Any]:
    if not (folder / RESULT).is_file():
        return {}
    result = read_result(folder)
    metric = result["metrics"][0]
    return {
        "state": "finished",
        "task": result["task"],
        "strategy": result["strategy"],
        "scores": [
            {"target": s["target"], "split": s["split"], "metric": metric, **s["metrics"][metric]}
            for s in result["summary"]
            if s["primary"]
        ],
    }
