"""Carry a parser and entities to Javanese on the sample corpus, and say what helped.

    python -m scripts.demo [FOLDER] [key=value …]

`key=value` changes all runs, as with `xlt train`. The encoder is the one in the package. All goes
through `xlt predict-source`, `xlt train` and `xlt compare`, as anybody's runs would, and the same
configs run on other data when their data references are changed. The sample is a controlled
corpus: the scores demonstrate the tool and say nothing about the languages.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xlt.cli import command_tree
from xlt.evaluation.report import Table
from xlt.evaluation.statistics import Comparison, judge

CONFIGS = Path(__file__).parents[1] / "examples" / "demo"
RUNS = {
    "in_language": ("las", "60 Javanese sentences"),
    "zero_shot": ("las", "English, no Javanese label"),
    "hierarchical": ("las", "English → Indonesian → 60 Javanese sentences"),
    "ner": ("f1", "English, no Javanese label"),
}
"""Config → the metric shown, and whose labels the model has seen."""


def main(arguments: Sequence[str]) -> None:
    start = time.monotonic()
    overrides = [text for text in arguments if "=" in text]
    folders = [text for text in arguments if "=" not in text]
    folder = Path(folders[0] if folders else "runs/demo").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for file in CONFIGS.glob("*.yaml"):
        shutil.copy(file, folder)
    ranking = predicted_sources()
    for name, (_, labels) in RUNS.items():
        say(f"\nxlt train {name}.yaml   ({labels})")
        say(xlt("train", str(folder / f"{name}.yaml"), f"output.root={folder / 'runs'}",
                "--overwrite", "--quiet", *overrides).rstrip())  # fmt: skip
    against = compared(folder, ("hierarchical", "zero_shot"), "in_language")
    say("\n" + table(folder).text())
    say("\n" + sentence(against, ranking))
    say(
        f"Models, predictions and cards: {folder / 'runs'}. {time.monotonic() - start:.0f} seconds."
    )


def predicted_sources() -> list[str]:
    """The sample's languages, the best source for parsing Javanese first, before any training."""
    if "predict-source" not in command_tree().commands:
        return []
    say("xlt predict-source jav --task dependency_parsing --available sample-dep")
    predicted = json.loads(
        xlt("--json", "predict-source", "jav", "--task", "dependency_parsing",
            "--available", "sample-dep")
    )  # fmt: skip
    names = [source["name"] for source in predicted["sources"]]
    say(f"the best first: {', '.join(names)}")
    return names


def xlt(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "xlt", *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


def run_folder(folder: Path, name: str) -> Path:
    return folder / f"runs/demo-{name.replace('_', '-')}"


def compared(folder: Path, names: Sequence[str], with_: str) -> dict[str, dict[str, Any]]:
    """`xlt compare` of each run with another, in the metric of that; p is adjusted for them all."""
    metric, rows = RUNS[with_][0], {}
    for name in names:
        runs = [str(run_folder(folder, n)) for n in (name, with_)]
        (rows[name],) = json.loads(xlt("--json", "compare", *runs, "--metric", metric))["rows"]
    judged = judge([Comparison.of(row) for row in rows.values()])
    return {name: {**rows[name], **one} for name, one in zip(rows, judged, strict=True)}


def table(folder: Path) -> Table:
    rows = []
    for name, (metric, labels) in RUNS.items():
        result = json.loads((run_folder(folder, name) / "result.json").read_text(encoding="utf-8"))
        (summary,) = (row for row in result["summary"] if row["primary"])
        score, (subwords,) = summary["metrics"][metric], result["languages"]["jav"].values()
        spread = "" if score["sd"] is None else f" ± {score['sd']:.1f}"
        rows.append((
            result["task"].replace("_", " "), labels, metric.upper(),
            f"{score['mean']:.1f}{spread}", f"{subwords['unknown_pieces']:.1%}",
        ))  # fmt: skip
    return Table(
        ("Javanese", "labels seen", "metric", "score", "unknown subwords"),
        tuple(rows),
        frozenset((3, 4)),
    )


def sentence(against: dict[str, dict[str, Any]], ranking: Sequence[str]) -> str:
    """What the comparisons with Javanese alone show, and whether it was foreseen."""
    through, zero = against["hierarchical"], against["zero_shot"]
    verdict = "made no sure difference"
    if through["sure"]:
        verdict = "helped" if through["difference"] > 0 else "hurt"
    text = f"Going through Indonesian {verdict}: {_difference(through)} over the 60 sentences alone"
    text += f"; English without any Javanese label reaches {_difference(zero)}"
    if {"Indonesian", "English"} <= set(ranking):
        better = ranking.index("Indonesian") < ranking.index("English")
        text += f"; Indonesian was predicted to be the {'better' if better else 'worse'} source"
    return text + "."


def _difference(row: dict[str, Any]) -> str:
    return (
        f"{row['difference']:+z.1f} {row['metric'].upper()} "
        f"[95 % interval {row['low']:+z.1f}, {row['high']:+z.1f}]"
    )


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
