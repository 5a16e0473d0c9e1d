"""Bad values on the command line are refused, by every command."""

from __future__ import annotations

import os

import pytest

from bad_inputs import runner
from bad_inputs.case import Accepted, Case, unique
from bad_inputs.option_cases import CALLS, arguments, case, cases, commands, parameters

CASES = unique(cases())
EVERY = 1 if os.environ.get("XLT_ALL_BAD_INPUTS") else 12
"""Of so many cases one is run: all take minutes."""
LONG = ("train", "study", "serve")
"""Calls that are not made: they train (`plan` reads what they read), or end when they are told to
(and none is at an address that is for documentation alone)."""


@pytest.mark.parametrize("case", CASES[::EVERY], ids=str)
def test_option(case: Case, tmp_path):
    runner.check(case, tmp_path)


@pytest.mark.parametrize("name", sorted(CALLS.keys() - LONG))
def test_without_it_the_call_works(name: str, tmp_path):
    """Else a refusal would say nothing about the value."""
    line = arguments(name, dict(commands())[name], CALLS[name])
    runner.check(case(name, "works", line, Accepted()), tmp_path)


def test_every_command_has_a_call():
    wanted = {name for name, command in commands() if parameters(command)}
    assert wanted == CALLS.keys()


def test_how_many_there_are():
    assert len(CASES) > 1000
