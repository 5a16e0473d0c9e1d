"""Running text to sentences and words, by the rules of its own language.

spaCy's rules are used where spaCy has the language; never those of another one. Elsewhere, and in
stretches of more than `MAX_STRETCH` characters without white space, words are found by Unicode's
rules (UAX 29): letters, marks and digits hold together, an apostrophe or a full stop inside a word
too, and every other character is a word of its own, runs of the same one ("...") excepted. Scripts
that are written without spaces need a choice, made here and said by `describe`:

- Chinese, in all its languages: one character, one word (spaCy's default as well).
- Japanese: SudachiPy if installed, else runs of one script (kanji, hiragana, katakana, Latin).
- Thai: PyThaiNLP if installed; else, as for Lao, Khmer and Burmese, user-perceived characters, each
  with all marks that follow it (UAX 29 parts Burmese vowel signs from their consonant).
- Korean: words at spaces, punctuation split off (spaCy's rules, not its mecab analyser).
- Vietnamese: syllables, as written between spaces.

Sentences end where spaCy's sentencizer says so (the sentence-final marks of 60 scripts), and at
empty lines. Thai marks no sentence ends.

Whatever the rules, no character of a text is lost but white space, which is in no word, and no word
begins within a user-perceived character. Marks and invisible characters (a zero-width space, a byte
order mark) belong to the word that they touch, the one before first; only where white space is on
both sides they are a word of their own.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import regex  # type: ignore[import-untyped]

from xlt import languages
from xlt.document.text import Offsets, Text

Segmenter = Callable[[str], Iterable[Offsets]]
"""Rules of a language: a text → where its words are, in order; see `_complete`."""

_UNICODE_WORD = regex.compile(
    r"""
      \p{Han}\p{M}*                                       # one ideograph
    | [\p{scx=Hiragana}&&[\p{L}\p{M}]]+ | [\p{scx=Katakana}&&[\p{L}\p{M}]]+
    | (?:(?=[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])\X)
    | (?:https?://|www\.)\S+
    | [\p{L}\p{M}\p{N}\p{Cf}_--\u200B--\p{Han}--\p{Hiragana}--\p{Katakana}--\p{Thai}--\p{Lao}
        --\p{Khmer}--\p{Myanmar}]+
      (?: (?<=\p{L}\p{M}*)['’.·:״׳](?=\p{L}) [\p{L}\p{M}\p{N}\p{Cf}_--\u200B]+
        | (?<=\p{N})[.,:٫٬](?=\p{N}) [\p{L}\p{M}\p{N}\p{Cf}_--\u200B]+ )*
    | (?P<mark>(?=\S)\X)(?P=mark)*
    """,
    regex.VERSION1 | regex.VERBOSE,
)
_SCRIPT_RUN = regex.compile(
    r"""
      [\p{Han}々〆ヶ]+ | [\p{scx=Hiragana}&&[\p{L}\p{M}]]+ | [\p{scx=Katakana}&&[\p{L}\p{M}]]+
    | \p{N}+(?:[.,]\p{N}+)*
    | [\p{L}\p{M}--\p{Han}--\p{Hiragana}--\p{Katakana}]+ | (?P<mark>(?=\S)\X)(?P=mark)*
    """,
    regex.VERSION1 | regex.VERBOSE,
)
_PARAGRAPH_END = regex.compile(r"\n[^\S\n]*\n\s*|\Z", regex.VERSION1)

_SURROGATE = regex.compile(r"[\uD800-\uDFFF]", regex.VERSION1)
_NO_WHITE_SPACE = regex.compile(r"[^\s\x1C-\x1F]+", regex.VERSION1)
"""`str.isspace` and Unicode differ in four separators; here they are white space."""

MAX_STRETCH = 500
"""Characters without white space that spaCy is given at once. It takes marks off the two ends of a
stretch one by one, and looks at all the rest of it each time: of a run of them, the time grows with
the square."""
_LONG_STRETCH = regex.compile(rf"[^\s\x1C-\x1F]{{{MAX_STRETCH + 1},}}", regex.VERSION1)
_CHARACTER = regex.compile(r"(?=\S)\X\p{M}*", regex.VERSION1)
"""A user-perceived character, and all marks after it."""
_DEPENDENT = regex.compile(
    r"[\p{M}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}"
    # These are shown, with the digits after them.
    r"--[\u0600-\u0605\u06DD\u070F\u0890\u0891\u08E2\U000110BD\U000110CD]]+",
    regex.VERSION1,
)
"""What makes no word alone: marks, and what is not seen."""

_OWN_CHOICE = {"jpn": "sudachipy", "tha": "pythainlp", "vie": None}
"""Languages that spaCy splits with another package only, and that package where it is used."""

_SPACY_NAMES = {"no": "nb"}


def sentences(text: str, language: str) -> Iterator[Text]:
    """The sentences of a text, each exactly as it is written, with its words.

    language: in any form that `xlt.languages.code` knows.

    The white space before and after a sentence is in none; all other characters are in the words.
    Raises XltError for an unknown language.
    """
    return (sentence for _, sentence in placed_sentences(text, language))


def placed_sentences(text: str, language: str) -> Iterator[tuple[int, Text]]:
    """`sentences`, each with the character of the text that it begins at."""
    return (_placed(text, spans) for spans in _sentence_spans(text, language))


def sentences_of_lines(text: str, language: str) -> Iterator[tuple[int, Text]]:
    """`placed_sentences` of each line of a text: none goes over a line end."""
    at = 0
    for line in text.split("\n"):
        for start, sentence in placed_sentences(line, language):
            yield at + start, sentence
        at += len(line) + 1


def placed_text(text: str, language: str) -> Iterator[tuple[int, Text]]:
    """All of a text as one, without the white space at its ends, and where it begins; nothing if
    there is no word in it. Raises XltError for an unknown language."""
    spans = [span for some in _paragraphs(text, languages.code(language)) for span in some]
    if spans:
        yield _placed(text, spans)


def _placed(text: str, spans: Sequence[Offsets]) -> tuple[int, Text]:
    """Where the first of these words begins, and the text from there to the last."""
    start, end = spans[0][0], spans[-1][1]
    words = tuple(text[a:b] for a, b in spans)
    return start, Text(text[start:end], words, tuple((a - start, b - start) for a, b in spans))


def tokenised(surface: str, language: str) -> Text:
    """A text with its words, whatever its sentences. Raises XltError for an unknown language."""
    spans = [span for some in _paragraphs(surface, languages.code(language)) for span in some]
    return Text(surface, tuple(surface[start:end] for start, end in spans), tuple(spans))


def text_words(text: str, language: str) -> list[str]:
    """The words of a text, whatever its sentences; see `tokenised`."""
    return list(tokenised(text, language).words)


def words(text: str) -> list[str]:
    """The words of a text whose language is not stated, by Unicode's rules alone."""
    return [word for word, _, _ in word_spans(text)]


def word_spans(text: str) -> list[tuple[str, int, int]]:
    """`words`, with the first and last-plus-one position of each in the text."""
    spans = _complete(text, _matcher(_UNICODE_WORD)(text))
    return [(text[start:end], start, end) for start, end in spans]


def describe(language: str) -> str:
    """Which rules `sentences` uses for a language, and why where they are not its own."""
    return _segmenter(languages.code(language))[1]


@cache
def _segmenter(code: str) -> tuple[Segmenter, str]:
    """The rules for a language, and which ones they are."""
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


def _own_choice(code: str, name: str, package: str | None) -> tuple[Segmenter, str]:
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


def _matcher(pattern: Any) -> Segmenter:
    return lambda text: (match.span() for match in pattern.finditer(text))


def _spacy(short: str) -> Segmenter:
    import spacy
    from spacy.tokenizer import Tokenizer

    # By default Korean needs mecab; these are the rules that every other language has.
    config = {"nlp": {"tokenizer": {"@tokenizers": "spacy.Tokenizer.v1"}}} if short == "ko" else {}
    tokenizer = spacy.blank(short, config=config).tokenizer

    def analysed(text: str) -> Iterable[Offsets]:
        encodable = _encodable(text)
        doc = tokenizer(encodable)
        if doc.text != encodable:  # another package's analysis that has dropped something
            return _matcher(_UNICODE_WORD)(text)
        return ((token.idx, token.idx + len(token)) for token in doc)

    # Analysers of Japanese and Thai are given all: those are written without spaces.
    return _but_long_stretches(analysed) if isinstance(tokenizer, Tokenizer) else analysed


def _but_long_stretches(segment: Segmenter) -> Segmenter:
    """These rules; Unicode's for stretches that are too long for them."""

    def segmented(text: str) -> Iterator[Offsets]:
        rules, before = _matcher(_UNICODE_WORD), 0
        for start, end in (*_matcher(_LONG_STRETCH)(text), (len(text), len(text))):
            for part, at in (
                (segment(text[before:start]), before),
                (rules(text[start:end]), start),
            ):
                yield from ((at + a, at + b) for a, b in part)
            before = end

    return segmented


def _encodable(text: str) -> str:
    """Text of the same length that spaCy takes: it stores UTF-8."""
    replaced: str = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    return replaced


def _complete(text: str, spans: Iterable[Offsets]) -> list[Offsets]:
    """The words of a text, from what a segmenter has found.

    spans: in order, not overlapping; they may hold white space and leave anything out.

    All characters but white space are in exactly one word, and the words are as the module says.
    """
    subwords: list[Offsets] = []
    before = 0
    for start, end in (*spans, (len(text), len(text))):
        for a, b in ((before, start), (start, end)):
            if a < b:
                subwords += [match.span() for match in _NO_WHITE_SPACE.finditer(text, a, b)]
        before = end
    # Position within a user-perceived character → its end.
    end_of = {
        position: match.end()
        for match in (() if text.isascii() else _CHARACTER.finditer(text))
        if match.end() - match.start() > 1 and _NO_WHITE_SPACE.fullmatch(match.group())
        for position in range(match.start() + 1, match.end())
    }
    words: list[Offsets] = []
    for start, end in subwords:
        start, end = end_of.get(start, start), end_of.get(end, end)
        if start >= end:
            continue
        touches = bool(words) and words[-1][1] == start
        if touches and any(_DEPENDENT.fullmatch(text, *span) for span in (words[-1], (start, end))):
            words[-1] = words[-1][0], end
        else:
            words.append((start, end))
    return words


def _paragraphs(text: str, code: str) -> Iterator[list[Offsets]]:
    """The words of each paragraph that has some."""
    segment, _ = _segmenter(code)
    start = 0
    for gap in _PARAGRAPH_END.finditer(text):
        paragraph = text[start : gap.start()]
        if spans := _complete(paragraph, segment(paragraph)):
            yield [(start + a, start + b) for a, b in spans]
        start = gap.end()


def _sentence_spans(text: str, language: str) -> Iterator[list[Offsets]]:
    """The words of each sentence, by their place in the text."""
    for spans in _paragraphs(text, languages.code(language)):
        # What is not seen ends no sentence, and begins none.
        seen = {
            number: core
            for number, (start, end) in enumerate(spans)
            if (core := _DEPENDENT.sub("", text[start:end]))
        }
        starts = [n for n, begins in zip(seen, _begins(list(seen.values())), strict=True) if begins]
        for start, end in pairwise([0, *starts[1:], len(spans)]):
            yield spans[start:end]


@cache
def _sentencizer() -> tuple[Any, Any]:
    from spacy.pipeline import Sentencizer
    from spacy.vocab import Vocab

    return Sentencizer(), Vocab()


def _begins(words: Sequence[str]) -> list[bool]:
    """Of each word, whether a sentence begins with it."""
    from spacy.tokens import Doc

    sentencizer, vocab = _sentencizer()
    # It knows "!" but not "!!"; three full stops are an ellipsis and end nothing.
    marks = [w[0] if len({*w}) == 1 and w[0] != "." else w for w in map(_encodable, words)]
    doc = sentencizer(Doc(vocab, words=marks))
    return [bool(start == 1) for start in doc.to_array("SENT_START")]


def with_words(surface: str) -> Text:
    """A text whose language is not stated, with its words by Unicode's rules alone."""
    spans = word_spans(surface)
    words, offsets = (word for word, *_ in spans), ((start, end) for _, start, end in spans)
    return Text(surface, tuple(words), tuple(offsets))
