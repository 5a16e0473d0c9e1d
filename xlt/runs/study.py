"""`xlt study`: several runs that differ in one thing or two, and one table of what came out."""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.config.consent import requests
from xlt.config.study import Study
from xlt.errors import XltError, flat
from xlt.executors.base import Executor, make_executor
from xlt.permissions import given, obeying
from xlt.results import LOG, RESULT
from xlt.runs.cells import run_folder
from xlt.runs.experiment import prepare_cells
from xlt.runs.table import table

if TYPE_CHECKING:
    from xlt.runs.progress import Listener

log = logging.getLogger(__name__)

_NEEDED = ("xlt.runs.jobs", "xlt.runs.train", "xlt.training.learner")
"""By the steps of a study: where processes are forked they import it while this one reads data."""


def study(
    definition: Study,
    *,
    on: str | None = None,
    overwrite: bool = False,
    reuse: bool = False,
    quiet: bool = False,
    listeners: Collection[Listener] = (),
) -> dict[str, Any]:
    """Run or resume what is not finished of a study, and compare its cells with the baseline.

    Stages that cells have in common are trained once. A cell that another process is running comes
    last, and is waited for. A cell that fails, for whatever reason, does not stop the others:
    `table` of those that are finished, with "failed", cell → its errors, each with "what", "where"
    and "fix".

    on: the executor that runs its steps, in words (`xlt.executors`); without, one after the other
        in this process.
    listeners: who is told what happens to its steps (`xlt.runs.progress`).
    """
    if on is not None:
        return _study_on(
            definition, on, overwrite=overwrite, reuse=reuse, quiet=quiet, listeners=listeners
        )
    from xlt.runs.folder import InUse  # torch, without which `table` does
    from xlt.runs.remaining import watching
    from xlt.runs.train import run
    from xlt.training.reports import part_of

    failed: dict[str, list[dict[str, str | None]]] = {}
    experiments = prepare_cells(definition)
    asked = [one for experiment in experiments.values() for one in requests(experiment.loaded)]
    with (
        part_of(definition.title),
        obeying(asked),  # before the first cell, not in the middle of the night
        watching(experiments.values()) as remaining,
    ):
        if listeners:
            names = {one.config.name: name for name, one in experiments.items()}
            steps = remaining.tell(definition.title, names, listeners)
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
                continue
            except Exception as error:
                # Only words are kept: the error would hold the failed cell's model in memory.
                told = _to_mend(error, run_folder(experiment.loaded))
                failed[name] = _errors(name, told)
                if listeners:
                    steps.lose([experiment.config.name], told)
                log.warning("%s failed: %s", name, failed[name][0]["what"])
            remaining.end(experiment.config.name)
    return {**table(definition), "failed": failed}


def _study_on(
    definition: Study,
    on: str,
    *,
    overwrite: bool,
    reuse: bool,
    quiet: bool,
    listeners: Collection[Listener],
) -> dict[str, Any]:
    """`study` by an executor."""
    with make_executor(on, _NEEDED) as executor:
        failures = _failures(
            definition,
            executor,
            overwrite=overwrite,
            reuse=reuse,
            quiet=quiet,
            listeners=listeners,
        )
    failed = {name: _errors(name, error) for name, error in failures.items()}
    return {**table(definition), "failed": failed}


def _failures(
    definition: Study,
    executor: Executor,
    *,
    overwrite: bool,
    reuse: bool,
    quiet: bool,
    listeners: Collection[Listener],
) -> dict[str, XltError]:
    """What keeps cells from being finished, by their names, once all is done that can be."""
    from xlt.runs.jobs import StudyFile
    from xlt.runs.schedule import run_on
    from xlt.runs.store import using
    from xlt.runs.train import run, settle

    experiments = prepare_cells(definition)
    asked = [one for experiment in experiments.values() for one in requests(experiment.loaded)]
    roots = {one.config.output.root for one in experiments.values()}
    with obeying(asked), ExitStack() as until_done:
        for root in roots:
            until_done.enter_context(using(root))
        file = StudyFile(str(definition.path), definition.overrides, given())
        failures = run_on(
            executor,
            experiments,
            file,
            resources=definition.resources,
            overwrite=overwrite,
            reuse=reuse,
            quiet=quiet,
            title=definition.title,
            listeners=listeners,
        )
        for name in experiments.keys() - failures.keys():
            experiment = experiments[name]
            try:
                if (run_folder(experiment.loaded) / RESULT).is_file():
                    settle(experiment)
                else:  # the worker has a disk of its own; the stages come from the store
                    log.info("%s was made elsewhere: it is evaluated here", name)
                    run(experiment, resume=True, reuse=reuse, quiet=quiet, wait=True)
            except Exception as error:
                failures[name] = _to_mend(error, run_folder(experiment.loaded))
    return failures


def _errors(cell: str, error: XltError) -> list[dict[str, str | None]]:
    """As JSON says them, with the cell's name."""
    return [
        {"what": f"{cell}: {one.what}", "where": one.where, "fix": one.fix} for one in flat(error)
    ]


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
