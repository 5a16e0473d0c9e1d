"""The page with a map: complete, and in need of no network."""

from __future__ import annotations

import builtins
import re

import numpy as np
import pytest

from scripts.build_coastlines import lines
from xlt.errors import XltError
from xlt.typology.map import COASTLINES, _heat, _map, write_map
from xlt.typology.ranking import rank

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
    assert library in page
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
