"""Parse Javanese three ways on the sample corpus: its own labels, zero-shot, through Indonesian.

    python -m scripts.demo [FOLDER]

The encoder is built here from the sample's raw text and word alignments (no pretrained weights);
the runs go through `xlt train` and `xlt compare`, as anybody's would. The sample is a controlled
corpus: the scores demonstrate the tool and say nothing about the languages.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scripts.build_encoder.build import Parallel, build
from xlt.data.cards import sample_folder
from xlt.data.conllu import read_conllu

HERE = Path(__file__).parent
RUNS = {
    "in_language": "60 Javanese sentences",
    "zero_shot": "English, zero-shot",
    "hierarchical": "English → Indonesian → 60 Javanese sentences",
}


def main() -> None:
    start = time.monotonic()
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    say("A small encoder from the sample's text and alignments …")
    make_encoder(folder / "encoder")
    for file in HERE.glob("*.yaml"):
        shutil.copy(file, folder)
    for name, what in RUNS.items():
        say(f"\nxlt train {name}.yaml   ({what})")
        xlt(
            "train", str(folder / f"{name}.yaml"), f"output.root={folder / 'runs'}", "--overwrite",
            "--quiet",
        )  # fmt: skip
    compared = json.loads(
        xlt(
            "--json",
            "compare",
            *(str(folder / f"runs/demo-{n}") for n in ("hierarchical", "in-language")),
        )
    )
    report(folder, compared, time.monotonic() - start)


def make_encoder(folder: Path) -> None:
    sample = sample_folder()
    texts: dict[str, list[list[str]]] = {}
    for language in ("eng", "ind", "jav"):
        path = sample / f"data/{language}/train.conllu.gz"
        texts[language] = [sentence.forms for sentence in read_conllu(path)]
    parallel = []
    for language in ("ind", "jav"):
        with gzip.open(sample / f"data/alignments/train.eng-{language}.pharaoh.gz", "rt") as stream:
            links = [[pair(link) for link in line.split()] for line in stream]
        pairs = [
            (" ".join(a), " ".join(b)) for a, b in zip(texts["eng"], texts[language], strict=True)
        ][: len(links)]
        parallel.append(Parallel("eng", language, pairs, links))
    build(
        {language: [" ".join(words) for words in found] for language, found in texts.items()},
        parallel, folder, vocabulary=2000, width=128,
    )  # fmt: skip


def pair(link: str) -> tuple[int, int]:
    left, right = link.split("-")
    return int(left), int(right)


def xlt(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "xlt", *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.returncode)
    if "--json" not in arguments:
        print(done.stdout, end="", flush=True)
    return done.stdout


def report(folder: Path, compared: dict[str, Any], seconds: float) -> None:
    scores = {}
    for name in RUNS:
        result = json.loads(
            (folder / f"runs/demo-{name.replace('_', '-')}/result.json").read_text()
        )
        (scores[name],) = (
            row["metrics"]["las"]["mean"] for row in result["summary"] if row["primary"]
        )
    (las,) = (row for row in compared["rows"] if row["metric"] == "las")
    better = las["low"] > 0
    say(
        f"\nJavanese labelled attachment, mean of 2 seeds: {scores['in_language']:.1f} from 60 "
        f"sentences, {scores['zero_shot']:.1f} zero-shot from English, "
        f"{scores['hierarchical']:.1f} through Indonesian."
    )
    say(
        f"Transfer through Indonesian {'helped' if better else 'made no sure difference'}: "
        f"{las['difference']:+.1f} LAS over the 60 sentences alone "
        f"[95 % interval {las['low']:+.1f}, {las['high']:+.1f}], p = {las['p']:.4f}."
    )
    say(f"Models, predictions and cards are in {folder / 'runs'}. {seconds:.0f} seconds in all.")


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
