"""Finished runs with gold data as evidence: their test sentences are taken for text without labels,
and their scores are what should have been expected there."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log as logarithm
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from xlt import languages
from xlt.config.load import load_config
from xlt.config.schema import TEXT, Config
from xlt.document import Document
from xlt.errors import XltError
from xlt.evaluation.combination import Pair
from xlt.evaluation.criteria import (
    TRANSFER_SCORE,
    OnDev,
    OnText,
    combined,
    estimates,
    on_text,
)
from xlt.model.folder import read_info
from xlt.results import (
    CONFIG,
    RESULT,
    check_file,
    finished_runs,
    measured,
    read_confidence,
    read_result,
)
from xlt.runs.folder import model_folder
from xlt.runs.source_dev import on_source_dev
from xlt.runs.sources import Sources
from xlt.runs.transfer_scores import transfer_scores
from xlt.task import Task, make_task
from xlt.training.raw_text import MAX_TRANSFER_SENTENCES
from xlt.transfer.stage import source_dev
from xlt.typology.ranking import rank
from xlt.typology.scores import measured_as

log = logging.getLogger(__name__)

SOURCE_DEV, FOUND, RANKER = "source_dev", "found", "ranker"
"""Features of a pair beside the criteria: the score on source dev data; the logarithm of how many
things a word the model finds, over the same on source dev data; and what `xlt predict-source`
expects. `TRANSFER_SCORE` is another."""


@dataclass
class Evidence:
    """pairs: of the runs and their targets. left_out: a run, or a run and a target → why it has
    none."""

    pairs: list[Pair] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def gather(
    folders: Sequence[Path], task: str, *, without: str = "", batch_tokens: int = 8192
) -> Evidence:
    """The pairs of all finished runs of a task in some folders, where the target's labels were not
    learnt from: one a run and target, the means over its seeds.

    folders: of a run, or of runs.
    without: a language whose pairs do not count.
    A run that is named more than once counts once.
    Raises XltError for a folder without a finished run. A run whose data or models are not there
    any more is left out, with a warning.
    """
    found = Evidence()
    every: dict[Path, Path] = {}
    for folder in folders:
        runs = [folder] if (folder / RESULT).is_file() else finished_runs(folder)
        if not runs:
            raise XltError(
                "there is no finished run here",
                where=folder,
                fix="name a run's folder, or one that holds runs (`xlt runs`)",
            )
        every |= {run.resolve(): run for run in runs}
    for run in every.values():
        result = read_result(run)
        if result["task"] != task:
            continue
        rows = []
        for row in measured(result):
            target = row["target"]
            if target in result.get("predictions", {}):
                found.left_out[f"{run}/{target}"] = "its text is predicted on a translation"
            elif has_labels_of(result, target, target):
                found.left_out[f"{run}/{target}"] = "labels of this very language have a part in it"
            elif not (without and languages.same(target, without)):
                rows.append(row)
        try:
            if rows:
                _add_pairs(found, run, result, rows, batch_tokens)
        except XltError as error:
            log.warning("%s is left out: %s", run, error)
            found.left_out[str(run)] = error.what
    return found


def has_labels_of(result: Mapping[str, Any], target: str, language: str) -> bool:
    """Whether labels of a language have a part in a run's models for a target: they were learnt,
    chose the checkpoint, or were what confidences were calibrated on."""
    found = {*result["source"]}
    for place, stages in result.get("lineage", {}).items():
        if place.endswith(f"/{target}"):
            splits = (one for stage in stages for one in stage["train"])
            found |= {one["language"] for one in splits if _has_labels(one)}
            found.update(*(_of_dev(stage.get("primary")) for stage in stages))
    for row in result.get("rows", ()):
        if row["primary"] and row["target"] == target:
            found |= _of_dev(row["selected_on"]) | _of_dev(row.get("calibrated_on"))
    return any(languages.same(language, one) for one in found)


def _of_dev(selector: str | None) -> set[str]:
    """The languages whose own dev data are meant (`xlt.training.scoring.selector`); of what is
    projected, labels are another language's; `nli:eng` are another task's."""
    kind, _, names = (selector or "").partition(":")
    own = {one for one in names.split("+") if ">" not in one and ":" not in one}
    return own if kind == "dev" else set()


def _has_labels(split: Mapping[str, Any]) -> bool:
    """Whether a stage learns labels that people have given the data."""
    other = split["projected_from"] or split["split"] == TEXT or split.get("task")
    return not (other or split.get("unlabelled"))


def _add_pairs(
    found: Evidence,
    run: Path,
    result: dict[str, Any],
    rows: Sequence[Mapping[str, Any]],
    batch_tokens: int,
) -> None:
    loaded = load_config(run / CONFIG)
    config = loaded.config
    task = make_task(config)
    sources = Sources(config, task)
    try:
        data = [sources.load(one) for one in source_dev(config)]
    except XltError as error:
        raise loaded.locate(error) from error
    if not data:
        raise XltError(
            "there are no dev data of its sources to compare with",
            where=run,
            fix="train it again with `dev` or `dev_share` under `data` for a source",
        )
    places = {row["target"]: _places(run, result, row) for row in rows}
    scores = _transfer_scores(run, result, config, task, places, batch_tokens)
    for row in rows:
        target = row["target"]
        models = [model for model, _ in places[target]]
        predicted = [_predicted(run, result, task, base) for _, base in places[target]]
        pair = pair_of(
            target,
            on_source_dev(config, models, data, batch_tokens=batch_tokens),
            on_text(task, predicted, scores[target]),
            expected_by_ranker(config, target),
            score=row["metrics"][task.metrics_reported[0]]["mean"],
            name=f"{run}/{target}",
            settings=settings(config, len(models)),
        )
        if pair is None:
            found.left_out[f"{run}/{target}"] = "no criterion says anything of it"
        else:
            found.pairs.append(pair)


def _places(run: Path, result: dict[str, Any], row: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Of each seed, its model for a target and with what the names of its predictions begin.

    row: of the target, as `xlt.results.measured` has it. Raises XltError where a model is missing.
    """
    target, split = row["target"], row["split"]
    seeds = [
        one["seed"]
        for one in result["rows"]
        if one["primary"] and one["target"] == target and one["split"] == split
    ]
    found = [(run / model_folder(seed, target), f"seed-{seed}/{target}/{split}") for seed in seeds]
    if not all(model.is_dir() for model, _ in found):
        raise XltError(
            "the run has not kept the models of all its seeds",
            where=run,
            fix="run it again with `output.keep: all`",
        )
    return found


def _transfer_scores(
    run: Path,
    result: dict[str, Any],
    config: Config,
    task: Task,
    places: Mapping[str, Sequence[tuple[Path, str]]],
    batch_tokens: int,
) -> dict[str, list[float | None]]:
    """Target → the Transfer Score of each of its models on its test sentences. Targets whose models
    hold the same come together, so that these are loaded once.

    places: target → `_places`.
    """
    together: dict[str, list[str]] = defaultdict(list)
    for target, of_seeds in places.items():
        held = [sorted(read_info(model).files.items()) or str(model) for model, _ in of_seeds]
        together[repr(held)].append(target)
    found: dict[str, list[float | None]] = {}
    for targets in together.values():
        models = [model for model, _ in places[targets[0]]]
        texts = [
            _predicted(run, result, task, places[target][0][1])[:MAX_TRANSFER_SENTENCES]
            for target in targets
        ]
        scores = transfer_scores(config, models, texts, batch_tokens=batch_tokens)
        found |= zip(targets, scores, strict=True)
    return found


def settings(config: Config, seeds: int) -> dict[str, str]:
    """Of a run with so many models, what an estimate of it may depend on."""
    return {
        "encoder": config.model.encoder,
        "strategy": config.strategy.name,
        "options of the task": json.dumps(config.task.options, sort_keys=True),
        "number of seeds": str(seeds),
    }


def _predicted(run: Path, result: dict[str, Any], task: Task, base: str) -> list[Document]:
    """What a run has predicted, with its confidences where it has any."""
    format = next(iter(task.formats))
    name = base + task.formats[format][0]
    check_file(run, result, name)
    sure = read_confidence(run, result, f"{base}.confidence.json")
    read = list(task.documents(run / name, format, labelled=False))
    if sure is None:
        return read
    return [one.with_confidence(own) for one, own in zip(read, sure, strict=True)]


def expected_by_ranker(config: Config, target: str) -> float | None:
    """What published scores of other languages let expect of the best of the sources; None where
    they say nothing of the task or the language.

    Scores of this very language, published or the user's own, have no part in it: of a language
    without labels there are none, and from languages with them nothing else would be learnt than
    to believe them.
    """
    sources = [one for one in config.source if not languages.same(one, target)]
    task = config.task.name
    names = measured_as(task)
    if not sources or not names:
        return None
    try:
        ranking = rank(
            target,
            sources,
            task=task,
            measured_as=names,
            encoder=config.model.encoder,
            own_scores=False,
            unseen=True,
        )
    except XltError:  # nothing is known of the language
        return None
    known = [one.expected for one in ranking.sources if one.expected is not None]
    return max(known, default=None)


def pair_of(
    language: str,
    dev: Sequence[OnDev],
    text: Sequence[OnText],
    ranker: float | None,
    *,
    score: float | None = None,
    name: str = "",
    settings: Mapping[str, str] | None = None,
) -> Pair | None:
    """The models of one run, in the order of their seeds, and a language: the means over seeds.
    None where no criterion says anything, and where one of them finds nothing in the text but does
    elsewhere: that two agree on nothing is no sign of what they would find."""
    if any(one.sure and not len(seen.confidences) for one, seen in zip(dev, text, strict=True)):
        return None
    each = [estimates(known, seen) for known, seen in zip(dev, text, strict=True)]
    criteria = {
        criterion: fmean(one[criterion] for one in each)
        for criterion in each[0]
        if all(criterion in one for one in each)
    }
    plain = combined(criteria)
    if plain is None:
        return None
    features = {SOURCE_DEV: fmean(one.score for one in dev), **criteria}
    found = [
        logarithm(len(seen.confidences) / seen.words / known.sure.found)
        for known, seen in zip(dev, text, strict=True)
        if known.sure is not None and len(seen.confidences)
    ]
    if found:
        features[FOUND] = float(np.mean(found))
    scores = [seen.transfer_score for seen in text if seen.transfer_score is not None]
    if len(scores) == len(text):
        features[TRANSFER_SCORE] = fmean(scores)
    if ranker is not None:
        features[RANKER] = ranker
    return Pair(languages.shared(language), features, plain, score, name, settings or {})
