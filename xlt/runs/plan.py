"""`xlt plan`: what a config would do, what it lacks and about what it costs, before it does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlt.config.consent import requests
from xlt.config.load import LoadedConfig
from xlt.config.schema import Config, Model, Reference
from xlt.data.references import resolve
from xlt.data.subwords import subwords_of
from xlt.errors import XltError, flat
from xlt.inference.device import best_device, choose_precision
from xlt.model import named
from xlt.permissions import REMOTE_CODE, Request, is_granted, obeying, refusal
from xlt.runs.coverage import warnings
from xlt.runs.estimate import Load, encoder_shape, estimate, measure
from xlt.runs.experiment import Experiment, prepare
from xlt.runs.preflight import check_predictions
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

    Reads data files, but neither weights nor the network. Raises XltError only for what is wrong
    with the config itself; what the machine lacks stands under ``missing``.
    """
    experiment = prepare(loaded)
    config = experiment.config
    counted, problems = _count_words(experiment)
    problems += check_predictions(experiment)
    asked = [(one, one.typed or is_granted(one.permission)) for one in requests(loaded)]
    allowed = [one for one, given in asked if given]
    problems += [refusal(one) for one, given in asked if not given]
    with obeying(allowed):
        tokenizer, problem = _tokenizer(config.model)
    if problem is not None:
        problems.append(problem)
    located = map(loaded.locate, problems)
    missing = {problem.render(): problem for problem in located}.values()
    sizes, vocabulary = _sizes(counted, tokenizer)
    stages = _shared_stages(experiment.plans)
    with obeying(allowed):
        cost = _cost(config, stages, sizes, vocabulary)
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
        "predictions": experiment.indirect_predictions(),
        "allowed": [_as_asked(one) for one in allowed],
        "missing": [
            {"what": problem.what, "where": problem.where, "fix": problem.fix}
            for problem in missing
        ],
    }


def _as_asked(request: Request) -> dict[str, Any]:
    return {"permission": request.permission, "what": request.what, "where": request.where}


def _shared_stages(plans: Mapping[str, list[Stage]]) -> list[tuple[Stage, str | None, list[str]]]:
    """Each different stage once, with the one before it and the targets that share it."""
    by_history: dict[str, tuple[Stage, str | None, list[str]]] = {}
    for target, stages in plans.items():
        for n, stage in enumerate(stages):
            previous = stages[n - 1].name if n else None
            history = repr(stages[: n + 1])  # a stage is the same only after the same stages
            by_history.setdefault(history, (stage, previous, []))[2].append(target)
    return list(by_history.values())


def _describe(data_split: DataSplit) -> str:
    limit = "" if data_split.limit is None else f" ({data_split.limit} records)"
    return f"{data_split.name} {data_split.split}{limit}"


# Data ----------------------------------------------------------------------------------------


def _count_words(
    experiment: Experiment,
) -> tuple[dict[DataSplit, tuple[int, Counter[str]]], list[XltError]]:
    """DataSplit → number of records and its words; and what cannot be read."""
    task, sources = experiment.task, Sources(experiment.config, experiment.task)
    counted: dict[DataSplit, tuple[int, Counter[str]]] = {}
    problems: list[XltError] = []
    for data_split in experiment.data_splits:
        unresolved = list(_unresolved(experiment.config, data_split.origin))
        problems += unresolved
        if unresolved:
            continue
        try:
            sources.check(data_split)
            # A projection is about as large as what it is made from.
            records = sources.load(data_split.origin).records
            words = Counter(word for record in records for word in task.words(record))
            counted[data_split] = len(records), words
        except XltError as error:
            problems += flat(error)
    return counted, problems


def _unresolved(config: Config, data_split: DataSplit) -> Iterable[XltError]:
    """One error for each reference of a split that is not on this machine."""
    data = config.data[data_split.language]
    key = f"data.{data_split.language}.{data_split.split}"
    references: list[tuple[str, Reference]] = [
        (f"{key}.{n}", reference) for n, reference in enumerate(getattr(data, data_split.split))
    ]
    if not references and data.all:
        references = [(f"data.{data_split.language}.all", Reference(ref=data.all))]
    for where, reference in references:
        try:
            resolve(reference, data_split.language, data_split.split, where=where)
        except XltError as error:
            yield error


def _tokenizer(model: Model) -> tuple[Any, XltError | None]:
    """The encoder's tokenizer, if it is on this machine."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            named.located(model.encoder),
            revision=model.revision,
            local_files_only=True,
            trust_remote_code=model.trust_remote_code and is_granted(REMOTE_CODE),
        ), None
    except XltError as error:
        return None, error
    except Exception:  # of many kinds; all mean that it cannot be loaded from here
        if model.trust_remote_code and not is_granted(REMOTE_CODE):
            return None, None  # its tokenizer may be code: the refusal says what to do
        return None, XltError(
            f"the encoder {model.encoder!r} is not on this machine",
            where="model.encoder",
            fix="training will fetch it if there is a network; or name a folder that has it",
        )


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


# Cost ----------------------------------------------------------------------------------------


def _cost(
    config: Config,
    stages: list[tuple[Stage, str | None, list[str]]],
    sizes: Mapping[DataSplit, _SplitSize],
    vocabulary: int | None,
) -> dict[str, Any]:
    """The estimate for every stage and the total over seeds; None where something is unknown."""
    shape = encoder_shape(config.model)
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
        },
        "total": {
            "runs": len(estimates) * len(config.seeds),
            "minutes": len(config.seeds) * sum(cost["minutes"] for cost in estimates)
            if known
            else None,
            "memory_gib": max(cost["memory_gib"] for cost in estimates) if known else None,
        },
    }
