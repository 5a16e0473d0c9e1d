"""The square of training and test data: its shares, what is said of them, and what is refused."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from small import xlt
from synthetic import finish, write_study
from test_report_page import Page

from xlt.config.study import load_study
from xlt.errors import XltError
from xlt.evaluation.square import both_ways_table, notes, sentences, square_table
from xlt.evaluation.statistics import paired_difference
from xlt.results import measured
from xlt.runs.cells import study_cells
from xlt.runs.compare import Scored, counts_of
from xlt.runs.square import squares
from xlt.task import make_task

SQUARE = {
    "cells": {"real": {}, "made": {"source": "ind"}},
    "square": {"real": "test", "made": "projected"},
}
TESTS = {"projected": "./tur-test.bio"}


def write(folder, square=SQUARE, tests=TESTS, **config):
    """Two cells, tested on their own kind and on the other's."""
    path = write_study(folder, square, targets=("jav",), sources=("eng", "ind", "tur"), **config)
    whole = json.loads(path.read_text(encoding="utf-8"))
    whole["data"]["jav"]["tests"] = tests
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("square"))
    finish(path, {"real": 0.05, "real@": 0.1, "made": 0.5, "made@": 0.1})
    return path


def test_every_share_is_of_the_model_that_learnt_from_what_is_tested_on(finished):
    (square,) = squares(study_cells(load_study(finished)))
    assert (square["target"], square["real"], square["metric"]) == ("jav", "real", "f1")
    rows = {(row["trained"], row["tested"]): row for row in square["rows"]}
    assert set(rows) == {(a, b) for a in ("real", "made") for b in ("real", "made")}
    for kind in ("real", "made"):
        own = rows[kind, kind]
        assert (own["share"], own["against"], own["low"]) == (1.0, None, None)
        for trained in ("real", "made"):
            row = rows[trained, kind]
            assert row["share"] == pytest.approx(row["mean"] / own["mean"])
    worse = rows["made", "real"]
    assert worse["low"] < worse["share"] < worse["high"] < 1
    assert worse["against"]["sure"]
    assert worse["against"]["difference"] == pytest.approx(
        worse["mean"] - rows["real", "real"]["mean"]
    )
    same = rows["real", "made"]
    assert same["low"] < 1 < same["high"]
    assert not same["against"]["sure"]


def test_the_interval_of_a_share_is_that_of_the_difference_of_logarithms(finished):
    cells = study_cells(load_study(finished))
    (square,) = squares(cells)
    (row,) = (r for r in square["rows"] if (r["trained"], r["tested"]) == ("made", "real"))

    both = [counts_of(cells.finished[n].folder, cells.finished[n].result)["jav", "test"].counts
            for n in ("made", "real")]  # fmt: skip
    task = make_task(load_study(finished).cells["real"].config)
    found = paired_difference(*both, lambda sums: {"log": np.log(task.metrics(sums)["f1"])})["log"]
    middle = np.log(row["share"])
    assert np.log([row["low"], row["high"]]) - middle == pytest.approx(
        np.array([found.low, found.high]) - found.difference
    )


def row(trained, tested, share, **against):
    judged = {"difference": share - 1, "p_adjusted": 0.01, "sure": True, "conclusive": True,
              "over": "seeds and records", **against}  # fmt: skip
    return {"trained": trained, "tested": tested, "mean": 80 * share, "share": share,
            "low": share - 0.1, "high": share + 0.1, "against": judged}  # fmt: skip


OPEN = {"sure": False, "p_adjusted": 0.4}


@pytest.mark.parametrize(
    ("teaches", "alike", "follows"),
    [
        ((0.8, {}), (0.9, OPEN), "real data teach more here; that llm is annotated or written"),
        ((0.8, {}), (0.7, {}), "real data teach more here, and llm is annotated or written"),
        ((0.9, OPEN), (0.7, {}), "that it teaches less is not shown"),
        ((0.8, {}), (1.1, {}), "0): real data teach more here, for test data of llm, too"),
        ((0.9, OPEN), (1.1, {}), "of llm; that they do for those of gold is not shown"),
        ((0.9, OPEN), (0.9, OPEN), "is not shown, nor that it is as good"),
        ((1.2, {}), (0.9, OPEN), "what is learnt from llm is better here"),
        ((0.8, {"sure": False, "conclusive": False}), (0.9, OPEN), "train with more seeds"),
    ],
)  # fmt: skip
def test_what_follows_is_no_more_than_was_shown(teaches, alike, follows):
    square = {
        "target": "jav", "real": "gold", "tests": {"gold": "test", "llm": "llm"}, "metric": "f1",
        "rows": [
            row("llm", "gold", teaches[0], **teaches[1]), row("gold", "llm", alike[0], **alike[1])
        ],
    }  # fmt: skip
    (said,) = sentences(square)
    assert follows in said
    assert f"has {100 * teaches[0]:.0f} % [" in said
    shown = both_ways_table(square).rows
    assert [line[0] for line in shown] == ["llm"]
    assert shown[0][1].startswith(
        f"{100 * teaches[0]:.0f} %" + (" *" if "sure" not in teaches[1] else " [")
    )
    table = square_table(square)
    assert table.header == ("trained on", "tested on gold", "tested on llm")
    assert [line[0] for line in table.rows] == ["llm", "gold"]
    assert notes(square)


def test_the_same_records_are_those_of_one_fingerprint_counted_alike():
    one = Scored("a", [np.zeros((3, 2))])
    assert one.same_records(Scored("a", [np.ones((3, 2))]))
    assert not one.same_records(Scored("b", [np.zeros((3, 2))]))
    assert not one.same_records(Scored("a", [np.zeros((4, 2))]))


def test_a_score_of_nothing_has_no_share(tmp_path):
    path = write(tmp_path, records=4)
    finish(path, {"real": 1.0, "made": 0.1})
    (square,) = squares(study_cells(load_study(path)))
    rows = {(r["trained"], r["tested"]): r for r in square["rows"]}
    assert rows["made", "real"]["share"] is None
    assert "an unknown share" in next(iter(sentences(square)))


def test_the_square_is_printed_and_on_the_page(finished):
    outcome = xlt("study", finished, "--table")
    assert outcome.code == 0, outcome.text
    assert re.search(r"^trained on +tested on real", outcome.out, re.M)
    assert "jav: what is learnt from made has " in outcome.out
    assert xlt("report", finished, "--latex").code == 0
    home = finished.parent / "runs"
    page = Page((home / "toy.html").read_text(encoding="utf-8"))
    assert "Made data beside real ones" in page.words
    assert "jav: what is learnt from one kind of data, tested on another" in page.words
    assert "made data for training, and for testing" in (home / "toy.tex").read_text("utf-8")


def test_without_both_cells_there_is_no_square(tmp_path):
    path = write(tmp_path, records=4)
    finish(path, {}, skip=["made"])
    assert squares(study_cells(load_study(path))) == []


def test_scores_on_further_test_data_are_not_measures_of_a_language(tmp_path):
    path = write(tmp_path, records=4)
    finish(path, {})
    cells = study_cells(load_study(path))
    assert {r["split"] for r in cells.finished["real"].result["summary"]} == {"test", "projected"}
    assert [r["split"] for r in measured(cells.finished["real"].result)] == ["test"]
    only = {"summary": [{"primary": True, "target": "jav", "split": "projected"}]}
    assert measured(only) == []


@pytest.mark.parametrize(
    ("square", "what"),
    [
        ({"real": "test", "maed": "projected"}, "there is no cell called 'maed'"),
        ({"real": "test", "made": "projekted"}, "have no test data called 'projekted'"),
        ({"real": "test"}, "a square has two cells or more"),
        ({"real": "test", "made": "test"}, "a square has two cells or more"),
        ("real", "a mapping is needed"),
    ],
)
def test_a_square_that_is_none_is_refused(tmp_path, square, what):
    path = write(tmp_path, {**SQUARE, "square": square})
    with pytest.raises(XltError, match=what) as caught:
        load_study(path)
    assert caught.value.fix
    assert "study.square" in str(caught.value.where)


@pytest.mark.parametrize("name", ["test", "all", "a/b", ""])
def test_names_that_no_further_test_data_can_have(tmp_path, name):
    path = write(tmp_path, tests={name: "./tur-test.bio"})
    with pytest.raises(XltError, match=r"tests"):
        load_study(path)


def test_a_config_is_dumped_with_further_test_data_only_where_it_has_some(tmp_path):
    path = write(tmp_path)
    cell = load_study(path).cells["real"].config
    assert "tests" not in cell.data["eng"].model_dump(mode="json")
    dumped = cell.data["jav"].model_dump(mode="json")
    assert [one["ref"] for one in dumped["tests"]["projected"]] == [str(tmp_path / "tur-test.bio")]
    assert cell.data["jav"].model_dump(mode="json", include={"all", "train"}).keys() == {
        "all",
        "train",
    }
