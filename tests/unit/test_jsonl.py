"""JSON Lines: any value round-trips; malformed lines are named."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.data.jsonl import read_jsonl, write_jsonl
from xlt.errors import XltError

_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(st.text(st.characters(codec="utf-8")), _VALUE), min_size=1))
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
