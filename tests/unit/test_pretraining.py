"""What encoders have read: published lists, by name."""

from __future__ import annotations

import json

import pytest

from xlt import languages
from xlt.typology.pretraining import PATH, of_encoder, tokens


def test_every_code_is_that_under_which_languages_meet():
    entries = json.loads(PATH.read_text(encoding="utf-8"))["encoders"]
    for entry in entries:
        adapted = entry.get("adapted", "").split()
        for codes in ([*entry.get("tokens", ()), *entry.get("languages", "").split()], adapted):
            assert codes == sorted(codes), entry["name"]
            assert [languages.shared(code) for code in codes] == codes, entry["name"]
        assert entry["source"]


@pytest.mark.parametrize(
    ("encoder", "name"),
    [
        ("xlm-roberta-base", "XLM-R"),
        ("FacebookAI/xlm-roberta-large", "XLM-R"),
        ("microsoft/mdeberta-v3-base", "XLM-R"),
        ("google-bert/bert-base-multilingual-cased", "mBERT"),
        ("google/mt5-small", "mT5"),
        ("Davlan/afro-xlmr-large", "AfroXLMR"),
        ("/models/glot500-base/", "Glot500-m"),
        ("jhu-clsp/mmBERT-base", "mmBERT"),
        ("Davlan/afro-xlmr-large-76L", "AfroXLMR-76L"),
        ("google/umt5-small", "umT5"),
        ("EuroBERT/EuroBERT-2.1B", "EuroBERT"),
        ("sentence-transformers/LaBSE", "LaBSE"),
    ],
)
def test_known_encoders(encoder, name):
    found = of_encoder(encoder)
    assert found is not None
    assert found.name == name
    assert "eng" in found.languages


@pytest.mark.parametrize("encoder", [None, "", "roberta-base", "./my-encoder", "afro-xlmr-61L"])
def test_of_others_nothing_is_claimed(encoder):
    assert of_encoder(encoder) is None


def test_what_is_read_is_said():
    xlmr, mbert = of_encoder("xlm-roberta-base"), of_encoder("bert-base-multilingual-cased")
    assert xlmr is not None
    assert mbert is not None
    assert xlmr.says("jav") == "24 million tokens"
    assert xlmr.says("yor") == "never read"
    assert mbert.says("yor") == "read"
    mini = of_encoder("xlt-mini")
    assert mini is not None
    assert mini.says("yor") == "0.052 million tokens"


def test_a_list_that_is_known_in_part_denies_nothing():
    found = of_encoder("UBC-NLP/serengeti")
    assert found is not None
    assert (found.says("hau"), found.says("eus")) == ("read", "not known")
    assert (found.has_read("hau"), found.has_read("eus")) == (True, None)


def test_what_an_encoder_was_adapted_to_is_said():
    afro = of_encoder("Davlan/afro-xlmr-base")
    assert afro is not None
    assert (afro.says("yor"), afro.says("deu")) == ("adapted to it", "read")
    assert afro.adapted <= afro.languages.keys()


def test_the_encoder_in_the_package_speaks_for_itself():
    found = of_encoder("xlt-mini")
    assert found is not None
    assert "million tokens" in found.says("eng")
    assert found.says("tlh") == "never read"


def test_resources():
    assert tokens(["eng", "jav", "yor"]).tolist() == [55608, 24, 0]
