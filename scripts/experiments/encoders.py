"""Build the small encoder of an experiment from the raw and parallel text of data cards.

    python -m scripts.experiments.encoders javanese FOLDER
    python -m scripts.experiments.encoders african FOLDER

Text comes from XLT_DATA or the cache, as for `xlt train`. Only training and development files are
read, and sentences that also stand in a test set of the experiment are left out.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.build_encoder.build import Parallel, build
from xlt.data import cards
from xlt.data.conllu import read_conllu
from xlt.data.files import lines, open_text
from xlt.data.references import locate
from xlt.errors import XltError

AFRICAN = ("hau", "ibo", "swa", "yor", "pcm", "zul")


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if len(sys.argv) != 3 or sys.argv[1] not in EXPERIMENTS:
        sys.exit(__doc__)
    try:
        EXPERIMENTS[sys.argv[1]](Path(sys.argv[2]))
    except XltError as error:
        sys.exit(str(error))


def javanese(folder: Path) -> None:
    """English, Indonesian, Javanese: treebanks, tweets and news, no test sentence of Javanese."""
    seen = {normal(s) for s in treebank("ud-javanese-csui:jav:test")}
    jav_ind = [
        Parallel("jav", "ind", pairs(name, "jav", "ind", split))
        for name in ("nusatranslation-jav", "nusax-mt")
        for split in ("train", "dev")
    ]
    eng_ind = [
        Parallel("ind", "eng", pairs("ntrex", "ind", "eng", "test")),
        *(Parallel("ind", "eng", pairs("nusax-mt", "ind", "eng", s)) for s in ("train", "dev")),
    ]
    texts = {
        "eng": [*treebank("ud-english-ewt:eng:train"), *premises("multinli-mt:eng:train")],
        "ind": [
            *treebank("ud-indonesian-csui:ind:train"), *treebank("ud-indonesian-pud:ind:test"),
            *treebank("ud-indonesian-gsd:ind:train"), *treebank("ud-indonesian-gsd:ind:dev"),
            *treebank("ud-indonesian-gsd:ind:test"), *column("nusatranslation-sun", "ind", "train"),
            *json_sentences("indonli:ind:train"),
        ],
        "jav": list(treebank("ud-javanese-csui:jav:train")),
    }  # fmt: skip
    build(without(texts, seen), [*eng_ind, *jav_ind], folder, pivot="ind", layers=0)


def african(folder: Path) -> None:
    """English and six African languages: news translations, with three random layers on top."""
    seen = {normal(s) for lang in AFRICAN for s in tagged(f"masakhaner2:{lang}:test")}
    parallel = [
        Parallel(
            lang, "eng",
            [
                pair
                for split in ("train", "dev")
                for pair in pairs(f"lafand-eng-{lang}", lang, "eng", split)
                if normal(pair[0]) not in seen
            ],
        )
        for lang in AFRICAN
    ]  # fmt: skip
    texts = {
        "eng": [*tagged("uner-english-ewt:eng:train"), *premises("multinli-mt:eng:train")],
        "swa": list(premises("multinli-mt:swa:train")),
        **{lang: list(tagged(f"masakhaner2:{lang}:train")) for lang in AFRICAN if lang != "swa"},
    }
    texts["swa"] += tagged("masakhaner2:swa:train")
    build(without(texts, seen), parallel, folder, pivot="eng", layers=3)


EXPERIMENTS = {"javanese": javanese, "african": african}


def normal(sentence: str) -> str:
    return "".join(sentence.casefold().split())


def without(texts: dict[str, list[str]], seen: set[str]) -> dict[str, list[str]]:
    return {
        language: [s for s in sentences if normal(s) not in seen]
        for language, sentences in texts.items()
    }


def paths(reference: str) -> list[tuple[Path, cards.Split]]:
    """The files of ``card:language:split``. Raises XltError if one is not on this machine."""
    name, language, split = reference.split(":")
    card = cards.get(name)
    chosen = card.split(language, split)
    found = []
    for file in chosen.files:
        path = locate(card, file)
        if path is None:
            raise XltError(f"{reference} is not here", fix=f"xlt data get {name}, or set XLT_DATA")
        found.append((path, chosen))
    return found


def treebank(reference: str) -> Iterator[str]:
    number = 0
    for path, split in paths(reference):
        for sentence in read_conllu(path, strict_trees=False):
            if split.select is None or number % split.select.modulo in split.select.remainder:
                yield " ".join(sentence.forms)
            number += 1


def tagged(reference: str) -> Iterator[str]:
    """Sentences of a column file, words only."""
    from xlt.data.columns import read_columns

    name = reference.partition(":")[0]
    for path, split in paths(reference):
        for sentence in read_columns(path, **{**cards.get(name).options, **split.options}):
            yield " ".join(sentence.words)


def premises(reference: str) -> Iterator[str]:
    """Both sentences of every row of a tab-separated file with a header."""
    for path, _ in paths(reference):
        for number, line in lines(path):
            if number > 1:
                yield from line.split("\t")[:2]


def json_sentences(reference: str) -> Iterator[str]:
    for path, _ in paths(reference):
        for _, line in lines(path):
            row = json.loads(line)
            yield from (row["premise"], row["hypothesis"])


def column(name: str, language: str, split: str) -> list[str]:
    """One language of a parallel set: a column of a CSV file, or the lines of a file."""
    card = cards.get(name)
    found = []
    for path, chosen in paths(f"{name}:{language}:{split}"):
        options = {**card.options, **chosen.options}
        if "column" in options:
            with open_text(path) as stream:
                found += [
                    row[options["column"]] for row in csv.DictReader(io.StringIO(stream.read()))
                ]
        else:
            found += [line for _, line in lines(path)]
    return [text.strip() for text in found]


def pairs(name: str, source: str, target: str, split: str) -> list[tuple[str, str]]:
    sides = column(name, source, split), column(name, target, split)
    return [(a, b) for a, b in zip(*sides, strict=True) if a and b]


if __name__ == "__main__":
    main()
