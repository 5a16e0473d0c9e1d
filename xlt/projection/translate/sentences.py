"""Words to running text, texts to sentences and back, as scripts are written."""

from __future__ import annotations

from collections.abc import Sequence

import regex  # type: ignore[import-untyped]

from xlt import languages
from xlt.scripts import SPACELESS

_NO_SPACE_BETWEEN_SENTENCES = frozenset({"Hans", "Hant", "Hani", "Jpan"})

_CLOSING = regex.compile(r"[.,;:!?%)\]}»”’…。、，！？；：）」』।॥؟،؛۔]+|'(s|re|ve|ll|d|m|t|S)|n't")
_OPENING = regex.compile(r"[(\[{«„“‘¿¡（「『]+|\p{L}{1,5}['’]", regex.VERSION1)
_LATIN = regex.compile(r"[\p{Latin}\p{Cyrillic}\p{Greek}\p{N}]", regex.VERSION1)


def detokenise(words: Sequence[str], language: str) -> str:
    """The words as a text that a translator knows how to read.

    Punctuation goes to the word it belongs to, straight quotes by turns; scripts without spaces
    get none, but between words in other scripts.
    """
    spaceless = languages.script(language) in SPACELESS
    text: list[str] = []
    quoted = False
    glue = True
    for word in words:
        word = " ".join(word.split())
        if not word:
            continue
        closes = _CLOSING.fullmatch(word) is not None
        opens = _OPENING.fullmatch(word) is not None
        if word in ('"', "``", "''"):
            word, closes, opens, quoted = '"', quoted, not quoted, not quoted
        if spaceless and text and not (_LATIN.search(text[-1][-1]) and _LATIN.match(word)):
            glue = True
        if not (glue or closes):
            text.append(" ")
        text.append(word)
        glue = opens
    return "".join(text)


def split(text: str, language: str) -> list[str]:
    """The sentences of a text, each as it is written, without the white space between them."""
    from xlt.data.segment import sentences

    return [sentence.surface for sentence in sentences(text, language)]


def join(sentences: Sequence[str], language: str) -> str:
    """Sentences as one text."""
    between = "" if languages.script(language) in _NO_SPACE_BETWEEN_SENTENCES else " "
    return between.join(s for s in sentences if s)
