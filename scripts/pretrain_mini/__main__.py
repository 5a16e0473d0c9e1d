"""Build xlt-mini: python -m scripts.pretrain_mini WORK [--out xlt/mini]

Text comes from XLT_DATA or the cache, as for `xlt train`. WORK keeps what is finished (tokenizer,
alignments, vectors, each stage of training with its last checkpoint), so that an interrupted build
goes on where it was. On one machine with one thread, the same data give the same model.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from scripts.build_encoder.build import Parallel, aligned_vectors
from xlt.data.batch import StepSampler

from . import tokenizer, training, trees
from .align import all_links, encode
from .aligner import Links
from .corpus import PIVOT, collect
from .network import Network, make_encoder, save, without_dropout
from .pack import pack
from .translations import english_losses, pool, translation_losses

log = logging.getLogger("pretrain_mini")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.pretrain_mini", description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--out", type=Path, help="the folder to package, in half precision")
    parser.add_argument("--version", default="0.3", help="of the packaged model")
    parser.add_argument("--vocabulary", type=int, default=48_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--inner", type=int, default=512, help="width of the feed-forward layers")
    parser.add_argument("--most", type=int, default=700, help="sentence pairs of two languages")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1, help="that align")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    build(options)


def build(options: argparse.Namespace) -> None:
    work, seed = options.work, options.seed
    work.mkdir(parents=True, exist_ok=True)
    corpus = collect()
    log.info("%d languages, %d pairs of languages", len(corpus.texts), len(corpus.parallel))
    subwords = work / f"tokenizer-{options.vocabulary}.json"
    if not subwords.exists():
        tokenizer.train(corpus.texts, options.vocabulary, seed).save(str(subwords))
        log.info("tokenizer done")
    learnt = Tokenizer.from_file(str(subwords))
    size = learnt.get_vocab_size()
    links = all_links(corpus.parallel, learnt, work / "links", options.processes)
    reached = reachable(set(links))
    parallel = [p for p in corpus.parallel if p.source in reached and p.target in reached]
    vectors_file = work / f"vectors-{options.vocabulary}-{options.width}.npy"
    if not vectors_file.exists():

        def counted(one: Parallel):  # type: ignore[no-untyped-def]
            source, target = (encode(learnt, side) for side in zip(*one.pairs, strict=True))
            return links[one.source, one.target].counts(source, target, size)

        texts = {k: v for k, v in corpus.texts.items() if k in reached}
        vectors = aligned_vectors(
            texts, parallel, learnt, PIVOT, options.width, seed, counted=counted, carry=False
        )
        np.save(vectors_file, vectors)
        log.info("vectors done")
    encoder = make_encoder(
        np.load(vectors_file), layers=options.layers, heads=options.heads, inner=options.inner,
        seed=seed,
    )  # fmt: skip
    save(encoder, learnt, work / "vectors-only")
    without_dropout(encoder)
    network = Network(encoder)
    train(network, parallel, links, learnt, options)
    save(encoder, learnt, work / "model")
    if options.out:
        words = {k: _words(v) for k, v in corpus.texts.items() if k in reached}
        pack(work / "model", options.out, words, corpus.read, corpus.left_out, options.version)


def train(
    network: Network,
    parallel: Sequence[Parallel],
    links: Mapping[tuple[str, str], Links],
    learnt: Tokenizer,
    options: argparse.Namespace,
) -> None:
    """English; what is translated from it; what is translated from what is understood by then."""
    seed = options.seed
    english = trees.english(learnt)

    def from_english() -> tuple[training.Losses, int]:
        lengths = [tree.words.length for tree in english]
        everything = [np.arange(len(english))]
        sampler = StepSampler(lengths, everything, budget=1200, epochs=4, seed=seed)
        return english_losses(network, english, sampler), len(sampler)

    def from_translations(chosen: Sequence[Parallel], most: int) -> tuple[training.Losses, int]:
        pooled = pool(network, chosen, links, learnt, most=most, seed=seed)
        lengths = [pair.tree.words.length for pair in pooled.pairs]
        sampler = StepSampler(lengths, [np.arange(len(lengths))], budget=2000, epochs=1, seed=seed)
        return translation_losses(network, pooled, sampler, english, seed), len(sampler)

    direct = [one for one in parallel if one.target == PIVOT]
    stages: list[tuple[str, Callable[[], tuple[training.Losses, int]], dict[str, float]]] = [
        ("english", from_english, {"rate": 1e-3, "vectors": 0.0, "clip": 5.0}),
        (
            "direct",
            lambda: from_translations(direct, options.most),
            {"rate": 7e-4, "vectors": 2e-3, "clip": 1.0},
        ),
        (
            "all",
            lambda: from_translations(parallel, options.most // 5),
            {"rate": 2e-4, "vectors": 5e-4, "clip": 1.0},
        ),
    ]
    before: Path | None = None
    for name, prepare, rates in stages:
        file = options.work / f"{name}.safetensors"
        if not training.finished(file):
            log.info("stage %s", name)
            if before:
                training.restore(network, None, before)
            losses, steps = prepare()
            training.run(network, losses, steps, file, seed=seed, **rates)
        before = file
    assert before is not None
    training.restore(network, None, before)


def _words(sentences: list[str]) -> int:
    """Words at spaces, or a word for every six characters where that is more."""
    return sum(max(len(s.split()), len(s) // 6) for s in sentences)


def reachable(pairs: set[tuple[str, str]]) -> set[str]:
    """The languages that parallel text connects with the pivot."""
    reached = {PIVOT}
    while True:
        new = {x for pair in pairs if reached & set(pair) for x in pair} - reached
        if not new:
            return reached
        reached |= new


if __name__ == "__main__":
    main()
