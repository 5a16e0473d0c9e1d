"""Build xlt-mini: python -m scripts.pretrain_mini WORK [--out xlt/mini]

Text comes from XLT_DATA or the cache, as for `xlt train`. WORK keeps what is finished (tokenizer,
alignments), so that an interrupted build goes on where it was.
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from scripts.build_encoder.build import aligned_vectors, save

from . import layers, tokenizer
from .align import count_links
from .corpus import PIVOT, collect
from .pack import pack

log = logging.getLogger("pretrain_mini")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.pretrain_mini", description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--out", type=Path, help="the folder to package, in half precision")
    parser.add_argument("--version", default="0.1", help="of the packaged model")
    parser.add_argument("--vocabulary", type=int, default=48_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument(
        "--epochs", type=int, default=3, help="of word classes; 0 leaves layers random"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    corpus = collect()
    log.info("%d languages, %d pairs of languages", len(corpus.texts), len(corpus.parallel))
    pieces = work / f"tokenizer-{options.vocabulary}.json"
    if not pieces.exists():
        tokenizer.train(corpus.texts, options.vocabulary, options.seed).save(str(pieces))
        log.info("tokenizer done")
    learnt = Tokenizer.from_file(str(pieces))
    vectors_file = work / f"vectors-{options.vocabulary}-{options.width}.npy"
    if not vectors_file.exists():
        links = count_links(corpus.parallel, learnt, work / "links", options.processes)
        reached = reachable(set(links))
        np.save(
            vectors_file,
            aligned_vectors(
                {k: v for k, v in corpus.texts.items() if k in reached},
                [p for p in corpus.parallel if p.source in reached and p.target in reached],
                learnt, PIVOT, options.width, options.seed,
                counted=lambda one: links[one.source, one.target],
                carry=False,
            ),
        )  # fmt: skip
        log.info("vectors done")
    built = work / f"layers-{options.layers}-epochs-{options.epochs}"
    trained = 0
    if not (built / "done").exists():
        save(
            learnt, np.load(vectors_file), built, layers=options.layers, heads=4, seed=options.seed
        )
        if options.epochs:
            sentences = layers.treebanks(options.seed)
            trained = len({sentence.language for sentence in sentences})
            layers.train(built, sentences, epochs=options.epochs, seed=options.seed)
        (built / "done").write_text(str(trained))
    if options.out:
        reached = reachable({(p.source, p.target) for p in corpus.parallel})
        counted = {
            language: {"words": _words(found), "cards": sorted(corpus.sources[language])}
            for language, found in sorted(corpus.texts.items())
            if language in reached
        }
        pack(built, options.out, counted, int((built / "done").read_text()), options.version)


def _words(sentences: list[str]) -> int:
    """Words at spaces, or a word for every six characters where that is more."""
    return sum(max(len(s.split()), len(s) // 6) for s in sentences)


def reachable(pairs: set[tuple[str, str]]) -> set[str]:
    """The languages that parallel text connects with the pivot."""
    found = {PIVOT}
    while True:
        new = {x for pair in pairs if found & set(pair) for x in pair} - found
        if not new:
            return found
        found |= new


if __name__ == "__main__":
    main()
