"""The page with a map: complete, and in need of no network."""

from __future__ import annotations

import builtins
import re

import numpy as np
import pytest

from scripts.build_coastlines import lines
from xlt.errors import XltError
from xlt.typology.distances import KINDS, distance
from xlt.typology.map import COASTLINES, _coast, _heat, _hover, _map, _places, write_map
from xlt.typology.ranking import rank
from xlt.typology.table import table

URL = re.compile(r"""(?:src|href)\s*=|https?:|//cdn|@import|url\(""")


@pytest.fixture(scope="module")
def ranking():
    return rank("jav", ["ind", "eng", "slk", "tur"], task="ner", measured_as=("ner",))


def test_the_page_works_offline(ranking, tmp_path):
    from plotly.offline import get_plotlyjs

    path = tmp_path / "map.html"
    told = write_map(ranking, path)
    page = path.read_text(encoding="utf-8")
    library = get_plotlyjs()
    assert page.count(library) == 1
    assert page.count("<html") == 1
    rest = page.replace(library, "")
    assert not URL.search(rest), URL.search(rest)
    # Traces of other kinds make the library fetch coastlines or tiles.
    kinds = {trace.type for figure in (_map(ranking), _heat(ranking)) for trace in figure.data}
    assert kinds == {"scatter", "heatmap"}
    assert "Javanese" in rest
    assert "Indonesian (ind)" in rest
    assert "unknown" in rest
    assert told == {"file": str(path), "without_place": []}


def test_names_are_escaped(ranking, tmp_path):
    path = tmp_path / "map.html"
    write_map(ranking.__class__(**{**vars(ranking), "notes": ("<b>&",)}), path)
    assert "&lt;b&gt;&amp;" in path.read_text(encoding="utf-8")


def places(*codes: str) -> list[list[float]]:
    found = table().take("coordinates", table().rows(codes)).astype(float).tolist()
    return [[round(y, 3), round(x - 360 if x > 180 else x, 3)] for y, x in found]


def test_languages_are_where_they_are_spoken(ranking):
    coast, _, sources, target = _map(ranking).data
    codes = [source.language for source in ranking.sources]
    assert [list(pair) for pair in zip(sources.y, sources.x, strict=True)] == places(*codes)
    assert [[target.y[0], target.x[0]]] == places("jav")
    assert target.text == ("Javanese",)
    assert list(sources.marker.color) == [source.score for source in ranking.sources]
    assert list(sources.text) == [_hover(source) for source in ranking.sources]
    assert coast.showlegend is False


def test_the_first_five_are_joined_to_the_target(ranking):
    six = ["ind", "eng", "slk", "tur", "tam", "quy"]
    many = rank("jav", six, task="ner", measured_as=("ner",))
    ((north, east),) = places("jav")
    for ranked, number in ((many, 5), (ranking, 4)):
        links = _map(ranked).data[1]
        joined = places(*(source.language for source in ranked.sources[:number]))
        assert list(links.x) == [v for _, x in joined for v in (east, x, None)]
        assert list(links.y) == [v for y, _ in joined for v in (north, y, None)]
        assert links.name == "to the first 5"


def test_every_place_is_on_the_map(ranking):
    layout = _map(ranking).layout
    for values, axis in zip(
        _places(list(table().codes)), (layout.yaxis, layout.xaxis), strict=True
    ):
        low, high = axis.range
        every = [value for value in values if value is not None]
        assert low < min(every) < max(every) < high
        assert axis.visible is False
    assert layout.xaxis.range == (-180, 180)


def test_america_is_west_of_greenwich():
    """Ayacucho lies at 13.2 S, 74.2 W, Quechua is spoken around it; Maori is east of 170 E."""
    (quechua, maori), (west, east) = _places(["quy", "mri"])
    assert [[quechua, west], [maori, east]] == places("quy", "mri")
    assert (quechua, west) == (pytest.approx(-13.2, abs=2), pytest.approx(-74.2, abs=2))
    assert east > 170 > 0 > maori


def test_a_cell_is_a_distance_or_says_that_it_is_unknown():
    ranked = rank("pcm", ["yor", "eng", "tlh"])
    figure = _heat(ranked)
    (heat,) = figure.data
    assert tuple(heat.x) == KINDS
    assert list(heat.y) == [f"{s.rank}. {s.name} ({s.language})" for s in ranked.sources]
    assert (heat.zmin, heat.zmax) == (0, 1)
    assert figure.layout.yaxis.autorange == "reversed"  # the first at the top
    unknown = 0
    for source, cells, labels in zip(ranked.sources, heat.z, heat.text, strict=True):
        for kind, cell, label in zip(KINDS, cells, labels, strict=True):
            value = distance(kind, source.language, "pcm")
            if np.isnan(value):
                assert (cell, label) == (None, "unknown")
                unknown += 1
            else:
                assert (cell, label) == (round(value, 4), f"{value:.2f}")
    assert 0 < unknown < 3 * len(KINDS)


def test_the_heat_map_has_40_sources_at_most_and_a_line_for_each(ranking):
    sources = ranking.sources * 11
    assert len(sources) == 44
    most, all_of_ten = (
        _heat(ranking.__class__(**{**vars(ranking), "sources": sources[:number]}))
        for number in (44, 10)
    )
    assert [len(figure.data[0].z) for figure in (most, all_of_ten)] == [40, 10]
    a_line = (most.layout.height - all_of_ten.layout.height) / 30
    assert 15 < a_line < 50  # pixels: what one reads
    assert all_of_ten.layout.height - 10 * a_line > 100  # for the title and the kinds' names


def test_what_is_said_of_a_source(ranking):
    source = ranking.sources[0]._replace(
        rank=1, language="ind", score=0.456, expected=67.44, low=50.4, high=80.6
    )
    first, score, expected, terms = _hover(source).split("<br>")
    assert (first, score, expected) == (
        "1. Indonesian (ind)", "score +0.46", "expected 67.4 [50, 81]"
    )  # fmt: skip
    assert terms == ", ".join(f"{name} {value:+.2f}" for name, value in source.terms.items())
    assert "expected 67.4<br>" in _hover(source._replace(low=None, high=None))
    assert "expected" not in _hover(source._replace(expected=None))


def test_languages_of_no_place_are_named(tmp_path):
    told = write_map(rank("jav", ["ind", "tlh"]), tmp_path / "map.html")
    assert told["without_place"] == ["tlh"]
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "no place is known of tlh" in page
    assert _map(rank("jav", ["tlh"])).data[2].x == (None,)


def test_coastlines_are_drawn_one_after_the_other():
    with np.load(COASTLINES, allow_pickle=False) as archive:
        points, starts = archive["points"] / 100, archive["starts"].tolist()
    wanted: list[tuple[float | None, float | None]] = []
    for number, (east, north) in enumerate(points.tolist()):
        if number in starts[1:]:
            wanted.append((None, None))
        wanted.append((east, north))
    found = _coast()
    assert list(zip(found["x"], found["y"], strict=True)) == [*wanted, (None, None)]


def test_without_plotly(ranking, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("plotly"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(XltError) as caught:
        write_map(ranking, tmp_path / "map.html")
    assert "xlt[map]" in caught.value.fix


def test_where_nothing_can_be_written(ranking, tmp_path):
    with pytest.raises(XltError):
        write_map(ranking, tmp_path / "no" / "map.html")


def test_coastlines():
    with np.load(COASTLINES, allow_pickle=False) as archive:
        points, starts = archive["points"] / 100, archive["starts"]
        assert b"public domain" in archive["licence"].tobytes()
    assert np.abs(points).max(0) == pytest.approx([180, 90], abs=10)
    for line in np.split(points, starts[1:]):
        assert np.abs(np.diff(line[:, 0])).max(initial=0) < 180


def test_arcs_are_decoded_and_cut_at_the_back_of_the_map():
    topology = {
        "transform": {"scale": [1, 1], "translate": [-180, -90]},
        "arcs": [[[350, 90], [5, 1], [-355, 0], [5, 0]]],
    }
    one, other = lines(topology)
    np.testing.assert_array_equal(one, [[170, 0], [175, 1]])
    np.testing.assert_array_equal(other, [[-180, 1], [-175, 1]])
