"""What a run has left in its folder, for whoever reads it; `xlt.runs` writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from xlt.errors import XltError

CONFIG, MANIFEST, RESULT, CARD, LOG = (
    "config.yaml",
    "manifest.json",
    "result.json",
    "README.md",
    "log.txt",
)
"""Files of a run's folder; see `xlt.runs.folder`."""


def finished_runs(root: Path) -> list[Path]:
    """The folders of finished runs directly in `root`, by name."""
    return [result.parent for result in sorted(root.glob(f"*/{RESULT}"))]


def read_result(folder: Path) -> dict[str, Any]:
    """The result of a finished run. Raises XltError if there is none."""
    path = folder / RESULT
    if not path.is_file():
        unfinished = (folder / CONFIG).is_file()
        raise XltError(
            "this run is not finished" if unfinished else "this is not a run folder",
            where=folder,
            fix="`xlt train CONFIG --resume` finishes it"
            if unfinished
            else "`xlt runs` lists runs",
        )
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def measured(result: dict[str, Any]) -> list[dict[str, Any]]:
    """One row of a result's summary for each target: on test data where there are any."""
    rows: dict[str, dict[str, Any]] = {}
    for row in result["summary"]:
        if row["primary"] and (row["target"] not in rows or row["split"] == "test"):
            rows[row["target"]] = row
    return list(rows.values())
