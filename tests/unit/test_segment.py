"""Raw text is split by the rules of its own language, and nothing of it gets lost."""

from __future__ import annotations

import importlib.util
import unicodedata
from pkgutil import iter_modules

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from xlt.data import segment
from xlt.data.segment import (
    describe,
    sentences,
    sentences_of_lines,
    tokenised,
    word_spans,
)
from xlt.document.text import Text
from xlt.errors import XltError


def words(text: str, language: str) -> list[list[str]]:
    return [list(sentence.words) for sentence in sentences(text, language)]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("eng", "Dr. Smith doesn't. Why?", [["Dr.", "Smith", "does", "n't", "."], ["Why", "?"]]),
        ("eus", "Kaixo, mundua!", [["Kaixo", ",", "mundua", "!"]]),
        ("jav", "Regane 3,5 kg!! Sapa?", [["Regane", "3,5", "kg", "!!"], ["Sapa", "?"]]),
        ("hau", "Ba'a ji ba.", [["Ba'a", "ji", "ba", "."]]),
        ("zho", "我爱北京。OK 2.5", [["我", "爱", "北", "京", "。"], ["OK", "2.5"]]),
        ("kor", "나는 갔다. 안녕!", [["나는", "갔다", "."], ["안녕", "!"]]),
        ("vie", "Tôi yêu Hà Nội.", [["Tôi", "yêu", "Hà", "Nội", "."]]),
        ("ara", "ذهبت. لماذا؟", [["ذهبت", "."], ["لماذا", "؟"]]),
        ("heb", "שלום עולם.", [["שלום", "עולם", "."]]),
        ("amh", "ሰላም ነው። እንዴት", [["ሰላም", "ነው", "።"], ["እንዴት"]]),
        ("yor", "Ọjọ́ dára.", [["Ọjọ́", "dára", "."]]),
        ("khm", "សួស្តី", [["សួ", "ស្តី"]]),
        ("swa", "Moja\n\nMbili", [["Moja"], ["Mbili"]]),
        # Visible signs that UAX 29 parts from their consonant: Burmese, Shan, S'gaw Karen.
        ("mya", "ကျွန်တော် သွား။", [["ကျွ", "န်", "တော်", "သွား", "။"]]),
        ("shn", "ၵႃႇ", [["ၵႃႇ"]]),
        ("ksw", "ကညီၢ်", [["က", "ညီၢ်"]]),
        ("hau", "か\u3099っカ\u3099ー", [["か\u3099っ", "カ\u3099ー"]]),
        # Joined emoji, a skin tone, a flag, a keycap.
        ("hau", "👨‍👩‍👧👍🏽🇳🇪 1️⃣", [["👨‍👩‍👧", "👍🏽", "🇳🇪", "1️⃣"]]),
        ("eng", "ok 👨‍👩‍👧.", [["ok", "👨‍👩‍👧", "."]]),
    ],
)
def test_words(language: str, text: str, expected: list[list[str]]) -> None:
    assert words(text, language) == expected


INVISIBLE = [
    ("a\u200bb c", [["a\u200b", "b", "c"]]),  # a zero-width space parts words
    ("a\u00adb\u200d c", [["a\u00adb\u200d", "c"]]),  # a soft hyphen does not
    ("\ufeffa, b", [["\ufeffa", ",", "b"]]),
    ("a,\u200f b", [["a", ",\u200f", "b"]]),
    ("\u200b\u200bကာ", [["\u200b\u200bကာ"]]),
    ("\x00a\x07", [["\x00a\x07"]]),
    ("a.\u200b B.\u200b \u200b", [["a", ".\u200b"], ["B", ".\u200b", "\u200b"]]),
    ("\u200b A!\ufe0f B", [["\u200b", "A", "!\ufe0f"], ["B"]]),
    ("\u200b", [["\u200b"]]),
    ("a \u0301 b", [["a", "\u0301", "b"]]),
    ("!\u115f", [["!\u115f"]]),  # a letter that is not seen
    ("x\u200b\u0301abc", [["x\u200b\u0301", "abc"]]),
    (",\u06dd", [[",", "\u06dd"]]),  # a format character that is seen
]


@pytest.mark.parametrize(("text", "expected"), INVISIBLE)
def test_what_is_not_seen_belongs_to_the_word_it_touches(
    text: str, expected: list[list[str]]
) -> None:
    assert words(text, "wol") == expected


@pytest.mark.skipif(importlib.util.find_spec("sudachipy") is not None, reason="SudachiPy splits")
def test_japanese_without_an_analyser() -> None:
    assert words("私はTokyoに行く。", "jpn") == [["私", "は", "Tokyo", "に", "行", "く", "。"]]
    assert words("らーめんとｶﾞｽ", "jpn") == [["らーめんと", "ｶﾞｽ"]]
    assert "sudachipy is not installed" in describe("Japanese")


def test_a_line_may_be_a_text_of_its_own() -> None:
    text = "Ta zo\r\n Kano. Yau\n\nBa kowa"
    placed = [(start, one.surface) for start, one in sentences_of_lines(text, "hau")]
    assert placed == [(0, "Ta zo"), (8, "Kano."), (14, "Yau"), (19, "Ba kowa")]
    assert len([*sentences(text, "hau")]) == 3


def test_sentences_are_as_they_are_written() -> None:
    text = " Ba\u00a0ni!  Zo. \n Ta ce \n\n Eh? "
    first, *others = sentences(text, "hau")
    assert first == Text("Ba\u00a0ni!", ("Ba", "ni", "!"), ((0, 2), (3, 5), (5, 6)))
    assert [s.surface for s in others] == ["Zo.", "Ta ce", "Eh?"]
    assert tokenised(text, "hau").surface == text
    assert [s.space_after for s in (first, *others)][:2] == [[True, False, True], [False, True]]


def test_describe_never_names_another_language() -> None:
    assert describe("eus") == "Basque: spaCy's rules (eu)"
    assert describe("no") == "Norwegian: spaCy's rules (nb)"
    assert describe("cmn") == "Mandarin Chinese: one character, one word"
    assert describe("hau") == "Hausa: Unicode words (UAX 29); spaCy has no rules for it"


def test_unknown_language() -> None:
    with pytest.raises(XltError, match="unknown language 'Basqe'") as caught:
        list(sentences("a", "Basqe"))
    assert "Basque (eus)" in str(caught.value.fix)
    with pytest.raises(XltError, match="unknown language 'Basqe'"):
        tokenised("a", "Basqe")


def test_empty_text_has_no_sentence() -> None:
    assert list(sentences(" \n\n \u2028 \x1c ", "eng")) == []
    assert tokenised(" \n", "eng") == Text(" \n")


# Nothing is lost -----------------------------------------------------------------------------

RULES = {
    "unicode": segment._matcher(segment._UNICODE_WORD),
    "script runs": segment._matcher(segment._SCRIPT_RUN),
    "nothing": lambda text: (),
    "all": lambda text: [(0, len(text))],
    "each character": lambda text: [(i, i + 1) for i in range(len(text))],
}
"""Segmenters, two of them as bad as they can be."""

LANGUAGES = ["hau", "zho", "jpn", "tha", "lao", "khm", "mya", "shn", "bod", "vie", "eng", "fra",
             "ara", "fas", "heb", "hin", "kor", "tur", "yor"]  # fmt: skip

ANY_TEXT = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            " .,!?'’-#7aé中ひカー\u3099ﾞｶ가ไมำສຳကာားၢ်ខ្មែក្षি\u0301\u0600"
            "\u200b\u200d\u200e\ufeff\ufe0f"
            "\u20e3👨👧🏽🇮🇩\u2028\n\r\x00\x1c\u00a0\u3000\u115f\ud800ꦏꦴ༄།་"
        ),
    ),
    max_size=40,
)


def visible(text: str) -> str:
    return "".join(c for c in text if not c.isspace())


def check(text: str, spans: list[tuple[int, int]]) -> None:
    """What is promised of the words of any text."""
    assert visible("".join(text[start:end] for start, end in spans)) == visible(text)
    inside = {
        position
        for character in regex.finditer(r"(?=\S)\X", text)
        if not any(map(str.isspace, character.group()))
        for position in range(character.start() + 1, character.end())
    }
    ends = {end for _, end in spans}
    assert spans == sorted(spans)
    for start, end in spans:
        word = text[start:end]
        assert word
        assert not any(map(str.isspace, word))
        assert not {start, end} & inside, "a word begins within a character"
        if all(unicodedata.category(c) in ("Mn", "Mc", "Me", "Cc") or c == "\u200b" for c in word):
            assert start not in ends, "it should belong to the word before"
            assert end == len(text) or text[end].isspace(), "it should belong to the word after"


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@settings(max_examples=60, deadline=None)
@given(ANY_TEXT)
@example("\u0600 \u0301a")
@example("a\u200b\u0301\u200bကာ")
def test_nothing_is_lost_by_any_rules(rules: segment.Segmenter, text: str) -> None:
    check(text, segment._complete(text, rules(text)))


@settings(max_examples=100, deadline=None)
@given(ANY_TEXT, st.sampled_from(LANGUAGES))
@example("a \ud800b", "eng")
def test_nothing_is_lost_in_any_language(text: str, language: str) -> None:
    whole = tokenised(text, language)
    assert whole.surface == text
    check(text, list(whole.offsets))
    assert whole.words == tuple(text[start:end] for start, end in whole.offsets)
    assert visible("".join(word for word, _, _ in word_spans(text))) == visible(text)

    at = 0
    found = list(sentences(text, language))
    for sentence in found:
        start = text.index(sentence.surface, at)
        assert not text[at:start].strip()
        at = start + len(sentence.surface)
        assert sentence.words == tuple(sentence.surface[a:b] for a, b in sentence.offsets)
        assert sentence.offsets[0][0] == 0
        assert sentence.offsets[-1][1] == len(sentence.surface)
    assert not text[at:].strip()
    assert [word for sentence in found for word in sentence.words] == list(whole.words)


def test_an_analyser_that_loses_text_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    import spacy

    class Loses:
        def tokenizer(self, text: str) -> object:
            return spacy.blank("en").tokenizer(text.replace("b", ""))

    monkeypatch.setattr(spacy, "blank", lambda *args, blank=spacy.blank, **kwargs: (
        blank(*args, **kwargs) if args == ("en",) else Loses()))  # fmt: skip
    assert list(segment._spacy("xx")("ab c")) == [(0, 2), (3, 4)]


def test_spacy_is_given_no_long_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time for a run of one mark grows with the square: minutes for 10,000."""
    from spacy.tokenizer import Tokenizer

    given: list[str] = []

    class Counts(Tokenizer):
        def __call__(self, text: str) -> object:
            given.append(text)
            return super().__call__(text)

    monkeypatch.setattr("spacy.language.Tokenizer", Counts)
    rules = segment._spacy("en")
    most = segment.MAX_STRETCH
    normal = f"I can't, {'(' * most} (U.S.)"
    same = list(rules(normal))
    assert given == [normal]
    run = "(" * (most + 1)
    text = f"{normal} {run} don't{run}\n{run}"
    spans = segment._complete(text, rules(text))
    assert all(len(word) <= most for one in given for word in one.split())
    assert spans[: len(same)] == same
    assert [text[a:b] for a, b in spans[len(same) :]] == [run, "don't", run, run]


HARD = (
    "Dr. O'Neill’s co-op (a.k.a. “x”)… e\u0301 1,5% 3.000€ 10°C www.a.b/c?d=1 i.e. :-) 'n'\n"
    "👨‍👩‍👧 ကာ\u200bက "
    "العربية، لماذا؟ हिन्दी। ไทยำ 中文。日本ガ 한국 \ufeff\u00ad x\u200d-\u200dy \ud800"
)


@pytest.mark.parametrize("language", ["ar", "en", "fr", "hi", "ja", "tr"])
def test_languages_that_spacy_has_rules_for(language) -> None:
    check(HARD, list(tokenised(HARD, language).offsets))


@pytest.mark.thorough
def test_all_languages_that_spacy_has_rules_for() -> None:
    import spacy.lang

    short = {module.name for module in iter_modules(spacy.lang.__path__) if module.ispkg}
    assert len(short) > 70
    for language in sorted(short - {"xx"}):
        check(HARD, list(tokenised(HARD, language).offsets))
