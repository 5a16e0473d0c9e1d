"""`xlt estimate`: what a model is expected to score on text of which nobody has labels."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from xlt import languages
from xlt.config.load import load_config
from xlt.config.schema import Config
from xlt.document import Document
from xlt.errors import XltError, flat
from xlt.evaluation.combination import (
    COVERAGE,
    MIN_LANGUAGES,
    Combination,
    Pair,
    comparable,
    fit,
)
from xlt.evaluation.criteria import CRITERIA, TRANSFER_SCORE, OnDev, OnText, on_text
from xlt.model.folder import open_folder, read_info, task_of
from xlt.results import CONFIG, RESULT, read_result
from xlt.runs.coverage import count_words, warnings
from xlt.runs.evidence import (
    Evidence,
    expected_by_ranker,
    gather,
    has_labels_of,
    pair_of,
    settings,
)
from xlt.runs.experiment import Experiment, make_strategy
from xlt.runs.folder import RunFolder, model_folder
from xlt.runs.models import models_of, run_of
from xlt.runs.reading import files_of, read_units
from xlt.runs.source_dev import on_source_dev, predictions
from xlt.runs.sources import Sources
from xlt.runs.transfer_scores import transfer_scores
from xlt.task import make_task
from xlt.training.raw_text import MAX_ESTIMATE_SENTENCES, first_sentences
from xlt.transfer.stage import source_dev

if TYPE_CHECKING:
    from xlt.task import Labels, Task

log = logging.getLogger(__name__)

FEW_SENTENCES = 100
"""Below it the text itself is a small sample."""


@dataclass(frozen=True)
class _Run:
    """A run, and those of its models that are meant: one of each of some seeds."""

    folder: Path
    models: tuple[Path, ...]

    @property
    def target(self) -> str:
        """Whose models they are (`model_folder`)."""
        return self.models[0].resolve().parent.name


def estimate(
    models: Sequence[Path],
    text: str,
    *,
    runs: Sequence[Path] = (),
    language: str | None = None,
    input_format: str | None = None,
    options: Mapping[str, Any] | None = None,
    batch_tokens: int = 8192,
) -> dict[str, Any]:
    """The expected score of each run on a text, the highest first; JSON-able.

    models: folders of runs, of which all seeds are meant, or model folders in them; of one run
        they are taken together.
    text: a file, a folder or "-"; with `input_format` and `options` as of
        `xlt.runs.predict.predict`. Its first `MAX_ESTIMATE_SENTENCES` sentences count, its
        labels, if it has any, do not.
    runs: folders of finished runs with gold data, of this task. What models scored in other
        languages there decides how the criteria are combined, and how wide the interval is.
    language: of the text; by default the only one of the first model's.
    Raises XltError as `predict` does; for a model that is not in its run's folder, for models of
    several tasks, for several of one seed, for a text without a sentence and for `runs` without a
    finished one.
    """
    spoken = None if language is None else languages.code(language, where="--language")
    asked = _grouped(models, spoken)
    own = read_info(asked[0].models[0]).languages
    target = spoken or (own[0] if len(own) == 1 else None)
    if target is None:
        raise XltError(
            "it is not said in which language the text is",
            where="--language",
            fix="name it: --language hau (say)",
        )
    task, records = _read(asked[0].models[0], text, target, input_format, options)
    known = (
        gather(runs, task.name, without=target, batch_tokens=batch_tokens) if runs else Evidence()
    )
    rows = []
    for run in asked:
        loaded = load_config(run.folder / CONFIG)
        try:
            told = _told(loaded.config, run, target, records, known.pairs, batch_tokens)
        except XltError as error:
            raise loaded.locate(error) from error
        told["notes"] = [*told["notes"], *_unlike(run, asked[0])]
        whose = {"run": str(run.folder), "models": [str(model) for model in run.models]}
        rows.append(whose | told)
    rows.sort(key=lambda row: -1.0 if row["expected"] is None else row["expected"], reverse=True)
    return {
        "task": task.name,
        "metric": task.metrics_reported[0],
        "language": target,
        "text": text,
        "sentences": len(records),
        "coverage": COVERAGE,
        "estimates": rows,
        "fitted_to": about(known.pairs),
        "left_out": known.left_out,
        "notes": _notes(len(records), known, asked=bool(runs)),
    }


def estimate_all(
    experiment: Experiment, sources: Sources, folder: RunFolder
) -> list[dict[str, Any]]:
    """What a run's models are expected to score on the targets' text (`Experiment.texts`), one row
    a target. Nothing is fitted to other runs: a result depends on its own config alone.

    Whatever goes wrong is a note: the run has its scores all the same.
    """
    config = experiment.config
    rows = []
    for target, data_split in experiment.texts.items():
        run = _Run(
            folder.path, tuple(folder.path / model_folder(seed, target) for seed in config.seeds)
        )
        sentences = None
        try:
            texts = sources.load(data_split).records
            records = first_sentences(experiment.task, texts, target, MAX_ESTIMATE_SENTENCES)
            sentences = len(records)
            row = _told(config, run, target, records, (), config.evaluation.batch_tokens, sources)
            row["notes"] = [*row["notes"], *_few(sentences)]
        except XltError as error:
            why = "; ".join(one.what for one in flat(error))
            log.warning("what is expected on text of %s is not known: %s", target, why)
            row = _row(config, target, run, why)
        rows.append({"target": target, "sentences": sentences, **row})
    return rows


def _told(
    config: Config,
    run: _Run,
    target: str,
    records: Sequence[Document],
    measured: Sequence[Pair],
    batch_tokens: int,
    sources: Sources | None = None,
) -> dict[str, Any]:
    """What the models of a run are expected to score on a text together, JSON-able.

    config: of the run. target: the text's language. records: its sentences.
    measured: other runs' scores in other languages; of too few, `expected` is the mean of the
        criteria, with no interval.
    """
    way = make_strategy(config).prediction(config, run.target)
    if way.mode != "direct":
        return _row(
            config,
            target,
            run,
            f"text is predicted {way.describe()}, and the criteria compare what models say of "
            "texts themselves",
        )
    sources = sources or Sources(config, make_task(config))
    data = [sources.load(one) for one in source_dev(config)]
    if not data:
        return _row(config, target, run, "there are no dev data of its sources to compare with")
    dev = on_source_dev(config, run.models, data, batch_tokens=batch_tokens)
    task, predicted = predictions(config, run.models, records, batch_tokens=batch_tokens)
    (scores,) = transfer_scores(config, run.models, [records], batch_tokens=batch_tokens)
    text = on_text(task, predicted, scores)
    row = _row(config, target, run)
    row["source_dev"] = fmean(one.score for one in dev)
    pair = pair_of(target, dev, text, row["ranker"])
    if pair is None:
        return row | {"notes": [f"not known: {_why_not(dev, text)}"]}
    row["criteria"] = {name: pair.features[name] for name in CRITERIA if name in pair.features}
    row[TRANSFER_SCORE] = pair.features.get(TRANSFER_SCORE)
    row["expected"] = pair.plain
    if measured and _has_labels_of(config, run, target):
        row["notes"] = [
            f"no interval: it has learnt from labels of {languages.name(target)} itself, or was "
            "chosen by them, as no run was whose scores are known"
        ]
        return row
    known, pair = comparable(measured, replace(pair, settings=settings(config, len(run.models))))
    combination = fit(known)
    if combination is not None:
        score, low, high = combination.expected(pair)
        row |= {"expected": score, "interval": [low, high]}
        row["notes"] = [*_beyond(combination, pair)]
    elif about(measured) is not None:
        row["notes"] = ["no interval: no criterion is known both of it and of all runs"]
    return row


def _has_labels_of(config: Config, run: _Run, language: str) -> bool:
    finished = (run.folder / RESULT).is_file()
    result = read_result(run.folder) if finished else {"source": config.source}
    return has_labels_of(result, run.target, language)


def _beyond(combination: Combination, pair: Pair) -> Iterator[str]:
    if outside := combination.outside(pair):
        yield f"{', '.join(outside)}: beyond all that the runs have, and the interval with it"
    if untried := combination.untried(pair):
        yield f"none of the runs has its {', '.join(untried)}: no interval was tried there"


def _row(config: Config, target: str, run: _Run, why_not: str | None = None) -> dict[str, Any]:
    """What is said of a run of which nothing is expected, for a reason."""
    return {
        "source": list(config.source),
        "seeds": len(run.models),
        "expected": None,
        "interval": None,
        "source_dev": None,
        "criteria": {},
        TRANSFER_SCORE: None,
        "ranker": expected_by_ranker(config, target),
        "notes": [] if why_not is None else [f"not known: {why_not}"],
    }


def _why_not(dev: Sequence[OnDev], text: Sequence[OnText]) -> str:
    if any(not len(one.confidences) for one in text) and dev[0].sure is not None:
        return "it finds nothing in this text"
    if all(one.sure is None for one in dev):
        return "its predictions have no confidence, and one seed agrees with no other"
    return "nothing that it predicts on the dev data of its sources is right"


def _grouped(models: Sequence[Path], spoken: str | None) -> list[_Run]:
    """The runs that are meant, with their models. Raises XltError as `estimate`."""
    found: dict[Path, dict[Path, Path]] = {}
    for path in models:
        chosen = models_of(path, spoken)
        run = run_of(chosen[0], path)
        found.setdefault(run, {}).update({one.resolve(): one for one in chosen})
    runs = [_Run(folder, tuple(chosen.values())) for folder, chosen in found.items()]
    for each in runs:
        _check_models(each, runs[0])
    return runs


def _check_models(run: _Run, first: _Run) -> None:
    """Raise XltError where the models of a run differ in more than their seed, and where it is of
    another task than the first."""
    targets = sorted({model.resolve().parent.name for model in run.models})
    if len(targets) > 1:
        raise XltError(
            f"models of several of its targets are named: {', '.join(targets)}",
            where=run.folder,
            fix="name those of one target, or the run with --language",
        )
    task, other = (read_info(one.models[0]).task for one in (first, run))
    if task != other:
        raise XltError(
            f"the models are of {other} and of {task}",
            where=run.folder,
            fix="ask for runs of one task at a time",
        )


def _unlike(run: _Run, first: _Run) -> list[str]:
    """What makes the scores of two runs of a task speak of different things."""
    one, other = (read_info(each.models[0]) for each in (first, run))
    found = {
        "options of the task": one.options != other.options,
        "labels": _as_sets(one.labels) != _as_sets(other.labels),
    }
    return [f"its {what} are others than those of {first.folder}" for what in found if found[what]]


def _as_sets(labels: Labels) -> dict[str, set[str]]:
    return {layer: set(values) for layer, values in labels.items()}


def _read(
    model: Path,
    text: str,
    language: str,
    input_format: str | None,
    options: Mapping[str, Any] | None,
) -> tuple[Task, list[Document]]:
    """The first sentences of a text as a model reads it, and its task. Warns of what the model's
    tokenizer does not know."""
    task = task_of(read_info(model), model)
    numbers = count(1)
    every = (
        document
        for file in files_of(task, [text], input_format)
        for unit in read_units(task, file, input_format, language, options, numbers)
        for document in unit.documents
    )
    records = list(islice(every, MAX_ESTIMATE_SENTENCES))
    if not records:
        raise XltError("there is no sentence in it", where=text, fix="give text of the target")
    if len(records) == MAX_ESTIMATE_SENTENCES:
        log.info("the first %d sentences are looked at", MAX_ESTIMATE_SENTENCES)
    with open_folder(model) as (_, backbone):
        told = warnings(language, count_words(task, records), backbone.tokenizer)
    for one in told:
        log.warning("warning: %s", one)
    return task, records


def about(pairs: Sequence[Pair]) -> dict[str, Any] | None:
    """What estimates are fitted to, JSON-able; None of too little."""
    there = list(dict.fromkeys(pair.language for pair in pairs))
    return {"pairs": len(pairs), "languages": there} if len(there) >= MIN_LANGUAGES else None


def _notes(sentences: int, known: Evidence, *, asked: bool) -> list[str]:
    notes = []
    if about(known.pairs) is None:
        there = len({pair.language for pair in known.pairs})
        why = (
            f"of the runs' scores, those in {there} other languages can be used, and "
            f"{MIN_LANGUAGES} are needed (`left_out` in `--json` has the others)"
            if asked
            else f"--runs names no finished runs with scores in {MIN_LANGUAGES} other languages"
        )
        notes.append(f"not calibrated, so without an interval: {why}")
    return [*notes, *_few(sentences)]


def _few(sentences: int) -> list[str]:
    if sentences >= FEW_SENTENCES:
        return []
    number = f"{sentences} sentence{'s are' if sentences > 1 else ' is'}"
    return [f"{number} few: other text would give something else"]
