"""What a run has left in its folder, for whoever reads it; `xlt.runs` writes it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from xlt.config.stored import CONFIG as CONFIG
from xlt.config.stored import MANIFEST as MANIFEST
from xlt.config.stored import advise_remaking
from xlt.errors import XltError
from xlt.files import DamagedFile, Listing, damage, read_sealed

log = logging.getLogger(__name__)

RESULT, CARD, LOG = "result.json", "README.md", "log.txt"
"""Files of a run's folder; see `xlt.runs.folder`."""


def finished_runs(root: Path) -> list[Path]:
    """The folders of finished runs directly in `root`, by name.

    A run whose result is damaged is left out, with a warning.
    """
    return [path.parent for path in sorted(root.glob(f"*/{RESULT}")) if _is_intact(path.parent)]


def _is_intact(folder: Path) -> bool:
    try:
        read_result(folder)
    except DamagedFile as error:
        log.warning("%s: %s: the run is left out", error.where, error.what)
        return False
    return True


def read_result(folder: Path) -> dict[str, Any]:
    """The result of a finished run.

    Raises XltError if there is none; DamagedFile if it, or the config beside it, is not as it was
    written.
    """
    path = folder / RESULT
    try:
        result = _read(path, "task", "strategy", "source", "metrics", "rows", "summary")
    except FileNotFoundError:
        unfinished = (folder / CONFIG).is_file()
        raise XltError(
            "this run is not finished" if unfinished else "this is not a run folder",
            where=folder,
            fix="`xlt train CONFIG --resume` finishes it"
            if unfinished
            else "`xlt runs` lists runs",
        ) from None
    if (problem := _config_damage(folder, result)) is not None:
        raise DamagedFile(problem, where=folder, fix=advise_remaking(folder))
    return result


def config_damage(folder: Path) -> str | None:
    """What is wrong with the config of a finished run; None where nothing is, or none can tell."""
    try:
        return _config_damage(folder, _read(folder / RESULT))
    except (DamagedFile, FileNotFoundError):
        return None


def _config_damage(folder: Path, result: dict[str, Any]) -> str | None:
    listed = listed_files(result)
    return damage(folder, {CONFIG: listed[CONFIG]}) if CONFIG in listed else None


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a run was made on and from. Raises DamagedFile; FileNotFoundError."""
    return _read(folder / MANIFEST, "started", "data")


def read_counts(path: Path) -> dict[str, Any]:
    """One model's counts on one split: "names", "labels" (of the model; an older
    xlt has not stored them), "data" (a fingerprint of it) and "counts".

    Raises DamagedFile, also where the file is missing.
    """
    try:
        return _read(path, "data", "counts")
    except FileNotFoundError:
        raise DamagedFile("the file is missing", where=path, fix=advise_remaking(path)) from None


def read_confidence(folder: Path, result: dict[str, Any], name: str) -> list[dict[str, Any]] | None:
    """`Document.confidence` of every prediction in a file of a run; None where it has none.

    Raises DamagedFile, also where the file is missing.
    """
    if name not in listed_files(result):
        return None
    check_file(folder, result, name)
    confidence: list[dict[str, Any]] = _read(folder / name, "confidence")["confidence"]
    return confidence


def check_file(folder: Path, result: dict[str, Any], name: str) -> None:
    """Raise DamagedFile for a file of a run that is missing or not as it was written."""
    listed = listed_files(result)
    problem = damage(folder, {name: listed[name]} if name in listed else {})
    if problem is None and not (folder / name).is_file():
        problem = f"{name} is missing"
    if problem is not None:
        raise DamagedFile(problem, where=folder, fix=advise_remaking(folder))


def listed_files(result: dict[str, Any]) -> Listing:
    """The files that belong to a result, by their path in the run's folder; none of an old run."""
    return {name: (size, digest) for name, (size, digest) in result.get("files", {}).items()}


def _read(path: Path, *keys: str) -> dict[str, Any]:
    """A JSON file of a run, which an older xlt did not seal."""
    value = read_sealed(path, fix=lambda: advise_remaking(path), older=True)
    lacking = [key for key in keys if key not in value]
    if lacking:
        raise DamagedFile(
            f"the file is damaged (it lacks {lacking[0]!r})", where=path, fix=advise_remaking(path)
        )
    return value


def measured(result: dict[str, Any]) -> list[dict[str, Any]]:
    """One row of a result's summary for each target: on test data where there are any, and never on
    further test data with a name of their own, which may be of another kind."""
    rows: dict[str, dict[str, Any]] = {}
    for row in result["summary"]:
        if row["split"] not in ("dev", "test"):
            continue
        if row["primary"] and (row["target"] not in rows or row["split"] == "test"):
            rows[row["target"]] = row
    return list(rows.values())
