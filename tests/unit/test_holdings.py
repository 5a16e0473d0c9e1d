"""How much training data there is: what cards and configs say."""

from __future__ import annotations

import pytest

from xlt.config.schema import LanguageData, Reference
from xlt.errors import XltError
from xlt.typology.holdings import CorpusSize, describe, note, of_cards, of_config, read_sizes


def test_a_card_says_what_it_has_and_whether_it_is_here(monkeypatch, tmp_path):
    monkeypatch.delenv("XLT_DATA", raising=False)
    monkeypatch.setenv("XLT_CACHE", str(tmp_path))
    sample = of_cards(["sample-dep"])["ind"]
    assert sample.here
    assert sample.bytes > 1000
    javanese = of_cards(["ud-javanese-csui"])["jav"]
    assert not javanese.here
    assert javanese.bytes == 988140 * 8 // 10  # train is what index modulo 10 leaves
    assert str(javanese) == "0.8 MB, not here"


def test_cards_add_up():
    one, other = of_cards(["sample-dep"])["ind"], of_cards(["sample-ner"])["ind"]
    both = of_cards(["sample-dep", "sample-ner"])["ind"]
    assert both.bytes == one.bytes + other.bytes
    assert both.cards == ("sample-dep", "sample-ner")


@pytest.mark.parametrize(
    ("given", "cards"),
    [
        ("sample-dep", ("sample-dep",)),
        ({"all": "sample-dep"}, ("sample-dep",)),
        ({"train": ["sample-dep:ind:train"]}, ("sample-dep",)),
        ({"train": {"ref": "sample-dep:ind:train", "limit": 20}}, ("sample-dep",)),
    ],
)
def test_a_config_names_cards(given, cards):
    found = of_config("ind", LanguageData.model_validate(given))
    assert found is not None
    assert found.cards == cards


def data(*references: object) -> LanguageData:
    return LanguageData(train=[Reference(ref=str(reference)) for reference in references])


def test_what_a_config_does_not_say_yet_is_unknown(tmp_path):
    path = tmp_path / "train.conllu"
    path.write_bytes(b"x" * 100)
    assert of_config("ind", data(path)) == CorpusSize(100, True, (str(path),))
    assert of_config("ind", data("hf:some/thing:train")) is None
    assert of_config("ind", data(path, "elsewhere.conllu")) is None


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("language\npor\n", 1, "there are no columns"),
        ("language,examples\npor,many\n", 2, "'many' is no number of examples"),
        ("language,examples\nKlingonese,5\n", 2, "unknown language"),
        ("language,examples\npor,5\npt,6\n", 3, "por is there twice"),
    ],
)
def test_bad_sizes(tmp_path, text, line, what):
    path = tmp_path / "sizes.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(XltError, match=what) as caught:
        read_sizes(path)
    assert caught.value.where == f"{path}:{line}"
    assert caught.value.fix


def test_little_is_pointed_out():
    held = {"ind": CorpusSize(50_000, True, ("a",)), "eng": CorpusSize(9_000_000, True, ("b",))}
    assert "0.1 MB" in note(held, "ind", "Indonesian")[0]
    assert note(held, "eng", "English") == []
    assert describe(held, "xxx") is None
