"""Figures as files: the drawings of a page as SVG images, and these as PNG.

An image has in it what a page has around the drawing: a title, a legend, the colours of the light
page. resvg (extra `png`) makes PNG of it, in process and without network; it shapes text of any
script that a font of the machine has, as browsers do.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

from xlt.errors import XltError
from xlt.evaluation.report import Table
from xlt.files import publishing, write_text, writing
from xlt.html import template
from xlt.report.curves import Chart
from xlt.report.figures import FOREST_WIDTH, Plot
from xlt.scripts import COMMON, name, script

FORMATS = ("svg", "png")
"""Of images, and with what the names of their files end."""

SCALE = 2
"""Pixels of a PNG image for one of the drawing's, for print."""

_LETTER, _ROW, _TITLE, _LINE, _MARGIN = 7, 22, 30, 18, 8
_LONGEST = 60
"""Letters of a text; what is longer is cut."""
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Image:
    """A figure with what is around it.

    name:    of the file, without suffix.
    kind:    of the drawing: the macro that draws it.
    legend:  (number of a colour, what is drawn in it).
    """

    name: str
    title: str
    kind: str
    drawing: Any
    width: int
    height: int
    legend: Sequence[tuple[int, str]] = ()

    def svg(self) -> str:
        """The image as a document of its own."""
        height = _TITLE + self.height + _LINE * len(self.legend) + _MARGIN
        width = max(self.width, 2 * _MARGIN + round(text_width(self.title) * 1.15))
        width = max([width, *(4 * _MARGIN + text_width(text) for _, text in self.legend)])
        text = template("image", "svg").render(
            image=self, width=width, height=height, top=_TITLE, line=_LINE, **_palette()
        )
        return _NOT_IN_XML.sub("\ufffd", text)


def text_width(text: str) -> int:
    """About how many pixels a text takes, in letters of 12 pixels."""
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return _LETTER * len(text) + 5 * wide


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


@cache
def _palette() -> dict[str, Any]:
    """The colours of the light page: what draws an image knows no variables of CSS."""
    text = files("xlt").joinpath("templates", "base.css").read_text(encoding="utf-8")
    light = text[: text.index("@media")]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]+)", light))
    return {"colour": colours, "lines": [colours[f"line{n}"] for n in range(6)]}


# What is drawn -----------------------------------------------------------------------------------


def of_plot(name: str, title: str, plot: Plot) -> Image:
    """An image of scores by group, or of scores over seconds."""
    legend = [(number, _cut(group)) for number, group in enumerate(plot.groups)]
    return Image(name, title, "plot", plot, plot.width, plot.height, legend)


def of_chart(name: str, title: str, chart: Chart) -> Image:
    """An image of a learning curve."""
    legend = [(number, _cut(line)) for number, line in enumerate(chart.lines)]
    return Image(name, title, "chart", chart, chart.width, chart.height, legend)


def of_heat(name: str, title: str, grid: Mapping[str, Any]) -> Image:
    """An image of a table of scores with shades.

    grid: "header", and "rows", of each its name and (text, shade from 0 to 1, whether best).
    """
    texts = [[row[0], *(cell[0] for cell in row[1])] for row in grid["rows"]]
    columns = zip(grid["header"], *texts, strict=True)
    widths = [max(text_width(_cut(cell)) for cell in column) + 2 * _MARGIN for column in columns]
    edges = [sum(widths[:number]) for number in range(len(widths) + 1)]
    cells = [
        {"x": edges[column], "y": row * _ROW, "width": widths[column], "text": _cut(text)}
        | {"share": share, "best": best, "head": not row or not column}
        for row, line in enumerate(_heat_lines(grid))
        for column, (text, share, best) in enumerate(line)
    ]
    height = _ROW * (len(grid["rows"]) + 1)
    drawing = {"cells": cells, "row": _ROW}
    return Image(name, title, "heat", drawing, edges[-1], height)


def _heat_lines(grid: Mapping[str, Any]) -> Iterator[list[tuple[str, str, bool]]]:
    yield [(text, "", False) for text in grid["header"]]
    for head, cells in grid["rows"]:
        yield [(head, "", False), *cells]


def of_forest(name: str, title: str, table: Table, group: Mapping[str, Any]) -> Image:
    """An image of differences with their intervals, on one axis.

    table: its first column names the cells, its last are difference, interval and p.
    group: "marks" of its rows, "axis" and "zero".
    """
    rows = [
        {"y": _ROW * number, "name": _cut(row[0]), "mark": mark, "said": " ".join(row[-3:-1])}
        for number, (row, mark) in enumerate(zip(table.rows, group["marks"], strict=True), 1)
    ]
    left = max(text_width(row["name"]) for row in rows) + 2 * _MARGIN
    right = max(text_width(row["said"]) for row in rows) + 2 * _MARGIN
    drawing = {
        **{"rows": rows, "left": left, "right": left + FOREST_WIDTH + _MARGIN, "row": _ROW},
        **{"axis": group["axis"], "zero": group["zero"]},
    }
    height = _ROW * (len(rows) + 1)
    return Image(name, title, "forest", drawing, left + FOREST_WIDTH + right, height)


# Files -------------------------------------------------------------------------------------------


def folder_of(page: Path) -> Path:
    """Where the images of a page are."""
    return page.with_suffix(".figures")


def drawn(images: Iterable[Image], formats: Sequence[str], page: Path) -> dict[Path, str | bytes]:
    """Path → what is to be written there, of every image in every format.

    Raises XltError, if PNG is asked for, without resvg and for text that no font of this machine
    has.
    """
    if "png" in formats:
        _resvg()  # before anything is drawn
    found: dict[Path, str | bytes] = {}
    taken: set[str] = set()
    for image in images if formats else ():
        stem = re.sub(r"[^\w.+-]+", "-", image.name)[:100]
        number = 2
        while stem.casefold() in taken:
            stem = f"{stem.rstrip('0123456789').rstrip('-')}-{number}"
            number += 1
        taken.add(stem.casefold())
        svg = image.svg()
        for one in formats:
            path = folder_of(page) / f"{stem}.{one}"
            found[path] = svg if one == "svg" else as_png(svg, image.title)
    return found


def write(images: Mapping[Path, str | bytes]) -> None:
    """Write what `drawn` gave. Raises XltError where the disk does not let it."""
    for path, content in images.items():
        with writing(path):
            path.parent.mkdir(exist_ok=True)
            if isinstance(content, str):
                write_text(path, content)
            else:
                with publishing(path) as part:
                    part.write_bytes(content)


def as_png(svg: str, title: str) -> bytes:
    """The image, drawn at `SCALE`. Raises XltError for text that no font of this machine has."""
    texts = "".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg))
    for letter in _probes(html.unescape(texts)):
        if not _has_glyph(letter):
            code = script(letter)
            which = f"{name(code)} letters" if code != COMMON else f"{letter!r}"
            raise XltError(
                f"no font of this machine has {which}, which the figure has ({title})",
                where="--png",
                fix="install a font that has them (Debian: fonts-noto), or take --svg, which "
                "leaves the text to whoever shows it",
            )
    return bytes(_resvg().svg_to_bytes(svg_string=svg, zoom=SCALE))


def _resvg() -> ModuleType:
    try:
        import resvg_py
    except ModuleNotFoundError as error:
        raise XltError(
            "this needs the package resvg-py, which is not installed",
            where="--png",
            fix="pip install 'xlt[png]'; --svg needs nothing",
        ) from error
    return resvg_py


def _probes(text: str) -> Iterable[str]:
    """A letter of each script of a text, and every symbol beyond ASCII: what fonts may lack."""
    first: dict[str, str] = {}
    for letter in dict.fromkeys(text):
        if letter.isspace() or unicodedata.category(letter) in ("Cf", "Mn", "Mc"):
            continue
        code = script(letter)
        first.setdefault(letter if code == COMMON and not letter.isascii() else code, letter)
    return first.values()


@cache
def _has_glyph(letter: str) -> bool:
    """Whether some font draws it: else there is nothing, or what stands for a letter that is
    missing, as for one that no font can have."""
    return _letter(letter) not in (_letter(" "), _letter("\uf8ff"), _letter("\U0010fffd"))


@cache
def _letter(letter: str) -> bytes:
    text = template("image", "svg").module.letter(letter)  # type: ignore[attr-defined]
    return bytes(_resvg().svg_to_bytes(svg_string=str(text)))
