"""JSON Lines: any value round-trips; malformed lines are named."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.data.jsonl import load_json, read_json_array, read_jsonl, write_json_array, write_jsonl
from xlt.data.table import write_table
from xlt.errors import XltError

_CHARACTERS = st.characters(codec="utf-8", min_codepoint=1)
_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(_CHARACTERS),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(_CHARACTERS), inner),
    max_leaves=5,
)


@settings(max_examples=40)
@given(st.lists(st.dictionaries(st.text(_CHARACTERS), _VALUE), min_size=1, max_size=4))
def test_round_trip(records: list[dict[str, Any]]) -> None:
    stream = io.StringIO(newline="")
    write_jsonl(records, stream)
    back = list(read_jsonl(io.StringIO(stream.getvalue(), newline="\n")))
    assert back == list(enumerate(records, 1))


def test_scripts_are_written_as_they_are() -> None:
    stream = io.StringIO()
    write_jsonl([{"w": "한국 \u2028"}], stream)
    assert stream.getvalue() == '{"w": "한국 \u2028"}\n'


def test_columns_and_empty_lines() -> None:
    stream = io.StringIO('\n{"tokens": ["a"], "n": 1}\n')
    assert list(read_jsonl(stream, required=["words"], columns={"words": "tokens"})) == [
        (2, {"words": ["a"], "n": 1})
    ]


@pytest.mark.parametrize(
    ("text", "line", "what", "fix"),
    [
        ('{"a": 1}\n{"a"\n', 2, "not JSON: Expecting ':' delimiter at column 5", "complete JSON"),
        ("[1]\n", 1, "a JSON list where an object was expected", "one JSON object"),
        ('{"word": 1}\n', 1, "the field 'words' is missing", "did you mean 'word'?"),
        ("[" * 100_000 + "\n", 1, "nested too deeply", "as the format"),
        ('{"a":' * 101 + "1" + "}" * 101 + "\n", 1, "more than 100 levels", "as the format"),
        ('{"a": [{"b": 1, "c": 2, "b": 3}]}\n', 1, "the key 'b' is there twice", "complete JSON"),
        ('{"a": NaN}\n', 1, "NaN is no JSON value", "complete JSON"),
        ('{"a": [-Infinity]}\n', 1, "-Infinity is no JSON value", "complete JSON"),
        ("1" * 5000 + "\n", 1, "not JSON: Exceeds the limit", "complete JSON"),
        ("", None, "the file is empty", "check where"),
        ("\n\n", None, "there is no record", "check where"),
    ],
)
def test_malformed(tmp_path: Path, text: str, line: int | None, what: str, fix: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(XltError) as caught:
        list(read_jsonl(path, required=["words"] if "word" in text else ()))
    assert what in caught.value.what
    assert caught.value.where == (f"{path}:{line}" if line else str(path))
    assert fix in str(caught.value.fix)


def test_all_problems_are_collected() -> None:
    problems: list[XltError] = []
    assert len(list(read_jsonl(io.StringIO("x\n{}\n1\n"), problems=problems))) == 1
    assert len(problems) == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (r'{"id": "1", "words": ["Amara", "\ud83d"]}', "U+D83D"),
        (r'{"a": {"b": ["x", {"c": "a \uDE00 b"}]}}', "U+DE00"),
        (r'{"\udbff": 1}', "U+DBFF"),
        (r'{"a": "\ude00\ud83d"}', "U+DE00"),
        (r'{"a": "\ud83d\ude00\ud83d"}', "U+D83D"),
        (r'{"a": "\\\ud83d"}', "U+D83D"),
        (r'{"a": "\ud83d\\ude00"}', "U+D83D"),
    ],
)
def test_half_of_a_surrogate_pair(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("{}\n" + text + "\n")
    array = tmp_path / "a.json"
    array.write_text("[{},\n" + text + "\n]")
    for read, at in ((read_jsonl, path), (read_json_array, array)):
        with pytest.raises(XltError, match=r"half of a surrogate pair") as caught:
            list(read(at))
        assert code in caught.value.what
        assert caught.value.where == f"{at}:2"
        assert caught.value.fix == r"write both halves, as in \ud83d\ude00, or \ufffd in its place"
    assert [number for number, _ in read_jsonl(path, problems=[])] == [1]


@pytest.mark.parametrize(
    "text", [r"\ud83d\ude00", r"\\ud83d", r"\\\\ude00", r"\ufffd", "\U0001f600", r"\\u0000"]
)
def test_whole_pairs_and_escaped_backslashes_are_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(f'["{text}"]', encoding="utf-8")
    (value,) = load_json(tmp_path / "a.json", fix="")
    assert value == json.loads(f'"{text}"')


@pytest.mark.parametrize("text", [r"\u0000", r"a\\\u0000", r"\\\\\u0000"])
def test_nul_is_neither_read_nor_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(f'\n["{text}"]', encoding="utf-8")
    with pytest.raises(XltError, match=r"NUL") as caught:
        load_json(tmp_path / "a.json", fix="")
    assert caught.value.where == f"{tmp_path / 'a.json'}:2"
    with pytest.raises(XltError, match="NUL"):
        write_jsonl([{"a": json.loads(f'"{text}"')}], io.StringIO())


def test_a_hundred_levels_are_read() -> None:
    text = '{"a":' * 100 + "1" + "}" * 100
    ((_, value),) = read_jsonl(io.StringIO(text))
    assert value == json.loads(text)


@pytest.mark.parametrize("write", [write_jsonl, write_json_array])
@pytest.mark.parametrize("record", [{"id": "7", "w": ["a", "\ud83d"]}, {"\ude00": 1, "id": "7"}])
def test_half_of_a_pair_is_not_written(write: Any, record: dict[str, Any]) -> None:
    with pytest.raises(XltError, match="half of a surrogate pair") as caught:
        write([record], io.StringIO())
    assert caught.value.where == "record '7'"


@given(st.lists(st.dictionaries(st.text(_CHARACTERS), _VALUE), max_size=3))
def test_arrays_round_trip(records: list[dict[str, Any]]) -> None:
    stream = io.StringIO(newline="")
    write_json_array(records, stream)
    back = list(read_json_array(io.StringIO(stream.getvalue(), newline="\n")))
    assert back == list(enumerate(records, 1))


@pytest.mark.parametrize("table", [False, True])
def test_nothing_is_written_where_there_is_nothing(table: bool) -> None:
    """Standard output would have the beginning of something."""

    def failing() -> Iterator[dict[str, str]]:
        raise XltError("the input is empty")
        yield {}

    stream = io.StringIO()
    with pytest.raises(XltError, match="is empty"):
        write_table(failing(), stream, ["id"]) if table else write_json_array(failing(), stream)
    assert not stream.getvalue()


def test_a_column_that_no_record_has(tmp_path):
    path = tmp_path / "a"
    path.write_text('{"a": 1}\n{"b": 2}\n')
    assert list(read_jsonl(path, columns={"x": "b"})) == [(1, {"a": 1}), (2, {"x": 2})]
    with pytest.raises(XltError, match="no record has the field 'c'"):
        list(read_jsonl(path, columns={"x": "c"}))
    path.write_text('[{"a": 1}]')
    with pytest.raises(XltError, match="no record has the field 'c'"):
        list(read_json_array(path, columns={"x": "c"}))
