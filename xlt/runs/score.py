"""Scores of a finished model on its target, with what they rest on."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.config.schema import Config
from xlt.data.rows import with_confidence
from xlt.document import Document
from xlt.evaluation.counts import count_matrix, score
from xlt.evaluation.reliability import Judged, joined, judged, reliability
from xlt.evaluation.statistics import (
    RECORDS,
    SEEDS_AND_RECORDS,
    Interval,
    bootstrap_interval,
    mean_sd,
)
from xlt.inference.base import BatchPredictor, in_windows
from xlt.inference.ensemble import Ensemble
from xlt.inference.loading import make_direct_predictor
from xlt.inference.predictor import Predictor
from xlt.model.backbone import Backbone
from xlt.model.calibration import load as load_calibration
from xlt.model.folder import say_languages
from xlt.projection.predict import ThroughTranslation, through_translation
from xlt.projection.predict import save as save_prediction
from xlt.runs.execute import Trained
from xlt.runs.experiment import Experiment
from xlt.runs.folder import RunFolder, model_folder
from xlt.runs.sources import Sources
from xlt.task import Task
from xlt.training.data import Data
from xlt.training.finished import StageResult
from xlt.transfer.stage import Prediction

Group = tuple[str, str, str]
"""Target, split, way of selecting: what is scored once with every seed."""


class _Models:
    """The models of a run's stages. Several targets in turn may have the same one, which is loaded
    once and stored once."""

    def __init__(self, experiment: Experiment, folder: RunFolder) -> None:
        self._experiment, self._run = experiment, folder
        self._last: tuple[Path, tuple[Backbone, Predictor]] | None = None
        self._kept: dict[Path, str] = {}

    def load(self, folder: Path) -> tuple[Backbone, Predictor]:
        if self._last is None or self._last[0] != folder:
            self._last = None  # before another takes memory
            self._last = (folder, _load(self._experiment, folder))
        return self._last[1]

    def keep(self, folder: Path, target: str, finish: Callable[[Path], None]) -> None:
        """As `RunFolder.keep_model`."""
        self._run.keep_model(folder, target, finish, like=self._kept.get(folder))
        self._kept.setdefault(folder, target)


@dataclass
class Evaluated:
    """What came of all models of a run.

    rows:      one a model, split and way of selecting.
    subwords:  target → split → subword statistics.
    intervals: metric → the 95 % interval of the mean over seeds, where there are several.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    subwords: dict[str, dict[str, Any]] = field(default_factory=dict)
    intervals: dict[Group, dict[str, Interval]] = field(default_factory=dict)


def evaluate_all(
    experiment: Experiment, sources: Sources, folder: RunFolder, trained: Trained
) -> Evaluated:
    """Score every model on its target, and those of all seeds together if that is asked for."""
    config, task = experiment.config, experiment.task
    done = Evaluated()
    models = _Models(experiment, folder)
    counted: dict[Group, list[NDArray[np.float64]]] = defaultdict(list)
    for (seed, target), stages in trained.items():
        scored, done.subwords[target] = evaluate_target(
            experiment, sources, folder, models, stages[-1], seed, target
        )
        for row, counts in scored:
            done.rows.append(row)
            counted[_group(row)].append(counts)
    for group, runs in counted.items():
        if len(runs) > 1:
            done.intervals[group] = bootstrap_interval(
                runs, task.metrics, resamples=config.evaluation.bootstrap, seed=config.seeds[0]
            )
    del models  # of which one is loaded; the ensemble takes the memory
    if config.evaluation.ensemble and len(config.seeds) > 1:
        for target in experiment.plans:
            done.rows += evaluate_ensemble(experiment, sources, folder, target)
    return done


def _group(row: Mapping[str, Any]) -> Group:
    return row["target"], row["split"], row["selected_on"]


def evaluate_target(
    experiment: Experiment,
    sources: Sources,
    folder: RunFolder,
    models: _Models,
    finished: StageResult,
    seed: int,
    target: str,
) -> tuple[list[tuple[dict[str, Any], NDArray[np.float64]]], dict[str, Any]]:
    """Score every selected checkpoint on the target's evaluation splits.

    Writes predictions, counts and the model below ``seed-<seed>/<target>``. Returns one row a
    split and way of selecting, each with its counts, and split → the target's subword statistics.
    """
    config, task = experiment.config, experiment.task
    prediction = experiment.prediction(target)
    base = f"seed-{seed}/{target}"
    rows: list[tuple[dict[str, Any], NDArray[np.float64]]] = []
    by_step: dict[int, list[tuple[dict[str, Any], NDArray[np.float64]]]] = {}
    statistics: dict[str, Any] = {}
    for selector in [finished.primary, *relevant(finished, target)]:
        step = int(finished.selected[selector]["step"])
        if step not in by_step:
            model_folder = finished.model_folder(selector)
            backbone, direct = models.load(model_folder)
            calibration = load_calibration(model_folder)
            if selector == finished.primary:
                models.keep(
                    model_folder,
                    f"{base}/model",
                    partial(_finish, prediction=prediction, config=config, target=target),
                )
            by_step[step] = []
            for data_split in experiment.scored_on(target):
                split, data = data_split.split, sources.load(data_split)
                statistics.setdefault(split, subword_statistics(task, data.records, backbone))
                predictor = through_translation(
                    direct, backbone, prediction, config.projection, target, split
                )
                outcome = f"{base}/{split}" if selector == finished.primary else None
                counts, worth = _scored(folder, predictor, backbone, data, outcome)
                row = {
                    "target": target,
                    "split": split,
                    "seed": seed,
                    "step": step,
                    "records": len(data.records),
                    "data": data.fingerprint,
                    **scores(task, counts, config.evaluation.bootstrap, seed),
                    "reliability": reliability(worth),
                    "calibrated_on": None if calibration is None else calibration.fitted_on,
                }
                by_step[step].append((row, counts))
        rows += [
            ({**row, "selected_on": selector, "primary": selector == finished.primary}, counts)
            for row, counts in by_step[step]
        ]
    return rows, statistics


def evaluate_ensemble(
    experiment: Experiment, sources: Sources, folder: RunFolder, target: str
) -> list[dict[str, Any]]:
    """Score the models of all seeds deciding together; one row a split, no seed of its own.

    Writes predictions and counts below ``ensemble/<target>``.
    """
    config, task = experiment.config, experiment.task
    prediction = experiment.prediction(target)
    loaded = [_load(experiment, folder.path / model_folder(seed, target)) for seed in config.seeds]
    backbone, _ = loaded[0]
    together = Ensemble.of([predictor for _, predictor in loaded])
    rows = []
    for data_split in experiment.scored_on(target):
        split, data = data_split.split, sources.load(data_split)
        predictor = through_translation(
            together, backbone, prediction, config.projection, target, split
        )
        counts, _ = _scored(folder, predictor, backbone, data, f"ensemble/{target}/{split}")
        rows.append(
            {
                "target": target,
                "split": split,
                "seed": None,
                "step": None,
                "records": len(data.records),
                "data": data.fingerprint,
                **scores(task, counts, config.evaluation.bootstrap, config.seeds[0]),
                "selected_on": f"ensemble of {len(config.seeds)} seeds",
                "primary": False,
            }
        )
    return rows


def _finish(model: Path, *, prediction: Prediction, config: Config, target: str) -> None:
    """Say in the run's copy of a model what only the run knows."""
    say_languages(model, [target])
    save_prediction(model, prediction, config.projection, target)


def _load(experiment: Experiment, folder: Path) -> tuple[Backbone, Predictor]:
    config = experiment.config
    _, backbone, predictor = make_direct_predictor(
        folder,
        batch_tokens=config.evaluation.batch_tokens,
        precision=config.training.precision,
        options=config.model,
        task=experiment.task,
        confident=True,
    )
    return backbone, predictor


def _scored(
    folder: RunFolder,
    predictor: Predictor | ThroughTranslation,
    backbone: Backbone,
    data: Data,
    outcome: str | None,
) -> tuple[NDArray[np.float64], Judged]:
    """As `predict_and_count`.

    outcome: below it go the predictions, in the task's first format, the counts that
        `xlt compare` resamples, and the confidences, if there are any; None: nowhere.
    """
    task = predictor.task
    if outcome is None:
        return predict_and_count(predictor, backbone, data.records)
    name = outcome + task.formats[next(iter(task.formats))][0]
    sure: list[dict[str, list[float]]] = []
    counts, worth = predict_and_count(
        predictor,
        backbone,
        data.records,
        lambda predicted: save_predictions(folder, name, task, _noting(predicted, sure)),
    )
    folder.write_json(
        f"{outcome}.counts.json",
        {
            "names": list(task.count_names),
            "labels": dict(predictor.labels),
            "data": data.fingerprint,
            "counts": counts.tolist(),
        },
    )
    if any(sure):
        folder.write_json(f"{outcome}.confidence.json", {"confidence": sure})
    return counts, worth


def _noting(
    predicted: Iterable[Document], sure: list[dict[str, list[float]]]
) -> Iterator[Document]:
    """The documents as they pass, and how sure each is: not every format has room for it."""
    for document in predicted:
        sure.append(with_confidence({}, document).get("confidence", {}))
        yield document


def relevant(finished: StageResult, target: str) -> list[str]:
    """The other ways of selecting that say something about this target."""
    languages = {s: set(s.partition(":")[2].split("+")) for s in finished.selected}
    own = languages[finished.primary]
    # Another target's dev set is no way of selecting for this one.
    others = [
        s
        for s in finished.selected
        if s != finished.primary and (languages[s] == {target} or own == {target})
    ]
    return sorted(others)


def predict_and_count(
    predictor: BatchPredictor | ThroughTranslation,
    backbone: Backbone,
    records: Iterable[Document],
    write: Callable[[Iterator[Document]], None] | None = None,
) -> tuple[NDArray[np.float64], Judged]:
    """Counts (records, columns), and what the confidences of the predictions are worth.

    write: takes the predicted records, in order, as they are made. A window of them is in memory.
    """
    task = predictor.task
    counts = [np.zeros((0, len(task.count_names)))]
    worth: list[Judged] = []

    def predictions() -> Iterator[Document]:
        for window in in_windows(records, predictor.window):
            predicted = predictor(window, task.encode(window, backbone, None))
            counts.append(count_matrix(task, window, predicted))
            worth.append(judged(zip(window, predicted, strict=True)))
            yield from predicted

    if write is None:
        deque(predictions(), maxlen=0)
    else:
        write(predictions())
    return np.concatenate(counts), joined(worth)


def scores(task: Task, counts: NDArray[np.float64], resamples: int, seed: int) -> dict[str, Any]:
    """Metrics and their 95 % bootstrap intervals over records."""
    return {
        "metrics": score(task, counts),
        "interval": {
            name: [interval.low, interval.high]
            for name, interval in bootstrap_interval(
                counts, task.metrics, resamples=resamples, seed=seed
            ).items()
        },
    }


def subword_statistics(
    task: Task, records: Iterable[Document], backbone: Backbone
) -> dict[str, Any]:
    """How the tokenizer copes with these records.

    fertility: subwords a word; unknown_pieces: their share; truncated_words: words without a
    subword of their own in any window, counted on the encoded windows.
    """
    words = subwords = unknown = kept = 0
    for window in in_windows(records, 1024):
        texts = [text for record in window for text in task.given_texts(record)]
        encoded = backbone.words(texts)
        ids = np.concatenate([np.zeros(0, np.int32), *(e.subwords for e in encoded)])
        words += sum(len(text.words) for text in texts)
        subwords += len(ids)
        unknown += int(backbone.words.subwords.is_unknown(ids).sum())
        kept += sum(len(np.unique(np.concatenate([o[o >= 0] for o in e.word_of]))) for e in encoded)
    return {
        "words": words,
        "fertility": subwords / max(1, words),
        "unknown_pieces": unknown / max(1, subwords),
        "truncated_words": words - kept,
    }


def save_predictions(
    folder: RunFolder, name: str, task: Task, predicted: Iterable[Document]
) -> None:
    with folder.write_text(name) as stream:
        task.write(predicted, stream, next(iter(task.formats)))


def summarise(
    rows: Sequence[dict[str, Any]], intervals: Mapping[Group, Mapping[str, Interval]]
) -> list[dict[str, Any]]:
    """Mean, standard deviation over seeds and 95 % interval for every target, split and way of
    selecting.

    intervals: of `Evaluated`; without, the interval is that of the one row, over records.
    """
    groups: dict[Group, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[_group(row)].append(row)
    summary = []
    for group, same in groups.items():
        metrics = {}
        for name in same[0]["metrics"]:
            values = [row["metrics"][name] for row in same]
            mean, sd = mean_sd(values)
            several = len(values) > 1
            low, high = intervals[group][name] if several else same[0]["interval"][name]
            metrics[name] = {
                "mean": mean,
                "sd": sd if several else None,
                "seeds": len(values),
                "low": low,
                "high": high,
                "over": SEEDS_AND_RECORDS if several else RECORDS,
            }
        target, split, selected_on = group
        summary.append(
            {
                "target": target,
                "split": split,
                "selected_on": selected_on,
                "primary": same[0]["primary"],
                "metrics": metrics,
            }
        )
    return summary
