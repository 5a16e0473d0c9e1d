"""Unlabelled target text: what is read and warned of, what is measured, how it enters a ranking."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import make_encoder

from xlt.errors import XltError
from xlt.typology import text
from xlt.typology.ranking import rank
from xlt.typology.text import Evidence, apply, evidence, overlap, read_target, trigrams, with_text

JAVANESE = ["ibu maca buku ing omah .", "bocah cilik iku turu .", "aku seneng maca buku anyar ."]
INDONESIAN = ["ibu membaca buku di rumah .", "anak kecil itu tidur .", "buku itu baru ."]
ENGLISH = ["the mother reads a book .", "that small child sleeps .", "we like new things ."]
TEXTS = {"ind": INDONESIAN, "eng": ENGLISH}


@pytest.fixture
def write(tmp_path):
    def write(content: str, name: str = "target.txt") -> Path:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return write


def parsing(*candidates: str):
    return rank("jav", candidates, task="dependency_parsing", measured_as=("dep",))


# Reading -------------------------------------------------------------------------------------


def test_enough_text_in_the_right_script_is_not_remarked_on(write):
    lines, warnings = read_target(write("Ibu maca buku.\n\n" * 30), "jav")
    assert lines == ["Ibu maca buku ."] * 30
    assert warnings == []


def test_few_sentences_and_another_script_are_warned_of(write):
    _, warnings = read_target(write("Мать читает книгу.\nДети спят, ok.\n"), "jav")
    assert "only 2 sentences" in warnings[0]
    assert "are Latn, the usual script of Javanese; most are Cyrl" in warnings[1]


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("jpn", "母は本を読みます。カタカナ"),
        ("kor", "어머니가 책을 읽는다"),
        ("zho", "母亲看书"),
        ("hin", "माँ किताब पढ़ती है"),
        ("srp", "мајка чита књигу"),
    ],
)
def test_scripts_with_parts(write, language, line):
    assert read_target(write(f"{line}\n" * 30), language)[1] == []


@pytest.mark.parametrize("content", ["", "\n \n", "123 . 456\n"])
def test_no_sentences(write, content):
    path = write(content)
    with pytest.raises(XltError, match="no sentences" if content else "is empty") as caught:
        read_target(path, "jav")
    assert caught.value.where == str(path)


def test_unreadable(tmp_path):
    binary = tmp_path / "target.txt"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, what in (
        (binary, "UTF-16"),
        (tmp_path / "nowhere.txt", "no such file"),
        (tmp_path, "a folder"),
        (Path("/dev/zero"), "a device"),
    ):
        with pytest.raises(XltError, match=what) as caught:
            read_target(path, "jav")
        assert str(caught.value.where).startswith(str(path))


def test_running_text_and_data_look_alike():
    assert text.normalise('"Ibu maca," kandha.') == '" Ibu maca , " kandha .'
    assert text.normalise("पढ़ती") == text.normalise("पढ़ती")


# Measuring -----------------------------------------------------------------------------------


def test_overlap():
    assert trigrams(["Ab c"]) == {" ab": 1, "ab ": 1, "b c": 1, " c ": 1}
    found = overlap(["ab"], {"x": ["ab"], "y": ["abc"], "z": ["q"]}, trigrams)
    assert found == {"x": 1.0, "y": 0.5, "z": 0.0}


def test_letters_find_the_relative():
    found = evidence(JAVANESE, TEXTS, {})
    assert set(found.measures) == {"letters"}
    assert found.values["ind"] > 0 > found.values["eng"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    return str(make_encoder(folder, [*JAVANESE, *INDONESIAN, *ENGLISH] * 4))


def test_with_an_encoder_subwords_and_neighbours(encoder):
    found = evidence(JAVANESE, TEXTS, {}, encoder)
    assert set(found.measures) == {"pieces", "neighbours"}
    assert found.measures["pieces"]["ind"] > found.measures["pieces"]["eng"]
    standard = [text._standardised(measure) for measure in found.measures.values()]
    for code, value in found.values.items():
        assert value == pytest.approx((standard[0][code] + standard[1][code]) / 2)


def test_an_encoder_that_is_nowhere():
    with pytest.raises(XltError):
        evidence(JAVANESE, TEXTS, {}, "./no-such-encoder")


# Ranking -------------------------------------------------------------------------------------


def test_the_text_is_a_term():
    before = parsing("ita", "fra", "eng")
    close = before.sources[1].language
    found = with_text(before, Evidence({}, {close: 3.0, before.sources[0].language: -3.0}, {}))
    assert found.sources[0].language == close
    assert [source.rank for source in found.sources] == [1, 2, 3]
    old = {source.language: source for source in before.sources}
    for source in found.sources:
        was = old[source.language]
        more = dict(source.extra).get("text", 0)
        assert source.score == pytest.approx(was.score + more)
        assert sum(source.terms.values()) == pytest.approx(source.score)
        assert source.expected == pytest.approx(was.expected + more * was.spread)
    assert found.references["English"].rank == next(
        source.rank for source in found.sources if source.language == "eng"
    )


def test_without_measurements_the_text_counts_more():
    ranking = rank("jav", ["ita", "fra", "eng"])
    values = {"ita": 1.0, "fra": 0.0, "eng": -1.0}
    moved = {
        s.language: dict(s.extra)["text"]
        for s in with_text(ranking, Evidence({}, values, {})).sources
    }
    scores = [source.score for source in ranking.sources]
    spread = (sum((s - sum(scores) / 3) ** 2 for s in scores) / 3) ** 0.5
    assert moved["ita"] == pytest.approx(text.WEIGHT_UNMEASURED * spread)


def test_apply(write):
    target = write("\n".join(JAVANESE))
    files = [
        f"Indonesian={write(chr(10).join(INDONESIAN), 'ind.txt')}",
        f"eng={write(chr(10).join(ENGLISH), 'eng.txt')}",
    ]
    ranking = parsing("ind", "eng", "slk")
    found, about = apply(ranking, target, files=files, named=["sample"])
    assert about["without_text"] == ["slk"]
    assert set(about["origins"]) == {"ind", "eng"}
    assert "only 3 sentences" in about["warnings"][0]
    terms = {source.language: source.terms for source in found.sources}
    assert "text" not in terms["slk"]
    assert terms["ind"]["text"] > 0 > terms["eng"]["text"]


def test_text_of_cards(write):
    found, about = apply(parsing("ind", "eng"), write("\n".join(JAVANESE)), named=["sample"])
    assert about["origins"]["ind"] == "sample-dep:ind:train"
    assert {source.language for source in found.sources} == {"ind", "eng"}


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ([], "text of 0 of the candidates"),
        (["ind.txt"], "names no language"),
        (["xyzzy=ind.txt"], "--source-text: unknown language"),
        (["ind=nowhere.txt"], "no such file"),
    ],
)
def test_bad_input(write, files, what, monkeypatch):
    monkeypatch.delenv("XLT_DATA", raising=False)
    with pytest.raises(XltError, match=what):
        apply(parsing("ind", "eng"), write("\n".join(JAVANESE)), files=files)
