"""Source × target scores of runs as a CSV for `xlt analyse-typology`.

    python -m scripts.experiments.matrix METRIC OUT.csv RUN [RUN …]

Means over seeds, and over runs of one source. The score of a language on itself is left out.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean

from xlt.escape import for_cell


def main(metric: str, out: str, *runs: str) -> None:
    scores: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for run in runs:
        result = json.loads((Path(run) / "result.json").read_text(encoding="utf-8"))
        (source,) = result["source"]
        for row in result["rows"]:
            if row["primary"] and row["split"] == "test" and row["target"] != source:
                value = row["metrics"][metric]
                scores[source, row["target"]].append(
                    value["value"] if isinstance(value, dict) else value
                )
    with Path(out).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("source", "target", "score"))
        writer.writerows(
            (*map(for_cell, pair), round(mean(values), 3))
            for pair, values in sorted(scores.items())
        )
    print(f"{len({s for s, _ in scores})} sources, {len({t for _, t in scores})} targets")


if __name__ == "__main__":
    main(*sys.argv[1:])
