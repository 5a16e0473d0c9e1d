"""Aligners: what goes in and comes out, and files of links."""

from __future__ import annotations

from pathlib import Path

import pytest

from xlt.errors import XltError
from xlt.projection.align.given import Given, GivenOptions, parse

PAIRS = [(["a", "b"], ["x"]), ([], ["y"]), (["c"], ["z", "w"])]


def given(tmp_path: Path, content: str, **options: bool) -> Given:
    (tmp_path / "links").write_text(content, encoding="utf-8")
    return Given(GivenOptions(file=str(tmp_path / "links"), **options))


def test_given_links(tmp_path: Path) -> None:
    found = list(given(tmp_path, "0-0 1-0:0.25\n\n0p1\n").stream(PAIRS, "eng", "spa"))
    assert found == [{(0, 0): 1.0, (1, 0): 0.25}, {}, {(0, 1): 0.5}]
    turned = given(tmp_path, "0-1\n\n1-0\n", reverse=True)
    assert list(turned.stream(PAIRS, "eng", "spa")) == [{(1, 0): 1.0}, {}, {(0, 1): 1.0}]


@pytest.mark.parametrize(
    ("content", "what", "line"),
    [
        ("0-0\n\n0-2\n", "target has 2 words", 3),
        ("2-0\n\n0-1\n", "source has 2 words", 1),
        ("0-0\n0-0\n0-1\n", "source has 0 words", 2),
        ("0-0\n\n0_1\n", "'0_1' is no link", 3),
        ("0-0\n\n0-1:1.5\n", "between 0 and 1", 3),
        ("0-0\n\n", "2 lines, but there is a pair number 3", 3),
        ("0-0\n\n0-1\n\n", "only 3 pairs", 4),
    ],
)
def test_bad_links_are_found_with_their_line(
    tmp_path: Path, content: str, what: str, line: int
) -> None:
    with pytest.raises(XltError, match=what) as error:
        given(tmp_path, content).align(PAIRS, "eng", "spa")
    assert error.value.where == f"{tmp_path / 'links'}:{line}"
    assert error.value.fix


def test_parse_says_where() -> None:
    assert parse("", where="x:1") == {}
    with pytest.raises(XltError, match="x:1"):
        parse("0-0 -1-2", where="x:1")
