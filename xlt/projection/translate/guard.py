"""What makes a translation suspicious: empty, copied, too long or short, or going round in circles.

A warning is not a verdict: what follows may keep the example, weigh it less, or leave it out.
The default limits were set so that human translations (NTREX, English into 76 languages) hardly
ever get one; the figures are in `scripts/benchmark_projection.py guard`.
"""

from __future__ import annotations

import regex  # type: ignore[import-untyped]

from xlt.projection.translate.base import TranslatorOptions

_DENSE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]", regex.VERSION1)
_SYLLABLE = regex.compile(r"[\p{Hangul}\p{Ethiopic}\p{Yi}]", regex.VERSION1)
_NOTHING = regex.compile(r"[\p{M}\p{Cf}\s]", regex.VERSION1)
_LETTER = regex.compile(r"\p{L}", regex.VERSION1)

_MIN_LENGTH = 12
"""Texts below this length have no ratio worth a warning: names, headings."""


def length(text: str) -> int:
    """About how many letters an alphabet would need: marks are none, an ideograph is three."""
    dense, syllables = len(_DENSE.findall(text)), len(_SYLLABLE.findall(text))
    return len(text) - len(_NOTHING.findall(text)) + 2 * dense + syllables


def repeats(text: str) -> int:
    """How often the most repeated stretch of one to four words comes in a row; 1 for none.

    In scripts without spaces a word is a character.
    """
    words = text.split() if " " in text else list(text)
    most = 1
    for size in range(1, 5):
        run = 0
        for position in range(size, len(words)):
            run = run + 1 if words[position] == words[position - size] else 0
            most = max(most, run // size + 1)
    return most


def warning_for(source: str, translation: str, options: TranslatorOptions) -> str | None:
    """What is suspicious about a translation, or None."""
    if not translation.strip():
        return "empty" if source.strip() else None
    if (
        translation == source
        and source.count(" ") >= 4
        and len(_LETTER.findall(source)) > _MIN_LENGTH
    ):
        return "not translated"
    of_source, of_translation = length(source), length(translation)
    if max(of_source, of_translation) >= _MIN_LENGTH:
        ratio = of_translation / max(1, of_source)
        # Short texts vary more: the limit is reached at about 40 letters and laxer below.
        limit = options.max_ratio * (
            1 + _MIN_LENGTH / max(_MIN_LENGTH, min(of_source, of_translation))
        )
        if ratio > limit or ratio < 1 / limit:
            return f"{ratio:.1f} times as long as the source"
    repeated = repeats(translation)
    if repeated >= options.max_repeats and repeated > repeats(source):
        return f"repeats itself {repeated} times"
    return None
