"""`xlt study`: several runs that differ in one thing or two, and one table of what came out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from xlt.config.load import LoadedConfig
from xlt.config.study import Study
from xlt.errors import XltError, raise_all
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
    for number, (name, experiment) in enumerate(prepare_cells(definition).items(), 1):
        log.info("%s (%d of %d)", name, number, len(definition.cells))
        try:
            run(experiment, resume=True, overwrite=overwrite, quiet=quiet)
        except XltError as error:
            log.warning("%s failed: %s", name, error.what)
            problems.append(error)
    raise_all(problems)
    return table(definition)


def table(definition: Study) -> dict[str, Any]:
    """Scores of all finished cells: by target and split, each beside its difference to the
    baseline with the interval of the paired bootstrap."""
    finished = {
        name: _folder(loaded)
        for name, loaded in definition.cells.items()
        if _folder(loaded).joinpath(RESULT).is_file()
    }
    rows = []
    metric = None
    for name, folder in finished.items():
        result = read_result(folder)
        metric = result["metrics"][0]
        differences = {}
        if name != definition.baseline and definition.baseline in finished:
            differences = {
                (row["target"], row["split"]): row
                for row in compare(folder, finished[definition.baseline])["rows"]
                if row["metric"] == metric
            }
        for line in result["summary"]:
            if line["primary"]:
                against = differences.get((line["target"], line["split"]), {})
                rows.append(
                    {
                        "cell": name,
                        "run": str(folder),
                        "target": line["target"],
                        "split": line["split"],
                        "metrics": line["metrics"],
                        "against": {k: against[k] for k in ("difference", "low", "high", "p")}
                        if against
                        else None,
                    }
                )
    return {
        "baseline": definition.baseline,
        "cells": {name: name in finished for name in definition.cells},
        "metric": metric,
        "rows": sorted(rows, key=lambda row: (row["target"], row["split"])),
    }


def _folder(loaded: LoadedConfig) -> Path:
    return loaded.config.output.root / loaded.config.name
