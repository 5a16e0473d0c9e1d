"""Errors keep, at another place, what a programmer wants to see of them."""

from __future__ import annotations

import traceback

import pytest

from xlt.config.load import load_config
from xlt.errors import XltError, XltErrors, first_line


def caused(text: str) -> XltError:
    try:
        try:
            raise ValueError(text)
        except ValueError as error:
            raise XltError("no number", where="training.epochs", fix="write one") from error
    except XltError as error:
        return error


def lines(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def test_an_error_at_another_place_keeps_its_cause_and_where_it_was_raised():
    placed = caused("the cause").at("a.yaml:3")
    assert placed.render() == "a.yaml:3: no number\n  fix: write one"
    assert "ValueError: the cause" in lines(placed)
    assert "in caused" in lines(placed)


def test_of_several_errors_each_is_placed_and_keeps_its_cause():
    several = XltErrors([caused("one"), XltError("odd")])
    placed = several.placed(lambda one: "there" if one.where is None else one.where)
    assert isinstance(placed, XltErrors)
    assert [one.where for one in placed.problems] == ["training.epochs", "there"]
    assert "ValueError: one" in lines(placed.problems[0])


def test_a_config_says_the_line_and_keeps_the_cause(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("name: a\ntask: ner\ndata: {}\ntarget: jav\ntraining: {epochs: 3}\n")
    located = load_config(path).locate(caused("the cause"))
    assert located.where == f"{path}:5 (training.epochs)"
    assert "ValueError: the cause" in lines(located)


@pytest.mark.parametrize(
    ("message", "first"), [("\n a \nb", "a"), ("", "ValueError"), (" \n", "ValueError")]
)
def test_the_first_line_of_another_librarys_message(message, first):
    assert first_line(ValueError(message)) == first
