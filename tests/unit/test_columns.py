"""Tag columns of any scheme come out as IOB2, and malformed lines are named."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.data.columns import TaggedSentence, read_columns, to_iob2, write_columns
from xlt.errors import XltError


def read(text: str, **options: Any) -> list[TaggedSentence]:
    return list(read_columns(io.StringIO(text, newline="\n"), **options))


def test_word_and_tag_by_space_or_tab() -> None:
    for separator in (" ", "\t"):
        (sentence,) = read(f"Gbagbo{separator}B-PER\nya{separator}O\n")
        assert sentence.words == ["Gbagbo", "ya"]
        assert sentence.tags == ["B-PER", "O"]
        assert sentence.lines == [1, 2]


def test_uner() -> None:
    first, second = read("# sent_id = 7\n1\tWhat\tO\n2\tMiramar\tB-LOC\n\n# text = x\n1\tB\tO\n")
    assert first.words == ["What", "Miramar"]
    assert first.comment("sent_id") == "7"
    assert second.comments == ["# text = x"]


def test_columns_can_be_chosen() -> None:
    text = "#\thttp://x\t[2010]\t\n1\tGleich\tO\tB-LOC\n"
    (sentence,) = read(text, word=1, tag=2, separator="tab")
    assert (sentence.words, sentence.tags) == (["Gleich"], ["O"])
    assert sentence.comments == ["#\thttp://x\t[2010]\t"]


def test_a_hash_can_be_a_word() -> None:
    (sentence,) = read("# O\nx O\n# O\n")
    assert sentence.words == ["#", "x", "#"]


def test_document_marks_are_no_words() -> None:
    first, second = read("-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\n\n-DOCSTART- O\n\na b O\n")
    assert first.words == ["EU"]
    assert first.comments == ["-DOCSTART- -X- O O"]
    assert second.words == ["a"]


def test_wikiann_prefix() -> None:
    (sentence,) = read("en:Sioux\tB-ORG\nen:en:x\tI-ORG\n", prefix="en:")
    assert sentence.words == ["Sioux", "en:x"]


def test_words_keep_odd_spaces() -> None:
    (sentence,) = read("a\u2028b O\nno\xa0break O\nשלום B-LOC\n")
    assert sentence.words == ["a\u2028b", "no\xa0break", "שלום"]


@pytest.mark.parametrize(
    ("tags", "scheme", "expected"),
    [
        ("I-PER I-PER O I-PER B-PER", "IOB1", "B-PER I-PER O B-PER B-PER"),
        ("I-PER I-LOC", "IOB1", "B-PER B-LOC"),
        ("B-PER E-PER S-LOC B-LOC I-LOC E-LOC", "BIOES", "B-PER I-PER B-LOC B-LOC I-LOC I-LOC"),
        ("U-PER B-LOC L-LOC", "BIOES", "B-PER B-LOC I-LOC"),
    ],
)
def test_schemes(tags: str, scheme: Any, expected: str) -> None:
    (sentence,) = read("".join(f"w {tag}\n" for tag in tags.split()), scheme=scheme)
    assert sentence.tags == expected.split()


def test_types_are_renamed_and_dropped() -> None:
    (sentence,) = read(
        "a B-PERSON\nb B-DATE\nc I-DATE\nd B-LOC\n", types={"PERSON": "PER", "DATE": None}
    )
    assert sentence.tags == ["B-PER", "O", "O", "B-LOC"]


def test_repair_and_outside() -> None:
    (sentence,) = read("a I-PER\nb B-LOC\nc I-PER\nd -\n", repair=True, outside=["-"])
    assert sentence.tags == ["B-PER", "B-LOC", "B-PER", "O"]


def test_lines_without_a_word_can_be_dropped() -> None:
    (sentence,) = read("a B-PER\n O\nb O\n", drop_empty=True)
    assert (sentence.words, sentence.tags) == (["a", "b"], ["B-PER", "O"])
    assert sentence.lines == [1, 3]


@pytest.mark.parametrize(
    ("text", "options", "line", "what", "fix"),
    [
        ("a O\nb B-\n", {}, 2, "tag 'B-' has no type", "B-PER"),
        ("a B\n", {}, 1, "tag 'B' has no type", "B-PER"),
        ("a O\nb I-PER\n", {}, 2, "I-PER after O continues no entity", "`repair: true`"),
        ("a B-LOC\nb I-PER\n", {}, 2, "I-PER after B-LOC continues", "B-PER"),
        ("a E-PER\n", {"scheme": "BIOES"}, 1, "E-PER after O", "B-PER"),
        ("a X\n", {}, 1, "'X' is not a tag", "B-, I-"),
        ("a S-PER\n", {}, 1, "'S-PER' is not a tag", "scheme: BIOES"),
        ("a O\nword\n", {}, 2, "1 column: no word and tag", "tab or a space"),
        ("a\tO\n", {"word": 3}, 1, "2 columns: no word and tag in columns 3", "`word: C"),
        ("a\tO\n\tB-PER\n", {}, 2, "a word of length zero", "remove the line"),
        ("a O\n B-PER\n", {"drop_empty": True}, 2, "a word of length zero", "remove the line"),
        ("a O\n\n O\n", {"drop_empty": True}, 3, "a sentence without words", "remove it"),
        ("en:\tO\n", {"prefix": "en:"}, 1, "a word of length zero", "remove the line"),
    ],
)
def test_malformed(
    tmp_path: Path, text: str, options: dict[str, Any], line: int, what: str, fix: str
) -> None:
    path = tmp_path / "a.iob2"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(XltError) as caught:
        list(read_columns(path, **options))
    assert what in caught.value.what
    assert caught.value.where == f"{path}:{line}"
    assert fix in str(caught.value.fix)


def test_all_problems_are_collected() -> None:
    problems: list[XltError] = []
    kept = read("a B\n\nb O\n\nc I-PER\n", problems=problems)
    assert [s.words for s in kept] == [["b"]]
    assert [str(p.where).rsplit(":")[-1] for p in problems] == ["1", "5"]


def test_no_sentence() -> None:
    with pytest.raises(XltError, match="there is no sentence"):
        read("\n \n")


_WORD = st.text(
    st.characters(codec="utf-8", exclude_characters="\t\n\r "), min_size=1, max_size=8
).filter(lambda word: not word.startswith(("#", "-DOCSTART-")))
_KIND = st.sampled_from(["PER", "LOC", "B-X"])


@st.composite
def _tagged(draw: st.DrawFn) -> TaggedSentence:
    words = draw(st.lists(_WORD, min_size=1, max_size=8))
    tags: list[str] = []
    for _ in words:
        options = ["O", f"B-{draw(_KIND)}"]
        if tags and tags[-1] != "O":
            options.append(f"I-{tags[-1][2:]}")
        tags.append(draw(st.sampled_from(options)))
    return TaggedSentence(words, tags)


@given(st.lists(_tagged(), min_size=1, max_size=4), st.sampled_from("\t "), st.booleans())
def test_round_trip(sentences: list[TaggedSentence], separator: str, numbered: bool) -> None:
    stream = io.StringIO(newline="")
    write_columns(sentences, stream, separator=separator, numbered=numbered)
    back = read(stream.getvalue(), word=int(numbered))
    assert [(s.words, s.tags) for s in back] == [(s.words, s.tags) for s in sentences]


def _to_iob1(tags: list[str]) -> list[str]:
    return [
        f"B-{t[2:]}" if t[0] == "B" and i and tags[i - 1][2:] == t[2:]
        else "O" if t == "O" else f"I-{t[2:]}"
        for i, t in enumerate(tags)
    ]  # fmt: skip


@given(_tagged())
def test_iob1_is_undone(sentence: TaggedSentence) -> None:
    assert to_iob2(_to_iob1(sentence.tags), "IOB1") == sentence.tags
