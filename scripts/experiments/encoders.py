"""Build the small encoder of an experiment from the raw and parallel text of data cards.

    python -m scripts.experiments.encoders javanese FOLDER
    python -m scripts.experiments.encoders african FOLDER

Text comes from XLT_DATA or the cache, as for `xlt train`. Only training and development files are
read, and sentences that also stand in a test set of the experiment are left out.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from scripts.build_encoder.build import Parallel, build
from scripts.build_encoder.text import (
    column,
    json_sentences,
    normal,
    pairs,
    premises,
    tagged,
    treebank,
    without,
)
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


if __name__ == "__main__":
    main()
