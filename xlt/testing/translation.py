"""A translator and an aligner that need nothing: the words of every sentence, backwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from xlt.projection.align.base import Aligner, AlignerOptions, WordPair
from xlt.projection.pair import Links
from xlt.projection.translate.base import Translation, Translator, TranslatorOptions
from xlt.registry import aligners, translators

SETTINGS = {"translator": "backwards", "aligner": "same_words"}
"""What stands under `projection` in a config that uses them."""


class Backwards(Translator):
    """What stands between spaces, in reverse order."""

    Options = TranslatorOptions

    def identity(self, source: str, target: str) -> str:
        return "backwards"

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        return [Translation(" ".join(reversed(text.split()))) for text in texts]


class SameWords(Aligner):
    """Links equal words; of several equal ones the first to the last."""

    Options = AlignerOptions

    def align(self, pairs: Sequence[WordPair], source: str, target: str) -> list[Links]:
        return [_links(a, b) for a, b in pairs]


def _links(source: Sequence[str], target: Sequence[str]) -> dict[tuple[int, int], float]:
    places: defaultdict[str, list[int]] = defaultdict(list)
    for j, word in enumerate(target):
        places[word].append(j)
    return {(i, places[word].pop()): 1.0 for i, word in enumerate(source) if places[word]}


@contextmanager
def registered() -> Iterator[None]:
    """Both, under the names in `SETTINGS`, while the context lasts."""
    translators.register(SETTINGS["translator"], Backwards)
    aligners.register(SETTINGS["aligner"], SameWords)
    try:
        yield
    finally:
        translators.unregister(SETTINGS["translator"])
        aligners.unregister(SETTINGS["aligner"])
