"""Figures of a report as files: what is in them, and that no text is left out in silence."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree

import pytest
from small import xlt
from synthetic import finish, write_study

from xlt.errors import XltError
from xlt.evaluation.report import Table
from xlt.report import figures, images
from xlt.report.curves import chart

SVG = "{http://www.w3.org/2000/svg}"
THROUGH = {"name": "hierarchical", "through": ["spa"], "target_stage": False}
GRID = {
    "header": ("source", "jav", "tur"),
    "rows": [
        ("eng", [("50.0 ± 1.0", "0.00", False), ("60.0", "0.50", False)]),
        ("ind", [("70.0", "1.00", True), ("", "", False)]),
    ],
}


def texts(svg: str) -> list[str]:
    return [one.text for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def size(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


def plot(name="zero_shot"):
    scores = [
        figures.Score("jav test", name, "a", 50.0, 40.0, 60.0),
        figures.Score("tur test", "joint", "b", 60.0, None, None),
    ]
    return figures.lanes(scores)


def forest():
    axis = figures.forest_axis([(-2.0, 6.0)])
    header = ("cell", "f1", "difference", "95 % interval", "p")
    rows = (("a", "60.0", "+2.0 *", "[-2.0, +6.0]", "0.03"), ("b", "58.0", "", "", ""))
    mark = {"low": axis(-2), "high": axis(6), "difference": axis(2), "sure": True}
    group = {"marks": [mark, None], "axis": axis, "zero": axis(0)}
    return images.of_forest("differences", "Differences", Table(header, rows), group)


def every():
    return [
        images.of_heat("scores", "Scores", GRID),
        images.of_plot("lanes", "By strategy", plot()),
        forest(),
        images.of_chart("curve", "Curve", chart({"dev": [(1, 20.0), (5, 60.0)]}, 5)),
    ]


@pytest.mark.parametrize("image", every(), ids=lambda one: one.name)
def test_an_image_has_all_that_the_page_has_around_it(image):
    svg = image.svg()
    root = ElementTree.fromstring(svg)
    said = texts(svg)
    assert said[0] == root.find(f"{SVG}title").text == image.title
    assert "var(" not in svg  # nothing but a browser knows variables
    for _, name in image.legend:
        assert name in said
    width, height = (int(root.attrib[one]) for one in ("width", "height"))
    for one in root.iter(f"{SVG}rect"):
        assert float(one.attrib["width"]) <= width
    assert image.height < height
    assert size(images.as_png(svg, image.title)) == (2 * width, 2 * height)


def test_what_the_images_say():
    assert texts(images.of_heat("scores", "Scores", GRID).svg())[1:] == [
        "source", "jav", "tur", "eng", "50.0 ± 1.0", "60.0", "ind", "70.0", None
    ]  # fmt: skip
    said = texts(forest().svg())
    assert [one for one in said if one in ("a", "b")] == ["a", "b"]
    assert "+2.0 * [-2.0, +6.0]" in said


def test_the_interval_is_drawn_in_the_picture():
    """A line of the first colour from 40 to 60: pixels that the picture without it lacks."""
    svg = images.of_plot("lanes", "By strategy", plot()).svg()
    assert images.as_png(svg, "") != images.as_png(svg.replace('class="span"', 'class="x"'), "")


def test_letters_are_drawn():
    svg = images.of_plot("lanes", "Tables", plot()).svg()
    assert svg.count(">Tables</text>") == 1
    assert images.as_png(svg, "") != images.as_png(svg.replace(">Tables</text>", "></text>"), "")


@pytest.mark.parametrize("content", ["text", b"bytes"])
def test_an_image_that_cannot_be_written(tmp_path, content):
    (tmp_path / "page.figures").write_text("a file where the folder is to be")
    with pytest.raises(XltError, match="cannot write here") as caught:
        images.write({tmp_path / "page.figures" / "scores": content})
    assert caught.value.where == str(tmp_path / "page.figures" / "scores")


def test_letters_that_no_font_has_are_refused(monkeypatch):
    svg = images.of_plot("lanes", "Tables", plot("日本")).svg()
    monkeypatch.setattr(images, "_has_glyph", lambda letter: letter != "日")
    with pytest.raises(XltError, match="no font of this machine has Han") as caught:
        images.as_png(svg, "Tables")
    assert "--svg" in caught.value.fix
    assert "日本" in svg


def test_whether_a_font_has_a_letter_is_seen_in_what_is_drawn():
    assert images._has_glyph("x")
    assert images._has_glyph("±")
    assert not images._has_glyph("\uf8fe")


def test_control_characters_do_not_break_an_image():
    svg = images.of_plot("lanes", "a\0b <i>", plot("x\x1by")).svg()
    assert texts(svg)[0] == "a\ufffdb <i>"


def test_two_figures_never_have_one_file(tmp_path):
    some = [images.of_heat(name, "Scores", GRID) for name in ("scores", "scores", "Scores", "a/b")]
    found = images.drawn(some, ["svg"], tmp_path / "page.html")
    assert [path.name for path in found] == [
        "scores.svg",
        "scores-2.svg",
        "Scores-3.svg",
        "a-b.svg",
    ]
    assert {path.parent for path in found} == {tmp_path / "page.figures"}


def test_figures_of_a_study_and_of_a_run(tmp_path):
    path = write_study(
        tmp_path,
        {"matrix": {"source": ["eng", "ind"], "strategy": ["zero_shot", THROUGH]}},
        targets=("jav",), sources=("eng", "ind", "spa"), records=6,
    )  # fmt: skip
    finish(path, {"ind": 0.1})
    outcome = xlt("report", path, "--svg", "--png")
    assert outcome.code == 0, outcome.text
    folder = tmp_path / "runs" / "toy.figures"
    assert outcome.out.endswith(f"toy.html, {len(list(folder.iterdir()))} figures in {folder}\n")
    names = {one.name for one in folder.iterdir()}
    for stem in (
        "scores",
        "scores-2",
        "scores-by-strategy",
        "differences-jav-test",
        "cost-jav-test",
    ):
        assert {f"{stem}.svg", f"{stem}.png"} <= names
    assert any(name.startswith("curve-eng-") for name in names)
    run = tmp_path / "runs" / "toy-eng-zero_shot"
    outcome = xlt("report", run, "--svg")
    assert outcome.code == 0, outcome.text
    assert (run / "report.figures" / "scores-eng.svg").is_file()
    assert xlt("report", run, "--csv").code == 2


def test_png_without_resvg_says_what_to_install(tmp_path):
    path = write_study(tmp_path, {"cells": {"a": {}}}, targets=("jav",), records=6)
    finish(path, {})

    def without():
        import sys

        sys.modules["resvg_py"] = None

    outcome = xlt("report", path, "--png", before=without)
    assert outcome.code == 2, outcome.text
    assert "pip install 'xlt[png]'" in outcome.text
    assert not (tmp_path / "runs" / "toy.html").exists()
