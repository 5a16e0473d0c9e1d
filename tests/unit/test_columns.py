"""Tag columns of any scheme come out as IOB2, and malformed lines are named."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.data.columns import (
    LOOK_AHEAD,
    TaggedSentence,
    is_tagged,
    read_columns,
    write_columns,
)
from xlt.data.comments import comment_line
from xlt.data.tag_schemes import Scheme, in_scheme, most_likely, to_iob2
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
    text = "-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\n-DOCSTART- O\na b B-NP O\n-DOCSTART-x NN O O\n"
    first, second = read(text)
    assert first.words == ["EU"]
    assert first.comments == ["-DOCSTART- -X- O O"]
    assert second.words == ["a", "-DOCSTART-x"]
    assert second.comments == ["-DOCSTART- O"]


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
        ("I-PER E-PER E-PER O E-LOC", "IOE2", "B-PER I-PER B-PER O B-LOC"),
        ("I-PER E-PER I-PER O I-LOC", "IOE1", "B-PER I-PER B-PER O B-LOC"),
        ("B-PER E-PER S-LOC B-LOC I-LOC E-LOC", "BIOES", "B-PER I-PER B-LOC B-LOC I-LOC I-LOC"),
        ("U-PER B-LOC L-LOC", "BIOES", "B-PER B-LOC I-LOC"),
        ("B-PER M-PER E-PER S-LOC W-LOC", "BIOES", "B-PER I-PER I-PER B-LOC B-LOC"),
    ],
)
def test_schemes(tags: str, scheme: Any, expected: str) -> None:
    text = "".join(f"w {tag}\n" for tag in tags.split())
    for told in (scheme, "auto"):
        (sentence,) = read(text, scheme=told)
        assert sentence.tags == expected.split()
    with pytest.raises(XltError, match=r"continues no entity|is not a tag"):
        read(text, scheme="IOB2")


def test_types_without_a_prefix() -> None:
    """Only where that is said: any text may be a type."""
    text = "a PER\nb PER\nc O\n#\tMISC\n".replace(" ", "\t")
    (sentence,) = read(f"# text = a\tb\n{text}", scheme="types")
    assert sentence.words == ["a", "b", "c", "#"]
    assert sentence.tags == ["B-PER", "I-PER", "O", "B-MISC"]
    (hash_first,) = read("# MISC\n", scheme="types")
    assert hash_first.words == ["#"]
    with pytest.raises(XltError) as caught:
        read(text)
    assert "`scheme: types`" in str(caught.value.fix)
    with pytest.raises(XltError, match="'_' is not a type") as caught:
        read("a PER\nb _\n", scheme="types")
    assert 'outside: ["_"]' in str(caught.value.fix)
    (sentence,) = read("a PER\nb _\n", scheme="types", outside=["_"])
    assert sentence.tags == ["B-PER", "O"]


def test_the_scheme_is_that_of_most_sentences() -> None:
    """And what contradicts it is no entity of another scheme, but an error."""
    text = "a B-PER\nb I-PER\n\na I-PER\n\na B-LOC\n"
    with pytest.raises(XltError) as caught:
        read(text)
    assert caught.value.where == "<stream>:4"
    assert "scheme: auto" not in str(caught.value.fix)
    assert [one.tags for one in read(text, repair=True)][1] == ["B-PER"]
    with pytest.raises(XltError, match="'S-PER' is not a tag") as caught:
        read(f"{text}\na S-PER\n".replace("a I-PER", "a O"))
    assert "most sentences are in IOB2" in str(caught.value.fix)


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
        ("a B-X\nb O\nc I-PER\n", {}, 3, "I-PER after O continues no entity", "`repair: true`"),
        ("a B-LOC\nb I-PER\n", {}, 2, "I-PER after B-LOC continues", "B-PER"),
        ("a I-PER\n", {"scheme": "IOB2"}, 1, "I-PER after O", "`scheme: auto`"),
        ("a E-PER\n", {"scheme": "BIOES"}, 1, "E-PER between O and O, where BIOES", "write S-PER"),
        ("a B-X\nb O\n", {"scheme": "BIOES"}, 1, "B-X between O and O, where BIOES", "write S-X"),
        ("a B-PER\n", {"scheme": "IOB1"}, 1, "B-PER between O and O, where IOB1", "write I-PER"),
        ("a B-PER\n", {"scheme": "types"}, 1, "a type with a prefix", "`scheme: auto`"),
        ("a X\n", {}, 1, "'X' is not a tag", "B-, I-"),
        ("a B-PER x\n", {}, 1, "'x' is not a tag", "tag: COLUMN"),
        ("a S-PER\n", {"scheme": "IOB2"}, 1, "'S-PER' is not a tag", "scheme: auto"),
        ("word\n", {}, 1, "1 column: no word and tag", "tab or a space"),
        ("a O\nword\n", {}, 2, "1 column where the lines before have 2", "same columns"),
        ("a x O\n\nLast Name x O\n", {}, 3, "4 columns where the lines before have 3", "by tabs"),
        ("New York B-LOC\nis O\n", {}, 2, "2 columns where the lines before have 3", "by tabs"),
        ("a\tO\nb O\n", {}, 2, "1 column where the lines before have 2", "same columns"),
        ("a O\nNew York\tB-LOC\n", {}, 2, "'York\\tB-LOC' is not a tag", "IOB2"),
        ("a O\nNew\tYork B-LOC\n", {}, 2, "a tab in a file whose columns are separated", "tabs"),
        ("a O\nb B-L\tx\n", {}, 2, "a tab in a file whose columns are separated", "tabs"),
        ("1\ta\tO\n2\tb\tO\n2\tc\tO\n", {}, 3, "'2' where the number 3 was", "`word: 0`"),
        ("1\ta\tO\n2\tb\tO\nx\tc\tO\n", {}, 3, "'x' where the number 3 was", "`word: 0`"),
        ("1\ta\tO\n\n2\tb\tO\n\n3\tc\tO\n", {}, 3, "'2' where the number 1 was", "`word: 1`"),
        ("1\ta\tO\n3-4\tb\tO\n", {}, 2, "multiword token 3-4 after word 1", "next word"),
        ("1-2\tb\t_\n1\tb\tO\n2-3\tc\t_\n2\td\tO\n3\te\tO\n", {}, 3, "token 2-3", "overlaps"),
        ("1-2\tab\t_\n1\ta\tO\n", {}, 1, "1 more words belong to 'ab'", "range"),
        ("1\ta\tO\tO\n", {}, 1, "may be in column 2 or 3", "`tag: 2` or `tag: 3`"),
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
    kept = read("a B\n\nb O\n\nc I-PER\n", problems=problems, scheme="IOB2")
    assert [s.words for s in kept] == [["b"]]
    assert [str(p.where).rsplit(":")[-1] for p in problems] == ["1", "5"]


def test_no_sentence() -> None:
    with pytest.raises(XltError, match="there is no sentence"):
        read("\n \n")


COUNTED = "1\tAmara\tB-PER\n2\tsleeps\tO\n\n1\t42\tO\n"
CASES: dict[str, tuple[str, list[list[str]]]] = {
    "words 1 and 1 2": (
        "Amara NNP B-NP B-PER\nsleeps VBZ B-VP O\n\n1 CD B-NP O\n\n1 CD B-NP O\n2 CD I-NP O\n",
        [["Amara", "sleeps"], ["1"], ["1", "2"]],
    ),
    "nothing but 1": ("1 CD B-NP O\n\n1 CD B-NP O\n", [["1"], ["1"]]),
    "nothing but 1 2 3": ("1\tNUM\tO\n2\tNUM\tO\n3\tNUM\tO\n", [["1", "2", "3"]]),
    "Label Studio": ("1 -X- _ O\n\n1 -X- _ O\n2 -X- _ O\n", [["1"], ["1", "2"]]),
    "lemmas": ("1\t1\tO\n2\t2\tO\n", [["1", "2"]]),
    "lemmas, mostly of numbers": ("Amara Amara O\n\n1 1 O\n\n1 1 O\n", [["Amara"], ["1"], ["1"]]),
    "a first sentence like a counted one": (
        "1 one O\n\nAmara amara B-PER\nsleeps sleep O\n",
        [["1"], ["Amara", "sleeps"]],
    ),
    "two layers": ("1 B-X B-Y\n2 O O\n", [["1", "2"]]),
    "nearly all of them 1": ("1 CD O\n\n" * 40 + "Amara NNP B-PER\n", [["1"]] * 40 + [["Amara"]]),
    "two columns": ("1\tO\n2\tO\n", [["1", "2"]]),
    "counted": (COUNTED, [["Amara", "sleeps"], ["42"]]),
    "counted, one word each": (
        "1\tAmara\tB-PER\n\n1\tYes\tO\n\n1\tNUM\tO\n",
        [["Amara"], ["Yes"], ["NUM"]],
    ),
    "counted, by the text": ("# text = NUM\n1\tNUM\tO\n", [["NUM"]]),
    "words, by the text": ("# text = 1\n1\tone\tO\n", [["1"]]),
    "counted by spaces": ("1 Amara NNP B-PER\n2 sleeps VBZ O\n", [["Amara", "sleeps"]]),
    "a multiword token, an empty node": (
        "1-2\tal\t_\n1\ta\tO\n2\tel\tO\n3\tmar\tB-LOC\n3.1\tfue\t_\n",
        [["a", "el", "mar"]],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_whether_the_first_column_counts_is_decided_once_a_file(name: str) -> None:
    text, words = CASES[name]
    assert [sentence.words for sentence in read(text)] == words


def test_late_sentences_do_not_change_the_layout() -> None:
    """More sentences than are looked at, and a last one by which alone one would decide."""
    counted = "1\tAmara\tB-PER\n2\tsleeps\tO\n\n" * (LOOK_AHEAD + 1) + "1\tCD\tO\n"
    assert read(counted)[-1].words == ["CD"]
    plain = "Amara\tNNP\tB-PER\nsleeps\tVBZ\tO\n\n" * (LOOK_AHEAD + 1) + "1\tCD\tO\n"
    assert read(plain)[-1].words == ["1"]
    with pytest.raises(XltError, match="'a' where the number 1 was expected"):
        read(counted + "\na\tCD\tO\n")


def test_the_tag_column_of_two_layers_must_be_chosen() -> None:
    germeval = "#\thttp://x\t[2010]\n1\tReal\tB-ORG\tO\n2\tMadrid\tI-ORG\tB-LOC\n"
    assert read(germeval, tag=2)[0].tags == ["B-ORG", "I-ORG"]
    assert read(germeval, tag=3)[0].tags == ["O", "B-LOC"]
    for options in ({}, {"word": 1}):
        with pytest.raises(XltError, match=r"column 2 or 3") as caught:
            read(germeval, **options)
        assert caught.value.where == "<stream>:2"
    # CoNLL-2003's chunks are no entities: its last column is right, counted or not.
    assert read("EU NNP B-NP B-ORG\n")[0].tags == ["B-ORG"]
    assert read("1 EU NNP B-NP B-ORG\n2 says VBZ B-VP O\n")[0].tags == ["B-ORG", "O"]


def test_multiword_tokens_and_the_foundare_kept() -> None:
    text = "# text = Vamos al mar\n1\tVamos\tO\n2-3\tal\t_\n2\ta\tO\n3\tel\tO\n4\tmar\tO\n"
    for options in ({}, {"word": 1}):
        (sentence,) = read(text, **options)
        assert sentence.words == ["Vamos", "a", "el", "mar"]
        assert sentence.multiword == [("al", 1, 3)]
        assert sentence.lines == [2, 4, 5, 6]
        found = sentence.text()
        assert found.surface == "Vamos al mar"
        assert found.offsets == ((0, 5), (6, 8), (6, 8), (9, 12))
        assert not found.joined
    assert read("a O\n")[0].text().joined
    assert read("# text = b\na O\n")[0].text().surface == "a"


def test_words_like_ranges_are_words() -> None:
    assert read("1-2 CD O\nwon VBD O\n")[0].words == ["1-2", "won"]
    assert read("3-4\tO\n")[0].words == ["3-4"]


def test_cells_are_stripped() -> None:
    (sentence,) = read("a \tB-PER \n b\tI-PER\r\r\nc d\tO\xa0\n\xa0e\tO\n")
    assert sentence.words == ["a", "b", "c d", "\xa0e"]
    assert sentence.tags == ["B-PER", "I-PER", "O", "O"]
    assert read("a B-PER\xa0\n")[0].tags == ["B-PER"]


def test_empty_cells_at_the_end_of_a_line_are_none() -> None:
    assert read("a\tO\nb\tB-PER\t\t\n")[0].tags == ["O", "B-PER"]


def test_a_hash_before_any_tag_is_a_word() -> None:
    (sentence,) = read("#\t-\nx\tO\n", outside=["-"])
    assert sentence.words == ["#", "x"]


_ANY = st.text(
    st.sampled_from("ab#=- \t\n\r\xa0\u2028\ufeff\ud83dO1") | st.characters(), max_size=5
)
_WORDS = _ANY | st.sampled_from(
    ["-DOCSTART-", "-DOCSTART- x", "# x = y", "#", "# O", "# newdoc", "1", "1-2", "\ufeff", ""]
)
_LEGAL = st.text(st.sampled_from("ab#=\xa0\u2028-O1"), min_size=1, max_size=5) | st.sampled_from(
    ["# x = y", "#", "# O", "# newdoc", "1", "1-2", "New York", "a\r b"]
)
_TAGS = st.sampled_from(["O", "B-PER", "I-PER", "B-a b"]) | st.sampled_from(
    ["X", "B-", "B-\t", "O "]
)


@st.composite
def _tagged(draw: st.DrawFn) -> TaggedSentence:
    """About half of them can be written."""
    legal = draw(st.integers(0, 3))
    words = draw(st.lists(_LEGAL if legal else _WORDS, min_size=1 if legal else 0, max_size=4))
    tags = ["O"] * len(words) if legal else [draw(_TAGS) for _ in words]
    comments = draw(st.lists(_LEGAL.map("# x = {}".format) if legal else _WORDS, max_size=1))
    return TaggedSentence(words, tags, comments)


def written(sentences: list[TaggedSentence]) -> str | None:
    """What is read of a file with these sentences; None if they are refused."""
    stream = io.StringIO(newline="")
    try:
        write_columns(sentences, stream)
    except XltError:
        return None
    return stream.getvalue().encode("utf-8").decode("utf-8-sig")


@settings(max_examples=200)
@given(st.lists(_tagged(), min_size=1, max_size=3))
def test_what_is_written_can_be_read_or_is_refused(sentences: list[TaggedSentence]) -> None:
    text = written(sentences)
    if text is not None:
        back = read(text)
        assert [(s.words, s.tags, s.comments) for s in back] == [
            (s.words, s.tags, s.comments) for s in sentences
        ]


@given(
    st.lists(
        st.text(
            st.characters(codec="utf-8", exclude_characters="\0\t\n\r \ufeff"), min_size=1
        ).filter(lambda word: not word.startswith("-DOCSTART-")),
        min_size=1,
    )
)
def test_words_of_any_characters_are_written(words: list[str]) -> None:
    assert written([TaggedSentence(words, ["O"] * len(words))]) is not None


@given(_ANY)
def test_an_id_is_written_or_refused(id: str) -> None:
    if not id or "\n" in id or id != id.strip(" \t\r"):
        with pytest.raises(XltError, match="which a comment cannot hold"):
            comment_line("sent_id", id, where="x")
        return
    text = written([TaggedSentence(["a"], ["O"], [comment_line("sent_id", id, where="x")])])
    assert text is None or read(text)[0].comment("sent_id") == id


@pytest.mark.parametrize(
    ("words", "tags", "comments", "what"),
    [
        ([], [], [], "a sentence without words"),
        (["a", ""], ["O", "O"], [], "an empty word"),
        (["a\tb"], ["O"], [], r"a word with a tab, a line break or a space at an end ('a\tb')"),
        (["a\n"], ["O"], [], "a word with a tab"),
        ([" a"], ["O"], [], "a word with a tab, a line break or a space"),
        (["-DOCSTART- x"], ["O"], [], "the word -DOCSTART- x, which begins a document"),
        (["\ufeffa"], ["O"], [], "a byte order mark"),
        (["a"], ["O"], ["# text = a\nb\tO"], "a comment with a line break"),
        (["a"], ["O"], ["# a O"], "a comment that looks like a word"),
        (["a"], ["I-PER"], [], "tags that are not IOB2 (I-PER after O continues no entity)"),
        (["a"], ["B-a\t"], [], "a tag with a tab"),
        (["\ud83d"], ["O"], [], "half of a surrogate pair (U+D83D)"),
    ],
)
def test_what_columns_cannot_hold(
    words: list[str], tags: list[str], comments: list[str], what: str
) -> None:
    stream = io.StringIO()
    with pytest.raises(XltError) as caught:
        write_columns([TaggedSentence(words, tags, comments)], stream)
    assert what in caught.value.what
    assert caught.value.where == "sentence 1"
    assert caught.value.fix
    assert not stream.getvalue()


_IOB2 = st.lists(st.tuples(st.sampled_from(["", "PER", "B-X"]), st.integers(1, 3))).map(
    lambda runs: [
        tag
        for kind, size in runs
        for tag in ([f"B-{kind}"] + [f"I-{kind}"] * (size - 1) if kind else ["O"] * size)
    ]
)


SCHEMES: tuple[Scheme, ...] = ("IOB2", "IOB1", "IOE2", "IOE1", "BIOES")


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=40)
@given(tags=_IOB2)
def test_every_scheme_is_undone_and_recognised(scheme: Any, tags: list[str]) -> None:
    written = in_scheme(tags, scheme)
    assert to_iob2(written) == tags
    found = most_likely([written])
    assert in_scheme(tags, found) == written


def test_what_the_schemes_write() -> None:
    tags = ["B-X", "I-X", "I-X", "B-X", "B-Y", "O", "B-X", "I-X"]
    assert {scheme: " ".join(t[0] for t in in_scheme(tags, scheme)) for scheme in SCHEMES} == {
        "IOB2": "B I I B B O B I",
        "IOB1": "I I I B I O I I",
        "IOE2": "I I E E E O I E",
        "IOE1": "I I E I I O I I",
        "BIOES": "B I E S S O B E",
    }


def test_of_a_text_without_empty_lines_only_the_beginning_is_read_for_tags():
    def endless():
        for number in range(10 * LOOK_AHEAD):
            assert number <= LOOK_AHEAD, "all of the text would be held"
            yield "All of it is one block.\n"

    assert not is_tagged(endless())
    assert is_tagged(iter(["Ana B-PER\n", "sleeps O\n"] * 10 * LOOK_AHEAD))
