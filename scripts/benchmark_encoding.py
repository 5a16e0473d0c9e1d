"""Subwords by the place of words in the text against `tokenizer(words, is_split_into_words=True)`.

For each treebank (CoNLL-U file): subwords a word of both, and sentences a second of processor time
of the plain call and of xlt's encoder, measured in turn; the ratio is of the medians.

    python scripts/benchmark_encoding.py ENCODER TREEBANK...
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from xlt.config.schema import Model
from xlt.data.conllu import read_conllu
from xlt.data.encode import WordEncoder
from xlt.data.subwords import subwords_of
from xlt.document import Text
from xlt.model.backbone import Backbone

REPEAT = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoder", help="a Hugging Face model id, a folder, or `xlt-mini`")
    parser.add_argument("treebanks", nargs="+", type=Path, metavar="TREEBANK")
    options = parser.parse_args()
    backbone = Backbone(options.encoder, Model(encoder=options.encoder))
    tokenizer, longest = backbone.tokenizer, backbone.max_length
    print(f"{'':30}   subwords a word     sentences a second")
    print(f"{'':30}   plain    xlt      plain /    xlt = ratio")
    for path in options.treebanks:
        texts = [sentence.text() for sentence in read_conllu(path, strict_trees=False)]
        words = [list(text.words) for text in texts]
        total = sum(map(len, words))
        plain = tokenizer(words, is_split_into_words=True, add_special_tokens=False)["input_ids"]
        ours = WordEncoder(tokenizer, longest)(texts)
        ratios = [
            sum(map(len, plain)) / total,
            sum(len(encoded.subwords) for encoded in ours) / total,
        ]

        def call(words: list[list[str]] = words) -> None:
            tokenizer(words, is_split_into_words=True)

        def encode(texts: list[Text] = texts) -> None:
            subwords_of.cache_clear()  # or no word would have to be encoded a second time
            WordEncoder(tokenizer, longest)(texts)

        times: dict[str, list[float]] = {"plain": [], "xlt": []}
        for _ in range(REPEAT):
            times["plain"].append(seconds(call))
            times["xlt"].append(seconds(encode))
        speed = {name: len(texts) / median(taken) for name, taken in times.items()}
        print(
            f"{path.stem[:30]:30}   {ratios[0]:5.2f}  {ratios[1]:5.2f}   "
            f"{speed['plain']:8.0f} / {speed['xlt']:6.0f} = {speed['xlt'] / speed['plain']:5.2f}"
        )


def seconds(function: Callable[[], None]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


if __name__ == "__main__":
    main()
