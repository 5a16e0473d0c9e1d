"""From a translator of single sentences to a stream of translated texts, or of their words."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import regex  # type: ignore[import-untyped]

from xlt.document import Text
from xlt.projection.translate import sentences
from xlt.projection.translate.base import Translation, Translator, TranslatorOptions
from xlt.projection.translate.cache import Cache, key
from xlt.projection.translate.guard import warning_for

log = logging.getLogger(__name__)

MAX_TEXTS = 1024
"""Texts that are in memory at a time."""
MIN_LOG_INTERVAL = 20.0
"""Seconds between two messages on how far it is."""

_LINE_BREAKS = regex.compile(r"\s*[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]\s*")

_NO_SPACES = regex.compile(r"[^ \t-\r]+")
"""Other white space, as a no-break space, may be part of a word."""


@dataclass(frozen=True, slots=True)
class TranslatedText:
    """A translation with its words; see `Translation`."""

    text: Text
    warning: str | None = None
    failed: bool = False


def translate_texts(
    translator: Translator,
    texts: Iterable[Text],
    source: str,
    target: str,
    *,
    part: str = "",
    cache: Cache | None = None,
    rules: bool = True,
) -> Iterator[TranslatedText]:
    """As `Translator.stream`, for texts, whose surface is what is translated.

    Only words that come without a surface are put together by rules (`sentences.detokenise`).

    rules: split a translation into words by the rules of its language (`xlt.data.segment`);
        without, its words are what stands between spaces.
    """
    running = (running_text(text, source) for text in texts)
    for one in translator.stream(running, source, target, part=part, cache=cache):
        yield TranslatedText(split_words(one.text, target, rules=rules), one.warning, one.failed)


def running_text(text: Text, language: str) -> str:
    """What a translator is given for a text."""
    return sentences.detokenise(text.words, language) if text.joined else text.surface


def split_words(surface: str, language: str, *, rules: bool = True) -> Text:
    """A translation with its words; `rules` as in `translate_texts`."""
    from xlt.data.segment import tokenised

    if rules:
        return tokenised(surface, language)
    words = list(_NO_SPACES.finditer(surface))
    return Text(surface, tuple(m.group() for m in words), tuple(m.span() for m in words))


def stream(
    translator: Translator, texts: Iterable[str], source: str, target: str, cache: Cache | None
) -> Iterator[Translation]:
    """See `Translator.stream`."""
    progress = _Progress()
    identity = translator.identity(source, target)
    # One line each: translators are programs that read lines.
    remaining = (_LINE_BREAKS.sub(" ", text).strip() for text in texts)
    while some := list(islice(remaining, MAX_TEXTS)):
        parts = [translator.parts(text, source) for text in some]
        wanted = dict.fromkeys(part for of_text in parts for part in of_text)
        keys = {part: key(identity, source, target, part) for part in wanted}
        known = cache.get(list(keys.values())) if cache else {}
        done = {part: known[k] for part, k in keys.items() if k in known}
        progress.reused += len(done)
        missing = [part for part in wanted if part not in done]
        for start in range(0, len(missing), translator.chunk):
            chunk = missing[start : start + translator.chunk]
            made = dict(zip(chunk, translator.translate(chunk, source, target), strict=True))
            if cache:
                kept = cache.put({keys[part]: one for part, one in made.items()})
                made = {part: kept[keys[part]] for part in made}
            done |= made
            progress.made += len(made)
            progress.say()
        for text, of_text in zip(some, parts, strict=True):
            yield _whole(text, [done[part] for part in of_text], target, translator.options)
        progress.texts += len(some)
    progress.say(last=True)


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
        if not last and now - self.said < MIN_LOG_INTERVAL:
            return
        self.said = now
        rate = self.made / max(1e-6, now - self.began)
        log.info(
            "%d texts translated: %d sentences at %.1f a second, %d from the cache",
            self.texts, self.made, rate, self.reused,
        )  # fmt: skip
