"""A small translation model for two languages, to rank spans with: `projection.ranking`.

python -m scripts.experiments.translator FOLDER eng deu [--minutes 7]

What it learns from are phrases: short spans of the parallel text of data cards, and of the texts of
Europarl NER, that word links (aligner `agreement`) say are translations of each other, as a phrase
table is made (Koehn et al. 2003); no label is looked at. It begins as xlt-mini with a new decoder
and without the subwords that no phrase has, and is told its target language as MADLAD-400 is, by
`<2de>` before the input; a phrase is also its own translation into its own language. Call it again
with the same folder until it says that it is done; the folder then loads with
AutoModelForSeq2SeqLM.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from scripts.benchmark_projection.gold import europarl, parallel, words_of
from scripts.experiments.generator import add_schedule, learn
from xlt import languages
from xlt.config.schema import Model
from xlt.data.subwords import subwords_of
from xlt.model.backbone import Backbone
from xlt.model.decoder import end_id
from xlt.model.generation import Generation
from xlt.model.seq2seq import Seq2Seq
from xlt.model.vocabulary import Trimmed
from xlt.projection.align.agreement import Agreement, AgreementOptions
from xlt.projection.pair import AlignedPair
from xlt.projection.spans import is_punctuation

log = logging.getLogger("translator")

CARDS = ("ntrex", "multinli-mt", "xl-wa")
MAX_PHRASE_WORDS = 5
"""Words of a phrase, on either side."""
COPIED = 0.25
"""Of phrases that are their own translation, for each that is translated."""


def phrases(pair: AlignedPair) -> Iterator[tuple[str, str]]:
    """Spans of both sides that are linked to each other and to nothing else, as tight as can be."""
    source, target = pair.source.words, pair.target.words
    for start in range(len(source)):
        for end in range(start + 1, min(start + MAX_PHRASE_WORDS, len(source)) + 1):
            inside = [j for i, j in pair.links if start <= i < end]
            if not inside:
                continue
            first, last = min(inside), max(inside) + 1
            back = [i for i, j in pair.links if first <= j < last]
            if last - first > MAX_PHRASE_WORDS or min(back) != start or max(back) + 1 != end:
                continue
            ends = source[start], source[end - 1], target[first], target[last - 1]
            if not any(map(is_punctuation, ends)):
                yield pair.source.between(start, end), pair.target.between(first, last)


def smaller(tokenizer: Any, kept: Sequence[int]) -> Any:
    """A tokenizer of these subwords of a Unigram model, numbered anew: a score of a translation
    costs as much as the vocabulary is large."""
    about = json.loads(tokenizer.backend_tokenizer.to_str())
    subwords = about["model"]["vocab"]
    if [*kept[:3]] != [0, 1, 2] or any(token["id"] > 2 for token in about["added_tokens"]):
        raise AssertionError("special subwords would get other numbers")
    about["model"]["vocab"] = [subwords[i] for i in kept]
    named = {
        key: tokenizer.special_tokens_map[key] for key in ("pad_token", "eos_token", "unk_token")
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(about)), **named,
        model_max_length=tokenizer.model_max_length,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.experiments.translator")
    parser.add_argument("folder", type=Path)
    parser.add_argument("languages", nargs=2)
    parser.add_argument("--rows", type=int, default=6000, help="of each card")
    parser.add_argument("--phrases", type=int, default=20, help="of each sentence, at most")
    add_schedule(parser)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(options.seed)
    draw = np.random.default_rng(options.seed)
    source, target = options.languages
    sides = europarl(source), europarl(target)
    texts = [(one.text, other.text) for one, other in zip(*sides, strict=True)]
    texts += parallel(CARDS, source, target, options.rows)
    phrase_pairs: list[tuple[str, str]] = []
    aligner = Agreement(AgreementOptions())
    for pair, links in zip(texts, aligner.align(words_of(texts), source, target), strict=True):
        own = list(phrases(AlignedPair(*pair, links)))
        phrase_pairs += [own[i] for i in draw.permutation(len(own))[: options.phrases]]
    log.info(
        "%d phrases of %d sentence pairs, e.g. %s",
        len(phrase_pairs),
        len(texts),
        phrase_pairs[::9999][:5],
    )
    backbone = Backbone("xlt-mini", Model(decoder_layers=options.decoder_layers))
    network = backbone.seq2seq()
    seen = np.concatenate(backbone.subwords([text for pair in phrase_pairs for text in pair]))
    kept = Trimmed(network, backbone.tokenizer, seen).kept
    backbone.tokenizer = tokenizer = smaller(backbone.tokenizer, kept.tolist())
    codes = [f"<2{languages.bcp47(code)}>" for code in (source, target)]
    tokenizer.add_tokens(codes, special_tokens=True)
    network.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model = Seq2Seq(network, {}, backbone, Generation())
    directed = [
        (codes[1 - side], pair[side], pair[1 - side]) for pair in phrase_pairs for side in (0, 1)
    ]
    directed += [
        (codes[side], pair[side], pair[side])
        for pair in phrase_pairs for side in (0, 1) if draw.random() < COPIED
    ]  # fmt: skip
    end = [end_id(backbone)]
    told = tokenizer.convert_tokens_to_ids([code for code, _, _ in directed])
    asked = subwords_of(tokenizer)([text for _, text, _ in directed])
    said = subwords_of(tokenizer)([text for _, _, text in directed])
    inputs = [
        (np.array([code, *ids, *end], np.int32),) for code, ids in zip(told, asked, strict=True)
    ]
    targets = [np.array([*ids, *end], np.int32) for ids in said]
    learn(model, backbone, inputs, targets, options)


if __name__ == "__main__":
    main()
