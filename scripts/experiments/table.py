"""The README's tables from finished runs.

    python -m scripts.experiments.table runs METRIC,METRIC RUN RUN …

The first run is the one the others are compared with, in the last metric: 95 % interval of the
difference over seeds and records, and * where it is sure (p below 0.05, adjusted for all
differences printed). With `--mean` one table of the means over test data of all targets, and how
far they differ from seed to seed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xlt.evaluation.report import score_cell
from xlt.evaluation.statistics import Comparison, judge
from xlt.results import read_result
from xlt.runs.compare import compare


def main() -> None:
    given = [argument for argument in sys.argv[1:] if argument != "--mean"]
    root, metrics, names = Path(given[0]), given[1].split(","), given[2:]
    results = {name: read_result(root / name) for name in names}
    if "--mean" in sys.argv:
        means(results, metrics)
        return
    differences = compared(root, names[0], names[1:], metrics[-1])
    every = [row for result in results.values() for row in result["summary"]]
    for part in dict.fromkeys(map(_part, every)):
        print(f"\n| {part} | " + " | ".join(metrics) + f" | {metrics[-1]} against {names[0]} |")
        print("|---" * (len(metrics) + 2) + "|")
        for name, result in results.items():
            for row in result["summary"]:
                if _part(row) != part or not (row["primary"] or "seeds" in row["selected_on"]):
                    continue
                label = name if row["primary"] else f"{name}, {row['selected_on']}"
                cells = [score_cell(row["metrics"][metric], interval=False) for metric in metrics]
                against = differences.get((name, part), "") if row["primary"] else ""
                print(f"| {label} | " + " | ".join(cells) + f" | {against} |")


def _part(row: Mapping[str, Any]) -> str:
    """What a row is about, as tables name it: its target, and the split if it is not the test."""
    return str(row["target"]) if row["split"] == "test" else f"{row['target']} {row['split']}"


def means(results: Mapping[str, Mapping[str, Any]], metrics: Sequence[str]) -> None:
    print("| | " + " | ".join(metrics) + " |\n" + "|---" * (len(metrics) + 1) + "|")
    for name, result in results.items():
        rows = [row for row in result["rows"] if row["primary"] and row["split"] == "test"]
        seeds = sorted({row["seed"] for row in rows})
        table = np.array(
            [
                [np.mean([r["metrics"][m] for r in rows if r["seed"] == seed]) for m in metrics]
                for seed in seeds
            ]
        )
        mean, sd = table.mean(0), table.std(0, ddof=1) if len(seeds) > 1 else np.zeros(len(metrics))
        cells = [f"{a:.1f} ± {b:.1f}" for a, b in zip(mean, sd, strict=True)]
        print(f"| {name} ({len(seeds)} seeds) | " + " | ".join(cells) + " |")


def compared(
    root: Path, baseline: str, names: Sequence[str], metric: str
) -> dict[tuple[str, str], str]:
    """Run and `_part` → its difference from the baseline; all of them are one family."""
    rows = {
        (name, _part(row)): row
        for name in names
        for row in compare(root / name, root / baseline, metric=metric)["rows"]
    }
    return {
        key: "{difference:+z.1f} [{low:+z.1f}, {high:+z.1f}]".format(**one)
        + (" *" if one["sure"] else "")
        for key, one in zip(rows, judge([Comparison.of(row) for row in rows.values()]), strict=True)
    }


if __name__ == "__main__":
    main()
