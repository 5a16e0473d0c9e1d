"""`xlt estimate`: what a model is expected to score on text of which nobody has labels."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from xlt import languages
from xlt.config.load import LoadedConfig, load_config
from xlt.config.schema import Config
from xlt.document import Document
from xlt.errors import XltError
from xlt.evaluation.combination import COVERAGE, MIN_LANGUAGES, Combination, fit
from xlt.evaluation.criteria import CRITERIA, OnDev, OnText, on_text
from xlt.model.folder import read_info
from xlt.results import CONFIG
from xlt.runs.annotate import Annotator
from xlt.runs.evidence import Evidence, expected_by_ranker, gather, pair_of
from xlt.runs.experiment import Experiment, make_task
from xlt.runs.folder import RunFolder, model_folder
from xlt.runs.models import models_of
from xlt.runs.predict import FileAnnotator
from xlt.runs.reading import Unit
from xlt.runs.source_dev import on_source_dev
from xlt.runs.sources import Sources
from xlt.training.raw_text import first_sentences
from xlt.transfer.stage import source_dev

if TYPE_CHECKING:
    from xlt.task import Task

log = logging.getLogger(__name__)

MAX_SENTENCES = 2000
"""Of a text: more hardly change a mean."""
FEW_SENTENCES = 100
"""Below it the text itself is a small sample."""


@dataclass(frozen=True)
class _Run:
    """A run, and those of its models that are meant: one of each of some seeds."""

    folder: Path
    models: tuple[Path, ...]


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
        `xlt.runs.predict.predict`. Its first `MAX_SENTENCES` sentences count, its labels, if it
        has any, do not.
    runs: folders of finished runs with gold data, of this task. What models scored in other
        languages there decides how the criteria are combined, and how wide the interval is.
    language: of the text; by default the only one of the first model's.
    Raises XltError as `predict` does; for a model that is not in its run's folder, for models of
    several tasks, for a text without a sentence and for `runs` without a finished one.
    """
    spoken = None if language is None else languages.code(language, where="--language")
    asked = _grouped(models, spoken)
    first = FileAnnotator(
        asked[0].models[0],
        text,
        language=spoken,
        input_format=input_format,
        options=options,
        batch_tokens=batch_tokens,
    )
    target = first.language
    if target is None:
        raise XltError(
            "it is not said in which language the text is",
            where="--language",
            fix="name it: --language hau (say)",
        )
    task = first.task
    units, sentences = _read(first, text)
    first.tell(units)
    known = (
        gather(runs, task.name, without=target, batch_tokens=batch_tokens) if runs else Evidence()
    )
    combination = fit(known.pairs)
    rows = []
    for run in asked:
        if (named := read_info(run.models[0]).task) != task.name:
            raise XltError(
                f"the models are of {named} and of {task.name}",
                where=run.folder,
                fix="ask for runs of one task at a time",
            )
        predicted = []
        for model in run.models:
            own = model == first.folder
            annotator = first if own else Annotator(model, target, batch_tokens=batch_tokens)
            predicted.append([one for _, documents in annotator(units) for one in documents])
        loaded = load_config(run.folder / CONFIG)
        try:
            dev = _on_source_dev(loaded, run.models, batch_tokens)
        except XltError as error:
            raise loaded.locate(error) from error
        models_of = {"run": str(run.folder), "models": [str(model) for model in run.models]}
        rows.append(
            models_of
            | expectation(loaded.config, annotator.task, target, dev, predicted, combination)
        )
    rows.sort(key=lambda row: -1.0 if row["expected"] is None else row["expected"], reverse=True)
    return {
        "task": task.name,
        "metric": task.metrics_reported[0],
        "language": target,
        "text": text,
        "sentences": sentences,
        "coverage": COVERAGE,
        "estimates": rows,
        "fitted_to": None if combination is None else about(combination),
        "left_out": known.left_out,
        "notes": _notes(sentences, combination, known, asked=bool(runs)),
    }


def estimate_all(
    experiment: Experiment, sources: Sources, folder: RunFolder
) -> list[dict[str, Any]]:
    """What a run's models are expected to score on the targets' text (`Experiment.texts`), one row
    a target. Nothing is fitted to other runs: a result depends on its own config alone."""
    from xlt.projection.opening import open_predictor

    config, batch_tokens = experiment.config, experiment.config.evaluation.batch_tokens
    rows = []
    for target, data_split in experiment.texts.items():
        data = [sources.load(one) for one in source_dev(config)]
        models = [folder.path / model_folder(seed, target) for seed in config.seeds]
        texts = sources.load(data_split).records
        records = first_sentences(experiment.task, texts, target, MAX_SENTENCES)
        predicted = []
        for model in models:
            task, backbone, predictor = open_predictor(
                model, batch_tokens=batch_tokens, confident=True
            )
            predicted.append(predictor(records, task.encode(records, backbone, None)))
        dev = on_source_dev(models, data, batch_tokens=batch_tokens)
        row = expectation(config, task, target, dev, predicted)
        rows.append({"target": target, "sentences": len(records), **row})
    return rows


def expectation(
    config: Config,
    task: Task,
    target: str,
    dev: Sequence[OnDev],
    predicted: Sequence[Sequence[Document]],
    combination: Combination | None = None,
) -> dict[str, Any]:
    """What the models of a run are expected to score on a text together, JSON-able.

    config: of the run. target: the text's language.
    dev: each model on the dev data of the run's sources; empty where it has none.
    predicted: what each says of the text.
    combination: of other runs' scores; without one, `expected` is the mean of the criteria, with no
        interval.
    """
    ranker = expected_by_ranker(config, target)
    row: dict[str, Any] = {
        "source": list(config.source),
        "seeds": len(predicted),
        "expected": None,
        "interval": None,
        "source_dev": fmean(one.score for one in dev) if dev else None,
        "criteria": {},
        "ranker": ranker,
        "notes": [],
    }
    if not dev:
        row["notes"] = ["not known: there are no dev data of its sources to compare with"]
        return row
    text = on_text(task, predicted)
    pair = pair_of(target, dev, text, ranker)
    if pair is None:
        row["notes"] = [f"not known: {_why_not(dev, text)}"]
        return row
    row["criteria"] = {name: pair.features[name] for name in CRITERIA if name in pair.features}
    if combination is None:
        row["expected"] = pair.plain
        return row
    score, low, high = combination.expected(pair)
    row |= {"expected": score, "interval": [low, high]}
    if outside := combination.outside(pair):
        row["notes"] = [
            f"{', '.join(outside)}: beyond all that the runs have, and the interval with it"
        ]
    return row


def _why_not(dev: Sequence[OnDev], text: Sequence[OnText]) -> str:
    if any(not len(one.confidences) for one in text) and dev[0].sure is not None:
        return "it finds nothing in this text"
    if all(one.sure is None for one in dev):
        return "its predictions have no confidence, and one seed agrees with no other"
    return "nothing that it predicts on the dev data of its sources is right"


def _on_source_dev(
    loaded: LoadedConfig, models: Sequence[Path], batch_tokens: int
) -> Sequence[OnDev]:
    config = loaded.config
    sources = Sources(config, make_task(config))
    data = [sources.load(one) for one in source_dev(config)]
    return on_source_dev(models, data, batch_tokens=batch_tokens) if data else ()


def _grouped(models: Sequence[Path], spoken: str | None) -> list[_Run]:
    """The runs that are meant, with their models. Raises XltError as `estimate`."""
    found: dict[Path, list[Path]] = {}
    for path in models:
        chosen = models_of(path, spoken)
        run = chosen[0].resolve().parents[2]
        if not (run / CONFIG).is_file():
            raise XltError(
                "what this model does on the dev data of its sources is not known: it is not in "
                "the folder of its run",
                where=path,
                fix="name the run, or the model's folder in it (seed-1/<target>/model)",
            )
        own = found.setdefault(run, [])
        own += (one for one in chosen if one not in own)
    return [_Run(run, tuple(chosen)) for run, chosen in found.items()]


def _read(annotator: FileAnnotator, text: str) -> tuple[list[Unit], int]:
    """The first units of a text, and how many sentences they have."""
    units: list[Unit] = []
    sentences = 0
    for unit in annotator.units(annotator.files):
        units.append(unit)
        sentences += len(unit.documents)
        if sentences >= MAX_SENTENCES:
            log.info("the first %d sentences are looked at", sentences)
            break
    if not sentences:
        raise XltError("there is no sentence in it", where=text, fix="give text of the target")
    return units, sentences


def about(combination: Combination) -> dict[str, Any]:
    """What a combination was fitted to, JSON-able."""
    return {"pairs": len(combination.pairs), "languages": combination.languages}


def _notes(
    sentences: int, combination: Combination | None, known: Evidence, *, asked: bool
) -> list[str]:
    notes = []
    if combination is None:
        there = len({pair.language for pair in known.pairs})
        why = (
            f"the runs were scored in {there} other languages, and {MIN_LANGUAGES} are needed"
            if asked
            else f"--runs names no finished runs with scores in {MIN_LANGUAGES} other languages"
        )
        notes.append(f"not calibrated, so without an interval: {why}")
    if sentences < FEW_SENTENCES:
        notes.append(f"{sentences} sentences are few: other text would give something else")
    return notes
