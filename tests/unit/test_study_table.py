"""The table of a study: its matrix, baselines by target, comparisons of two factors, sentences."""

from __future__ import annotations

import re

import numpy as np
import pytest
from small import xlt
from synthetic import finish, write_study

from xlt.commands.study import _table
from xlt.config.study import load_study
from xlt.errors import XltError
from xlt.evaluation.report import Table
from xlt.evaluation.statistics import holm, paired_difference
from xlt.evaluation.study import conclusions, matrix, study_table
from xlt.runs.cells import run_cells, study_cells
from xlt.runs.compare import compare
from xlt.runs.table import table, tabulate

RATES = {"eng": 0.3, "ind": 0.02, "joint": 0.15}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A study of two sources and two targets, which differ much."""
    path = write_study(tmp_path_factory.mktemp("sources"), {"matrix": {"source": ["eng", "ind"]}})
    finish(path, RATES)
    return path


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    """Sources by strategies. `joint` is given a temperature, which is no factor of its own."""
    path = write_study(
        tmp_path_factory.mktemp("crossed"),
        {
            "matrix": {
                "source": [["eng", "ind"], ["ind", "eng"]],
                "strategy": ["in_language", {"name": "joint", "temperature": 2}],
            }
        },
        data_seed=3,
        targets=("ind", "eng"),
    )
    finish(path, RATES)
    return path


def test_sources_by_targets_are_printed_as_a_matrix(sources):
    found = table(load_study(sources))
    assert set(found["factors"]) == {"source"}
    text = "\n".join(_table(found))
    assert re.search(r"^source +jav +tur$", text, re.M)
    means = {
        (row["cell"], row["target"]): f"{row['metrics']['f1']['mean']:.1f}" for row in found["rows"]
    }
    for cell in ("eng", "ind"):
        line = re.search(rf"^{cell} .*$", text, re.M)
        assert line is not None
        assert re.findall(r"[\d.]+(?= ±)", line[0]) == [means[cell, "jav"], means[cell, "tur"]]
    assert text.count(" *") == 2 + 1  # both targets, and the line that explains it
    assert "* differs from eng for sure" in text
    bold = matrix(found, "source").best
    assert bold == {(1, 1), (1, 2)}


def test_a_table_of_one_target_is_no_matrix(tmp_path):
    path = write_study(tmp_path, {"matrix": {"source": ["eng", "ind"]}}, targets=("jav",))
    finish(path, RATES)
    text = "\n".join(_table(table(load_study(path))))
    assert re.search(r"^target +split +cell ", text, re.M)


def test_cells_that_differ_in_no_factor_have_a_line_each(tmp_path):
    """As two that are scored in other ways: a matrix would show the last one alone."""
    cells = {
        "eng": None,
        "again": {"evaluation": {"batch_tokens": 4096}},
        "ind": {"source": "ind"},
    }
    path = write_study(tmp_path, {"cells": cells})
    finish(path, RATES)
    found = table(load_study(path))
    assert set(found["factors"]) == {"source"}
    text = "\n".join(_table(found))
    for target in ("jav", "tur"):
        assert re.findall(rf"^{target} +test +(\w+)", text, re.M) == [*cells]


@pytest.mark.parametrize(
    ("arguments", "where", "other"),
    [
        (["--table", "--on", "nonsense"], "--on", "--table"),
        (["--compare", "eng", "ind", "--on", "local:2"], "--on", "--compare"),
        (["--table", "--overwrite"], "--overwrite", "--table"),
        (["--compare", "eng", "ind", "--reuse"], "--reuse", "--compare"),
    ],
)
def test_what_only_a_run_obeys_is_not_said_to_a_table(sources, arguments, where, other):
    done = xlt("study", sources, *arguments)
    assert done.code == 2
    assert done.out == ""
    assert f"{where}: {where} and {other} exclude each other" in done.err
    assert f"leave {other} out to run the study, {where} to see" in done.err


def test_differences_are_those_of_xlt_compare_to_the_last_bit(sources):
    found = table(load_study(sources))
    runs = sources.parent / "runs"
    same = compare(runs / "toy-ind", runs / "toy-eng", metric="f1")["rows"]
    rows = {row["target"]: row["against"] for row in found["rows"] if row["cell"] == "ind"}
    for one in same:
        ours = rows[one["target"]]
        assert ours["cell"] == "eng"
        assert {key: ours[key] for key in ours if key != "cell"} == {
            key: one[key] for key in ours if key != "cell"
        }
    assert [row["records"] for row in found["rows"]] == [30] * 4


def test_each_target_has_its_own_baseline(tmp_path):
    path = write_study(
        tmp_path, {"matrix": {"source": ["eng", "ind"]}, "baseline": {"Javanese": "ind"}}
    )
    finish(path, RATES)
    found = table(load_study(path))
    assert found["baseline"] == {"jav": "ind", "tur": "eng"}
    against = {
        (row["cell"], row["target"]): row["against"] and row["against"]["cell"]
        for row in found["rows"]
    }
    assert against == {
        ("eng", "jav"): "ind", ("ind", "jav"): None, ("eng", "tur"): None, ("ind", "tur"): "eng",
    }  # fmt: skip
    text = "\n".join(_table(found))
    assert "differs from baseline for sure" in text
    assert "compared: jav with ind, tur with eng" in text
    assert "jav test: no cell has a higher mean than ind; 1 of 1 are shown to be worse" in text


def test_by_default_the_first_cell_that_has_the_target(tmp_path):
    """Where targets are an axis, no cell has them all."""
    matrix = {"source": ["eng", "ind"], "target": ["jav", "tur"]}
    path = write_study(tmp_path, {"matrix": matrix})
    assert load_study(path).baselines == {"jav": "eng-jav", "tur": "eng-tur"}
    path = write_study(tmp_path, {"matrix": matrix, "baseline": "ind-jav"})
    assert load_study(path).baselines == {"jav": "ind-jav", "tur": "eng-tur"}
    finish(path, RATES)
    found = table(load_study(path))
    assert set(found["factors"]) == {"source"}
    rows = {row["cell"]: row["against"] and row["against"]["cell"] for row in found["rows"]}
    assert rows == {
        "eng-jav": "ind-jav", "ind-jav": None, "eng-tur": None, "ind-tur": "eng-tur"
    }  # fmt: skip
    assert re.search(r"^source +jav +tur$", "\n".join(_table(found)), re.M)


@pytest.mark.parametrize(
    ("baseline", "complaint"),
    [
        ({"jav": "no"}, r"study\.baseline\.jav\): there is no cell called 'no'"),
        ({"jav": ["eng"]}, r"study\.baseline\.jav\): must be the name of a cell"),
        ({"klingonish": "eng"}, r"study\.baseline\.klingonish\): unknown language"),
        ({"fin": "eng"}, r"study\.baseline\.fin\): no cell has the target fin"),
    ],
)
def test_what_is_no_baseline(tmp_path, baseline, complaint):
    study = {"matrix": {"source": ["eng", "ind"]}, "baseline": baseline}
    with pytest.raises(XltError) as error:
        load_study(write_study(tmp_path, study))
    assert re.search(complaint, error.value.render())


def test_a_baseline_has_the_target(tmp_path):
    cells = {"a": {"target": "jav"}, "b": {"target": "tur"}}
    study = {"cells": cells, "baseline": {"jav": "b"}}
    with pytest.raises(XltError, match="b is not run on jav"):
        load_study(write_study(tmp_path, study))


def test_values_of_a_factor_are_compared_all_else_being_equal(crossed):
    found = table(load_study(crossed), ("joint", "in_language"))
    assert set(found["factors"]) == {"source", "strategy"}
    pairs = {
        (row["cell"], row["against"]["cell"]) for row in found["rows"] if row["against"] is not None
    }
    assert pairs == {
        ("eng+ind-joint", "eng+ind-in_language"),
        ("ind+eng-joint", "ind+eng-in_language"),
    }
    against = [row["against"] for row in found["rows"] if row["against"]]
    assert len(against) == 4  # two pairs on two targets
    assert [one["p_adjusted"] for one in against] == holm([one["p"] for one in against])


def test_two_cells_are_compared_and_no_others_shown(crossed):
    outcome = xlt("study", crossed, "--compare", "ind+eng-joint", "eng+ind-in_language")
    assert outcome.code == 0, outcome.text
    assert "against eng+ind-in_language" in outcome.out
    shown = re.findall(r"^(?:eng|ind) +test +(\S+)", outcome.out, re.M)
    assert sorted(set(shown)) == ["eng+ind-in_language", "ind+eng-joint"]


@pytest.mark.parametrize(
    ("pair", "complaint"),
    [
        (("joint", "no-such"), "no finished cell is called 'no-such'"),
        (("joint", "eng+ind"), "differ in joint and eng+ind alone"),
    ],
)
def test_what_cannot_be_compared(crossed, pair, complaint):
    with pytest.raises(XltError) as error:
        table(load_study(crossed), pair)
    assert complaint in error.value.what
    assert error.value.where == "--compare"


def test_runs_are_cells_without_a_study(sources, tmp_path, caplog):
    runs = sources.parent / "runs"
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "config.yaml").write_bytes((runs / "toy-ind" / "config.yaml").read_bytes())
    cells = run_cells([runs / "toy-ind", begun, runs / "toy-eng"])
    assert list(cells.finished) == ["toy-ind", "toy-eng"]
    assert cells.baselines == {"jav": "toy-ind", "tur": "toy-ind"}
    found = tabulate(cells)
    assert found["left_out"] == {"begun": "this run is not finished"}
    assert "begun is left out" in caplog.text
    assert found["factors"] == {"source": {"toy-ind": "ind", "toy-eng": "eng"}}
    with pytest.raises(XltError, match="none of these is a finished run"):
        run_cells([begun])
    with pytest.raises(XltError, match="not a run folder"):
        run_cells([runs / "toy-ind", tmp_path])
    with pytest.raises(XltError, match="no such folder"):
        run_cells([runs / "toy-ind", tmp_path / "no"])


def test_what_an_older_xlt_has_not_stored_is_said(sources, tmp_path, caplog):
    """Scores are shown; what a comparison needs is not there."""
    cells = study_cells(load_study(sources))
    del cells.finished["ind"].result["lineage"]
    found = tabulate(cells)
    assert [row["against"] for row in found["rows"]] == [None] * 4
    assert "ind is not compared: an older xlt made this run, and has not stored its lineage" in (
        caplog.text
    )


# Sentences ---------------------------------------------------------------------------------------


def row(cell, mean, sd=1.0, against=None, seeds=3):
    metrics = {"f1": {"mean": mean, "sd": sd, "seeds": seeds}}
    if against is not None:
        low, high, p, conclusive = against
        against = {
            "cell": "a", "difference": (low + high) / 2, "low": low, "high": high,
            "p_adjusted": p, "sure": p < 0.05 and conclusive, "conclusive": conclusive,
            "of_seeds": 0.5,
        }  # fmt: skip
    place = {"target": "jav", "split": "test", "records": 1000}
    return {"cell": cell, **place, "metrics": metrics, "against": against}


def concluded(rows, seconds=None):
    result = {"metric": "f1", "rows": rows, "baseline": {"jav": "a"}}
    (one,) = conclusions(result, seconds)
    return one


def test_the_share_of_seeds_is_what_they_add_to_the_variance_of_records():
    """Of two systems that are right on the very same records with every seed there is none; of one
    whose seeds differ on all records alike nearly all."""
    draw = np.random.default_rng(1)
    right = (draw.random((400, 1)) < 0.5).astype(float)
    other = (draw.random((400, 1)) < 0.4).astype(float)

    def accuracy(sums):
        return {"accuracy": 100 * sums[..., 0] / 400}

    steady = paired_difference([right] * 3, [other] * 3, accuracy)["accuracy"]
    assert steady.of_seeds == pytest.approx(0, abs=1e-9)
    shaken = [right * scale for scale in (0.2, 1.0, 1.8)]
    assert paired_difference(shaken, [other] * 3, accuracy)["accuracy"].of_seeds > 0.9
    once = paired_difference([right], [other], accuracy)["accuracy"]
    assert once.of_seeds is None


def test_a_sure_winner_is_taken_and_its_price_named():
    rows = [row("a", 50), row("b", 55, against=(3, 7, 0.001, True))]
    one = concluded(rows, {("a", "jav"): 90.0, ("b", "jav"): 225.0})
    assert (one.place, one.sure, one.next) == ("jav test", True, "")
    assert one.use == "take b (better than a by 5.0 points [3.0, 7.0], p = 0.0010)"
    assert one.cost == "b takes 3.8 min of training a seed, 2.5 times as long as a"
    three = concluded([*rows, row("c", 54, against=(2, 6, 0.001, True))])
    assert three.use.endswith("; with the other it is not compared")
    assert three.cost == ""


def test_what_to_measure_next_is_where_the_uncertainty_comes_from():
    apart = (-0.96, 2.96, 0.3, True)
    rows = [row("a", 50), row("b", 51, against=apart)]
    rows[1]["against"]["of_seeds"] = 0.51
    seeds = concluded(rows)
    assert (seeds.sure, seeds.use[:24]) == (False, "b has the highest mean, ")
    assert seeds.next.startswith("more than 3 seeds")
    rows[1]["against"]["of_seeds"] = 0.49
    assert concluded(rows).next.startswith("more test records than 1,000")
    rows[1]["against"]["of_seeds"] = None
    assert concluded(rows).next == ""
    once = concluded([row("a", 50, None, seeds=1), row("b", 59, None, (8, 10, 1e-4, False), 1)])
    assert once.next.startswith("train with more seeds")
    assert not once.sure


def test_a_baseline_that_is_best_is_sure_only_where_all_others_are_worse():
    worse, unknown = (-7, -3, 0.001, True), (-3, 1, 0.5, True)
    sure = concluded([row("a", 50), row("b", 45, against=worse)])
    assert (sure.sure, sure.next) == (True, "")
    both = concluded([row("a", 50), row("b", 45, against=worse), row("c", 49, 2, unknown)])
    assert both.use == "no cell has a higher mean than a; 1 of 2 are shown to be worse"
    assert not both.sure
    assert "between c and a" in both.next
    alone = concluded([row("a", 50), row("b", 45)])
    assert not alone.sure


def test_a_table_in_latex_and_markdown():
    some = Table(
        ("a_b", "x"), (("[q] & 50 %", "-0.3"), (r"\c", "63.2 ± 1.0 *")), frozenset({1}),
        frozenset({(1, 1)}),
    )  # fmt: skip
    assert some.latex().splitlines() == [
        r"\begin{tabular}{lr}", r"\toprule", r"a\_b & x \\", r"\midrule",
        r"{[}q] \& 50 \% & $-$0.3 \\", r"\textbackslash{}c & \textbf{63.2 $\pm$ 1.0 *} \\",
        r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip
    assert some.markdown().splitlines()[-1] == r"| \c | **63.2 ± 1.0 \*** |"
    assert some.part(1).best == {(1, 0)}


def shown(*rows):
    baseline = dict.fromkeys((row["target"] for row in rows), "a")
    return {"metric": "f1", "rows": rows, "baseline": baseline, "factors": {}}


def test_the_best_of_several_is_in_bold_and_p_is_adjusted_where_there_are_several():
    worse = (-7, -3, 0.001, True)
    alone = {**row("c", 60), "target": "tur"}
    table = study_table(shown(row("a", 50), row("b", 45, against=worse), alone))
    assert table.header[-2:] == ("against a", "p  ")
    assert table.rows[1] == ("jav", "test", "b", "45.0 ± 1.0", "-5.0 [-7.0, -3.0]", "0.0010 *")
    assert table.best == {(0, 3)}  # not of tur, which has one cell
    assert table.numeric == {3, 4, 5}
    two = shown(row("a", 50), row("b", 45, against=worse), row("c", 44, against=worse))
    assert study_table(two).header[-1] == "adjusted p  "


def test_a_matrix_may_have_holes():
    there = [row("a", 50), row("b", 55), {**row("b", 40), "target": "tur"}]
    table = matrix(shown(*there), "cell")
    assert table.header == ("cell", "jav", "tur")
    assert table.rows == (("a", "50.0 ± 1.0", ""), ("b", "55.0 ± 1.0", "40.0 ± 1.0"))
    assert table.best == {(1, 1)}


def test_the_nearest_of_those_that_are_not_shown_to_be_worse():
    far, near = (-7, 1, 0.2, True), (-3, 1, 0.5, True)
    one = concluded([row("a", 50), row("b", 47, 2, far), row("c", 49, 2, near)])
    assert "between c and a" in one.next
