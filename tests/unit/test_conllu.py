"""CoNLL-U: what is read is written back, and every malformed line is named."""

from __future__ import annotations

import gzip
import io
import lzma
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.data.conllu import FORM, HEAD, Sentence, read_conllu, write_conllu
from xlt.data.trees import tree_problem
from xlt.document import Text
from xlt.errors import XltError

FULL = """\
# newdoc id = a
# sent_id = 1
# text = vámonos al mar
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\t_\tMood=Imp\t0\troot\t0:root\t_
2\tnos\tnosotros\tPRON\t_\tCase=Acc\t1\tobj\t1:obj\t_
3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_
3\ta\ta\tADP\t_\t_\t5\tcase\t5:case\t_
4\tel\tel\tDET\t_\t_\t5\tdet\t5:det\t_
5\tmar\tmar\tNOUN\t_\t_\t1\tobl\t1:obl\tSpaceAfter=No
5.1\tfue\tir\tVERB\t_\t_\t_\t_\t1:conj\t_
6\t!\t!\tPUNCT\t_\t_\t1\tpunct\t1:punct\t_

# sent_id = 2
1\tشكرا\t_\tX\t_\t_\t0\troot\t_\t_

"""


def word(i: object, head: object = 0, form: str = "w") -> str:
    return f"{i}\t{form}\t_\t_\t_\t_\t{head}\tx\t_\t_"


def save(folder: Path, *rows: str) -> Path:
    path = folder / "a.conllu"
    path.write_text("\n".join(rows) + "\n\n", encoding="utf-8", newline="")
    return path


def written(sentences: list[Sentence]) -> str:
    stream = io.StringIO(newline="")
    write_conllu(sentences, stream)
    return stream.getvalue()


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.conllu{suffix}"
    data = FULL.encode()
    packed = {"": data, ".gz": gzip.compress(data), ".xz": lzma.compress(data)}
    path.write_bytes(packed[suffix])
    assert written(list(read_conllu(path))) == FULL


def test_fields() -> None:
    first, second = read_conllu(io.StringIO(FULL))
    assert first.forms == ["vamos", "nos", "a", "el", "mar", "!"]
    assert first.heads == [0, 1, 5, 5, 1, 1]
    assert first.deprels[4] == "obl"
    assert first.text().space_after == [False, True, False, True, False, True]
    assert first.text().surface == "vámonos al mar!"
    assert first.comment("sent_id") == "1"
    assert first.comment("text_en") is None
    assert second.line == 14


def test_changing_a_word_changes_what_is_written() -> None:
    sentence = next(read_conllu(io.StringIO(FULL)))
    sentence.words[4][HEAD] = "2"
    assert sentence.rows[6][HEAD] == "2"


def test_line_ends_other_than_a_newline_belong_to_words(tmp_path: Path) -> None:
    path = save(tmp_path, word(1, form="a\u2028b\x85c"))
    assert next(read_conllu(path)).forms == ["a\u2028b\x85c"]


def test_byte_order_mark_and_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_bytes(b"\xef\xbb\xbf" + FULL.replace("\n", "\r\n").encode())
    assert written(list(read_conllu(path))) == FULL


def test_missing_last_empty_line(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text(word(1) + "\n")
    assert len(list(read_conllu(path))) == 1


@pytest.mark.parametrize(
    ("rows", "line", "what", "fix"),
    [
        ([word(1), word(2, 1)[:-2]], 2, "9 columns where CoNLL-U has 10", "ID FORM"),
        (["1 w _ _ _ _ 0 x _ _"], 1, "1 columns", "tabs, not spaces"),
        ([word(1), "# late", word(2, 1)], 2, "a comment within a sentence", "before the first"),
        ([word(1, form="")], 1, "column FORM is empty", "`_`"),
        ([word(1, form=" ")], 1, "nothing but spaces", "remove"),
        ([word(1), word(3, 1)], 2, "ID '3' where 2 was expected", "1, 2, 3"),
        ([word("x")], 1, "ID 'x' where 1 was expected", "number"),
        ([word("1-x"), word(1)], 1, "'1-x' is not a number, range", "3-4"),
        ([word("2-3"), word(1)], 1, "multiword token 2-3 after word 0", "next word"),
        ([word("1-2"), word("1-2"), word(1), word(2, 1)], 2, "multiword token 1-2", "overlaps"),
        ([word("1-3"), word(1), word(2, 1)], 1, "up to word 3, but the sentence has 2", "range"),
        ([word(1), word("1.2", "_")], 2, "empty node 1.2 after word 1", "1.1"),
        ([word("0.1", "_")], 1, "a sentence without words", "remove"),
        ([word(1, "_")], 1, "HEAD is '_', not a number", "0 for the root"),
        ([word(1, "-1")], 1, "HEAD is '-1', not a number", "0 for the root"),
        ([word(1), word(2, 4)], 2, "head 4 is out of range: the sentence has 2 words", "ID"),
        ([word(1), word(2), word(3, 1)], 2, "a second root: word 1 is a root", "exactly one"),
        ([word(1, 2), word(2, 1)], 1, "no word is the root", "exactly one"),
        ([word(1), word(2, 2)], 2, "a cycle: 2 → 2", "exactly one"),
        ([word(1), word(2, 4), word(3, 1), word(4, 2)], 2, "a cycle: 2 → 4 → 2", "exactly one"),
        (["# only"], 1, "comments without a sentence", "empty line"),
    ],
)
def test_malformed(tmp_path: Path, rows: list[str], line: int, what: str, fix: str) -> None:
    path = save(tmp_path, *rows)
    with pytest.raises(XltError) as caught:
        list(read_conllu(path))
    assert what in caught.value.what
    assert caught.value.where == f"{path}:{line}"
    assert fix in str(caught.value.fix)


def test_all_problems_are_collected(tmp_path: Path) -> None:
    path = save(tmp_path, word(1, 5), "", word(1), "", word(2), "", word(1))
    problems: list[XltError] = []
    assert len(list(read_conllu(path, problems=problems))) == 2
    assert [p.where for p in problems] == [f"{path}:1", f"{path}:5"]


def test_unlabelled_input_needs_no_tree(tmp_path: Path) -> None:
    path = save(tmp_path, word(1, "_"), word(2, 2))
    assert next(read_conllu(path, strict_trees=False)).heads == [-1, 2]


@pytest.mark.parametrize(
    ("content", "what", "line"),
    [
        (b"", "the file is empty", ""),
        (b"\n\n", "there is no sentence", ""),
        (b"# ok\n1\tcaf\xe9\t_\n", "byte 0xe9 at position 6 of the line is not UTF-8", ":2"),
        (FULL.encode("utf-16"), "the file is UTF-16", ":1"),
    ],
)
def test_unreadable(tmp_path: Path, content: bytes, what: str, line: str) -> None:
    path = tmp_path / "a.conllu"
    path.write_bytes(content)
    with pytest.raises(XltError) as caught:
        list(read_conllu(path))
    assert what in caught.value.what
    assert caught.value.where == f"{path}{line}"
    assert caught.value.fix


def test_missing_folder_and_damaged_archive(tmp_path: Path) -> None:
    with pytest.raises(XltError, match="there is no such file"):
        list(read_conllu(tmp_path / "no.conllu"))
    with pytest.raises(XltError, match="this is a folder"):
        list(read_conllu(tmp_path))
    cut = tmp_path / "a.conllu.gz"
    cut.write_bytes(gzip.compress(FULL.encode() * 50)[:-20])
    with pytest.raises(XltError, match="damaged or cut off") as caught:
        list(read_conllu(cut))
    assert caught.value.fix == "fetch it again"


_HEADS = st.lists(st.integers(0, 9), min_size=1, max_size=9)


def _is_tree(heads: list[int]) -> bool:
    """The definition: one root, and every word reaches it."""
    if heads.count(0) != 1 or max(heads) > len(heads):
        return False
    for i in range(len(heads)):
        node = i + 1
        for _ in heads:
            node = heads[node - 1] if node else 0
        if node:
            return False
    return True


@given(_HEADS)
def test_trees_are_told_from_other_graphs(heads: list[int]) -> None:
    problem = tree_problem(heads)
    assert (problem is None) == _is_tree(heads)
    if problem:
        assert 0 <= problem[0] < len(heads)


_FORMS = st.text(st.characters(codec="utf-8", exclude_characters="\0\t\n\r"), min_size=1).filter(
    lambda text: not text.isspace()
)


@given(st.lists(st.tuples(_FORMS, st.booleans()), min_size=1, max_size=6))
def test_any_words_round_trip(words: list[tuple[str, bool]]) -> None:
    heads = list(range(len(words)))  # a chain below the first word
    text = Text.from_words([form for form, _ in words], [space for _, space in words])
    sentence = Sentence.from_text(text, heads, ["dep"] * len(words), comments=["# sent_id = x"])
    content = written([sentence])
    (back,) = read_conllu(io.StringIO(content, newline="\n"))
    assert [row[FORM] for row in back.rows] == [form for form, _ in words]
    assert back.heads == heads
    assert back.text() == text
    assert written([back]) == content


_ANY = st.text(st.sampled_from("a#= \t\n\r\xa0\u2028\ufeff\ud83d_") | st.characters(), max_size=4)


@settings(max_examples=150)
@given(
    st.lists(st.tuples(_ANY, _ANY), max_size=3),
    st.lists(_ANY | _ANY.map("# x = {}".format), max_size=1),
)
def test_what_is_written_can_be_read_or_is_refused(
    words: list[tuple[str, str]], comments: list[str]
) -> None:
    sentence = Sentence.from_text(
        Text.from_words([form for form, _ in words], [True] * len(words)),
        list(range(len(words))),
        [relation for _, relation in words],
        comments=comments,
    )
    try:
        text = written([sentence])
    except XltError:
        return
    (back,) = read_conllu(io.StringIO(text.encode().decode("utf-8-sig"), newline="\n"))
    assert (back.rows, back.comments) == (sentence.rows, comments)


@pytest.mark.parametrize(
    ("form", "comment", "what"),
    [
        ("a\tb", "", r"a tab or a line break in FORM ('a\tb')"),
        ("a\n", "", "a tab or a line break in FORM"),
        ("a\r", "", "a tab or a line break in FORM"),
        ("", "", "an empty FORM"),
        ("\u2003", "", "a word of nothing but spaces"),
        ("a", "# text = a\nb", "a comment with a line break"),
        ("a", "# text = a\r", "a comment with a line break"),
        ("\udc00", "", "half of a surrogate pair (U+DC00)"),
    ],
)
def test_what_conllu_cannot_hold(form: str, comment: str, what: str) -> None:
    comments = ["# sent_id = 7", *([comment] if comment else [])]
    with pytest.raises(XltError) as caught:
        written([Sentence.from_text(Text.from_words([form]), [0], ["root"], comments=comments)])
    assert what in caught.value.what
    assert caught.value.where == "sentence 7"
    assert caught.value.fix


def test_a_sentence_without_words_is_not_written() -> None:
    with pytest.raises(XltError, match="a sentence without words"):
        written([Sentence([], [], ["# sent_id = 1"])])
