"""`xlt study`: several runs that differ in one thing or two, and one table of what came out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from xlt.config.consent import requests
from xlt.config.load import LoadedConfig
from xlt.config.study import Study
from xlt.errors import XltError, raise_all
from xlt.evaluation.statistics import Comparison, judge
from xlt.permissions import obeying
from xlt.results import RESULT, read_result
from xlt.runs.compare import compare
from xlt.runs.experiment import prepare_cells

log = logging.getLogger(__name__)


def study(definition: Study, *, overwrite: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Run or resume what is not finished of a study, and compare its cells with the baseline.

    A cell that fails does not stop the others: the errors are raised when all are through.
    Stages that cells have in common are trained once.
    """
    from xlt.runs.train import run  # torch, without which `table` does

    problems: list[XltError] = []
    experiments = prepare_cells(definition)
    asked = [one for experiment in experiments.values() for one in requests(experiment.loaded)]
    with obeying(asked):  # before the first cell, not in the middle of the night
        for number, (name, experiment) in enumerate(experiments.items(), 1):
            log.info("%s (%d of %d)", name, number, len(definition.cells))
            try:
                run(experiment, resume=True, overwrite=overwrite, quiet=quiet)
            except XltError as error:
                log.warning("%s failed: %s", name, error.what)
                problems.append(error)
    raise_all(problems)
    return table(definition)


def table(definition: Study) -> dict[str, Any]:
    """Scores of all finished cells, by target and split, each with its difference from the
    baseline in the task's first metric; all differences are one family, for which p is adjusted.
    """
    folders = {name: _folder(loaded) for name, loaded in definition.cells.items()}
    results = {
        name: read_result(folder)
        for name, folder in folders.items()
        if folder.joinpath(RESULT).is_file()
    }
    metric = next((result["metrics"][0] for result in results.values()), None)
    baseline = definition.baseline if definition.baseline in results else None
    rows: list[dict[str, Any]] = []
    compared: list[tuple[dict[str, Any], Comparison]] = []
    for name, result in results.items():
        differences: dict[tuple[str, str], Comparison] = {}
        if baseline is not None and name != baseline:
            differences = {
                (row["target"], row["split"]): Comparison.of(row)
                for row in compare(folders[name], folders[baseline], metric=metric)["rows"]
            }
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
        "metric": metric,
        "rows": sorted(rows, key=lambda row: (row["target"], row["split"])),
    }


def _folder(loaded: LoadedConfig) -> Path:
    return loaded.config.output.root / loaded.config.name
