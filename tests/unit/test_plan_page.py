"""The page of a plan: which steps are one box, what it says they take, and that it stays small."""

from __future__ import annotations

import json

import pytest
from small import make_world, xlt
from test_report_page import Page

from xlt.errors import XltError
from xlt.report.boxes import MAX_BOXES, boxes
from xlt.report.plan import write_plan


def step(key, kind="train", name=None, after=(), cells=("a",), done=False, left=True, minutes=2.0):
    trained = kind == "train"
    return {
        "key": key, "kind": kind, "name": name or key, "seed": None, "parents": list(after),
        "cells": list(cells), "done": done, "left": left, "steps": 5 if trained else None,
        "minutes": minutes if trained else None, "memory_gib": 1.5 if trained else None,
        "disk_gib": None if kind == "project" else 0.25,
    }  # fmt: skip


def planned(rows, cells, **more):
    return {
        "name": "toy", "cells": cells, "nodes": rows, "missing": [], "machine": None,
        "encoders": [{"id": "xlt-mini", "parameters": 1_500_000, "trained": 1_000_000}], **more,
    }  # fmt: skip


def study(cells, sources=1):
    """Two seeds of a source's stage, which cells share, and of a stage and an evaluation of each
    cell."""
    rows = []
    for source in range(sources):
        names = [f"cell-{n}" for n in range(cells) if n % sources == source]
        rows += [step(f"{source}/{seed}", name=f"src{source}", cells=names) for seed in (1, 2)]
        for cell in names:
            own = [step(f"{cell}/{seed}", name="jav", after=[f"{source}/{seed}"], cells=[cell])
                   for seed in (1, 2)]  # fmt: skip
            ends = [one["key"] for one in own]
            rows += [*own, step(cell, "evaluate", after=ends, cells=[cell])]
    return rows, {f"cell-{n}": False for n in range(cells)}


def page(tmp_path, plan):
    write_plan(plan, tmp_path / "plan.html", [])
    return Page((tmp_path / "plan.html").read_text(encoding="utf-8"))


def test_seeds_are_one_box_and_cells_are_not():
    found, how = boxes(study(2)[0])
    assert [(b.kind, b.names, len(b.steps), b.after, b.depth) for b in found] == [
        ("train", ["src0"], 2, [], 0),
        ("train", ["jav"], 2, [1], 1),
        ("evaluate", ["cell-0"], 1, [2], 2),
        ("train", ["jav"], 2, [1], 1),
        ("evaluate", ["cell-1"], 1, [4], 2),
    ]
    assert "seed alone" in how


def test_the_more_cells_the_less_they_have_to_have_in_common():
    """Of forty cells names of cells go, of forty sources those of stages; then the graph itself."""
    found, how = boxes(study(40)[0])
    assert [(b.names[0], len(b.steps)) for b in found] == [("src0", 2), ("jav", 80), ("cell-0", 40)]
    assert "whatever their cells are called" in how
    found, how = boxes(study(80, sources=40)[0])
    assert [(b.kind, len(b.steps)) for b in found] == [
        ("train", 80), ("train", 160), ("evaluate", 80)
    ]  # fmt: skip
    assert "whatever their names" in how
    uneven = [step(str(n), cells=[f"c{i}" for i in range(n + 1)]) for n in range(MAX_BOXES + 1)]
    found, how = boxes(uneven)
    assert len(found) == 1
    assert how.startswith("Steps of one kind")


def test_steps_that_differ_in_what_comes_before_or_after_are_not_one():
    rows = [
        step("a"),
        step("b", name="a"),
        step("c", after=["a"]),
        step("d", name="c", after=["b"]),
        step("e", "evaluate", after=["c"]),
    ]
    assert [box.names for box in boxes(rows)[0]] == [["a"], ["a"], ["c"], ["c"], ["e"]]


def test_what_it_takes(tmp_path):
    """Two seeds of a shared stage at 2 minutes, one of them done, and one of each cell's own."""
    rows, cells = study(2)
    rows[0] |= {"done": True, "left": False}
    shown = page(tmp_path, planned(rows, cells))
    everything = shown.row("all", 5)
    assert everything == ["all", "8", "12.0 min", "1.5", "2.0"]
    assert shown.row("to do", 5) == ["to do", "7", "10.0 min", "1.5", "1.8"]
    assert "2 of 6 steps before the evaluations are needed by more than one cell" in shown.words
    assert (
        "without sharing they would be 8, and training would take 16.0 min instead of 12.0 min"
        in (shown.words)
    )
    first = shown.row("1", 11)
    assert first == [
        "1",
        "train",
        "src0",
        "",
        "2",
        "2",
        "1 of 2",
        "2.0 min",
        "2.0 min",
        "1.5",
        "0.2",
    ]


def test_what_is_unknown_is_no_number(tmp_path):
    rows, cells = study(1)
    rows[0]["minutes"] = None
    text = "<b>no</b> \u202e file"
    missing = [{"what": text, "where": "data.eng", "fix": "write it"}]
    shown = page(tmp_path, planned(rows, cells, missing=missing))
    assert shown.row("to do", 3)[2] == "?"
    assert text in shown.words
    assert not shown.named("b")


def test_it_can_be_read_without_seeing_it(tmp_path):
    shown = page(tmp_path, planned(*study(3)))
    (drawing,) = shown.named("svg")
    assert drawing["role"] == "img"
    assert "table below" in drawing["aria-label"]
    assert len(shown.named("rect")) == len(boxes(study(3)[0])[0])
    regions = [one for _, one in shown.tags if one.get("role") == "region"]
    assert [one["aria-label"].split()[0] for one in regions] == ["What", "Graph", "Steps"]
    assert all(one["tabindex"] == "0" for one in regions)
    assert not [
        one for _, one in shown.tags if "src" in one or ("href" in one and one["href"][0] != "#")
    ]


def test_the_page_of_thousands_of_cells_is_small(tmp_path):
    write_plan(planned(*study(2000, sources=7)), tmp_path / "plan.html", [])
    assert (tmp_path / "plan.html").stat().st_size < 50_000


def test_the_page_of_a_study_and_of_a_config(tmp_path):
    world = make_world(tmp_path, size=6)
    path = world.config(strategy="zero_shot", source="eng", seeds=[1, 2], training__max_steps=2,
                        study={"cells": {"zero": {}, "ind": {"target": "ind"}}})  # fmt: skip
    outcome = xlt("plan", path, "--html", tmp_path / "study.html")
    assert outcome.code == 0, outcome.text
    assert outcome.out.endswith(f"→ {tmp_path / 'study.html'}\n")
    shown = Page((tmp_path / "study.html").read_text(encoding="utf-8"))
    assert shown.row("1", 7)[:7] == ["1", "train", "eng", "", "2", "2", "no"]
    config = world.config("one", strategy="zero_shot", source="eng", seeds=[1])
    outcome = xlt("plan", config, "--html", tmp_path / "one.html", "--json")
    assert outcome.code == 0, outcome.text
    told = json.loads(outcome.out)
    assert [node["kind"] for node in told["nodes"]] == ["train", "evaluate"]
    assert list(told["cells"].values()) == [False]
    shown = Page((tmp_path / "one.html").read_text(encoding="utf-8"))
    assert shown.row("jav", 2) == ["jav", "test"]
    assert "Not finished" in shown.words


def test_a_page_never_replaces_the_config(tmp_path):
    with pytest.raises(XltError, match="a file of the input"):
        write_plan(planned(*study(1)), tmp_path / "plan.html", [tmp_path / "plan.html"])


def test_a_page_takes_the_place_of_no_data(tmp_path):
    data = tmp_path / "eng.bio"
    data.write_text("precious")
    with pytest.raises(XltError, match="name ends with") as caught:
        write_plan(planned(*study(1)), data, [])
    assert caught.value.fix == f"write `--html {data}.html`, say"
    assert data.read_text() == "precious"
