"""Raw text is split by the rules of its own language, and nothing of it gets lost."""

from __future__ import annotations

import importlib.util
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.data.segment import describe, tokenise
from xlt.errors import XltError


def words(text: str, language: str) -> list[list[str]]:
    return [sentence for sentence, _ in tokenise(text, language)]


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
        ("wol", "a \u200b b", [["a", "b"]]),
    ],
)
def test_words(language: str, text: str, expected: list[list[str]]) -> None:
    assert words(text, language) == expected


@pytest.mark.skipif(importlib.util.find_spec("sudachipy") is not None, reason="SudachiPy splits")
def test_japanese_without_an_analyser() -> None:
    assert words("私はTokyoに行く。", "jpn") == [["私", "は", "Tokyo", "に", "行", "く", "。"]]
    assert "sudachipy is not installed" in describe("Japanese")


def test_describe_never_names_another_language() -> None:
    assert describe("eus") == "Basque: spaCy's rules (eu)"
    assert describe("no") == "Norwegian: spaCy's rules (nb)"
    assert describe("cmn") == "Mandarin Chinese: one character, one word"
    assert describe("hau") == "Hausa: Unicode words (UAX 29); spaCy has no rules for it"


def test_unknown_language() -> None:
    with pytest.raises(XltError, match="unknown language 'Basqe'") as caught:
        list(tokenise("a", "Basqe"))
    assert "Basque (eus)" in str(caught.value.fix)


def test_empty_text_has_no_sentence() -> None:
    assert list(tokenise(" \n\n \u200b ", "eng")) == []


_TEXT = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Cn", "Co"]),
        st.sampled_from(" .,'’-#7aé中ひカ가ไعא\u0301\u2028\n"),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(_TEXT, st.sampled_from(["hau", "zho", "jpn", "tha", "vie", "eng", "ara", "kor"]))
def test_nothing_is_lost(text: str, language: str) -> None:
    joined = ""
    for sentence, spaces in tokenise(text, language):
        assert len(sentence) == len(spaces)
        for word, space in zip(sentence, spaces, strict=True):
            assert word.strip()
            joined += word + " " * space
    # Only marks with no letter to stand on may be left out.
    assert _letters(joined) == _letters(text)


def _letters(text: str) -> str:
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c)[0] != "M")
