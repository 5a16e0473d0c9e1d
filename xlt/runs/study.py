"""`xlt study`: several runs that differ in one thing or two, and one table of what came out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from xlt.config.consent import requests
from xlt.config.load import LoadedConfig, dump
from xlt.config.stored import config_values, differing_keys
from xlt.config.study import Study
from xlt.errors import XltError, flat
from xlt.evaluation.statistics import Comparison, judge
from xlt.files import DamagedFile
from xlt.permissions import obeying
from xlt.results import CONFIG, LOG, RESULT, read_result
from xlt.runs.compare import compare
from xlt.runs.experiment import prepare_cells, resolve_source

log = logging.getLogger(__name__)


def study(
    definition: Study, *, overwrite: bool = False, reuse: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Run or resume what is not finished of a study, and compare its cells with the baseline.

    Stages that cells have in common are trained once. A cell that another process is running comes
    last, and is waited for. A cell that fails, for whatever reason, does not stop the others:
    `table` of those that are finished, with "failed", cell → its errors, each with "what", "where"
    and "fix".
    """
    from xlt.runs.folder import InUse  # torch, without which `table` does
    from xlt.runs.train import run

    failed: dict[str, list[dict[str, str | None]]] = {}
    experiments = prepare_cells(definition)
    asked = [one for experiment in experiments.values() for one in requests(experiment.loaded)]
    with obeying(asked):  # before the first cell, not in the middle of the night
        numbers = {name: number for number, name in enumerate(experiments, 1)}
        to_do = [(name, False) for name in experiments]
        for name, wait in to_do:  # which grows
            experiment = experiments[name]
            log.info("%s (%d of %d)", name, numbers[name], len(experiments))
            try:
                run(
                    experiment,
                    resume=True,
                    overwrite=overwrite and not wait,  # what has just been made is not forgotten
                    reuse=reuse,
                    quiet=quiet,
                    wait=wait,
                )
            except InUse:
                log.info("another process is running %s: it comes last", name)
                to_do.append((name, True))
            except Exception as error:
                # Only words are kept: the error would hold the failed cell's model in memory.
                failed[name] = [
                    {"what": f"{name}: {one.what}", "where": one.where, "fix": one.fix}
                    for one in flat(_to_mend(error, _folder(experiment.loaded)))
                ]
                log.warning("%s failed: %s", name, failed[name][0]["what"])
    return {**table(definition), "failed": failed}


def _to_mend(error: Exception, folder: Path) -> XltError:
    """Any error as one that says where to look."""
    if isinstance(error, XltError):
        return error
    first = (str(error).splitlines() or [""])[0]
    return XltError(
        f"{type(error).__name__}: {first}",
        where=folder,
        fix=f"{folder / LOG} says where it happened; the same command runs what is not finished",
    )


def table(definition: Study) -> dict[str, Any]:
    """Scores of all finished cells, by target and split, each with its difference from the
    baseline in the task's first metric; all differences are one family, for which p is adjusted.

    A cell with a damaged file is left out, with a warning. So is one whose run has another config
    than the cell has now: "stale", cell → the keys that differ.
    """
    folders = {name: _folder(loaded) for name, loaded in definition.cells.items()}
    results, stale = {}, {}
    for name, loaded in definition.cells.items():
        if (result := _finished(folders[name])) is None:
            continue
        try:
            differ = _differs(loaded, folders[name] / CONFIG)
        except (XltError, OSError, ValueError) as error:
            log.warning("%s is left out: %s", name, error)
            continue
        if differ:
            stale[name] = differ
        else:
            results[name] = result
    metric = next((result["metrics"][0] for result in results.values()), None)
    baseline = definition.baseline if definition.baseline in results else None
    rows: list[dict[str, Any]] = []
    compared: list[tuple[dict[str, Any], Comparison]] = []
    for name, result in results.items():
        differences: dict[tuple[str, str], Comparison] = {}
        if baseline is not None and name != baseline:
            try:
                differences = {
                    (row["target"], row["split"]): Comparison.of(row)
                    for row in compare(folders[name], folders[baseline], metric=metric)["rows"]
                }
            except XltError as error:  # another target, say, or damaged counts
                log.warning("%s is not compared: %s", name, error.what)
        for line in result["summary"]:
            if line["primary"]:
                row = {
                    "cell": name,
                    "run": str(folders[name]),
                    "target": line["target"],
                    "split": line["split"],
                    "metrics": line["metrics"],
                    "against": None,
                }
                rows.append(row)
                if (difference := differences.get((line["target"], line["split"]))) is not None:
                    compared.append((row, difference))
    judged = judge([difference for _, difference in compared])
    for (row, _), against in zip(compared, judged, strict=True):
        row["against"] = against
    return {
        "baseline": definition.baseline,
        "cells": {name: name in results for name in definition.cells},
        "stale": stale,
        "metric": metric,
        "rows": sorted(rows, key=lambda row: (row["target"], row["split"])),
    }


def _finished(folder: Path) -> dict[str, Any] | None:
    """A cell's result; None where it has none that can be used."""
    if not folder.joinpath(RESULT).is_file():
        return None
    try:
        return read_result(folder)
    except DamagedFile as error:
        log.warning("the cell is left out: %s", error)
        return None


def _differs(loaded: LoadedConfig, path: Path) -> list[str]:
    """Keys in which a cell differs from what its finished run was made with."""
    cell, _ = resolve_source(loaded)
    return differing_keys(
        config_values(path.read_text(encoding="utf-8"), path),
        config_values(dump(cell.config), loaded.path),
    )


def _folder(loaded: LoadedConfig) -> Path:
    return loaded.config.output.root / loaded.config.name
