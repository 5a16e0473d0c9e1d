"""`xlt train`: every target × seed of a config, stage by stage, and what came out.

The steps, in order: `prepare` (the config as a whole), `preflight` (data and labels), `execute`
(training), `evaluate_all` (scores on the targets), `outcome` (the result and the model card).
"""

from __future__ import annotations

import json
import logging
from typing import Any

from accelerate import PartialState

from xlt.config.consent import requests
from xlt.config.load import LoadedConfig, dump
from xlt.config.schema import Config
from xlt.errors import XltError, raise_all
from xlt.files import write_text
from xlt.inference.device import best_device
from xlt.permissions import obeying
from xlt.results import CARD, MANIFEST
from xlt.runs import inputs, kept, report
from xlt.runs.card import model_card
from xlt.runs.coverage import about_vocabulary, coverage
from xlt.runs.execute import execute
from xlt.runs.experiment import Experiment, prepare
from xlt.runs.folder import RunFolder, model_folder
from xlt.runs.forgetting import forgetting
from xlt.runs.manifest import manifest
from xlt.runs.preflight import Shared, find_problems, preflight
from xlt.runs.publish import publish
from xlt.runs.remaining import doing, watching
from xlt.runs.score import evaluate_all
from xlt.runs.sources import Sources
from xlt.runs.unlabelled import estimate_all
from xlt.training.processes import of_main_process

log = logging.getLogger(__name__)


def train(
    loaded: LoadedConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
    reuse: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Run a config to its end and return the result (also in result.json).

    resume:    continue an unfinished run from its last checkpoint.
    overwrite: forget what the run's folder holds. Finished stages are used again all the same:
        they are equal to what training them again would give.
    reuse:     use finished stages, too, that were trained with other code or libraries, in another
        precision or on another kind of device: the result says which.

    Of several processes only the main one has a result; the others return {}.
    Raises XltError for everything that is wrong with the config, the data or the run's folder, and
    for what it asks for without being allowed to (`xlt.permissions`).
    """
    return run(prepare(loaded), resume=resume, overwrite=overwrite, reuse=reuse, quiet=quiet)


def run(
    experiment: Experiment,
    *,
    resume: bool = False,
    overwrite: bool = False,
    reuse: bool = False,
    quiet: bool = False,
    wait: bool = False,
) -> dict[str, Any]:
    """As `train`, of a config that is prepared already.

    wait: for another process that is using the run's folder; else that is an error (InUse).
    """
    with obeying(requests(experiment.loaded)):
        # The first to ask decides: without this word, several CPU processes would be taken for one.
        state = PartialState(cpu=best_device() == "cpu")
        try:
            if state.is_main_process:
                return _lead(
                    experiment,
                    state,
                    resume=resume,
                    overwrite=overwrite,
                    reuse=reuse,
                    quiet=quiet,
                    wait=wait,
                )
            return _follow(experiment, state, resume=resume, reuse=reuse)
        except XltError as error:
            raise experiment.loaded.locate(error) from error


def _lead(
    experiment: Experiment,
    state: PartialState,
    *,
    resume: bool,
    overwrite: bool,
    reuse: bool,
    quiet: bool,
    wait: bool,
) -> dict[str, Any]:
    """The main process's part: it alone touches the run's folder, and it prepares the data."""
    config = experiment.config
    with RunFolder(config.output.root / config.name, wait=wait) as folder:
        sources = Sources(config, experiment.task)
        finished = _finished(experiment, sources, folder, resume=resume, overwrite=overwrite)
        if finished is not None:
            finished = kept.settle(config, folder, finished)
        finished = of_main_process(finished)
        if finished is not None:
            return finished
        preflight(experiment, sources)
        folder.claim(dump(config), _manifest(experiment, sources, state.num_processes))
        log.info("%s", _encoder(config))
        if added := about_vocabulary(config.model):
            log.info("vocabulary: %s", added)
        say_defaults(experiment.loaded)
        if experiment.source_choice is not None:
            log.info("source: auto is %s, see %s", ", ".join(config.source), folder.path / MANIFEST)
        warnings = coverage(config, sources, experiment.data_splits)
        for told in filter(None, warnings.values()):
            log.warning("warning: %s", "; ".join(told))
        for note in experiment.notes:
            log.info("note: %s", note)
        state.wait_for_everyone()

        with watching([experiment]):
            trained = execute(experiment, sources, resume=resume, reuse=reuse, quiet=quiet)
            with doing(config.name):
                evaluated = evaluate_all(experiment, sources, folder, trained)
                estimates = estimate_all(experiment, sources, folder)
                forgotten = forgetting(experiment, sources, trained)
        result = report.outcome(
            experiment, sources, trained, evaluated, warnings, estimates, forgotten
        )

        keeps = kept.kept(config, result)
        seeds = kept.first_seeds(config, keeps)
        card = model_card(config, result, report.describe_data(sources), seeds)
        write_text(folder.path / CARD, card)
        if config.output.push_to_hub:
            result["pushed"] = publish(folder.path, config.output.push_to_hub, seeds)
        for model in trained.keys() - keeps:
            folder.forget_model(model_folder(*model))
        folder.finish(result)
        return result


def settle(experiment: Experiment) -> None:
    """As running a finished run again does: it keeps and publishes what its config says now."""
    config = experiment.config
    try:
        with RunFolder(config.output.root / config.name, wait=True) as folder:
            kept.settle(config, folder, folder.result())
    except XltError as error:
        raise experiment.loaded.locate(error) from error


def is_finished(experiment: Experiment, shared: Shared, *, overwrite: bool = False) -> bool:
    """Whether a run is finished; of one that is not, that it can be made.

    shared: with runs that are looked at before and after.

    Data are read, nothing is projected, trained or written. What is unfinished is to be resumed.
    Raises XltError as `train`.
    """
    config = experiment.config
    try:
        folder = RunFolder(config.output.root / config.name)
        folder.check_own()
        sources = shared.sources(experiment)
        if _finished(experiment, sources, folder, resume=True, overwrite=overwrite) is not None:
            return True
        raise_all(find_problems(experiment, sources, rehearsed=shared.rehearsed))
        return False
    except XltError as error:
        raise experiment.loaded.locate(error) from error


def _finished(
    experiment: Experiment, sources: Sources, folder: RunFolder, *, resume: bool, overwrite: bool
) -> dict[str, Any] | None:
    """The result of a run that is finished already; else its folder is free for it."""
    finished = folder.start(lambda: dump(experiment.config), resume=resume, overwrite=overwrite)
    if not overwrite:
        inputs.check(folder.path, experiment, sources, finished=finished is not None)
    if finished is not None and kept.lacking(experiment.config, folder.path, finished):
        log.warning(
            "%s keeps fewer models than are wanted now (output.keep: %s): it is made again from "
            "its stages; those that were removed are trained again",
            folder.path,
            experiment.config.output.keep,
        )
        return None
    if finished is not None:
        log.warning("%s is finished already", folder.path)
    return finished


def _encoder(config: Config) -> str:
    """Which encoder it is, and why."""
    encoder = config.model.encoder
    if "encoder" in config.model.model_fields_set:
        return f"encoder: {encoder}, as the config says"
    return (
        f"encoder: {encoder}, because the config names none: it needs neither network nor much "
        f"memory; `xlt encoders --target {config.target[0]}` names better ones"
    )


def say_defaults(loaded: LoadedConfig) -> None:
    """Say what was decided by the kind of encoder, and why."""
    decided = loaded.family_defaults
    if loaded.family is not None and decided:
        log.info(
            "for %s: %s (%s)",
            loaded.family.name,
            ", ".join(f"{key} {json.dumps(value)}" for key, value in decided.items()),
            loaded.family.why,
        )


def _manifest(experiment: Experiment, sources: Sources, processes: int) -> dict[str, Any]:
    """What the run is made on and from, before anything is trained; JSON-able."""
    about = {
        **manifest(),
        "processes": processes,
        **inputs.describe(experiment, sources),
        "projections": sources.projections(),
    }
    if experiment.source_choice is not None:
        about["source_choice"] = experiment.source_choice
    return about


def _follow(
    experiment: Experiment, state: PartialState, *, resume: bool, reuse: bool
) -> dict[str, Any]:
    """The part of every other process: it trains with the main one, when that has the data."""
    finished: dict[str, Any] | None = of_main_process(None)
    if finished is None:
        state.wait_for_everyone()
        sources = Sources(experiment.config, experiment.task)
        preflight(experiment, sources)
        execute(experiment, sources, resume=resume, reuse=reuse, quiet=True)
    return {}
