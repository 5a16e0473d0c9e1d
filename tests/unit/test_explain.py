"""The reasons for a ranking: each number and word against the table that it is taken from."""

from __future__ import annotations

import numpy as np
import pytest

from xlt.typology import explain
from xlt.typology.distances import KINDS, distance, reason
from xlt.typology.explain import CHAPTERS, add_pretraining, as_dict, compared, describe, differences
from xlt.typology.measured import PARTS
from xlt.typology.pretraining import of_encoder
from xlt.typology.ranking import Ranking, Source
from xlt.typology.table import UNKNOWN, table

PARTS_OF_SCORE = tuple(0.1 + n / 7 for n in range(len(PARTS)))


def source(language: str = "yor", **changes: object) -> Source:
    plain = Source(
        *(2, language, 0.123456, None, None, None),
        parts=PARTS_OF_SCORE,
        imputed=("syntactic",),
        source_measured=False,
        measured=None,
    )
    return plain._replace(**changes)


def ranking(*sources: Source, target: str = "pcm") -> Ranking:
    return Ranking(
        target, "ner", sources, {"English": source("eng", rank=0)}, ({"name": "made"},), ("a note",)
    )


def test_numbers_are_rounded_and_what_is_not_known_is_none():
    known = source(expected=67.4567, low=1 / 3, high=70.005001, measured=50.128)
    found = describe(known, "pcm")
    assert (found["rank"], found["language"], found["name"]) == (2, "yor", "Yoruba")
    assert found["score"] == 0.1235
    assert (found["expected"], found["measured"]) == (67.46, 50.13)
    assert found["interval"] == [0.33, 70.01]
    assert found["confidence"] == "measured"
    assert found["terms"] == {
        name: round(value, 4) for name, value in zip(PARTS, PARTS_OF_SCORE, strict=True)
    }
    assert found["imputed"] == ["syntactic"]
    assert found["own"] is False
    nothing = describe(source(rank=0), "pcm")
    lacking = [nothing[name] for name in ("rank", "expected", "interval", "measured")]
    assert lacking == [None] * 4


@pytest.mark.parametrize(("one", "target"), [("yor", "pcm"), ("eng", "deu"), ("ful", "deu")])
def test_a_distance_is_a_number_or_has_a_reason(one, target):
    found = describe(source(one), target)
    assert list(found["distances"]) == list(KINDS)
    for kind, value in found["distances"].items():
        if value is None:
            assert np.isnan(distance(kind, one, target))
            assert found["unknown"][kind] == reason(kind, one, target)
        else:
            assert value == round(distance(kind, one, target), 4)
            assert kind not in found["unknown"]
    for domain in ("syntax", "phonology", "inventory"):
        shares = [round(table().coverage(code, domain), 2) for code in (one, target)]
        assert found["recorded"][domain] == shares


@pytest.mark.parametrize("pair", [("eng", "eus"), ("hin", "urd"), ("pcm", "yor"), ("tur", "fin")])
def test_differences_are_the_chapters_that_are_recorded_of_both_and_differ(pair):
    known = table()
    names, words = known.notes["wals"], known.notes["wals_values"]
    one, other = (known.take("wals", known.rows([code]))[0].tolist() for code in pair)
    recorded, wanted = 0, []
    for chapter in CHAPTERS:
        (column,) = [n for n, name in enumerate(names) if name.startswith(f"{chapter} ")]
        a, b = one[column], other[column]
        if a != UNKNOWN and b != UNKNOWN:
            recorded += 1
            if a != b:
                name = names[column]
                said = {"source": words[name][str(a)], "target": words[name][str(b)]}
                wanted.append({"feature": f"WALS {name}"} | said)
    found = differences(*pair)
    assert [d for d in found if d["feature"] != "script"] == wanted
    assert compared(*pair) == recorded
    assert describe(source(pair[0]), pair[1])["compared"] == recorded
    assert describe(source(pair[0]), pair[1])["differences"] == found


def test_scripts_differ_unless_they_are_one_or_not_known():
    def scripts(one: str, other: str) -> list[dict[str, str]]:
        return [d for d in differences(one, other) if d["feature"] == "script"]

    assert scripts("hin", "urd") == [{"feature": "script", "source": "Deva", "target": "Arab"}]
    assert scripts("zho", "yue") == []  # Hans and Hant, which are both Chinese characters
    assert scripts("eng", "deu") == []
    assert differences("cau", "eng") == []  # a family, of which the table has nothing


def test_a_ranking_is_cut_but_says_how_many_there_were():
    every = ranking(source("yor", rank=1), source("ibo"), source("hau", rank=3))
    found = as_dict(every, 2)
    assert [s["language"] for s in found["sources"]] == ["yor", "ibo"]
    assert found["candidates"] == 3
    assert len(as_dict(every)["sources"]) == 3
    about = {name: found[name] for name in ("target", "name", "task", "evidence", "notes", "own")}
    assert about == {
        "target": "pcm", "name": table().name("pcm"), "task": "ner",
        "evidence": [{"name": "made"}], "notes": ["a note"], "own": None,
    }  # fmt: skip
    assert found["references"] == {"English": describe(source("eng", rank=0), "pcm")}


def test_what_an_encoder_has_read_is_added():
    found = as_dict(ranking(source("yor"), source("ibo"), target="swa"))
    add_pretraining(found, "xlm-roberta-base")
    known = of_encoder("xlm-roberta-base")
    assert known is not None
    assert found["pretraining"] == {
        "encoder": known.name, "source": known.source, "target": known.says("swa")
    }  # fmt: skip
    said = {s["language"]: s["pretraining"] for s in found["sources"]}
    assert said == {"yor": "never read", "ibo": "never read"}
    assert found["references"]["English"]["pretraining"] == known.says("eng") != "never read"
    assert found["notes"] == ["a note"]


def test_a_target_that_was_never_read_is_noted():
    found = as_dict(ranking(source("yor"), target="quy"))
    add_pretraining(found, "xlm-roberta-base")
    assert found["pretraining"]["target"] == "never read"
    assert len(found["notes"]) == 2
    assert f"has never read {found['name']}" in found["notes"][1]


@pytest.mark.parametrize(
    ("encoder", "notes"), [(None, 1), ("some/unheard-of-model", 2)], ids=["none", "unknown"]
)
def test_of_other_encoders_nothing_is_claimed(encoder, notes):
    found = as_dict(ranking(source("yor")))
    add_pretraining(found, encoder)
    assert "pretraining" not in found
    assert "pretraining" not in found["sources"][0]
    assert len(found["notes"]) == notes
    assert explain.of_encoder(encoder) is None
