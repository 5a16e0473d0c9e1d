"""Running text to sentences and words, by the rules of its own language.

spaCy's rules are used where spaCy has the language; never those of another one. Elsewhere words
are found by Unicode's rules (UAX 29): letters, marks and digits hold together, an apostrophe or a
full stop inside a word too, and every other character is a word of its own, runs of the same one
("...") excepted. Scripts that are written without spaces need a choice, made here and said by
`describe`:

- Chinese, in all its languages: one character, one word (spaCy's default as well).
- Japanese: SudachiPy if installed, else runs of one script (kanji, hiragana, katakana, Latin).
- Thai: PyThaiNLP if installed; else, as for Lao, Khmer and Burmese, user-perceived characters.
- Korean: words at spaces, punctuation split off (spaCy's rules, not its mecab analyser).
- Vietnamese: syllables, as written between spaces.

Sentences end where spaCy's sentencizer says so (the sentence-final marks of 60 scripts), and at
empty lines. Thai marks no sentence ends.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import regex  # type: ignore[import-untyped]

from xlt import languages

Tokens = Iterator[tuple[str, int, int]]
"""Word, and its first and last-plus-one position in the text."""

_UNICODE_WORD = regex.compile(
    r"""
      \p{Han}\p{M}*                                       # one ideograph
    | [\p{Hiragana}ー]+ | [\p{Katakana}ー]+
    | (?:(?=[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])\X)    # a user-perceived character
    | (?:https?://|www\.)\S+
    | [\p{L}\p{M}\p{N}\p{Cf}_--\p{Han}--\p{Hiragana}--\p{Katakana}--\p{Thai}--\p{Lao}
        --\p{Khmer}--\p{Myanmar}]+
      (?: (?<=\p{L}\p{M}*)['’.·:״׳](?=\p{L}) [\p{L}\p{M}\p{N}\p{Cf}_]+
        | (?<=\p{N})[.,:٫٬](?=\p{N}) [\p{L}\p{M}\p{N}\p{Cf}_]+ )*
    | (?P<mark>\S)(?P=mark)*
    """,
    regex.VERSION1 | regex.VERBOSE,
)
_SCRIPT_RUN = regex.compile(
    r"""
      [\p{Han}々〆ヶ]+ | [\p{Hiragana}]+ | [\p{Katakana}ー]+ | \p{N}+(?:[.,]\p{N}+)*
    | [\p{L}\p{M}--\p{Han}--\p{Hiragana}--\p{Katakana}]+ | (?P<mark>\S)(?P=mark)*
    """,
    regex.VERSION1 | regex.VERBOSE,
)
_PARAGRAPH = regex.compile(r"\n[^\S\n]*\n\s*")

_INVISIBLE = regex.compile(r"[\p{Cf}\p{M}\s]+")

_SPACELESS = (
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー"
    r"\u3001-\u303F\uFF01-\uFFEF]"
)
_NO_SPACE = regex.compile(
    rf"(?<={_SPACELESS})[ ](?={_SPACELESS})|[ ](?=[,.;:!?%)\]}}»”…])|(?<=[(\[{{¿¡«“])[ ]",
    regex.VERSION1,
)

_OWN_CHOICE = {"jpn": "sudachipy", "tha": "pythainlp", "vie": None}
"""Languages that spaCy splits with another package only, and that package where it is used."""

_SPACY_NAMES = {"no": "nb"}


def text_words(text: str, language: str) -> list[str]:
    """The words of a text, whatever its sentences; see `tokenise`."""
    return [word for words, _ in tokenise(text, language) for word in words]


def tokenise(text: str, language: str) -> Iterator[tuple[list[str], list[bool]]]:
    """The sentences of a text: its words, and whether white space follows each.

    language: in any form that `xlt.languages.code` knows.
    Joining the words with their spaces gives the text back, but for the kind and amount of white
    space. No word is empty or invisible: format characters that stand alone (a zero-width space
    between spaces) are left out.
    """
    code = languages.code(language)
    tokens, _ = _tokeniser(code)
    for paragraph in _PARAGRAPH.split(text):
        words: list[str] = []
        spaces: list[bool] = []
        end = 0
        for word, start, stop in tokens(paragraph):
            if _INVISIBLE.fullmatch(word):
                continue
            if words:
                spaces.append(start > end)
            words.append(word)
            end = stop
        if words:
            spaces.append(True)
            yield from _sentences(words, spaces)


def words(text: str) -> list[str]:
    """The words of a text whose language is not stated, by Unicode's rules alone; visible ones."""
    return [word for word, _, _ in word_spans(text)]


def word_spans(text: str) -> list[tuple[str, int, int]]:
    """`words`, with the first and last-plus-one position of each in the text."""
    found = _matcher(_UNICODE_WORD)(text)
    return [(word, start, end) for word, start, end in found if not _INVISIBLE.fullmatch(word)]


def join(words: Sequence[str], spaces: Sequence[bool] | None = None) -> str:
    """Words as running text.

    spaces: whether white space follows each, as `tokenise` says. Where that is not known there is
        none inside scripts without spaces, before closing and after opening punctuation.
    """
    if spaces is not None:
        pairs = zip(words, spaces, strict=True)
        return "".join(f"{word} " if space else word for word, space in pairs).rstrip()
    text: str = _NO_SPACE.sub("", " ".join(words))
    return text


def describe(language: str) -> str:
    """Which rules `tokenise` uses for a language, and why where they are not its own."""
    return _tokeniser(languages.code(language))[1]


@cache
def _tokeniser(code: str) -> tuple[Callable[[str], Tokens], str]:
    name = languages.name(code)
    if code in _OWN_CHOICE:
        package = _OWN_CHOICE[code]
        if package is None or importlib.util.find_spec(package) is None:
            return _own_choice(code, name, package)
    script = languages.script(code)
    if script in ("Hans", "Hant", "Hani"):
        return _matcher(_UNICODE_WORD), f"{name}: one character, one word"
    short = _spacy_name(code)
    if short is None:
        if script in ("Thai", "Laoo", "Khmr", "Mymr"):
            what = "user-perceived characters, for it is written without spaces"
            return _matcher(_UNICODE_WORD), f"{name}: {what}"
        return _matcher(_UNICODE_WORD), f"{name}: Unicode words (UAX 29); spaCy has no rules for it"
    return _spacy(short), f"{name}: spaCy's rules ({short})"


def _own_choice(code: str, name: str, package: str | None) -> tuple[Callable[[str], Tokens], str]:
    if code == "jpn":
        return _matcher(_SCRIPT_RUN), f"{name}: runs of one script ({package} is not installed)"
    if code == "tha":
        what = f"user-perceived characters ({package} is not installed)"
        return _matcher(_UNICODE_WORD), f"{name}: {what}"
    return _matcher(_UNICODE_WORD), f"{name}: syllables, as written between spaces"


def _spacy_name(code: str) -> str | None:
    """The code under which spaCy has the language itself, or the standard of its group."""
    whole = languages.macrolanguage(code)
    candidates = [code, *([whole] if whole and languages.same(code, whole) else [])]
    for candidate in candidates:
        for short in (languages.bcp47(candidate), candidate):
            short = _SPACY_NAMES.get(short, short)
            if importlib.util.find_spec("spacy.lang") and importlib.util.find_spec(
                f"spacy.lang.{short}"
            ):
                return short
    return None


def _matcher(pattern: Any) -> Callable[[str], Tokens]:
    def tokens(text: str) -> Tokens:
        for match in pattern.finditer(text):
            yield match.group(), match.start(), match.end()

    return tokens


def _spacy(short: str) -> Callable[[str], Tokens]:
    import spacy

    # By default Korean needs mecab; these are the rules that every other language has.
    config = {"nlp": {"tokenizer": {"@tokenizers": "spacy.Tokenizer.v1"}}} if short == "ko" else {}
    tokenizer = spacy.blank(short, config=config).tokenizer

    def tokens(text: str) -> Tokens:
        for token in tokenizer(text):
            if not token.is_space:
                yield token.text, token.idx, token.idx + len(token.text)

    return tokens


@cache
def _sentencizer() -> tuple[Any, Any]:
    from spacy.pipeline import Sentencizer
    from spacy.vocab import Vocab

    return Sentencizer(), Vocab()


def _sentences(words: list[str], spaces: list[bool]) -> Iterator[tuple[list[str], list[bool]]]:
    from spacy.tokens import Doc

    sentencizer, vocab = _sentencizer()
    # It knows "!" but not "!!"; three full stops are an ellipsis and end nothing.
    marks = [w[0] if len({*w}) == 1 and w[0] != "." else w for w in words]
    for sentence in sentencizer(Doc(vocab, words=marks, spaces=spaces)).sents:
        yield words[sentence.start : sentence.end], spaces[sentence.start : sentence.end]
