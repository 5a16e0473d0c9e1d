"""The tokenizer of xlt-mini: Unigram subwords that are the same in raw and in tokenised text.

A mark for the beginning of a word is no help where a script has no spaces, and punctuation has
one in treebanks but not in raw text. So neither punctuation nor those scripts carry the mark, and
"水，" of a newspaper gives the subwords of "水 ，" in a treebank.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from scripts.build_encoder.build import SPECIAL, close

SPACELESS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー]"
SHARE = 0.4
"""Exponent of a language's characters in the text that the subwords are learnt from."""
SAMPLE = 14_000_000
"""Characters of that text."""
MIN_CHARACTER_COUNT = 3
"""A character seen less often becomes no subword; the sample holds thousands of such Han."""


def train(texts: Mapping[str, Sequence[str]], vocabulary: int, seed: int) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Split(Regex(rf"▁(?=\p{{P}}|(?!▁)\p{{S}}|{SPACELESS})"), "removed"),
            pre_tokenizers.Split(Regex(r"\p{P}|(?!▁)\p{S}"), "isolated"),
            pre_tokenizers.Split(
                Regex(rf"(?<={SPACELESS})(?!{SPACELESS})|(?<!{SPACELESS})(?={SPACELESS})"),
                "isolated",
            ),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    chosen = list(sample(texts, seed))
    counts = Counter(character for sentence in chosen for character in sentence)
    rare = {ord(c): " " for c, n in counts.items() if n < MIN_CHARACTER_COUNT}
    tokenizer.train_from_iterator(
        (sentence.translate(rare) for sentence in chosen),
        trainers.UnigramTrainer(
            vocab_size=vocabulary, special_tokens=list(SPECIAL), unk_token="<unk>",
            max_piece_length=14, show_progress=False,
        ),
    )  # fmt: skip
    return close(tokenizer)


def sample(texts: Mapping[str, Sequence[str]], seed: int) -> Iterator[str]:
    """About `SAMPLE` characters; language l has a share of size(l) ** SHARE, at most all it has."""
    sizes = {language: sum(map(len, sentences)) for language, sentences in texts.items()}
    total = sum(size**SHARE for size in sizes.values())
    for language, sentences in sorted(texts.items()):
        wanted = SAMPLE * sizes[language] ** SHARE / total
        order = list(range(len(sentences)))
        random.Random(f"{seed}-{language}").shuffle(order)
        taken = 0
        for i in order:
            if taken > wanted:
                break
            taken += len(sentences[i])
            yield sentences[i]
