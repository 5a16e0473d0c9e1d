"""`xlt runs regret`: what was predicted of the sources, and what the runs have measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from xlt import languages
from xlt.config.load import load_config
from xlt.errors import XltError
from xlt.results import CONFIG, finished_runs, measured, read_manifest, read_result
from xlt.runs.source_choice import choices, figures
from xlt.typology.explain import describe
from xlt.typology.ranking import rank
from xlt.typology.scores import measured_as


@dataclass(frozen=True)
class _Run:
    """One source measured on one target.

    choice: the manifest's, of a run with `source: auto`.
    figures: what else speaks for it (`xlt.runs.source_choice`).
    """

    name: str
    task: str
    encoder: str
    training: str
    source: str
    target: str
    split: str
    metric: str
    mean: float
    sd: float | None
    choice: dict[str, Any] | None
    figures: dict[str, float]


def regret(root: Path) -> dict[str, Any]:
    """`regret_of` the finished runs below `root`. Raises XltError if no run can be used."""
    found = regret_of(finished_runs(root))
    if not found["targets"]:
        left_out = ", ".join(found["left_out"])
        raise XltError(
            "no finished zero-shot run is here" + (f" ({left_out})" if left_out else ""),
            where=root,
            fix="run `source: auto`, and other sources on the same target (`zero_shot`)",
        )
    return found


def regret_of(folders: Sequence[Path]) -> dict[str, Any]:
    """Predictions against measurements, for every target that zero-shot runs scored.

    A run with `source: auto` has its prediction in its manifest. Where no run has one, or not for
    all sources, the prediction is made now, without the user's own scores, which may come from the
    very runs. Runs are compared that have the same task, encoder, split and metric.
    Regret is the best measured score less that of the source predicted to be the best. "choices"
    has the same of dev data and of text without labels (`xlt.runs.source_choice`).
    """
    groups: dict[tuple[str, ...], list[_Run]] = defaultdict(list)
    skipped = []
    for folder in folders:
        runs = _read(folder)
        if not runs:
            skipped.append(folder.name)
        for run in runs:
            key = (run.task, run.encoder, run.target, run.split, run.metric)
            groups[key].append(run)
    targets = [_compare(runs) for _, runs in sorted(groups.items())]
    known = [row["regret"] for row in targets if row["regret"] is not None]
    return {
        "targets": targets,
        "compared": len(known),
        "mean_regret": fmean(known) if known else None,
        "left_out": skipped,
    }


def _read(folder: Path) -> list[_Run]:
    result = read_result(folder)
    if result["strategy"] != "zero_shot" or len(result["source"]) != 1:
        return []
    manifest = read_manifest(folder)
    config = load_config(folder / CONFIG).config
    metric = result["metrics"][0]
    source = languages.shared(result["source"][0])
    return [
        _Run(
            folder.name,
            result["task"],
            config.model.encoder,
            config.training.model_dump_json(),
            source,
            languages.shared(row["target"]),
            row["split"],
            metric,
            row["metrics"][metric]["mean"],
            row["metrics"][metric]["sd"],
            manifest.get("source_choice"),
            figures(result, row["target"]),
        )
        for row in measured(result)
        if languages.shared(row["target"]) != source
    ]


def _compare(runs: Sequence[_Run]) -> dict[str, Any]:
    first = runs[0]
    scores: dict[str, list[_Run]] = defaultdict(list)
    for run in runs:
        scores[run.source].append(run)
    means = {
        source: fmean(run.mean for run in source_runs) for source, source_runs in scores.items()
    }
    predicted, how = _predicted(runs, list(means))
    order = sorted(means, key=lambda code: (predicted[code]["rank"], code))
    best = sorted(means, key=lambda code: (-means[code], code))
    rows = [
        {
            "source": code,
            "name": predicted[code]["name"],
            "runs": [run.name for run in scores[code]],
            "chosen": any(run.choice is not None for run in scores[code]),
            "predicted_rank": order.index(code) + 1,
            "expected": predicted[code]["expected"],
            "interval": predicted[code]["interval"],
            "measured": means[code],
            "sd": scores[code][0].sd if len(scores[code]) == 1 else None,
            "measured_rank": best.index(code) + 1,
        }
        for code in order
    ]
    return {
        "target": first.target,
        "task": first.task,
        "encoder": first.encoder,
        "split": first.split,
        "metric": first.metric,
        "predicted": how,
        "sources": rows,
        "first_choice": order[0],
        "best": best[0],
        # Of one source alone there is nothing to regret, and nothing to be glad of.
        "regret": means[best[0]] - means[order[0]] if len(means) > 1 else None,
        "choices": choices({code: _figures(some) for code, some in scores.items()}, means),
        "settings_differ": len({run.training for run in runs}) > 1,
    }


def _figures(runs: Sequence[_Run]) -> dict[str, float]:
    """The means over runs from one source."""
    return {
        way: fmean(run.figures[way] for run in runs)
        for way in runs[0].figures
        if all(way in run.figures for run in runs)
    }


def _predicted(runs: Sequence[_Run], sources: list[str]) -> tuple[dict[str, dict[str, Any]], str]:
    """Source → its line of a ranking, and where that comes from."""
    for run in runs:
        stored = (run.choice or {}).get("targets", {}).get(run.target, {}).get("sources", [])
        lines = {line["language"]: line for line in stored}
        if set(sources) <= set(lines):
            return lines, f"before the run, by {run.name}"
    first = runs[0]
    ranking = rank(
        first.target,
        sources,
        task=first.task,
        measured_as=measured_as(first.task),
        encoder=first.encoder,
        own_scores=False,
    )
    lines = {line.language: describe(line, ranking.target) for line in ranking.sources}
    return lines, "now, without your own scores"
