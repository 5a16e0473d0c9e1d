"""The table of languages and the distances in it: the faults of other tools are the tests."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from xlt import languages
from xlt.errors import XltError
from xlt.typology import distances
from xlt.typology.distances import KINDS, Points, between, distance, matrix, reason
from xlt.typology.pretraining import tokens
from xlt.typology.table import PATH, SCALE, UNKNOWN, Table, table

MANY = ("eng", "eus", "jav", "ful", "orm", "swa", "zho", "tur", "quy", "pcm", "nan", "hbs", "kor")


def test_table_is_small_and_has_its_licences():
    assert PATH.stat().st_size < 3_000_000
    notes = table().notes
    assert any("CC BY-SA" in text for text in notes["licences"].values())
    assert len(notes["inputs"]["wals"]) == 64


def test_an_isolate_has_distances():
    assert table().lineage("eus") == ()
    for kind in KINDS:
        values = matrix(kind, ["eus"], ["spa", "eng", "fin", "tur"])
        assert np.isfinite(values).all(), kind
    assert distance("genetic", "eus", "spa") == 1
    assert distance("genetic", "eus", "eus") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_symmetric_bounded_zero_to_itself(kind):
    values = matrix(kind, MANY, MANY)
    np.testing.assert_allclose(values, values.T)
    known = values[~np.isnan(values)]
    assert ((known >= 0) & (known <= 1)).all()
    own = np.diag(values)
    np.testing.assert_allclose(own[~np.isnan(own)], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("one", "other"),
    [("swa", "swh"), ("est", "ekk"), ("zho", "cmn"), ("nor", "nob"), ("lav", "lvs")],
)
def test_a_macrolanguage_and_its_standard_are_one(one, other):
    for kind in KINDS:
        np.testing.assert_array_equal(
            matrix(kind, [one], MANY), matrix(kind, [other], MANY), err_msg=kind
        )


@pytest.mark.parametrize("code", ["azj", "aze", "lvs", "ory", "pbt", "pus", "gaz", "orm"])
def test_the_fuller_code_is_used(code):
    assert table().coverage(code, "syntax") > 0.4


def test_what_is_borrowed_is_said():
    assert table().borrowed("swh")["syntax"] == "swa"
    assert table().borrowed("eus") == {}


def test_unknown_is_nan_with_a_reason_and_never_a_constant():
    assert np.isnan(distance("syntactic", "pcm", "eng"))
    assert reason("syntactic", "pcm", "eng") == "nothing is recorded on pcm"
    assert np.isnan(distance("morphological", "ful", "deu"))
    assert "too few" in str(reason("morphological", "ful", "deu"))
    assert reason("syntactic", "eng", "deu") is None
    assert np.isnan(distance("geographic", "tlh", "eng"))  # Klingon has no place on Earth
    assert reason("geographic", "tlh", "eng") == "nothing is recorded on tlh"


def test_genetic_distance_is_one_less_the_share_of_the_path_in_common():
    known = table()
    for one, other in [("eng", "deu"), ("jav", "ind"), ("ces", "rus"), ("hin", "spa")]:
        paths = known.take("lineage", known.rows([one, other]))
        a, b = ([int(node) for node in path if node >= 0] for path in paths)
        shared = len(set(a) & set(b))  # nodes are those of a tree: what is shared is the beginning
        assert 0 < shared < min(len(a), len(b))
        wanted = 1 - shared / (len(a) * len(b)) ** 0.5
        assert distance("genetic", one, other) == pytest.approx(wanted)


def test_syntactic_distance_is_the_cosine_s():
    known = table()
    for domain, kind in [("syntax", "syntactic"), ("phonology", "phonological")]:
        a, b = known.take(f"{domain}_completed", known.rows(["eng", "jpn"])).astype(float)
        cosine = a @ b / (np.sqrt(a @ a) * np.sqrt(b @ b))
        assert distance(kind, "eng", "jpn") == pytest.approx(1 - cosine)


def test_morphological_distance_is_the_share_of_features_that_differ():
    known = table()
    chapters = {*map(str, range(20, 31)), "33", "34", "37", "38", "49", "50", "51", "57", "59"}
    chapters |= {"65", "66", "67", "68", "69", "70"}
    wals, marks = known.notes["wals"], known.notes["grambank"]
    rows = known.rows(["eng", "tur"])
    features = [
        pair
        for name, pair in [
            *zip(wals, known.take("wals", rows).T, strict=True),
            *zip(marks, known.take("grambank", rows).T, strict=True),
        ]
        if name.startswith("M_") or name.split(" ")[0].rstrip("A") in chapters
    ]
    both = [(a, b) for a, b in features if UNKNOWN not in (a, b)]
    assert len(both) > 20
    wanted = sum(a != b for a, b in both) / len(both)
    assert distance("morphological", "eng", "tur") == pytest.approx(wanted)


def test_five_features_are_enough_for_a_distance_and_four_are_not():
    codes = table().codes[:2800:7]
    points = Points(codes)
    morphology = points.morphology != UNKNOWN
    shared = morphology.astype(int) @ morphology.T.astype(int)
    assert {4, 5} <= set(shared.ravel().tolist())
    np.testing.assert_array_equal(np.isnan(matrix("morphological", codes, codes)), shared < 5)


def test_resources_are_log_millions_of_tokens_over_english():
    million = tokens(["jav", "eng"])
    wanted = np.log(1 + million[0]) / np.log(1 + million[1])
    assert Points(["jav"]).resources == pytest.approx(wanted)


def test_chinese_characters_are_one_script():
    assert {table().script("zho"), table().script("yue")} == {"Hans", "Hant"}
    assert distance("script", "zho", "yue") == 0
    assert np.isnan(distance("script", "tlh", "eng")) or distance("script", "tlh", "eng") in (0, 1)


def test_genetic_distance_follows_the_tree():
    to = dict(zip(MANY, matrix("genetic", ["deu"], MANY)[0], strict=True))
    assert to["eng"] < 1
    assert to["eus"] == to["tur"] == to["ful"] == 1
    assert distance("genetic", "ces", "slk") < distance("genetic", "ces", "rus") < 1


def test_geographic_distance_is_the_great_circle():
    # Basque (43.3 N, 1.3 W) to English (53 N, 1 W): about 1,080 km of half of 40,030.
    assert distance("geographic", "eus", "eng") == pytest.approx(1080 / 20015, rel=0.02)


def test_geographic_distance_between_far_corners():
    """By the angle between two vectors from the Earth's middle."""
    north, east = np.radians(table().take("coordinates", table().rows(["eng", "jpn", "mri"]))).T
    places = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])
    angles = np.arccos(np.clip(places.T @ places, -1, 1))
    codes = ["eng", "jpn", "mri"]
    np.testing.assert_allclose(matrix("geographic", codes, codes), angles / np.pi, atol=1e-4)


def test_an_unknown_script_is_no_other_script():
    english, unknown = Points(["eng"]), Points(["eng"])
    unknown.script = np.array([np.nan])  # every language of the packaged table has one
    for one, other in [(unknown, english), (english, unknown), (unknown, unknown)]:
        assert np.isnan(between("script", one, other)).all()


def test_every_language_of_the_lexicon_has_distances():
    codes = [code for code in table().codes if reason("lexical", code, code) is None]
    rows = Points(codes).lexical
    assert {0, 1} <= set(rows.tolist())
    first, second = (codes[rows.tolist().index(row)] for row in (0, 1))
    for one, other in [(first, second), (second, first), (first, "eng"), ("eng", first)]:
        assert 0 < distance("lexical", one, other) <= 1  # 1: another script


def test_scripts():
    assert distance("script", "srp", "rus") == distance("script", "eng", "jav") == 0
    assert distance("script", "hin", "urd") == 1
    assert table().script("kor") == "Kore"


def test_lexical_distance_is_that_of_two_translations():
    near, far = matrix("lexical", ["jav"], ["ind", "fra"])[0]
    assert near < far < 1
    assert distance("lexical", "rus", "eng") > 0.95
    assert distance("lexical", "msa", "ind") < 0.5  # Malay's text is under its standard member
    assert reason("lexical", "got", "eng") == "nothing is recorded on got"


def test_no_and_nan_are_languages():
    assert table().row(languages.code("no")) == table().row("nor") is not None
    assert table().row(languages.code("nan")) is not None


def test_every_code_is_one_that_the_code_table_knows():
    some = table().codes[::50]
    assert [languages.code(code) for code in some] == list(some)


@pytest.mark.skipif(find_spec("lang2vec") is None, reason="the extra `typology` is not installed")
def test_agrees_with_lang2vec():
    spec = find_spec("lang2vec")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "data"
    with (
        np.load(folder / "feature_averages.npz") as seen,
        np.load(folder / "feature_predictions.npz") as filled,
    ):
        rows = {str(code): n for n, code in enumerate(seen["langs"])}
        names = [str(name) for name in seen["feats"]]
        average, completed = seen["data"][:, :, 0], filled["data"][:, :, 0]
    for domain in ("syntax", "phonology", "inventory"):
        columns = [names.index(name) for name in table().notes[domain]]
        for code in ("eng", "eus", "tur", "jav", "fin"):
            row, own = table().row(code), rows[code]
            values = table().array(domain)[row]
            expected = average[own, columns]
            np.testing.assert_array_equal(values == UNKNOWN, expected < 0)
            known = values != UNKNOWN
            np.testing.assert_allclose(values[known] / SCALE, expected[known], atol=1e-3)
            filled_in = table().array(f"{domain}_completed")[row]
            np.testing.assert_array_equal(filled_in, completed[own, columns])


def test_nothing_heavy_is_imported():
    code = (
        "import sys\nfrom xlt.typology.distances import distance\n"
        "distance('genetic', 'eng', 'deu')\n"
        "print([m for m in ('torch', 'transformers', 'pandas', 'scipy', 'pydantic') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Rows of the table -----------------------------------------------------------------------------

FAMILY = "cau"
"""A code of the Caucasian languages together: the table has no row for it."""


def test_a_language_without_a_row_is_missing_everywhere():
    known = table()
    assert known.row(FAMILY) is None
    assert known.rows([FAMILY, "eng"]).tolist() == [-1, known.row("eng")]
    assert known.name(FAMILY) == FAMILY
    assert known.name("jav") == "Javanese"
    assert known.script(FAMILY) is None
    assert known.lineage(FAMILY) == ()
    assert known.coverage(FAMILY, "syntax") == 0
    rows = known.rows([FAMILY, "eng"])
    names = ("lineage", "coordinates", "script", "wals", "grambank", "syntax_completed")
    for name in names:
        whole = known.array(name).copy()
        missing, present = known.take(name, rows)
        wanted = {"lineage": -1, "coordinates": np.nan}.get(name, UNKNOWN)
        np.testing.assert_array_equal(missing, np.full_like(missing, wanted))
        np.testing.assert_array_equal(present, whole[known.row("eng")])
        np.testing.assert_array_equal(known.array(name), whole)  # as it was
    # Row 0 is a language as any other.
    places = known.take("coordinates", np.array([0, -1]))
    np.testing.assert_array_equal(places, [known.array("coordinates")[0], [np.nan, np.nan]])
    assert not np.isnan(places[0]).any()
    for kind in KINDS:
        assert np.isnan(distance(kind, FAMILY, "eng"))
        assert np.isnan(distance(kind, "eng", FAMILY))
        assert reason(kind, FAMILY, "eng") == f"nothing is recorded on {FAMILY}"


def test_a_code_that_is_no_row_stands_for_its_macrolanguage(tmp_path):
    np.savez(tmp_path / "small.npz", codes=np.array(["eng", "swa"]))
    small = Table(tmp_path / "small.npz")
    assert small.rows(["swh", "swa", "eng", "deu", "ekk"]).tolist() == [1, 1, 0, -1, -1]


def test_a_lineage_is_read_from_the_widest_group_to_the_narrowest():
    """Swahili is Atlantic-Congo, which is the first node of the tree."""
    known = table()
    for code in ("swa", "eng", "jav"):
        nodes = known.array("lineage")[known.row(code)].tolist()
        names = [known.notes["nodes"][node] for node in nodes if node != -1]
        assert list(known.lineage(code)) == [name for name in names if name]
    assert known.lineage("swa")[0] == known.notes["nodes"][0] == "Atlantic-Congo"


def test_coverage_is_the_share_that_is_recorded():
    values = table().array("phonology")[table().row("jav")].tolist()
    recorded = sum(value != UNKNOWN for value in values) / len(values)
    assert table().coverage("jav", "phonology") == pytest.approx(recorded)
    assert 0 < recorded < 1


@pytest.mark.parametrize("content", [None, b"no archive"])
def test_a_table_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "table.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(XltError, match="cannot be read") as caught:
        Table(path)
    assert caught.value.where == str(path)
    assert caught.value.fix


def test_a_completed_vector_of_what_nobody_observed_is_unknown():
    for domain in ("syntax", "phonology", "inventory"):
        codes = [*MANY, FAMILY]
        rows = table().rows(codes)
        observed = (table().take(domain, rows) != UNKNOWN).any(1)
        for unit, seen in zip(Points(codes).unit(domain), observed, strict=True):
            assert np.isnan(unit).all() != seen
            assert not seen or np.linalg.norm(unit) == pytest.approx(1)


def test_lexical_distances_are_one_less_what_the_lexicon_says():
    rows, apart = distances._lexicon()
    with np.load(distances.LEXICON, allow_pickle=False) as archive:
        codes, values = archive["codes"].tolist(), archive["similar"].tolist()
        borrowed = json.loads(archive["notes"].tobytes())["borrowed"]
    pairs = [(a, b) for a in range(len(codes)) for b in range(a + 1, len(codes))]
    for n in range(0, len(pairs), 997):
        a, b = pairs[n]
        assert apart[a, b] == apart[b, a] == pytest.approx(1 - values[n] / 250)
    assert not np.diag(apart).any()
    for code, giver in borrowed.items():
        assert rows[code] == (codes.index(code) if code in codes else codes.index(giver))


def test_depth_is_the_number_of_nodes():
    points = Points(["eus", "eng", FAMILY])
    english = sum(node >= 0 for node in table().array("lineage")[table().row("eng")].tolist())
    assert points.depth.tolist()[1:] == [english, 0]
    assert points.covered.tolist() == [1, 1, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_matrix_has_the_distance_of_each_pair(kind):
    """Of languages of shallow and of deep families, and of none."""
    codes = ["eng", "eus", "jav", "pcm", "zho", "swa", FAMILY]
    found = matrix(kind, codes, codes[1:])
    wanted = [[distance(kind, a, b) for b in codes[1:]] for a in codes]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_nothing_pickled_is_read(tmp_path):
    """A pickle runs what it holds."""
    path = tmp_path / "table.npz"
    np.savez(path, codes=np.array([{"a": 1}], dtype=object), similar=np.array([0.0]))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Table(path).array("codes")
    with pytest.raises(ValueError, match="allow_pickle=False"):
        distances._lexicon(path)
