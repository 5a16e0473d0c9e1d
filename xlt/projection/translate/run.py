"""From a translator of single sentences to a stream of translated texts, or of their words."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from xlt.projection.translate import sentences
from xlt.projection.translate.base import Translation, Translator, TranslatorOptions
from xlt.projection.translate.cache import Cache, key
from xlt.projection.translate.guard import warning_for

log = logging.getLogger(__name__)

TEXTS = 1024
"""Texts that are in memory at a time."""
SAY_EVERY = 20.0
"""Seconds between two messages on how far it is."""


@dataclass(frozen=True, slots=True)
class TranslatedWords:
    """A translation as words, and whether white space follows each; see `Translation`."""

    words: list[str]
    space_after: list[bool] = field(default_factory=list)
    warning: str | None = None
    failed: bool = False


def translate_words(
    translator: Translator,
    texts: Iterable[Sequence[str]],
    source: str,
    target: str,
    *,
    part: str = "",
    cache: Cache | None = None,
    rules: bool = True,
) -> Iterator[TranslatedWords]:
    """As `Translator.stream`, for texts that are lists of words: the rules of each language
    (`sentences.detokenise`, `xlt.data.segment`) make text of them, and words again.

    rules: without, the words of a translation are what stands between spaces.
    """
    from xlt.data.segment import tokenise

    running = (sentences.detokenise(words, source) for words in texts)
    for one in translator.stream(running, source, target, part=part, cache=cache):
        words = [] if rules else one.text.split()
        spaces = [True] * len(words)
        for found, after in tokenise(one.text, target) if rules else ():
            words += found
            spaces += after
        yield TranslatedWords(words, spaces, one.warning, one.failed)


def stream(
    translator: Translator, texts: Iterable[str], source: str, target: str, cache: Cache | None
) -> Iterator[Translation]:
    """See `Translator.stream`."""
    progress = _Progress()
    identity = translator.identity(source, target)
    # One line each: what a text looks like must not change how many there are.
    remaining = (" ".join(text.split()) for text in texts)
    while some := list(islice(remaining, TEXTS)):
        parts = [_parts(text, source, translator.options) for text in some]
        wanted = dict.fromkeys(piece for pieces in parts for piece in pieces)
        keys = {piece: key(identity, source, target, piece) for piece in wanted}
        known = cache.get(list(keys.values())) if cache else {}
        done = {piece: known[k] for piece, k in keys.items() if k in known}
        progress.reused += len(done)
        missing = [piece for piece in wanted if piece not in done]
        for start in range(0, len(missing), translator.chunk):
            chunk = missing[start : start + translator.chunk]
            made = dict(zip(chunk, translator.translate(chunk, source, target), strict=True))
            if cache:
                cache.put({keys[piece]: one for piece, one in made.items()})
            done |= made
            progress.made += len(made)
            progress.say()
        for text, pieces in zip(some, parts, strict=True):
            yield _whole(text, [done[piece] for piece in pieces], target, translator.options)
        progress.texts += len(some)
    progress.say(last=True)


def _parts(text: str, language: str, options: TranslatorOptions) -> list[str]:
    if not text:
        return []
    return sentences.split(text, language) if options.sentences else [text]


def _whole(
    text: str, parts: Sequence[Translation], target: str, options: TranslatorOptions
) -> Translation:
    """A text from its sentences: suspicious where one of them is, or where it is as a whole."""
    joined = sentences.join([one.text for one in parts], target)
    warnings = [one.warning for one in parts if one.warning]
    warning = warnings[0] if warnings else warning_for(text, joined, options)
    return Translation(joined, warning, failed=any(one.failed for one in parts))


@dataclass
class _Progress:
    texts: int = 0
    made: int = 0
    reused: int = 0
    began: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)

    def say(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self.said < SAY_EVERY:
            return
        self.said = now
        rate = self.made / max(1e-6, now - self.began)
        log.info(
            "%d texts translated: %d sentences at %.1f a second, %d from the cache",
            self.texts, self.made, rate, self.reused,
        )  # fmt: skip
