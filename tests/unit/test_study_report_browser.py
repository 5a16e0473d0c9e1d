"""The page of a study in a real browser: skipped where there is none, unless XLT_REQUIRE_BROWSER is
set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import ENTER, Browser, browser, require
from synthetic import finish, write_study

from xlt.config.study import load_study
from xlt.report.study import report
from xlt.runs.cells import study_cells


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The page of four sources on five targets, under two learning rates."""
    require()
    folder = tmp_path_factory.mktemp("page")
    path = write_study(
        folder,
        {"matrix": {"source": ["eng", "deu", "ind", "fin"], "training.epochs": [2, 4]}},
        targets=("jav", "tur", "est", "ita", "tam"),
        sources=("eng", "deu", "ind", "fin"),
    )
    finish(path, {"eng": 0.3, "deu": 0.02, "ind": 0.2, "fin": 0.1, "4": 0.15})
    report(study_cells(load_study(path)), folder / "page.html")
    with browser() as window:
        window.open(Path(folder / "page.html").as_uri())
        yield window


def column(window: Browser, table: str, number: int) -> list[str]:
    return window.run(
        "return [...document.querySelector(arguments[0]).tBodies[0].rows]"
        ".map(row => row.cells[arguments[1]].textContent)",
        table,
        number,
    )


def test_the_page_works_without_network_and_is_as_wide_as_the_window(window):
    assert window.run("return document.title") == "toy: what came out"
    assert window.log() == []  # nothing that the policy had to stop, no error of a script
    widths = window.run(
        "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
    )
    assert widths[0] == widths[1]
    parts = window.run("return [...document.querySelectorAll('main > section')].map(s => s.id)")
    assert parts == [
        "use", "scores", "differences", "cost", "regret", "labels", "curves", "stages", "data"
    ]  # fmt: skip


def test_figures_have_names_and_are_drawn(window):
    figures = window.run(
        "return [...document.querySelectorAll('figure svg')].map(one => [one.getAttribute('role'),"
        " one.getAttribute('aria-label'), one.getBoundingClientRect().height > 50"
        " || !one.checkVisibility()])"
    )
    assert len(figures) > 5
    assert all(role == "img" and name and drawn for role, name, drawn in figures)
    points = window.run("return document.querySelectorAll('#scores figure title').length")
    assert points == 8 * 5


def numbers(texts: list[str]) -> list[float]:
    return [float(re.findall(r"[-+]?[\d.]+", text)[0]) for text in texts if text.strip()]


def test_tables_are_sorted_by_a_click_and_by_keyboard(window):
    window.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
    head = "document.querySelectorAll('table.forest thead th')"
    names = window.run(
        "return [...document.querySelector('table.forest').tHead.rows[0].cells]"
        ".map(cell => cell.textContent)"
    )
    difference = names.index("difference")
    before = column(window, "table.forest", difference)
    window.run(f"{head}[{difference}].querySelector('button').click()")
    shown = column(window, "table.forest", difference)
    assert sorted(shown) == sorted(before)
    assert shown[-1].strip() == ""  # the baseline has none, and comes last
    assert numbers(shown) == sorted(numbers(shown), reverse=True)
    assert window.run(f"return {head}[{difference}].ariaSort") == "descending"
    window.run(f"{head}[{difference}].querySelector('button').focus()")
    window.type(ENTER)
    again = column(window, "table.forest", difference)
    assert numbers(again) == sorted(numbers(again))
    assert again[-1].strip() == ""
    assert window.run(f"return {head}[{difference}].ariaSort") == "ascending"
    window.run(f"{head}[0].querySelector('button').click()")
    cells = column(window, "table.forest", 0)
    assert cells == sorted(cells)
    marked = window.run(
        "return document.querySelector('table.forest').querySelectorAll('[aria-sort]').length"
    )
    assert marked == 1


def test_the_drawings_go_with_their_rows(window):
    """In whatever order: an interval that ends right of 0 is drawn right of it."""
    rows = window.run(
        "return [...document.querySelectorAll('table.forest')[0].tBodies[0].rows].filter("
        "row => row.querySelector('svg')).map(row => [row.cells[row.cells.length - 3].textContent,"
        " ...['.bar', '.zero'].map(one => row.querySelector(one).getAttribute('d'))])"
    )
    assert len(rows) == 7
    for interval, bar, zero in rows:
        low, high = (float(one) for one in re.findall(r"[-+][\d.]+", interval))
        left, right = (float(one) for one in re.findall(r"M([\d.]+) 7H([\d.]+)", bar)[0])
        middle = float(re.findall(r"M([\d.]+)", zero)[0])
        assert (left < middle) == (low < 0)
        assert (right > middle) == (high > 0)


def test_languages_by_family_or_by_score(window):
    def order() -> tuple[list[str], list[str]]:
        heads = window.run(
            "return [...document.querySelector('table.heat').tHead.rows[0].cells]"
            ".map(cell => cell.textContent)"
        )
        return heads[1:], column(window, "table.heat", 0)

    def choose(value: str) -> None:
        window.run(
            "const o = document.getElementById('order'); o.value = arguments[0];"
            "o.dispatchEvent(new Event('change'))",
            value,
        )

    by_family = order()
    assert by_family[1] == ["ind", "deu", "eng", "fin"]
    # Austronesian, Dravidian, Indo-European, Turkic, Uralic.
    assert by_family[0] == ["jav", "tam", "ita", "tur", "est"]
    first = dict(zip(by_family[1], column(window, "table.heat", 1), strict=True))
    choose("score")
    targets, sources = order()
    assert sources[0] == "deu"
    rows = window.run(
        "return [...document.querySelector('table.heat').tBodies[0].rows].map(row =>"
        " [...row.cells].slice(1).map(cell => parseFloat(cell.textContent)))"
    )
    means = [sum(row) for row in rows]
    assert means == sorted(means, reverse=True)
    by_column = [sum(row[n] for row in rows) for n in range(5)]
    assert by_column == sorted(by_column, reverse=True)
    moved = column(window, "table.heat", 1 + targets.index("jav"))
    assert dict(zip(sources, moved, strict=True)) == first  # scores stay with their languages
    choose("family")
    assert order() == by_family


def contrast(a: str, b: str) -> float:
    """Of two colours that the browser has computed (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        values = [float(one) for one in re.findall(r"[\d.]+", colour)[:3]]
        scale = 1 if colour.startswith("color(") else 255
        linear = [
            (v / scale / 12.92 if v / scale <= 0.04045 else ((v / scale + 0.055) / 1.055) ** 2.4)
            for v in values
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(a), luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(window: Browser, scheme: str):
    window.emulate(prefers_color_scheme=scheme)
    colours: list[list[Any]] = window.run(
        "const style = one => getComputedStyle(one); const page = style(document.body);"
        "return [[page.color, page.backgroundColor], ...[...document.querySelectorAll("
        "'.heat td[style]')].map(one => [style(one).color, style(one).backgroundColor])]"
    )
    page = colours[0][1]
    assert (page == "rgb(255, 255, 255)") == (scheme == "light")
    assert len(colours) == 1 + 4 * 5 * 2
    assert len({background for _, background in colours}) > 10  # shades
    assert min(contrast(*pair) for pair in colours) > 4.5
    lines = window.run(
        "return [...document.querySelectorAll('.forest .bar')].map(o => getComputedStyle(o).stroke)"
    )
    assert min(contrast(line, page) for line in lines) > 3
    window.emulate()


def test_what_is_folded_is_printed(window):
    window.run("document.querySelectorAll('details').forEach(one => { one.open = false })")
    window.run("dispatchEvent(new Event('beforeprint'))")
    assert window.run("return document.querySelectorAll('details:not([open])').length") == 0
    window.run("dispatchEvent(new Event('afterprint'))")
    assert window.run("return document.querySelectorAll('details[open]').length") == 0
    assert window.log() == []
