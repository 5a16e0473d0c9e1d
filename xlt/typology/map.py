"""A ranking as a page to look at: where the languages are, and how far each is in every way.

The page works offline: plotly.js stands in it, and the coastlines are lines of ours, because
plotly's own maps fetch theirs from the network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from xlt.errors import XltError
from xlt.files import writing
from xlt.html import template
from xlt.typology.distances import KINDS, matrix
from xlt.typology.table import table

if TYPE_CHECKING:
    from xlt.typology.ranking import Ranking

COASTLINES = Path(__file__).with_name("coastlines.npz")
MAX_HEATMAP_SOURCES = 40
"""Most sources in the heat map: more lines cannot be read."""
MAX_LINKED_SOURCES = 5
"""Most sources that a line joins to the target."""


def write_map(ranking: Ranking, path: Path) -> dict[str, Any]:
    """Write the page; what could not be drawn, JSON-able.

    Raises XltError without plotly (the extra `map`), or where the file cannot be written.
    """
    try:
        from plotly.io import to_html
    except ImportError as error:
        raise XltError(
            "a map needs plotly, which is not installed",
            where="--map",
            fix="pip install 'xlt[map]'",
        ) from error
    figures, nowhere = [_map(ranking), _heat(ranking)], _nowhere(ranking)
    parts = [
        to_html(figure, full_html=False, include_plotlyjs=n == 0, config={"displaylogo": False})
        for n, figure in enumerate(figures)
    ]
    title = f"Sources for {table().name(ranking.target)}, {ranking.task}"
    notes = [*ranking.notes, *([f"no place is known of {', '.join(nowhere)}"] if nowhere else [])]
    page = template("map").render(title=title, figures=parts, notes=notes)
    with writing(path):
        path.write_text(page, encoding="utf-8")
    return {"file": str(path), "without_place": nowhere}


def _map(ranking: Ranking) -> Any:
    """Points on an equirectangular map, coloured by score; lines to the first sources."""
    from plotly import graph_objects as go

    codes = [source.language for source in ranking.sources]
    north, east = _places(codes)
    (at_north,), (at_east,) = _places([ranking.target])
    coast = go.Scatter(**_coast(), mode="lines", line={"color": "#999", "width": 0.7})
    coast.update(hoverinfo="skip", showlegend=False)
    links = go.Scatter(
        x=[v for x in east[:MAX_LINKED_SOURCES] for v in (at_east, x, None)],
        y=[v for y in north[:MAX_LINKED_SOURCES] for v in (at_north, y, None)],
        mode="lines",
        line={"color": "#c55", "width": 1, "dash": "dot"},
        hoverinfo="skip",
        name=f"to the first {MAX_LINKED_SOURCES}",
    )
    sources = go.Scatter(
        x=east,
        y=north,
        mode="markers",
        marker={
            "size": 10,
            "color": [source.score for source in ranking.sources],
            "colorscale": "Viridis",
            "colorbar": {"title": "score"},
            "line": {"width": 0.5, "color": "black"},
        },
        text=[_hover(source) for source in ranking.sources],
        hovertemplate="%{text}<extra></extra>",
        name="sources",
    )
    target = go.Scatter(
        x=[at_east],
        y=[at_north],
        mode="markers+text",
        marker={"size": 16, "symbol": "star-open", "color": "#d00", "line": {"width": 2}},
        text=[table().name(ranking.target)],
        textposition="top center",
        hovertemplate="%{text}<extra>target</extra>",
        name="target",
    )
    figure = go.Figure([coast, links, sources, target])
    figure.update_layout(
        height=600,
        template="plotly_white",
        legend={"orientation": "h"},
        xaxis={"range": [-180, 180], "visible": False},
        yaxis={"range": [-60, 85], "visible": False, "scaleanchor": "x"},
        margin={"t": 10, "b": 10, "l": 10, "r": 10},
    )
    return figure


def _heat(ranking: Ranking) -> Any:
    """Distances of the first sources; a gap where a distance is unknown."""
    from plotly import graph_objects as go

    shown = ranking.sources[:MAX_HEATMAP_SOURCES]
    codes = [source.language for source in shown]
    values = np.stack([matrix(kind, codes, [ranking.target])[:, 0] for kind in KINDS], 1)
    known = ~np.isnan(values)
    cells = [
        [round(float(v), 4) if k else None for v, k in zip(row, there, strict=True)]
        for row, there in zip(values, known, strict=True)
    ]
    labels = [
        [f"{v:.2f}" if k else "unknown" for v, k in zip(row, there, strict=True)]
        for row, there in zip(values, known, strict=True)
    ]
    figure = go.Figure(
        go.Heatmap(
            z=cells,
            x=list(KINDS),
            y=[f"{source.rank}. {source.name} ({source.language})" for source in shown],
            text=labels,
            texttemplate="%{text}",
            hovertemplate="%{y}, %{x}: %{text}<extra></extra>",
            colorscale="Viridis_r",
            zmin=0,
            zmax=1,
            colorbar={"title": "distance"},
        )
    )
    figure.update_layout(
        height=160 + 24 * len(shown),
        template="plotly_white",
        title=f"Distance from {table().name(ranking.target)}, 0 (alike) to 1",
        yaxis={"autorange": "reversed"},
    )
    return figure


def _hover(source: Any) -> str:
    lines = [f"{source.rank}. {source.name} ({source.language})", f"score {source.score:+z.2f}"]
    if source.expected is not None:
        interval = "" if source.low is None else f" [{source.low:.0f}, {source.high:.0f}]"
        lines.append(f"expected {source.expected:.1f}{interval}")
    lines.append(", ".join(f"{name} {value:+z.2f}" for name, value in source.terms.items()))
    return str(Markup("<br>").join(lines))


def _places(codes: list[str]) -> tuple[list[float | None], list[float | None]]:
    """Degrees north and east, -180 to 180; None where no place is known."""
    known = table()
    places = known.take("coordinates", known.rows(codes)).astype(float)
    places[places[:, 1] > 180, 1] -= 360  # as the table has America
    north, east = (
        [None if np.isnan(v) else round(float(v), 3) for v in column] for column in places.T
    )
    return north, east


def _nowhere(ranking: Ranking) -> list[str]:
    codes = [ranking.target, *(source.language for source in ranking.sources)]
    north, _ = _places(codes)
    return [code for code, place in zip(codes, north, strict=True) if place is None]


def _coast() -> dict[str, list[float | None]]:
    """The lines, one after the other, None between them."""
    with np.load(COASTLINES, allow_pickle=False) as archive:
        points, starts = archive["points"] / 100, archive["starts"]
    east: list[float | None] = []
    north: list[float | None] = []
    for line in np.split(points, starts[1:]):
        east += [*line[:, 0].tolist(), None]
        north += [*line[:, 1].tolist(), None]
    return {"x": east, "y": north}
