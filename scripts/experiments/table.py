"""The README's tables from finished runs.

    python -m scripts.experiments.table runs METRIC,METRIC RUN RUN …

The first run is the one the others are compared with (paired bootstrap over sentences, 95 %
interval of the difference in the last metric; * where it leaves out zero).
"""

from __future__ import annotations

import sys
from pathlib import Path

from xlt.runs.card import show
from xlt.runs.compare import compare
from xlt.runs.folder import read_result


def main() -> None:
    root, metrics = Path(sys.argv[1]), sys.argv[2].split(",")
    names = sys.argv[3:]
    results = {name: read_result(root / name) for name in names}
    targets = list(dict.fromkeys(row["target"] for r in results.values() for row in r["summary"]))
    for target in targets:
        print(f"\n| {target} | " + " | ".join(metrics) + f" | {metrics[-1]} against {names[0]} |")
        print("|---" * (len(metrics) + 2) + "|")
        for name, result in results.items():
            for row in result["summary"]:
                if row["target"] != target or not (row["primary"] or "seeds" in row["selected_on"]):
                    continue
                label = name if row["primary"] else f"{name}, {row['selected_on']}"
                cells = [show(row["metrics"][metric]) for metric in metrics]
                against = difference(root, names[0], name, target, metrics[-1])
                print(
                    f"| {label} | "
                    + " | ".join(cells)
                    + f" | {against if row['primary'] else ''} |"
                )


def difference(root: Path, baseline: str, name: str, target: str, metric: str) -> str:
    if name == baseline:
        return ""
    for row in compare(root / name, root / baseline)["rows"]:
        if row["target"] == target and row["metric"] == metric:
            sure = " *" if row["low"] > 0 or row["high"] < 0 else ""
            return f"{row['difference']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]{sure}"
    return "not scored on it"


if __name__ == "__main__":
    main()
