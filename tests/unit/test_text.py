"""Unlabelled target text: what is read and warned of, what is measured, how it enters a ranking."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

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


# Against what the module says --------------------------------------------------------------------


def test_letters_are_counted_as_often_as_they_occur():
    """Of "abab ab": ` ab` twice, `aba`, `bab`, `ab ` twice, `b a`. "xab" has `ab ` alone."""
    assert trigrams(["ABAB ab"]) == {" ab": 2, "aba": 1, "bab": 1, "ab ": 2, "b a": 1}
    assert overlap(["abab ab"], {"x": ["xab"]}, trigrams) == {"x": 2 / 7}
    assert overlap([], {"x": ["ab"]}, trigrams) == {"x": 0}


def test_a_measure_is_the_standardised_logarithm_of_a_share():
    found = text._standardised({"a": 0.5, "b": 0.1, "c": 0.0})
    logs = [math.log(share + 0.001) for share in (0.5, 0.1, 0)]
    mean = sum(logs) / 3
    spread = (sum((log - mean) ** 2 for log in logs) / 3) ** 0.5
    assert list(found.values()) == pytest.approx([(log - mean) / spread for log in logs])
    assert text._standardised({"a": 0.5, "b": 0.5}) == {"a": 0, "b": 0}


@pytest.mark.parametrize(("number", "warned"), [(24, True), (25, False)])
def test_25_sentences_are_enough(write, number, warned):
    lines, warnings = read_target(write("Ibu maca buku.\n" * number), "jav")
    assert len(lines) == number
    assert bool(warnings) == warned


def test_so_many_sentences_of_the_target_are_looked_at(write, monkeypatch):
    monkeypatch.setattr(text, "MAX_TARGET_SENTENCES", 30)
    lines, warnings = read_target(write("Ibu maca.\n" * 30 + "Мать читает.\n" * 90), "jav")
    assert lines == ["Ibu maca ."] * 30
    assert warnings == []


@pytest.mark.parametrize(("line", "warned"), [("abcd абвг", False), ("abc абвг", True)])
def test_half_of_the_letters_in_another_script_are_not_warned_of(write, line, warned):
    _, warnings = read_target(write(f"{line}\n" * 30), "jav")
    assert bool(warnings) == warned
    if warned:
        assert warnings[0].startswith("43% of the letters in target.txt are Latn")


def test_a_long_text_is_looked_at_evenly():
    lines = [str(n) for n in range(10)]
    assert text._evenly(lines, 4) == ["0", "3", "6", "9"]
    assert text._evenly(lines, 10) is lines
    assert text._evenly(lines, 12) is lines


def test_files_of_candidates(write, monkeypatch):
    monkeypatch.setattr(text, "MAX_SOURCE_SENTENCES", 2)
    path = write("One here.\nTwo.\nThree.\n", "some=thing.txt")
    texts, origins = text.from_files([f"Indonesian={path}"])
    assert texts == {"ind": ["One here .", "Three ."]}
    assert origins == {"ind": str(path)}


def card(name: str, task: str, **languages: str) -> SimpleNamespace:
    """Language → its splits; the files of a split in capitals are not here."""
    held = {
        code: {split.lower(): SimpleNamespace(files=[split]) for split in splits.split()}
        for code, splits in languages.items()
    }
    return SimpleNamespace(identifier=name, task=task, languages=held)


@pytest.fixture
def cards(monkeypatch):
    known = [
        card("a-ner", "ner", ind="train", eng="test"),
        card("sample-dep", "dependency_parsing", ind="train", jav="train"),
        card("z-dep", "dependency_parsing", ind="TRAIN test dev", eng="TRAIN"),
        card("zz-dep", "dependency_parsing", ind="train"),
        card("b-none", "no such task", tur="train"),
    ]
    by_name = {one.identifier: one for one in known}
    monkeypatch.setattr(text, "data_cards", lambda: by_name)
    monkeypatch.setattr(text.cards, "get", by_name.__getitem__)
    monkeypatch.setattr(text, "locate", lambda card, file: None if file.isupper() else Path(file))
    monkeypatch.setattr(text, "_sentences", lambda task, reference: [task])


@pytest.mark.usefixtures("cards")
def test_cards_of_the_task_come_first_and_training_data_before_the_rest():
    texts, origins = text.from_cards(["ind", "eng", "tur", "jav"], "dependency_parsing")
    # English has no file of the parsing card here; the sample and an unknown task are not asked.
    assert origins == {"ind": "z-dep:ind:dev", "eng": "a-ner:eng:test"}
    assert texts == {"ind": ["dependency_parsing"], "eng": ["ner"]}
    _, origins = text.from_cards(["ind"], "ner")
    assert origins == {"ind": "a-ner:ind:train"}


@pytest.mark.usefixtures("cards")
def test_named_cards_alone_are_asked():
    """A name stands for all cards that begin with it and a hyphen."""
    asked = ["ind", "eng", "jav"]
    assert text.from_cards(asked, "ner", ["z"])[1] == {"ind": "z-dep:ind:dev"}
    assert text.from_cards(asked, "ner", ["zz-dep"])[1] == {"ind": "zz-dep:ind:train"}
    sample = {"ind": "sample-dep:ind:train", "jav": "sample-dep:jav:train"}
    assert text.from_cards(asked, "ner", ["sample"])[1] == sample


def test_data_are_read_once_each_and_evenly(monkeypatch):
    from xlt.data import store

    documents = [["Ibu", "maca"], ["."], ["Ibu", "maca"], [], ["a,b"], ["c"], ["d"], ["never"]]
    plugin = SimpleNamespace(
        given_texts=lambda document: [SimpleNamespace(surface=word) for word in document]
    )
    monkeypatch.setattr(text.tasks, "get", lambda task: lambda: plugin)
    monkeypatch.setattr(text, "resolve", lambda reference, language, split: (language, split))
    monkeypatch.setattr(store, "read_documents", lambda plugin, data: iter(documents))
    monkeypatch.setattr(text, "MAX_RECORDS", 7)
    assert text._sentences("ner", "card:ind:dev") == ["Ibu maca", ".", "a , b", "c", "d"]
    monkeypatch.setattr(text, "MAX_SOURCE_SENTENCES", 3)
    assert text._sentences("ner", "card:ind:dev") == ["Ibu maca", "a , b", "d"]


def test_a_term_moves_what_is_expected_within_the_metric():
    (source, *_) = parsing("ind").sources
    given = source._replace(score=1.0, expected=50.0, low=2.0, high=99.0, spread=10.0)
    up, down = text.raised(given, "text", 0.3), text.raised(given, "text", -0.3)
    assert (up.score, up.expected, up.low, up.high) == (1.3, 53, 5, 100)
    assert (down.score, down.expected, down.low, down.high) == (0.7, 47, 0, 96)
    assert up.extra == (*source.extra, ("text", 0.3))
    half = text.raised(given._replace(low=None), "text", 0.3)
    assert (half.low, half.high) == (None, 100)
    unmeasured = text.raised(given._replace(spread=None), "text", 0.3)
    assert (unmeasured.score, unmeasured.expected) == (1.3, 50)


def test_in_a_measured_task_a_standard_deviation_of_text_is_a_tenth():
    """What was measured on the target itself does not move, nor what has no text."""
    ranking = parsing("ind", "tur", "hin")
    own = ranking.sources[1]
    sources = (ranking.sources[0], own._replace(own=True), ranking.sources[2])
    values = {source.language: 2.0 for source in sources[:2]}
    found = with_text(replace(ranking, sources=sources), Evidence({}, values, {}))
    moved = {s.language: s for s in found.sources}
    assert dict(moved[sources[0].language].extra) == {"text": pytest.approx(0.2)}
    for source in sources[1:]:
        assert moved[source.language].extra == ()
        assert moved[source.language].score == source.score
    assert found.references["English"].rank == 0


def test_equal_scores_are_told_apart_by_text_and_ranked_by_code():
    ranking = rank("jav", ["ita", "fra", "spa"])
    equal = replace(ranking, sources=tuple(s._replace(score=1.0) for s in ranking.sources))
    found = with_text(equal, Evidence({}, {"spa": 2.0}, {}))
    assert [(s.rank, s.language) for s in found.sources] == [(1, "spa"), (2, "fra"), (3, "ita")]
    assert found.sources[0].score == 1 + 0.5 * 2


def test_what_a_comparison_rests_on(write):
    target = write("\n".join(JAVANESE * 10))
    files = [
        f"{code}={write(chr(10).join(lines), f'{code}.txt')}"
        for code, lines in {**TEXTS, "tur": ENGLISH}.items()
    ]
    ranking = parsing("ind", "eng", "slk", "hin")
    _, about = apply(ranking, target, files=files, named=["nothing"])
    found = evidence(JAVANESE * 10, TEXTS, {})
    assert about["measures"]["letters"] == {
        code: round(value, 4) for code, value in found.measures["letters"].items()
    }
    assert about["without_text"] == ["hin", "slk"]
    assert (about["file"], about["sentences"], about["encoder"]) == (str(target), 30, None)
    assert about["warnings"] == []
    with pytest.raises(XltError, match="text of 1 of the candidates"):
        apply(parsing("ind", "tur"), target, files=files[:1], named=["nothing"])


def test_a_language_of_no_known_script_is_not_warned_of(write):
    assert read_target(write("Ibu maca buku.\n" * 30), "cau")[1] == []


def test_files_are_taken_before_cards_and_cards_without_text_are_none(write, monkeypatch):
    """Cards are asked for the rest alone."""
    asked = []

    def from_cards(codes, task, named):
        asked.append((codes, task, named))
        return {"eng": ENGLISH, "slk": []}, {"eng": "card:eng:train", "slk": "card:slk:train"}

    monkeypatch.setattr(text, "from_cards", from_cards)
    path = write("\n".join(INDONESIAN), "ind.txt")
    target = write("\n".join(JAVANESE))
    _, about = apply(parsing("ind", "slk", "eng"), target, files=[f"ind={path}"], named=["card"])
    (codes, task, named) = asked[0]
    assert {"eng", "slk"} <= set(codes)
    assert "ind" not in codes
    assert (task, named) == ("dependency_parsing", ["card"])
    assert about["origins"] == {"ind": str(path), "eng": "card:eng:train"}
    assert about["without_text"] == ["slk"]
