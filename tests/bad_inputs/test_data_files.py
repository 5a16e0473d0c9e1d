"""Bad data files are refused with a place or read with a meaning, by every command."""

from __future__ import annotations

import os

import pytest

from bad_inputs import runner
from bad_inputs.case import Case, unique
from bad_inputs.data_cases import data_cases
from bad_inputs.other_cases import other_cases

DATA = unique(data_cases())
OTHERS = unique(other_cases())
EVERY = 1 if os.environ.get("XLT_ALL_BAD_INPUTS") else 60
"""Of the data files' cases so many stand for one: all take minutes. Each format has all kinds
(CSV has none of single cells)."""


@pytest.mark.parametrize("case", DATA[::EVERY], ids=str)
def test_data(case: Case, tmp_path):
    runner.check(case, tmp_path)


@pytest.mark.parametrize("case", OTHERS[:: 1 if EVERY == 1 else 3], ids=str)
def test_others(case: Case, tmp_path):
    runner.check(case, tmp_path)


def test_how_many_there_are():
    assert len(DATA) > 8000
    assert len(OTHERS) > 700
