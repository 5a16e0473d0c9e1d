"""Which of several runs to take, by what each says of itself: figures that are given by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from xlt.evaluation.source_choice import choice_table, notes
from xlt.runs.cells import Cell, Cells
from xlt.runs.source_choice import choices, figures, source_choices


def result(source, targets, *, expected=None, source_dev=80.0, target_dev=None, score=None):
    """Of a run with two seeds. The second is 2 points better on dev data."""

    def selected(more, target):
        found = {f"dev:{source}": {"step": 3, "score": source_dev + more}}
        if target_dev is not None:
            found[f"dev:{target}"] = {"step": 9, "score": target_dev + more}
        return found

    summary = [
        {"target": t, "split": "test", "primary": True, "metrics": {"f1": {"mean": score}}}
        for t in targets
        if score is not None
    ]
    return {
        "source": [source],
        "metrics": ["f1", "recall"],
        "summary": summary,
        "estimates": [{"target": t, "expected": expected} for t in targets],
        "lineage": {
            f"seed-{seed}/{t}": [{"selected": {}}, {"selected": selected(2 * seed, t)}]
            for t in targets
            for seed in (0, 1)
        },
    }


def cells(**results):
    finished = {
        name: Cell(name, Path(name), one, {"source": one["source"][0], **more})
        for name, (one, more) in results.items()
    }
    return Cells("runs", tuple(finished), finished, {})


def test_figures_are_means_over_seeds():
    found = figures(result("eng", ["jav"], expected=61.0, target_dev=55.0), "jav")
    assert found == {"source_dev": 81.0, "target_dev": 56.0, "target_text": 61.0}
    assert figures(result("eng", ["jav"]), "jav") == {"source_dev": 81.0}
    assert figures(result("eng", ["jav"]), "ind") == {}
    older = result("eng", ["jav"])
    del older["lineage"], older["estimates"]
    assert figures(older, "jav") == {}


def test_a_figure_that_a_seed_lacks_is_none():
    one = result("eng", ["jav"], target_dev=50.0)
    del one["lineage"]["seed-1/jav"][-1]["selected"]["dev:jav"]
    assert figures(one, "jav") == {"source_dev": 81.0}


KNOWN = {
    "a": {"source_dev": 90.0, "target_text": 40.0},
    "b": {"source_dev": 70.0, "target_text": 60.0, "target_dev": 5.0},
    "c": {"source_dev": 80.0, "target_text": 50.0},
}


def test_the_one_that_has_most_is_taken_and_what_it_loses_is_said():
    found = choices(KNOWN, {"a": 30.0, "b": 41.0, "c": 45.0, "elsewhere": 99.0})
    assert found == {
        "source_dev": {"choice": "a", "figure": 90.0, "regret": 15.0},
        "target_text": {"choice": "b", "figure": 60.0, "regret": 4.0},
    }, "what one of them lacks chooses none"


def test_of_one_that_was_not_measured_there_is_no_regret():
    found = choices(KNOWN, {"a": 30.0, "b": 41.0})
    assert {one["regret"] for one in found.values()} == {None}
    assert choices({"a": KNOWN["a"]}, {"a": 1.0}) == {}
    even = {name: {"target_text": 50.0} for name in "ba"}
    assert choices(even, {})["target_text"]["choice"] == "a"


def test_cells_that_differ_in_their_source_alone_are_candidates():
    found = source_choices(
        cells(
            eng=(result("eng", ["jav", "sun"], expected=61.0, score=50.0), {}),
            por=(result("por", ["jav"], expected=70.0, source_dev=60.0, score=53.0), {}),
            jav=(result("jav", ["jav", "sun"], expected=90.0), {}),
        )
    )
    assert found == [
        {
            "target": "jav",
            "factors": {},
            "choices": {
                "source_dev": {"choice": "eng", "figure": 81.0, "regret": 3.0},
                "target_text": {"choice": "por", "figure": 70.0, "regret": 0.0},
            },
        },
        {
            "target": "sun",  # which has not been measured from Javanese
            "factors": {},
            "choices": {
                "source_dev": {"choice": "eng", "figure": 81.0, "regret": None},
                "target_text": {"choice": "jav", "figure": 90.0, "regret": None},
            },
        },
    ]


def test_other_factors_divide_them():
    four = {
        f"{source}-{strategy}": (result(source, ["jav"], expected=value), {"strategy": strategy})
        for source, strategy, value in [
            ("eng", "zero_shot", 60.0),
            ("por", "zero_shot", 50.0),
            ("eng", "joint", 40.0),
            ("por", "joint", 45.0),
        ]
    }
    found = source_choices(cells(**four))
    assert [(one["factors"], one["choices"]["target_text"]["choice"]) for one in found] == [
        ({"strategy": "zero_shot"}, "eng-zero_shot"),
        ({"strategy": "joint"}, "por-joint"),
    ]
    table = choice_table(found)
    assert table.header == ("target", "of", "by source dev", "by text without labels")
    assert table.rows[1] == ("jav", "joint", "eng-joint (81.0)", "por-joint (45.0)")


def test_data_that_come_with_a_source_are_no_factor():
    pair = cells(
        eng=(result("eng", ["jav"], expected=1.0), {"data.eng.train": "a"}),
        por=(result("por", ["jav"], expected=2.0), {"data.por.train": "b"}),
    )
    assert [one["choices"]["target_text"]["choice"] for one in source_choices(pair)] == ["por"]


def test_what_differs_in_something_else_is_not_chosen_among():
    same = (result("eng", ["jav"], expected=1.0), {"data_seed": "1"})
    assert source_choices(cells(a=same, b=same)) == []
    three = cells(a=same, b=same, c=(result("por", ["jav"], expected=2.0), {"data_seed": "1"}))
    assert source_choices(three) == [], "none of two from English stands for it"


def test_the_table_and_its_notes():
    found = [
        {"target": target, "factors": {}, "choices": choices(KNOWN, scores)}
        for target, scores in [
            ("jav", {"a": 30.0, "b": 41.0, "c": 45.0}),
            ("sun", {"a": 30.0, "b": 40.0, "c": 20.0}),
            ("ban", {}),
        ]
    ]
    table = choice_table(found)
    assert table.header == ("target", "by source dev", "by text without labels")
    assert table.rows[0] == ("jav", "a (90.0), regret 15.0", "b (60.0), regret 4.0")
    assert table.rows[2] == ("ban", "a (90.0)", "b (60.0)")
    means = "mean regret (of so many targets): source dev 12.5 (2), text without labels 2.0 (2)"
    assert notes(found)[-1] == means
    assert len(notes(found[:1])) == 1


@pytest.mark.parametrize("way", ["source_dev", "target_text"])
def test_a_way_that_chooses_for_one_target_alone_leaves_a_gap(way):
    found = [{"target": "jav", "factors": {}, "choices": choices(KNOWN, {})}]
    found.append({"target": "sun", "factors": {}, "choices": {way: found[0]["choices"][way]}})
    assert choice_table(found).rows[1].count("") == 1
