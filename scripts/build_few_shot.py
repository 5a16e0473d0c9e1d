"""Build xlt/typology/few_shot.json: how fast scores grow with target examples, as published.

    python -m scripts.build_few_shot LITMUS [OUTPUT]

LITMUS is litmus_multisource.csv(.gz): scores of models trained on several languages at once, with
the number of examples of each (Microsoft Litmus, SumEval shared task 2022, MIT). For each target,
score = a + b · log(1 + n) by least squares over its configurations, n the target's own examples;
`slope` is b as a share of what the zero-shot score leaves to 100. Configurations differ in all
other languages, too, which is in `noise`: the median over targets of what the curve leaves over.

Also prints how well such curves predict: each target's slope from the others', its zero-shot
score known, against its mean score at each number of examples, and how many of these lie inside
the 80 % interval; and the same with a second point known (the least n that was measured).
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from xlt.files import write_json
from xlt.typology.forecast import Observation, Prior, fit

TASKS = {"UDPOS": "pos", "WikiANN": "ner", "XNLI": "nli", "TyDiQA": "qa"}
MODELS = ("XLMR", "XLMR_ID")
"""One model for each task: XLM-R large."""
MIN_CONFIGURATIONS = 3
"""Zero-shot configurations, or the target tells nothing."""

Curve = dict[int, list[float]]
"""n → scores in per cent."""


def read(path: Path) -> dict[str, dict[str, Curve]]:
    """Task → target → curve."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    curves: dict[str, dict[str, Curve]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    with opened(path, "rt", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["model"] in MODELS:
                target = row["target_iso639_3"]
                n = json.loads(row["train_sizes_json"]).get(target, 0)
                curves[TASKS[row["task"]]][target][n].append(100 * float(row["score"]))
    return {
        task: {
            target: curve
            for target, curve in sorted(targets.items())
            if len(curve) > 1 and len(curve.get(0, ())) >= MIN_CONFIGURATIONS
        }
        for task, targets in sorted(curves.items())
    }


def slope(curve: Curve) -> tuple[float, float]:
    """Of one target: b as a share of the room above zero-shot; and what the line leaves over."""
    n = np.concatenate([[n] * len(scores) for n, scores in curve.items()])
    y = np.concatenate(list(curve.values()))
    design = np.stack([np.ones(len(n)), np.log1p(n)], 1)
    (_, b), *_ = np.linalg.lstsq(design, y, rcond=None)
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(b / (100 - np.mean(curve[0]))), float(np.std(rest))


def prior(curves: list[Curve]) -> dict[str, float]:
    slopes, noise = zip(*map(slope, curves), strict=True)
    return {
        "slope": round(float(np.mean(slopes)), 4),
        "spread": round(float(np.std(slopes)), 4),
        "noise": round(float(np.median(noise)), 2),
        "targets": len(curves),
    }


def check(task: str, targets: dict[str, Curve]) -> None:
    for known in (1, 2):
        errors, inside = [], []
        for held, curve in targets.items():
            others = [other for name, other in targets.items() if name != held]
            values = prior(others)
            given = Prior(values["slope"], values["spread"], values["noise"], task)
            points = [Observation(n, float(np.mean(curve[n])), "") for n in sorted(curve)[:known]]
            fitted = fit(points, given)
            for n in sorted(curve)[known:]:
                score, low, high = fitted.at(n)
                errors.append(abs(np.mean(curve[n]) - score))
                inside.append(low <= np.mean(curve[n]) <= high)
        if errors:
            what = "zero-shot" if known == 1 else "zero-shot and the least n"
            print(
                f"{task}, {what} known: mean error {np.mean(errors):.1f} points over "
                f"{len(errors)} points, {np.mean(inside):.0%} inside the 80 % interval"
            )


def main() -> None:
    curves = read(Path(sys.argv[1]))
    default = Path(__file__).parents[1] / "xlt" / "typology" / "few_shot.json"
    path = Path(sys.argv[2]) if len(sys.argv) > 2 else default
    tasks = {task: prior(list(targets.values())) for task, targets in curves.items()}
    growing = [p for task, p in tasks.items() if task != "nli"]
    write_json(
        path,
        {
            "about": {
                "origin": "microsoft/Litmus SumEval/data/train/*.json @0f5c85b",
                "licence": "MIT",
                "model": "XLM-R large",
                "method": "scripts/build_few_shot.py",
            },
            "tasks": tasks,
            "other": {
                "slope": round(float(np.mean([p["slope"] for p in growing])), 4),
                "spread": round(float(np.max([p["spread"] for p in growing])), 4),
                "noise": round(float(np.max([p["noise"] for p in growing[:2]])), 2),
            },
        },
    )
    for task, targets in curves.items():
        check(task, targets)


if __name__ == "__main__":
    main()
