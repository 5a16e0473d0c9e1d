"""Likeness and transfer: what Zubillaga et al. 2024 found, found again in their table."""

from __future__ import annotations

import numpy as np
import pytest

from xlt.errors import XltError
from xlt.typology.analysis import analyse, read


@pytest.fixture(scope="module")
def eusie():
    return {
        matrix.task: {effect.trait: effect for effect in analyse(matrix, permutations=300)}
        for matrix in read("eusie_event")
    }


def test_word_order_leads_for_arguments(eusie):
    effects = eusie["event-argument"]
    assert max(effects.values(), key=lambda effect: effect.difference).trait == "word order"
    assert effects["word order"].difference == pytest.approx(7.4, abs=0.05)
    assert effects["word order"].p < 0.1


@pytest.mark.parametrize(
    ("task", "trait", "difference"),
    [
        ("event-entity", "word order", 4.3),
        ("event-entity", "script", 3.0),
        ("event-trigger", "word order", 3.3),
        ("event-trigger", "script", 4.4),
        ("event-argument", "script", 3.1),
    ],
)
def test_differences_as_in_a_reanalysis_of_the_table(eusie, task, trait, difference):
    assert eusie[task][trait].difference == pytest.approx(difference, abs=0.06)


def test_every_pair_is_counted(eusie):
    for effects in eusie.values():
        for effect in effects.values():
            assert effect.alike + effect.different + effect.unknown == 64
            assert 0 < effect.p <= 1


def test_no_effect_in_noise(tmp_path):
    codes = ["eng", "deu", "rus", "jpn", "hin", "tur", "fin", "ara"]
    draw = np.random.default_rng(1)
    lines = [f"{a},{b},{draw.normal():.4f}" for a in codes for b in codes if a != b]
    path = tmp_path / "noise.csv"
    path.write_text("source,target,score\n" + "\n".join(lines), encoding="utf-8")
    (matrix,) = read(path)
    assert matrix.scores.shape == (8, 8)
    ps = [effect.p for effect in analyse(matrix, permutations=200)]
    assert min(ps) > 0.005


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("source,target\neng,deu\n", "columns score are missing", ":1"),
        ("", "no rows", ":1"),
        ("source,target,score\neng,deu,high\n", "not a pair", ":2"),
        ("source,target,score\neng,deu,nan\n", "not a pair", ":2"),
        ("source,target,score\neng,deu,1\nEnglsh,deu,1\n", "unknown language", ":3"),
    ],
)
def test_bad_files(tmp_path, text, what, where):
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(XltError) as caught:
        read(path)
    assert what in caught.value.what
    assert str(caught.value.where).endswith(where)


def test_unknown_matrix_names_the_nearest():
    with pytest.raises(XltError, match="eusie_event"):
        read("eusie_evnt")
