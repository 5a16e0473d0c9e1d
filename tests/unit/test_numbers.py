"""Numbers in files: ASCII, of a length that means something, and read in no more than one way."""

from __future__ import annotations

import time

import pytest

from xlt.data.numbers import decimal, integer, whole
from xlt.errors import XltError

NONE = ["", " ", "x", "-1", "+1", "1 ", "٣", "３", "²", "6_0", "0x1", "1.5", "9" * 16, "9" * 5000]


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("007", 7), ("9" * 15, 10**15 - 1)])
def test_whole(text, value):
    assert whole(text) == value


@pytest.mark.parametrize("text", NONE)
def test_no_whole_number(text):
    assert whole(text) is None


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1.0), ("-1.50", -1.5), (".5", 0.5), ("5.", 5.0), ("2e-3", 0.002)]
)
def test_decimal(text, value):
    assert decimal(text) == value


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1,5", "6_0", "٣.٥", "nan", "inf", "-Infinity", "1e400", "1e9999", "0x1", "1.2.3"],
)
def test_no_decimal(text):
    assert decimal(text) is None


def test_a_long_text_is_read_once():
    started = time.perf_counter()
    assert decimal("1" * 1_000_000 + "x") is None
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("value", [40, 40.0, "40", " 40.00 ", "+40"])
def test_integer(value):
    assert integer(value, "it", where="a:1") == 40


@pytest.mark.parametrize(
    "value", [None, True, 4.5, float("nan"), float("inf"), 10**15, "9" * 5000, "٤٠", "4_0", [], "x"]
)
def test_no_integer(value):
    with pytest.raises(XltError, match=r"a:1: it is .*, not a whole number"):
        integer(value, "it", where="a:1")
