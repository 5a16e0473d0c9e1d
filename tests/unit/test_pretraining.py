"""What encoders have read: published lists, by name."""

from __future__ import annotations

import json

import pytest

from xlt import languages
from xlt.typology.pretraining import PATH, of_encoder, tokens


def test_every_code_is_that_under_which_languages_meet():
    entries = json.loads(PATH.read_text(encoding="utf-8"))["encoders"]
    for entry in entries:
        codes = [*entry.get("tokens", ()), *entry.get("languages", "").split()]
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
    ],
)
def test_known_encoders(encoder, name):
    found = of_encoder(encoder)
    assert found is not None
    assert found.name == name
    assert "eng" in found.languages


@pytest.mark.parametrize(
    "encoder", [None, "", "roberta-base", "./my-encoder", "Davlan/afro-xlmr-large-76L"]
)
def test_of_others_nothing_is_claimed(encoder):
    assert of_encoder(encoder) is None


def test_what_is_read_is_said():
    xlmr, mbert = of_encoder("xlm-roberta-base"), of_encoder("bert-base-multilingual-cased")
    assert xlmr is not None
    assert mbert is not None
    assert xlmr.says("jav") == "24 million tokens"
    assert xlmr.says("yor") == "never read"
    assert mbert.says("yor") == "read"


def test_the_encoder_in_the_package_speaks_for_itself():
    found = of_encoder("xlt-mini")
    assert found is not None
    assert "million tokens" in found.says("eng")
    assert found.says("tlh") == "never read"


def test_resources():
    assert tokens(["eng", "jav", "yor"]).tolist() == [55608, 24, 0]
