"""`xlt plan`: what a config would do, what it lacks and about what it costs, before it does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from xlt import languages
from xlt.config.consent import requests
from xlt.config.load import LoadedConfig, dump
from xlt.config.schema import Model
from xlt.config.study import Study
from xlt.errors import XltError, flat
from xlt.permissions import Request, is_granted, obeying, refusal
from xlt.registry import EMBEDDED
from xlt.runs import inputs
from xlt.runs.cells import study_cells
from xlt.runs.coverage import about_vocabulary, warnings
from xlt.runs.encoders import better_encoder
from xlt.runs.experiment import Experiment, prepare
from xlt.runs.folder import RunFolder
from xlt.runs.graph import build
from xlt.runs.preflight import find_problems
from xlt.runs.sizes import Counted, count_words, find_tokenizer, measure_sizes
from xlt.runs.sources import Sources
from xlt.runs.steps import Group, StageCosts, row
from xlt.transfer.stage import DataSplit, Stage


def plan(loaded: LoadedConfig) -> dict[str, Any]:
    """Stages, sizes of the data, everything that is missing, and an estimate of time and memory.

    Reads data files, but no network; weights only for their checksum where the run is finished.
    Raises XltError only for what is wrong with the config itself; what the machine lacks stands
    under ``missing``.
    """
    experiment = prepare(loaded)
    config = experiment.config
    sources = Sources(config, experiment.task)
    granted = allowed(loaded)
    with obeying(granted):
        problems = find_problems(experiment, sources, local=True)
        tokenizer = find_tokenizer(config.model)
    missing = [*refused(loaded), *other_run(experiment, sources), *problems]
    counted = count_words(sources, experiment.data_splits)
    sizes, vocabulary = measure_sizes(counted, tokenizer)
    stages = _shared_stages(experiment.plans)
    with obeying(granted):
        costs = StageCosts(config.model, sizes, vocabulary, usable=tokenizer is not None)
        estimates = [costs.of(stage) for stage, _, _ in stages]
        nodes = build({config.name: experiment})
        group = Group({config.name: experiment}, sources, costs)
        alone = Study(loaded.path, config.name, {config.name: loaded}, {})
        unfinished = {config.name} - {*study_cells(alone).finished}
        rows = [row(node, experiment, group, unfinished) for node in nodes.values()]
    return {
        "name": config.name,
        "seeds": config.seeds,
        "stages": [
            {
                "stage": stage.name,
                "kind": stage.kind,
                "targets": targets,
                "after": previous,
                "train": [_describe(data_split) for data_split in stage.train],
                "dev": [_describe(data_split) for data_split in stage.dev],
                **estimated,
            }
            for (stage, previous, targets), estimated in zip(stages, estimates, strict=True)
        ],
        "data": [
            {
                "language": data_split.name,
                "split": data_split.split,
                "limit": data_split.limit,
                "records": sizes[data_split].records if data_split in sizes else None,
                "words": sizes[data_split].words if data_split in sizes else None,
            }
            for data_split in experiment.data_splits
        ],
        "encoder": costs.encoder,
        "machine": costs.machine,
        "total": _total(estimates, len(config.seeds)),
        "cells": {config.name: not unfinished},
        "nodes": rows,
        "warnings": _warnings(config.model, counted, tokenizer),
        # Of xlt-mini, what is not installed cannot be asked what it has read.
        "advice": {}
        if tokenizer is None and config.model.encoder == EMBEDDED
        else _advice(experiment),
        "predictions": experiment.indirect_predictions(),
        "notes": [*experiment.notes, *_about_vocabulary(config.model)],
        "allowed": [_as_asked(one) for one in granted],
        "missing": [
            {"what": problem.what, "where": problem.where, "fix": problem.fix}
            for problem in missing
        ],
    }


def allowed(loaded: LoadedConfig) -> list[Request]:
    """What a config asks for that needs consent, and has it."""
    return [one for one in requests(loaded) if one.typed or is_granted(one.permission)]


def refused(loaded: LoadedConfig) -> list[XltError]:
    """An error for each thing that a config asks for without being allowed to."""
    given = allowed(loaded)
    return [loaded.locate(refusal(one)) for one in requests(loaded) if one not in given]


def _as_asked(request: Request) -> dict[str, Any]:
    return {"permission": request.permission, "what": request.what, "where": request.where}


def _shared_stages(plans: Mapping[str, Stage]) -> list[tuple[Stage, str | None, list[str]]]:
    """Each different stage once, with the one before it and the targets that share it."""
    by_history: dict[str, tuple[Stage, str | None, list[str]]] = {}
    for target, plan in plans.items():
        for stage in plan.history:
            previous = ", ".join(parent.name for parent in stage.parents) or None
            by_history.setdefault(repr(stage), (stage, previous, []))[2].append(target)
    return list(by_history.values())


def _describe(data_split: DataSplit) -> str:
    limit = "" if data_split.limit is None else f" ({data_split.limit} records)"
    return f"{data_split.name} {data_split.split}{limit}"


def other_run(experiment: Experiment, sources: Sources) -> list[XltError]:
    """Why the run's folder is not free for this config, or not for what its files hold now."""
    config = experiment.config
    folder = RunFolder(config.output.root / config.name)
    try:
        folder.check_own()
        finished = folder.start(lambda: dump(config), resume=False, overwrite=False)
        inputs.check(folder.path, experiment, sources, finished=finished is not None)
    except XltError as error:
        return flat(error)
    return []


def _warnings(model: Model, counted: Counted, tokenizer: Any) -> dict[str, list[str]]:
    """Language → what `xlt train` would warn of."""
    by_language: dict[str, Counter[str]] = {}
    for data_split, (_, counter) in counted.items():
        if data_split.projected_from is not None:
            continue  # what is counted are the source's words
        by_language.setdefault(data_split.language, Counter()).update(counter)
    if tokenizer is None:
        return {}
    messages = {
        language: warnings(language, counter, tokenizer, model)
        for language, counter in by_language.items()
    }
    return {language: texts for language, texts in messages.items() if texts}


def _advice(experiment: Experiment) -> dict[str, str]:
    """Target → which encoder would do better, where that of the config has not read the target."""
    model = experiment.config.model
    said: dict[str, str] = {}
    for target in experiment.config.target:
        if model.initialise == "random" or experiment.prediction(target).mode != "direct":
            continue
        better = better_encoder(model.encoder, target, experiment.config.task.name)
        if better is not None:
            said[target] = (
                f"{model.encoder} has never read {languages.name(target)}; {better.facts.name} has "
                f"(`model.encoder: {better.facts.id}`; `xlt encoders --target {target}` compares)"
            )
    return said


def _about_vocabulary(model: Model) -> Iterator[str]:
    with suppress(XltError):  # `find_problems` has it
        if told := about_vocabulary(model, local=True):
            yield told


def _total(estimates: list[dict[str, Any]], seeds: int) -> dict[str, Any]:
    known = bool(estimates) and all(cost["minutes"] is not None for cost in estimates)
    return {
        "runs": len(estimates) * seeds,
        "minutes": seeds * sum(cost["minutes"] for cost in estimates) if known else None,
        "memory_gib": max(cost["memory_gib"] for cost in estimates) if known else None,
    }
