"""scores.npz from folders of tables."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from scripts import build_scores
from xlt import languages
from xlt.typology.scores import OURS, matrices

ROW = ("ner", "some-encoder", "eng", "deu", "F1", "0.5")


OWN = Path(build_scores.__file__).parent / "experiments" / "scores"


def test_all_folders_are_read(tmp_path: Path) -> None:
    (tmp_path / "INDEX.csv").write_text("name,source,licence\ntaxi1500,a repository,MIT\n")
    (tmp_path / "taxi1500.csv").write_text(f"{','.join(build_scores.COLUMNS)}\n{','.join(ROW)}\n")
    out = tmp_path / "scores.npz"
    build_scores.main([tmp_path, OWN], out)
    found = {matrix.name: matrix for matrix in matrices(out)}
    assert found.keys() == {"taxi1500", *own()}
    assert all(found[name].about["paper"] == OURS for name in own())
    assert found["taxi1500"].scores == pytest.approx(50)  # of a share, per cent
    table = found["e5_ner"]
    assert (table.metric, table.percent, table.about["paper"]) == ("f1", True, OURS)
    best = np.nanargmax(table.scores[:, table.targets.index("xho")])
    assert table.sources[best] == "zul"
    assert found["e5_parsing"].percent


def own() -> list[str]:
    with (OWN / "INDEX.csv").open(encoding="utf-8") as stream:
        return [row["name"] for row in csv.DictReader(stream)]


@pytest.mark.parametrize("name", own())
def test_our_own_tables_are_complete(name: str) -> None:
    with (OWN / f"{name}.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    sources, targets = ({row[f"{side}_iso639_3"] for row in rows} for side in ("source", "target"))
    assert len(rows) == len(sources) * len(targets)
    assert len(sources) >= 12
    assert len(targets) >= 20
    assert all(0 <= float(row["score"]) <= 100 for row in rows)


@pytest.mark.parametrize("name", own())
def test_our_own_tables_are_packaged(name: str) -> None:
    with (OWN / f"{name}.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    (packaged,) = (matrix for matrix in matrices() if matrix.name == name)
    assert packaged.about["model"] == rows[0]["model"]
    for row in rows:
        source, target = (languages.shared(row[f"{end}_iso639_3"]) for end in ("source", "target"))
        if source != target:
            place = packaged.sources.index(source), packaged.targets.index(target)
            assert packaged.scores[place] == pytest.approx(float(row["score"]), abs=0.006)
