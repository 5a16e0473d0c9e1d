"""`xlt plan` of a study: its graph, what of it is done, what is missing, what the rest costs."""

from __future__ import annotations

from typing import Any

from xlt.config.study import Study
from xlt.errors import XltError
from xlt.permissions import obeying
from xlt.runs.cells import study_cells
from xlt.runs.experiment import prepare_cells
from xlt.runs.graph import build
from xlt.runs.groups import Groups
from xlt.runs.plan import allowed, other_run, refused
from xlt.runs.preflight import find_problems
from xlt.runs.steps import row, total


def plan_study(study: Study) -> dict[str, Any]:
    """Every step of the study once, with what it takes; what is missing of which cell.

    Reads data files, but no network. Raises XltError for what is wrong with the configs.
    """
    experiments = prepare_cells(study)
    cells = study_cells(study)
    nodes = build(experiments)
    groups = Groups(experiments)
    missing: list[XltError] = []
    rehearsed: set[str] = set()
    for group in groups:
        for experiment in group.experiments.values():
            with obeying(allowed(experiment.loaded)):
                found = find_problems(experiment, group.sources, local=True, rehearsed=rehearsed)
            missing += [*refused(experiment.loaded), *other_run(experiment, group.sources), *found]
    unfinished = {*study.cells} - {*cells.finished}
    rows = []
    for node in nodes.values():
        group = groups.of(node.cells[0])
        experiment = group.experiments[node.cells[0]]
        with obeying(allowed(experiment.loaded)):
            rows.append(row(node, experiment, group, unfinished))
    return {
        "name": study.title,
        "cells": {name: name in cells.finished for name in study.cells},
        "nodes": rows,
        "encoders": list({one.costs.encoder["id"]: one.costs.encoder for one in groups}.values()),
        "machine": next((m for group in groups if (m := group.costs.machine)), None),
        "total": total(rows),
        "missing": [
            {"what": one.what, "where": one.where, "fix": one.fix}
            for one in {problem.render(): problem for problem in missing}.values()
        ],
    }
