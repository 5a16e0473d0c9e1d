"""`xlt runs`: the runs under a folder and how they stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from xlt.results import CONFIG, MANIFEST, RESULT


def list_runs(root: Path) -> list[dict[str, Any]]:
    """Every run below `root`, oldest first: name, state, when it started, its main scores."""
    runs = []
    for config in sorted(root.glob(f"*/{CONFIG}")):
        folder = config.parent
        row: dict[str, Any] = {"name": folder.name, "state": "unfinished", "started": None}
        if (folder / MANIFEST).is_file():
            row["started"] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["started"]
        if (folder / RESULT).is_file():
            result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
            row |= {
                "state": "finished",
                "task": result["task"],
                "strategy": result["strategy"],
                "scores": [
                    {
                        "target": s["target"],
                        "split": s["split"],
                        "metric": result["metrics"][0],
                        **s["metrics"][result["metrics"][0]],
                    }
                    for s in result["summary"]
                    if s["primary"]
                ],
            }
        runs.append(row)
    return sorted(runs, key=lambda row: str(row["started"]))
