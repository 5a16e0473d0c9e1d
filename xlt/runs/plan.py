"""`xlt plan`: what a config would do, what it lacks and about what it costs, before it does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlt import languages
from xlt.config.consent import requests
from xlt.config.load import LoadedConfig, dump
from xlt.config.schema import Config, Model
from xlt.data.subwords import subwords_of
from xlt.errors import XltError, flat
from xlt.inference.device import best_device, choose_precision
from xlt.model.backbone import Backbone
from xlt.permissions import Request, is_granted, obeying, refusal
from xlt.registry import EMBEDDED
from xlt.runs import inputs
from xlt.runs.cost import Load, estimate
from xlt.runs.coverage import warnings
from xlt.runs.encoders import better_encoder
from xlt.runs.estimate import encoder_shape, measure
from xlt.runs.experiment import Experiment, prepare
from xlt.runs.folder import RunFolder
from xlt.runs.preflight import find_problems
from xlt.runs.sources import Sources
from xlt.transfer.stage import DataSplit, Stage

DEFAULT_SUBWORDS_PER_WORD = 1.7
"""Assumed where the tokenizer is not on this machine: about what XLM-R needs."""


@dataclass
class _SplitSize:
    """The size of a split. subwords: with the special tokens of each record."""

    records: int
    words: int
    subwords: int


def plan(loaded: LoadedConfig) -> dict[str, Any]:
    """Stages, sizes of the data, everything that is missing, and an estimate of time and memory.

    Reads data files, but no network; weights only for their checksum where the run is finished.
    Raises XltError only for what is wrong with the config itself; what the machine lacks stands
    under ``missing``.
    """
    experiment = prepare(loaded)
    config = experiment.config
    sources = Sources(config, experiment.task)
    asked = [(one, one.typed or is_granted(one.permission)) for one in requests(loaded)]
    allowed = [one for one, given in asked if given]
    refused = [loaded.locate(refusal(one)) for one, given in asked if not given]
    with obeying(allowed):
        problems = find_problems(experiment, sources, local=True)
        tokenizer = _tokenizer(config.model)
    missing = [*refused, *_other_run(experiment, sources), *problems]
    counted = _count_words(experiment, sources)
    sizes, vocabulary = _sizes(counted, tokenizer)
    stages = _shared_stages(experiment.plans)
    with obeying(allowed):
        cost = _cost(config, stages, sizes, vocabulary, usable=tokenizer is not None)
    return {
        "name": config.name,
        "seeds": config.seeds,
        "stages": [
            {
                "stage": stage.name,
                "targets": targets,
                "after": previous,
                "train": [_describe(data_split) for data_split in stage.train],
                "dev": [_describe(data_split) for data_split in stage.dev],
                **estimated,
            }
            for (stage, previous, targets), estimated in zip(stages, cost["stages"], strict=True)
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
        "encoder": cost["encoder"],
        "machine": cost["machine"],
        "total": cost["total"],
        "warnings": _warnings(config.model, counted, tokenizer),
        # Of xlt-mini, what is not installed cannot be asked what it has read.
        "advice": {}
        if tokenizer is None and config.model.encoder == EMBEDDED
        else _advice(experiment),
        "predictions": experiment.indirect_predictions(),
        "notes": list(experiment.notes),
        "allowed": [_as_asked(one) for one in allowed],
        "missing": [
            {"what": problem.what, "where": problem.where, "fix": problem.fix}
            for problem in missing
        ],
    }


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


# Data ----------------------------------------------------------------------------------------


def _count_words(
    experiment: Experiment, sources: Sources
) -> dict[DataSplit, tuple[int, Counter[str]]]:
    """DataSplit → number of records and its words, of all that can be read."""
    counted: dict[DataSplit, tuple[int, Counter[str]]] = {}
    for data_split in experiment.data_splits:
        with suppress(XltError):  # `find_problems` has it
            sources.check(data_split)
            # A projection is about as large as what it is made from.
            records = sources.load(data_split.origin).records
            words = Counter(word for record in records for word in experiment.task.words(record))
            counted[data_split] = len(records), words
    return counted


def _other_run(experiment: Experiment, sources: Sources) -> list[XltError]:
    """Why the run's folder is not free for this config, or not for what its files hold now."""
    config = experiment.config
    folder = RunFolder(config.output.root / config.name)
    try:
        folder.check_own()
        finished = folder.start(dump(config), resume=False, overwrite=False)
        inputs.check(folder.path, experiment, sources, finished=finished is not None)
    except XltError as error:
        return flat(error)
    return []


def _tokenizer(model: Model) -> Any:
    """The encoder's tokenizer; None where the encoder is not here, or cannot be used."""
    with suppress(XltError):  # `find_problems` has it
        backbone = Backbone(model.encoder, model, local=True)
        backbone.check_files()
        return backbone.tokenizer
    return None


def _sizes(
    counted: Mapping[DataSplit, tuple[int, Counter[str]]], tokenizer: Any
) -> tuple[dict[DataSplit, _SplitSize], int | None]:
    """Size of every split, and how many different subwords all of them need."""
    words = sorted({word for _, counter in counted.values() for word in counter})
    lengths: dict[str, int] = {}
    vocabulary = None
    if tokenizer is not None and words:
        # A word's subwords hardly depend on its neighbours, so each word is encoded once.
        ids = subwords_of(tokenizer).alone(words)
        lengths = {word: len(word_ids) for word, word_ids in zip(words, ids, strict=True)}
        vocabulary = len(np.union1d(np.concatenate(ids), tokenizer.all_special_ids))
    sizes = {}
    for data_split, (records, counter) in counted.items():
        total = sum(counter.values())
        subwords = sum(
            n * lengths.get(word, DEFAULT_SUBWORDS_PER_WORD) for word, n in counter.items()
        )
        sizes[data_split] = _SplitSize(records, total, round(subwords) + 2 * records)
    return sizes, vocabulary


def _warnings(
    model: Model, counted: Mapping[DataSplit, tuple[int, Counter[str]]], tokenizer: Any
) -> dict[str, list[str]]:
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


# Cost ----------------------------------------------------------------------------------------


def _cost(
    config: Config,
    stages: list[tuple[Stage, str | None, list[str]]],
    sizes: Mapping[DataSplit, _SplitSize],
    vocabulary: int | None,
    *,
    usable: bool,
) -> dict[str, Any]:
    """The estimate for every stage and the total over seeds; None where something is unknown."""
    shape = encoder_shape(config.model) if usable else None
    kept_subwords = vocabulary if config.model.trim_vocabulary else None
    encoder: dict[str, Any] = {"id": config.model.encoder, "parameters": None, "trained": None}
    unknown = {"steps": None, "minutes": None, "memory_gib": None}
    estimates: list[dict[str, Any]] = []
    machine = None
    if shape is not None:
        encoder["parameters"] = shape.embeddings + shape.rest
        encoder["trained"] = shape.trimmed(kept_subwords)
    for stage, _, _ in stages:
        data_splits = [*stage.train, *stage.dev]
        if shape is None or not all(data_split in sizes for data_split in data_splits):
            estimates.append(dict(unknown))
            continue
        device = best_device()
        precision = choose_precision(stage.training.precision, device)
        load = Load(
            subwords=sum(sizes[data_split].subwords for data_split in stage.train),
            records=sum(sizes[data_split].records for data_split in stage.train),
            evaluated=sum(sizes[data_split].subwords for data_split in stage.dev)
            * stage.training.epochs,
        )
        machine = measure(device, precision, shape, load.length)
        estimates.append(
            estimate(shape, load, stage.training, config.model, machine, kept_subwords).as_dict()
        )
    known = bool(estimates) and all(cost["minutes"] is not None for cost in estimates)
    return {
        "stages": estimates,
        "encoder": encoder,
        "machine": None
        if machine is None
        else {
            "device": machine.device,
            "precision": machine.precision,
            "threads": machine.threads,
            "pieces_per_second": round(
                1 / (shape.layers * (machine.forward + machine.backward)) if shape else 0
            ),
            "memory_gib": round(machine.memory, 1),
            "free_gib": round(machine.free, 1),
            "busy": round(machine.busy, 2),
        },
        "total": {
            "runs": len(estimates) * len(config.seeds),
            "minutes": len(config.seeds) * sum(cost["minutes"] for cost in estimates)
            if known
            else None,
            "memory_gib": max(cost["memory_gib"] for cost in estimates) if known else None,
        },
    }
