"""Source × target scores of a study's runs as a CSV for `xlt analyse-typology`.

    python -m scripts.experiments.matrix runs NAME METRIC OUT.csv

Means over seeds. The score of a language on itself is left out.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path


def main(root: str, name: str, metric: str, out: str) -> None:
    rows = []
    for path in sorted(Path(root).glob(f"{name}-*/result.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        (source,) = result["source"]
        rows += [
            (source, line["target"], line["metrics"][metric]["mean"])
            for line in result["summary"]
            if line["primary"] and line["split"] == "test" and line["target"] != source
        ]
    with Path(out).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("source", "target", "score"))
        writer.writerows(rows)
    print(f"{len({row[0] for row in rows})} sources, {len({row[1] for row in rows})} targets")


if __name__ == "__main__":
    main(*sys.argv[1:])
