"""Scores of a finished model on its target, with what they rest on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt.document import Document
from xlt.evaluation.statistics import bootstrap_interval, mean_sd
from xlt.files import disk_error
from xlt.model.folder import load_model
from xlt.projection.predict import ThroughTranslation, through_translation
from xlt.projection.predict import load as load_prediction
from xlt.projection.predict import save as save_prediction
from xlt.runs.folder import RunFolder
from xlt.training.predict import (
    Ensemble,
    Predictor,
    best_device,
    cast_for_inference,
    choose_precision,
    count_matrix,
    score,
)
from xlt.transfer.stage import Portion, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xlt.config.schema import Config
    from xlt.model.backbone import Backbone
    from xlt.runs.sources import Sources
    from xlt.task import Task
    from xlt.training.data import Data
    from xlt.training.stages import Finished


def make_predictor(
    folder: Path, *, batch_tokens: int, precision: str = "auto", options: Any = None
) -> tuple[Task, Backbone, Predictor | ThroughTranslation]:
    """A saved model, ready to predict on the best device here, as its folder says."""
    task, backbone, predictor = make_direct_predictor(
        folder, batch_tokens=batch_tokens, precision=precision, options=options
    )
    found = load_prediction(folder)
    if found is None:
        return task, backbone, predictor
    prediction, settings, language = found
    through = through_translation(predictor, backbone, prediction, settings, language)
    return task, backbone, through


def make_direct_predictor(
    folder: Path, *, batch_tokens: int, precision: str = "auto", options: Any = None
) -> tuple[Task, Backbone, Predictor]:
    """A saved model, ready to predict on the text itself."""
    task, backbone, model = load_model(folder, options)
    device = best_device()
    model.to(device).eval()
    chosen = choose_precision(precision, device)
    cast_for_inference(model, chosen)
    return task, backbone, Predictor(task, model, batch_tokens, chosen, device)


def evaluate_target(
    config: Config,
    task: Task,
    sources: Sources,
    folder: RunFolder,
    finished: Finished,
    target: str,
    seed: int,
    prediction: Prediction,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Score every selected checkpoint on the target's evaluation splits.

    Writes predictions, counts and the model below ``seed-<seed>/<target>``. Returns one row a
    split and way of selecting, and the target's piece statistics.
    """
    base = f"seed-{seed}/{target}"
    wanted = [finished.primary, *relevant(finished, target)]
    rows: list[dict[str, Any]] = []
    by_step: dict[int, list[dict[str, Any]]] = {}
    statistics: dict[str, Any] = {}
    for selector in wanted:
        step = int(finished.selected[selector]["step"])
        if step not in by_step:
            model_folder = finished.model_folder(selector)
            _, backbone, direct = make_direct_predictor(
                model_folder,
                batch_tokens=config.evaluation.batch_tokens,
                precision=config.training.precision,
                options=config.model,
            )
            if selector == finished.primary:
                linked = folder.link_model(model_folder, f"{base}/model")
                save_prediction(linked, prediction, config.projection, target)
            by_step[step] = []
            for split in config.evaluation.splits:
                data = sources.load(Portion(target, split))
                statistics.setdefault(split, piece_statistics(task, data.records, backbone))
                predictor = through_translation(
                    direct, backbone, prediction, config.projection, target, split
                )
                counts, predicted = predict_and_count(predictor, backbone, data.records)
                row = {
                    "target": target,
                    "split": split,
                    "seed": seed,
                    "step": step,
                    "records": len(data.records),
                    "data": data.fingerprint,
                    **scores(task, counts, config.evaluation.bootstrap, seed),
                }
                by_step[step].append(row)
                if selector == finished.primary:
                    save_outcome(folder, f"{base}/{split}", task, data, counts, predicted)
        rows += [
            {**row, "selected_on": selector, "primary": selector == finished.primary}
            for row in by_step[step]
        ]
    return rows, statistics


def evaluate_ensemble(
    config: Config, sources: Sources, folder: RunFolder, target: str, prediction: Prediction
) -> list[dict[str, Any]]:
    """Score the models of all seeds deciding together; one row a split, no seed of its own.

    Writes predictions and counts below ``ensemble/<target>``.
    """
    loaded = [
        make_direct_predictor(
            folder.path / f"seed-{seed}/{target}/model",
            batch_tokens=config.evaluation.batch_tokens,
            precision=config.training.precision,
            options=config.model,
        )
        for seed in config.seeds
    ]
    task, backbone, _ = loaded[0]
    together = Ensemble.of([one for _, _, one in loaded])
    rows = []
    for split in config.evaluation.splits:
        data = sources.load(Portion(target, split))
        predictor = through_translation(
            together, backbone, prediction, config.projection, target, split
        )
        counts, predicted = predict_and_count(predictor, backbone, data.records)
        save_outcome(folder, f"ensemble/{target}/{split}", task, data, counts, predicted)
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


def save_outcome(
    folder: RunFolder,
    base: str,
    task: Task,
    data: Data,
    counts: NDArray[np.float64],
    predicted: Sequence[Document],
) -> None:
    """Predictions in the task's first format, and the counts that `xlt compare` resamples."""
    save_predictions(folder, base + task.formats[next(iter(task.formats))][0], task, predicted)
    folder.write_json(
        f"{base}.counts.json",
        {"names": list(task.count_names), "data": data.fingerprint, "counts": counts.tolist()},
    )


def relevant(finished: Finished, target: str) -> list[str]:
    """The other ways of selecting that say something about this target."""
    languages = {s: set(s.removeprefix("dev:").split("+")) for s in finished.selected}
    own = languages[finished.primary]
    # Another target's dev set is no way of selecting for this one.
    others = [
        s
        for s in finished.selected
        if s != finished.primary and (languages[s] == {target} or own == {target})
    ]
    return sorted(others)


def predict_and_count(
    predictor: Predictor | ThroughTranslation, backbone: Backbone, records: Sequence[Document]
) -> tuple[NDArray[np.float64], list[Document]]:
    """Counts (records, columns) and predicted records, in order."""
    task = predictor.task
    examples = task.encode(records, backbone, None)
    predicted = predictor(records, examples)
    return count_matrix(task, records, predicted), predicted


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


def piece_statistics(task: Task, records: Sequence[Document], backbone: Backbone) -> dict[str, Any]:
    """How the tokenizer copes with these records.

    fertility: subwords a word; unknown_pieces: their share; truncated_words: words without a
    subword of their own in any window, counted on the encoded windows.
    """
    texts = [text for record in records for text in task.given_texts(record)]
    encoded = backbone.words(texts)
    total = sum(len(text.words) for text in texts)
    subwords = np.concatenate([np.zeros(0, np.int32), *(e.subwords for e in encoded)])
    unknown = backbone.words.subwords.is_unknown(subwords)
    kept = sum(len(np.unique(np.concatenate([o[o >= 0] for o in e.word_of]))) for e in encoded)
    return {
        "words": total,
        "fertility": len(subwords) / max(1, total),
        "unknown_pieces": float(unknown.mean()) if len(subwords) else 0.0,
        "truncated_words": total - kept,
    }


def save_predictions(
    folder: RunFolder, name: str, task: Task, predicted: Sequence[Document]
) -> None:
    path = folder.path / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="\n") as stream:
            task.write(predicted, stream, next(iter(task.formats)))
    except OSError as error:
        raise disk_error(error, path) from error


def summarise(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and standard deviation over seeds for every target, split and way of selecting."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["target"], row["split"], row["selected_on"]].append(row)
    summary = []
    for (target, split, selected_on), found in groups.items():
        metrics = {}
        for name in found[0]["metrics"]:
            values = [row["metrics"][name] for row in found]
            mean, sd = mean_sd(values)
            metrics[name] = {
                "mean": mean,
                "sd": sd if len(values) > 1 else None,
                "seeds": len(values),
            }
        summary.append(
            {
                "target": target,
                "split": split,
                "selected_on": selected_on,
                "primary": found[0]["primary"],
                "metrics": metrics,
            }
        )
    return summary
