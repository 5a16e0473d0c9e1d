"""Tables: what is written is read back, and rows that do not fit are named."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.data.table import read_table, write_table
from xlt.errors import XltError

_ANY = st.text(st.sampled_from("a\"'#, \t\n\r\xa0\u2028\ufeff\ud83d") | st.characters(), max_size=4)


@pytest.mark.parametrize("quoted", [False, True])
@given(records=st.lists(st.fixed_dictionaries({"id": _ANY, "text": _ANY}), max_size=3))
def test_what_is_written_can_be_read_or_is_refused(
    quoted: bool, records: list[dict[str, str]]
) -> None:
    stream = io.StringIO(newline="")
    try:
        write_table(records, stream, ("id", "text"), quoted=quoted)
    except XltError:
        return
    text = stream.getvalue().encode().decode("utf-8-sig")
    read = read_table(
        io.StringIO(text, newline="\n"), quoted=quoted, delimiter="," if quoted else "\t"
    )
    assert [row for _, row in read] == records


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\t\n\r")), min_size=1))
def test_texts_of_any_other_characters_are_written(texts: list[str]) -> None:
    records = [{"id": str(number), "text": text} for number, text in enumerate(texts)]
    stream = io.StringIO(newline="")
    write_table(records, stream, ("id", "text"))
    assert [row for _, row in read_table(io.StringIO(stream.getvalue(), newline="\n"))] == records


@pytest.mark.parametrize(
    ("record", "what"),
    [
        ({"id": "7", "text": "a\tb"}, "text has a tab or a line break"),
        ({"id": "7", "text": "a\r"}, "text has a tab or a line break"),
        ({"id": "7", "text": "a\n"}, "text has a tab or a line break"),
        ({"id": "7", "text": "\ud83d"}, "half of a surrogate pair (U+D83D)"),
        ({"id": "", "text": ""}, "every cell is empty"),
    ],
)
def test_what_a_table_cannot_hold(record: dict[str, str], what: str) -> None:
    with pytest.raises(XltError) as caught:
        write_table([record], io.StringIO(), ("id", "text"))
    assert what in caught.value.what
    assert caught.value.where == f"record {record['id']!r}"
    assert caught.value.fix


@pytest.mark.parametrize(
    ("text", "quoted", "line", "what", "fix"),
    [
        ("a\tb\n1\t2\n1\n", False, 3, "1 cells in a table of 2 columns", "one tab each"),
        ("a\tb\ta\n", False, 1, "two columns are called 'a'", "rename one"),
        ("a\tb\ta\n1\t2\t3\n", True, 1, "two columns are called 'a'", "rename one"),
        ('a\tb\n1\t"2\n3\t4\n', True, 2, "a quotation mark that does not fit", "`quoted: false`"),
        ('a\tb\n1\t"2"3\n', True, 2, "a quotation mark that does not fit", "double each"),
    ],
)
def test_malformed(tmp_path: Path, text: str, quoted: bool, line: int, what: str, fix: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(text)
    with pytest.raises(XltError) as caught:
        list(read_table(path, quoted=quoted))
    assert what in caught.value.what
    assert caught.value.where == f"{path}:{line}"
    assert fix in str(caught.value.fix)


def test_quoted_cells_hold_tabs_and_lines() -> None:
    text = 'a\tb\n1\t"x\ty ""z""\nw"\n2\tv\n'
    assert list(read_table(io.StringIO(text), quoted=True)) == [
        (2, {"a": "1", "b": 'x\ty "z"\nw'}),
        (4, {"a": "2", "b": "v"}),
    ]


def test_quotation_marks_are_text_by_default() -> None:
    assert list(read_table(io.StringIO('a\n"x\n'))) == [(2, {"a": '"x'})]


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("id\ttext\n1\ta\n")
    with pytest.raises(XltError, match="there is no column 'txt'") as caught:
        list(read_table(path, columns={"premise": "txt"}))
    assert caught.value.where == f"{path}:1"
    assert caught.value.fix is not None
    assert "did you mean 'text'" in caught.value.fix


def test_columns_by_number_or_name() -> None:
    text = "a\tb\n1\t2\n"
    for columns in ({"id": 1}, {"id": "b"}):
        assert list(read_table(io.StringIO(text), columns=columns)) == [(2, {"a": "1", "id": "2"})]
    with pytest.raises(XltError, match="two columns are called 'a'"):
        list(read_table(io.StringIO("a\tb\ta\n"), columns={"x": "a"}))
    assert list(read_table(io.StringIO(text), columns={"id": 1}, header=False)) == [
        (1, {"0": "a", "id": "b"}),
        (2, {"0": "1", "id": "2"}),
    ]
