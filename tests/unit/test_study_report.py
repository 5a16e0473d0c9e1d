"""The page of several runs: what it says of runs that were made without training, and that it can
be read; and their tables in other formats."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from small import xlt
from synthetic import SECONDS, finish, write_study
from test_report_page import Page

from xlt.commands.study import _table
from xlt.config.study import load_study
from xlt.errors import XltError
from xlt.evaluation.report import Table
from xlt.evaluation.study import conclusions
from xlt.files import write_sealed
from xlt.report import figures, labels
from xlt.report.stages import read_stages
from xlt.report.study import report
from xlt.report.tables import (
    Captioned,
    as_latex,
    by_family,
    cost_table,
    differences,
    every_table,
    grids,
    score_tables,
)
from xlt.results import read_manifest, read_result
from xlt.runs.cells import run_cells, study_cells
from xlt.runs.table import table, tabulate

THROUGH = {"name": "hierarchical", "through": ["spa"], "target_stage": False}
CELLS = ["eng-zero_shot", "eng-hierarchical", "ind-zero_shot", "ind-hierarchical"]


def build(folder):
    """Two sources by two strategies on two targets; the last cell is not finished."""
    path = write_study(
        folder,
        {"matrix": {"source": ["eng", "ind"], "strategy": ["zero_shot", THROUGH]}},
        targets=("tur", "jav"),
        sources=("eng", "ind", "spa"),
    )
    finish(path, {"eng": 0.35, "ind": 0.02, "hier": 0.1}, skip=CELLS[-1:])
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = build(tmp_path_factory.mktemp("report"))
    outcome = xlt("report", path, "--latex", "--markdown", "--csv")
    assert outcome.code == 0, outcome.text
    assert outcome.out.startswith("3 of 4 cells are on the page → ")
    assert outcome.out.endswith("ind-hierarchical is left out: not finished\n")
    return path


@pytest.fixture
def own(tmp_path):
    """The same, to be damaged."""
    return build(tmp_path)


def home(path):
    return path.parent / "runs"


def page(path) -> Page:
    return Page((home(path) / "toy.html").read_text(encoding="utf-8"))


def test_scores_stand_by_source_and_target_a_grid_for_each_strategy(made):
    result = by_family(table(load_study(made)))
    shown = page(made)
    captions = re.findall(r"f1 in percent, by source and target \(strategy (\w+)\)", shown.words)
    assert captions == ["zero_shot", "hierarchical"]
    means = {(r["cell"], r["target"]): r["metrics"]["f1"]["mean"] for r in result["rows"]}
    # Austronesian before Turkic, of targets; of sources before Indo-European.
    heads = [cell for cell in shown.cells if cell in ("source", "jav", "tur")][:3]
    assert heads == ["source", "jav", "tur"]
    row = shown.row("ind", 3)
    for cell, target in zip(row[1:], ("jav", "tur"), strict=True):
        assert cell.startswith(f"{means['ind-zero_shot', target]:.1f} ± ")
    shades = [float(v) for v in re.findall(r"--v:([\d.]+)", _html(made))]
    assert (min(shades), max(shades), len(shades)) == (0, 1, 6)
    assert "jav test: 30 records; tur test: 30 records; 3 seeds" in shown.words


def _html(path):
    return (home(path) / "toy.html").read_text(encoding="utf-8")


def test_each_difference_stands_in_figures_and_is_drawn(made):
    result = by_family(table(load_study(made)))
    shown = page(made)
    row = next(r for r in result["rows"] if (r["cell"], r["target"]) == ("ind-zero_shot", "jav"))
    against = row["against"]
    assert against["sure"]
    written = shown.row("ind-zero_shot", 7)
    assert written[4] == f"{against['difference']:+.1f} *"
    assert written[5] == f"[{against['low']:+.1f}, {against['high']:+.1f}]"
    # The bars are on one axis, and 0 is where the axis says.
    axis = figures.forest_axis(
        [(r["against"]["low"], r["against"]["high"]) for r in result["rows"] if r["against"]]
    )
    text = _html(made)
    assert f'd="M{axis(against["low"])} 7H{axis(against["high"])}' in text
    assert f'class="zero" d="M{axis(0)} 0V14"' in text
    assert text.count('class="zero"') == 4  # two cells, two targets; the baseline has none


def test_what_is_said_of_a_target_is_what_the_table_allows(made):
    cells = study_cells(load_study(made))
    seconds = read_stages(cells.finished).seconds
    shown = page(made)
    found = list(conclusions(by_family(tabulate(cells)), seconds))
    assert [one.place for one in found] == ["jav test", "tur test"]
    for one in found:
        assert shown.row(one.place, 4) == [one.place, one.use, one.cost, one.next]
    best = next(one for one in tabulate(cells)["rows"] if one["cell"] == "ind-zero_shot")
    against = best["against"]
    assert found[0].use.startswith(
        f"take ind-zero_shot (better than eng-zero_shot by {against['difference']:.1f} points "
        f"[{against['low']:.1f}, {against['high']:.1f}], p "
    )
    assert found[0].cost.startswith("ind-zero_shot takes 1.7 min of training a seed, 1.0 times")


def test_stages_are_there_once_and_their_time_counts_for_every_cell(made):
    stages = read_stages(study_cells(load_study(made)).finished)
    assert [stage.name for stage in stages.of_seed(1)] == ["eng", "ind"]
    (after,) = stages.of_seed(1)[0].after.values()
    assert (after.name, after.trained) == ("spa", "spa")
    assert after.ends == {"eng-hierarchical": ["jav", "tur"]}
    assert stages.seconds["eng-zero_shot", "jav"] == SECONDS
    assert stages.seconds["eng-hierarchical", "tur"] == 3 * SECONDS
    assert stages.total == 3 * (SECONDS + SECONDS + 2 * SECONDS)  # seeds; eng, ind, eng → spa
    shown = page(made)
    assert "spa eng-spa-: spa, 3.3 min, kept after 20 steps" in re.sub(r"\s+", " ", shown.words)
    assert "All stages that are known took 20.0 min" in shown.words


def test_labels_of_cells_side_by_side_and_what_was_taken_for_what(made):
    shown = page(made)
    found = [one for one in shown.words.split("\n") if "F1 of each label" in one]
    assert any("jav test, entities" in one for one in found)
    heads = [cell for cell in shown.cells if re.fullmatch(r"(PER|LOC|ORG) \(\d+\)", cell)]
    assert len(heads) == 6  # three labels, two targets
    counts = [int(head.split("(")[1][:-1]) for head in heads[:3]]
    assert counts == sorted(counts, reverse=True)
    assert "ind-zero_shot on jav test, entities" in shown.words
    assert "(nothing)" in shown.cells


def test_the_page_can_be_heard_and_loads_nothing(made):
    text = _html(made)
    shown = Page(text)
    assert shown.named("html") == [{"lang": "en"}]
    assert len(shown.named("caption")) == len(shown.named("table")) > 10
    assert all(one.get("scope") in ("col", "row") for one in shown.named("th"))
    drawn = [one for one in shown.named("svg") if one.get("role") == "img"]
    assert drawn
    assert len(shown.named("svg")) == len(drawn) + 6  # four bars and two axes, in hidden cells
    assert all(one["aria-label"] for one in drawn)
    hidden = [one for one in shown.named("td") if one.get("aria-hidden")]
    assert len(hidden) == 6 + 2  # the drawings of three cells on two targets, and their axes
    assert "default-src 'none'" in text
    assert not re.findall(r"(?:https?:)?//[a-z]", text)
    ids = [attrs["id"] for _, attrs in shown.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {one["href"] for one in shown.named("a")} <= {f"#{id}" for id in ids}


def test_every_number_is_in_the_table_for_a_spreadsheet(made):
    with (home(made) / "toy.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    result = table(load_study(made))
    assert len(rows) == len(result["rows"]) * 3  # metrics
    lines = {(row["cell"], row["target"], row["metric"]): row for row in rows}
    for row in result["rows"]:
        line = lines[row["cell"], row["target"], "f1"]
        assert float(line["mean"]) == row["metrics"]["f1"]["mean"]
        assert (line["records"], line["seeds"]) == ("30", "3")
        if row["against"]:
            assert line["compared_with"] == row["against"]["cell"]
            assert float(line["p_adjusted"]) == row["against"]["p_adjusted"]
            assert float(line["difference_low"]) == row["against"]["low"]
    assert lines["ind-zero_shot", "jav", "f1"]["source"] == "ind"
    assert lines["eng-hierarchical", "jav", "recall"]["strategy"] == "hierarchical"
    assert lines["eng-hierarchical", "jav", "f1"]["seconds"] == "300.0"


def test_tables_for_a_paper(made):
    text = (home(made) / "toy.tex").read_text(encoding="utf-8")
    assert (
        text.count(r"\begin{table}") == text.count(r"\end{table}") == text.count(r"\toprule") == 6
    )
    assert text.startswith("% needs \\usepackage{booktabs}")
    assert r"eng-zero\_shot" in text
    assert re.search(r"ind & \\textbf\{[\d.]+ \$\\pm\$ [\d.]+ \*\} & ", text)
    assert r"\par{\footnotesize 95 \% intervals over seeds and records; * differs from" in text
    for line in text.splitlines():
        bare = re.sub(r"\\[&%$#_{}]", "", line)
        assert bare.startswith("%") or not re.search(r"[_#%]", bare), line
    marked = (home(made) / "toy.md").read_text(encoding="utf-8")
    assert "| ind | **" in marked
    assert marked.startswith("# toy\n\n* jav test: take ind-zero")


def test_a_caption_is_text_for_latex_too():
    assert as_latex([]) == "% needs \\usepackage{booktabs}\n"
    text = as_latex([Captioned("a_b & 5 %", Table(("x",), ()), ["n_m"])])
    assert r"\caption{a\_b \& 5 \%}" in text
    assert r"{\footnotesize n\_m}" in text


def test_what_is_not_there_is_said(own):
    (home(own) / "toy-ind-zero_shot" / "result.json").write_text("{}", encoding="utf-8")
    shutil.rmtree(home(own) / "stages")
    (own.parent / "jav-test.bio").unlink()
    made = report(study_cells(load_study(own)), home(own) / "toy.html")
    assert made["left_out"]["ind-zero_shot"].startswith("the file is damaged")
    shown = page(own)
    assert "ind-hierarchical: not finished" in shown.words
    assert "How long it took is not stored" in shown.words
    assert "Nothing was noted while the stages were trained" in shown.words
    assert re.search(r"eng-zero_shot \(jav test\) has no errors here: .*jav-test\.bio", shown.words)
    assert "tur test, entities: F1 of each label" in shown.words


def test_a_study_with_other_settings_says_which(made):
    outcome = xlt("report", made, "seeds=[1]")
    assert outcome.code == 2
    assert "nothing to report (eng-zero_shot: its run has another config (seeds))" in outcome.err
    assert "name the settings" in outcome.err


def test_data_of_users_are_text(own):
    run = home(own) / "toy-eng-zero_shot"
    manifest = read_manifest(run)
    manifest["data"][0] |= {"reference": "<script>alert(1)</script>", "licence": "<b>none</b>"}
    result = read_result(run)
    result["lineage"]["seed-1/jav"][0]["stage"] = "<img src=x>"
    write_sealed(run / "manifest.json", manifest)
    write_sealed(run / "result.json", result)
    report(study_cells(load_study(own)), home(own) / "toy.html")
    shown = page(own)
    assert len(shown.named("script")) == 1
    assert not shown.named("img")
    assert "<b>none</b>" in shown.words
    assert "<img src=x>" in shown.words


def test_the_source_is_named_that_is_expected_to_be_best_on_text(own):
    """And what that loses, on the page, in the other tables and where the study is printed."""
    for name, expected in (("eng", 30.0), ("ind", 20.0)):
        run = home(own) / f"toy-{name}-zero_shot"
        result = read_result(run)
        result["estimates"] = [
            {"target": target, "expected": expected} for target in ("tur", "jav")
        ]
        write_sealed(run / "result.json", result)
    study = load_study(own)
    made = report(study_cells(study), home(own) / "toy.html", ["markdown"])
    scores = {
        (row["cell"], row["target"]): row["metrics"]["f1"]["mean"] for row in table(study)["rows"]
    }
    lost = scores["ind-zero_shot", "jav"] - scores["eng-zero_shot", "jav"]
    assert lost > 10
    said = f"eng-zero_shot (30.0), regret {lost:.1f}"
    shown = page(own)
    assert "Which source" in shown.words
    assert said in shown.words
    assert 'href="#source"' in (home(own) / "toy.html").read_text(encoding="utf-8")
    marked = Path(made["output"][1]).read_text(encoding="utf-8")
    assert f"| jav | zero_shot | {said} |" in marked
    text = "\n".join(_table(table(study)))
    assert said in text
    assert "mean regret (of so many targets): text without labels" in text


def test_an_older_run_is_shown_as_far_as_it_goes(own):
    """Without lineage, records, intervals or a list of files."""
    run = home(own) / "toy-ind-zero_shot"
    result = read_result(run)
    for key in ("lineage", "files", "notes"):
        del result[key]
    for row in result["rows"]:
        del row["records"]
    for line in result["summary"]:
        for score in line["metrics"].values():
            del score["over"], score["low"], score["high"]
    (run / "result.json").write_text(json.dumps(result), encoding="utf-8")
    made = report(study_cells(load_study(own)), home(own) / "toy.html", ["csv", "latex"])
    assert made["finished"] == 3
    shown = page(own)
    assert "Not stored, since an older xlt made the run: ind-zero_shot." in shown.words
    assert "ind-zero_shot has the highest mean; it is not compared" in shown.words


def test_several_runs_without_a_study(made, tmp_path):
    runs = [home(made) / f"toy-{name}" for name in CELLS[:3]]
    outcome = xlt("--json", "report", *runs, "-o", tmp_path / "page.html")
    assert outcome.code == 0, outcome.text
    said = json.loads(outcome.out)
    assert said == {
        "output": [str(tmp_path / "page.html")], "cells": 3, "finished": 3, "left_out": {}
    }  # fmt: skip
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Differences from toy-eng-zero_shot" in text
    assert str(made.parent) not in text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["{run}", "--csv"], "--csv is for the tables of several runs"),
        (["{study}", "--seed", "1"], "--seed is for the page of one run"),
        (["{run}", "{run}", "--target", "jav"], "--target is for the page of one run"),
        (["{study}", "{run}"], "a study has its own runs"),
        (["{run}", "seeds=[1]"], "'seeds=[1]' is a setting, and these are no study"),
        (["{run}", "{run}/no"], "there is no such folder"),
        (["{study}", "-o", "{run}/result.json"], "a file of the input"),
    ],
)
def test_what_cannot_be_asked(made, arguments, complaint):
    run = home(made) / "toy-eng-zero_shot"
    before = (run / "result.json").read_bytes()
    outcome = xlt("report", *(one.format(run=run, study=made) for one in arguments))
    assert outcome.code == 2
    assert complaint in outcome.err
    assert "  fix: " in outcome.err
    assert (run / "result.json").read_bytes() == before


def test_predictions_are_read_as_long_as_there_is_time(made, monkeypatch):
    """The best cell of each target and the baseline come first."""
    monkeypatch.setattr(labels, "MAX_RECORDS", 100)  # four times 30 records
    cells = study_cells(load_study(made))
    result = tabulate(cells)
    found = labels.read_labels(cells, result)
    assert found.unread == 2
    read = re.findall(r"<bdi>(\S+) on (\w+) test, entities</bdi>", "".join(found.confusions))
    assert set(read) == {(c, t) for c in ("ind-zero_shot", "eng-zero_shot") for t in ("jav", "tur")}


def test_a_page_without_room_leaves_confusions_out(made, monkeypatch, tmp_path):
    cells = study_cells(load_study(made))
    report(cells, tmp_path / "a.html")
    size = (tmp_path / "a.html").stat().st_size
    monkeypatch.setattr("xlt.report.study.MAX_BYTES", size - 300)
    report(cells, tmp_path / "a.html")
    assert (tmp_path / "a.html").stat().st_size < size
    assert "The page has no room for 1 more of these" in (tmp_path / "a.html").read_text("utf-8")


# Shapes ------------------------------------------------------------------------------------------


def shaped(factors, targets=("jav",)):
    cells = list(next(iter(factors.values()))) if factors else ["a"]
    metrics = {"f1": {"mean": 50.0, "sd": None, "seeds": 1}}
    rows = [
        {"cell": c, "target": t, "split": "test", "records": 9, "metrics": metrics, "against": None}
        for t in targets
        for c in cells
    ]
    found = {"factors": factors, "rows": rows, "metric": "f1", "baseline": {}}
    return {**found, "squares": [], "sources": []}


def test_grids_are_few_and_full():
    crossed = {
        "source": dict(zip("abcd", ("eng", "eng", "ind", "ind"), strict=True)),
        "strategy": dict(zip("abcd", ("x", "y", "x", "y"), strict=True)),
    }
    assert [(one.by, one.of, list(one.cells)) for one in grids(shaped(crossed))] == [
        ("source", "strategy x", ["a", "c"]),
        ("source", "strategy y", ["b", "d"]),
    ]
    # Source and strategy go together: nothing would stand beside anything.
    together = {
        "source": {"a": "eng", "b": "ind", "c": "spa"},
        "strategy": dict(zip("abc", "xyz", strict=True)),
    }
    assert [one.by for one in grids(shaped(together))] == ["cell"]
    assert [one.by for one in grids(shaped({}))] == ["cell"]
    only = {"strategy": {"a": "x", "b": "y"}}
    assert [one.by for one in grids(shaped(only))] == ["strategy"]


def test_two_runs_that_differ_in_nothing_keep_their_lines():
    result = shaped({"source": {"a": "eng", "b": "eng", "c": "ind"}})
    assert [one.by for one in grids(result)] == ["cell"]
    (one,) = score_tables(result)
    assert [row[0] for row in one.table.rows] == ["a", "b", "c"]


def test_records_and_seeds_have_columns_where_they_differ():
    result = shaped({"source": {"a": "eng", "b": "ind"}})
    result["rows"][1] = {**result["rows"][1], "records": 8}
    (one,) = differences(result).values()
    assert one.caption.endswith("in points (1 seed)")
    assert one.table.header == (
        "cell", "source", "records", "f1", "difference", "95 % interval", "p",
    )  # fmt: skip
    assert one.table.numeric == {2, 3, 4, 5, 6}
    assert one.table.best == {(0, 3), (1, 3)}  # they are equal
    result["rows"][1]["metrics"] = {"f1": {"mean": 51.0, "sd": None, "seeds": 2}}
    (one,) = differences(result).values()
    assert one.caption.endswith("in points")
    assert one.table.rows[0][:5] == ("b", "ind", "8", "2", "51.0")
    assert one.table.best == {(0, 4)}
    (single,) = differences({**result, "rows": result["rows"][:1]}).values()
    assert not single.table.best


def test_what_it_cost_stands_beside_the_score():
    result = shaped({"source": {"a": "eng", "b": "ind"}})
    table = cost_table(result, {("a", "jav"): 1234.5})
    assert table.rows == (("jav", "test", "a", "1,234.5", "50.0"),)
    assert table.numeric == {3, 4}
    assert cost_table(result, {}) is None
    captions = [one.caption for one in every_table(result, {}, None)]
    assert "Training time and score" not in captions
    captions = [one.caption for one in every_table(result, {("a", "jav"): 1.0}, None)]
    assert captions[-1] == "Training time and score"


# Figures -----------------------------------------------------------------------------------------


def scored(group, mean, low=None, high=None, place="jav test"):
    return figures.Score(place, group, "", mean, low, high)


def test_a_lane_with_one_point_has_its_interval():
    plot = figures.lanes([scored("x", 50, 40, 60), scored("y", 55, 0, 99), scored("y", 45, 1, 98)])
    first, *rest = plot.points
    assert (plot.x(40), plot.x(60)) == (first.low, first.high)
    assert all(one.low is None for one in rest)
    assert (plot.x.low, plot.x.high) == (40, 60)  # hidden intervals take no room
    assert len({one.y for one in rest}) == 1 != first.y


def test_axes():
    axis = figures.linear([0, 10], 0, 100)
    assert (axis(0), axis(5), axis(10)) == (0, 50, 100)
    times = figures.logarithmic([10, 1000], 0, 100)
    assert times(100) == pytest.approx(50, abs=0.1)
    assert [text for _, text in times.marks] == ["10.0 s", "16.7 min"]
    assert figures.forest_axis([(2, 3)]).low <= 0
    same = figures.cost([(5.0, scored("x", 50)), (5.0, scored("x", 50))])
    assert len({(one.x, one.y) for one in same.points}) == 1


def test_nothing_finished_is_an_error(tmp_path):
    path = write_study(tmp_path, {"matrix": {"source": ["eng", "ind"]}})
    with pytest.raises(XltError, match=r"no cell is finished.*eng: not finished"):
        report(study_cells(load_study(path)), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_run_without_scores_gives_no_page(own):
    run = home(own) / "toy-eng-zero_shot"
    result = read_result(run) | {"rows": [], "summary": []}
    write_sealed(run / "result.json", result)
    with pytest.raises(XltError, match="the runs have no scores"):
        report(run_cells([run]), own.parent / "page.html")
