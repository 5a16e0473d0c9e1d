"""`xlt compare`: is the difference between two runs more than chance?"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.config.load import load_config
from xlt.errors import XltError, choose
from xlt.evaluation.statistics import (
    Comparison,
    Resampled,
    judge,
    mean_sd,
    paired_difference,
    resampled,
)
from xlt.results import CONFIG, read_counts, read_result
from xlt.runs.cells import run_cells
from xlt.runs.source_choice import source_choices
from xlt.task import Task, make_task

log = logging.getLogger(__name__)


@dataclass
class Scored:
    """What a run's models got right of one split.

    data:   fingerprint of the records.
    counts: (records, columns) of each seed.
    models: what was trained with each seed, and the step that was kept: the same for two runs
        that use the same models, such as `zero_shot` and `translate_test`.
    """

    data: str
    counts: list[NDArray[np.float64]] = field(default_factory=list)
    models: list[tuple[str, int]] = field(default_factory=list)

    def same_records(self, other: Scored) -> bool:
        """Whether row i of both is the same record, counted alike."""
        return self.data == other.data and self.counts[0].shape == other.counts[0].shape


def compare(
    a: Path, b: Path, *, metric: str | None = None, resamples: int = 10_000, seed: int = 0
) -> dict[str, Any]:
    """The difference in every target, split and metric that both runs scored.

    Intervals and p-values speak of other seeds and other records of the same kind; of other
    records alone where a run has one seed. All rows are one family, for which p is adjusted.
    Where they differ in their source alone, "sources" has which one to take
    (`xlt.runs.source_choice`).
    metric: this one alone.
    Raises XltError if nothing can be compared: another task, other test data.
    """
    results = [read_result(path) for path in (a, b)]
    if results[0]["task"] != results[1]["task"]:
        raise XltError(
            f"{a} is a run of {results[0]['task']}, {b} of {results[1]['task']}",
            where=b,
            fix="compare runs of one task",
        )
    task = make_task(load_config(a / CONFIG).config)
    if metric is not None and metric not in task.metrics_reported:
        raise XltError(
            f"{task.name} reports no {metric!r}",
            where="--metric",
            fix=choose(metric, task.metrics_reported),
        )
    metrics = task.metrics_reported if metric is None else (metric,)
    sides = [counts_of(path, result) for path, result in zip((a, b), results, strict=True)]
    rows: list[dict[str, Any]] = []
    family: list[Comparison] = []
    other_data = []
    for target, split in sorted(sides[0].keys() & sides[1].keys()):
        ours, theirs = (side[target, split] for side in sides)
        if ours.data != theirs.data:
            other_data.append(f"{target} {split}")
            continue
        compared = paired_difference(
            ours.counts,
            theirs.counts,
            task.metrics,
            paired_seeds=ours.models == theirs.models,
            resamples=resamples,
            seed=seed,
        )
        for name in metrics:
            row: dict[str, Any] = {"target": target, "split": split, "metric": name}
            for side, scored in (("a", ours), ("b", theirs)):
                mean, sd = mean_sd([float(task.metrics(c.sum(0))[name]) for c in scored.counts])
                seeds = len(scored.counts)
                row |= {side: mean, f"{side}_sd": sd if seeds > 1 else None}
                row |= {f"{side}_seeds": seeds}
            rows.append({**row, "sentences": len(ours.counts[0])})
            family.append(compared[name])
    if not rows:
        raise XltError(
            "the runs have no scored data in common"
            + (f" ({', '.join(other_data)}: the records differ)" if other_data else ""),
            where=b,
            fix="evaluate both on the same target, split and data",
        )
    rows = [{**row, **judged} for row, judged in zip(rows, judge(family), strict=True)]
    return {
        "a": results[0]["name"],
        "b": results[1]["name"],
        "rows": rows,
        "differing": other_data,
        "sources": source_choices(run_cells([a, b])),
    }


def resampled_by_name(
    task: Task, metric: str, scored: Mapping[str, Scored]
) -> dict[str, Resampled]:
    """`resampled`, in one metric, of what has the `same_records`: all on the same resamples."""
    drawn = resampled(
        [one.counts for one in scored.values()],
        lambda sums: {metric: task.metrics(sums)[metric]},
    )
    return dict(zip(scored, drawn, strict=True))


def counts_if_intact(
    name: str, folder: Path, result: dict[str, Any]
) -> dict[tuple[str, str], Scored]:
    """`counts_of` the run that is called so; nothing, with a warning, where that raises."""
    try:
        return counts_of(folder, result)
    except XltError as error:
        log.warning("%s is not compared: %s", name, error.what)
    return {}


def counts_of(folder: Path, result: dict[str, Any]) -> dict[tuple[str, str], Scored]:
    """(target, split) → what was counted of it, seed by seed.

    Raises XltError for a file that holds no numbers, and for what an older xlt has not stored.
    """
    scored: dict[tuple[str, str], Scored] = {}
    for row in result["rows"]:
        if not row["primary"]:
            continue
        base = f"seed-{row['seed']}/{row['target']}"
        path = folder / base / f"{row['split']}.counts.json"
        stored = read_counts(path)
        counts = np.array(stored["counts"], float)
        if not np.isfinite(counts).all():
            raise XltError(
                "the counts are not all finite numbers",
                where=path,
                fix="mend the task's `counts`, if it is a plugin's; then score the run again with "
                "`xlt train CONFIG --overwrite`",
            )
        one = scored.setdefault((row["target"], row["split"]), Scored(stored["data"]))
        one.counts.append(counts)
        try:
            one.models.append((result["lineage"][base][-1]["key"], row["step"]))
        except KeyError as error:
            raise XltError(
                f"an older xlt made this run, and has not stored its {error.args[0]}",
                where=folder,
                fix="its scores can be seen (`xlt report`); to compare them, "
                "`xlt train CONFIG --overwrite`",
            ) from error
    return scored
