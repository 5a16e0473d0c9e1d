"""`xlt compare`: is the difference between two runs more than chance?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.config.load import load_config
from xlt.errors import XltError
from xlt.evaluation.statistics import paired_bootstrap
from xlt.results import CONFIG, read_result
from xlt.runs.experiment import make_task


def compare(a: Path, b: Path, *, resamples: int = 10_000, seed: int = 0) -> dict[str, Any]:
    """Paired bootstrap over sentences for every target and split that both runs scored.

    The scores of a run are averaged over its seeds inside each resample, so that the interval
    says what other test sentences would do, not what another seed would; the standard deviation
    over seeds stands beside each mean for that.
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
    sides = [counts_of(path, result) for path, result in zip((a, b), results, strict=True)]
    rows, other_data = [], []
    for target, split in sorted(sides[0].keys() & sides[1].keys()):
        (data_a, counts_a), (data_b, counts_b) = (side[target, split] for side in sides)
        if data_a != data_b:
            other_data.append(f"{target} {split}")
            continue
        compared = paired_bootstrap(
            counts_a, counts_b, task.metrics, resamples=resamples, seed=seed
        )
        for metric in task.metrics_reported:
            means = [
                [float(task.metrics(c.sum(0))[metric]) for c in counts]
                for counts in (counts_a, counts_b)
            ]
            difference = compared[metric]
            rows.append(
                {
                    "target": target,
                    "split": split,
                    "metric": metric,
                    "a": float(np.mean(means[0])),
                    "a_sd": _sd(means[0]),
                    "a_seeds": len(means[0]),
                    "b": float(np.mean(means[1])),
                    "b_sd": _sd(means[1]),
                    "b_seeds": len(means[1]),
                    "difference": difference.difference,
                    "low": difference.low,
                    "high": difference.high,
                    "p": difference.p,
                    "sentences": len(counts_a[0]),
                }
            )
    if not rows:
        raise XltError(
            "the runs have no scored data in common"
            + (f" ({', '.join(other_data)}: the records differ)" if other_data else ""),
            where=b,
            fix="evaluate both on the same target, split and data",
        )
    return {"a": results[0]["name"], "b": results[1]["name"], "rows": rows, "differing": other_data}


def counts_of(
    folder: Path, result: dict[str, Any]
) -> dict[tuple[str, str], tuple[str, list[NDArray[np.float64]]]]:
    """(target, split) → fingerprint of its records, and one count matrix a seed."""
    counts: dict[tuple[str, str], tuple[str, list[NDArray[np.float64]]]] = {}
    for row in result["rows"]:
        if not row["primary"]:
            continue
        path = folder / f"seed-{row['seed']}" / row["target"] / f"{row['split']}.counts.json"
        stored = json.loads(path.read_text(encoding="utf-8"))
        key = (row["target"], row["split"])
        counts.setdefault(key, (stored["data"], []))[1].append(np.array(stored["counts"], float))
    return counts


def _sd(values: list[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
