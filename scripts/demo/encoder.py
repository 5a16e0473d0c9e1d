"""Where the package has no model yet: a small encoder from the sample's text and alignments."""

from __future__ import annotations

import gzip
from pathlib import Path

from scripts.build_encoder.build import Parallel, build
from xlt.data.cards import sample_folder
from xlt.data.conllu import read_conllu


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
