"""Spans are where their file says, or it is said that and how they were moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.data.offsets import SpanLocator, integer
from xlt.errors import XltError


@pytest.mark.parametrize("value", [40, 40.0, "40", " 40\n", "40.0", "+40"])
def test_numbers(value: object) -> None:
    number = integer(value, "the start", where="a:1")
    assert (number, type(number)) == (40, int)


@pytest.mark.parametrize(
    "value", [True, False, None, 40.5, float("nan"), float("inf"), "", "4o", "4_0", "٤٠", [40]]
)
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(XltError, match=r"the start is .*, not a whole number") as error:
        integer(value, "the start", where="a:1")
    assert error.value.where == "a:1"


def located(text: str, start: object, surface: str) -> tuple[str, int, str]:
    locate = SpanLocator("file", "answer", "context")
    return (*locate(text, start, surface, where="file:1"), locate.report())


@pytest.mark.parametrize(
    ("text", "start", "surface", "place", "how"),
    [
        ("ab", 3, "ab ab ab", 3, ""),
        ("ab", 4, "ab ab ab", 3, "nearest occurrence"),
        ("ab", 99, "ab ab ab", 6, "nearest occurrence"),
        ("ab", 2, "x ab y", 2, ""),
        ("ab", 9, "x ab y", 2, "only occurrence"),
        ("ab", None, "x ab y", 2, ""),
        ("ab", -1, "x ab y", 2, ""),
        ("ab", None, "x ab ab", 2, "1 of 1 answer without a start"),
        ("ab", -1, "x ab ab", 2, "1 of 1 answer without a start"),
        # Stray white space, whether or not the text has it too and the start counts it.
        (" ab", 2, "ab ab ab", 3, "stray white space"),
        (" ab", 3, "ab ab ab", 3, "stray white space"),
        ("\u00a0ab ", 2, "ab ab ab", 3, "stray white space"),
        ("ab\n", 3, "ab ab ab", 3, "stray white space"),
        # 🙂 is one character, two code units, four bytes; ع two bytes.
        ("ab", 6, "ab 🙂 ab", 5, "UTF-16"),
        ("ab", 8, "ab 🙂 ab", 5, "UTF-8"),
        (" ab", 7, "ab 🙂 ab", 5, "UTF-8"),
        ("ab", 7, "ab ععab", 5, "UTF-8"),
        ("ab", 4, "ab 🙂 ab", 5, "nearest occurrence"),  # within the emoji's code units
        ("ab", 4, "ab \ud800ab", 4, ""),
    ],
)
def test_places(text: str, start: object, surface: str, place: int, how: str) -> None:
    span, at, report = located(text, start, surface)
    assert (span, at) == ("ab", place)
    assert how in report
    assert bool(how) == bool(report)


def test_what_is_not_there() -> None:
    with pytest.raises(XltError, match="the answer 'b' is not in the context") as error:
        located("b", 0, "aa")
    assert error.value.where == "file:1"


@given(
    st.text("ab 🙂ع\u0301", min_size=1).filter(str.strip),
    st.text("ab 🙂ع\u0301"),
    st.text("ab 🙂ع\u0301"),
)
def test_a_right_start_is_never_moved(span: str, before: str, after: str) -> None:
    span = span.strip()
    assert located(span, len(before), before + span + after) == (span, len(before), "")


@pytest.mark.parametrize(("encoding", "width"), [("utf-16-le", 2), ("utf-8", 1)])
@given(st.text("ab 🙂ع\u0301"), st.text("ab 🙂ع\u0301"))
def test_starts_in_code_units(encoding: str, width: int, before: str, after: str) -> None:
    units = len(before.encode(encoding)) // width
    surface = f"{before}xyz{after}"
    span, at, _ = located("xyz", units, surface)
    assert (span, at) == ("xyz", len(before))


def test_a_file_without_moves_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with SpanLocator("file", "answer", "context") as locate:
        locate("ab", 0, "ab", where="file:1")
    assert not caplog.messages
