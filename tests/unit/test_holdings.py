"""How much training data there is: what cards and configs say."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from xlt.config.schema import LanguageData, Reference
from xlt.errors import XltError
from xlt.typology import holdings
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


def test_sizes_are_read_under_the_code_that_languages_share(tmp_path):
    path = tmp_path / "sizes.csv"
    path.write_text("examples,language\n 0120 ,pt\n0,English\n7,tgl\n", encoding="utf-8")
    assert read_sizes(path) == {"por": 120, "eng": 0, "fil": 7}


@pytest.mark.parametrize("number", ["-1", "1.5", "٣", "1_0", ""])
def test_a_number_of_examples_has_digits_only(tmp_path, number):
    path = tmp_path / "sizes.csv"
    path.write_text(f"language,examples\npor,{number}\n", encoding="utf-8")
    with pytest.raises(XltError, match="is no number of examples"):
        read_sizes(path)


def a_split(*sizes: int | None, select: object = None) -> SimpleNamespace:
    files = [SimpleNamespace(size=size, name=f"f{n}") for n, size in enumerate(sizes)]
    return SimpleNamespace(files=files, select=select)


def test_the_bytes_of_a_split_are_those_of_its_files(tmp_path, monkeypatch):
    """What a card does not say is measured where the file is here; where it is not, all is
    unknown."""
    copy = tmp_path / "copy"
    copy.write_bytes(b"x" * 30)
    card = SimpleNamespace(identifier="made")
    here: dict[str, object] = {}
    monkeypatch.setattr(holdings, "locate", lambda card, file: here.get(file.name))
    some = SimpleNamespace(modulo=10, remainder=[0, 1, 7])
    assert holdings._holding(card, a_split(100, 20)) == CorpusSize(120, False, ("made",))
    assert holdings._holding(card, a_split(100, None)) == CorpusSize(None, False, ("made",))
    assert holdings._holding(card, a_split(None, select=some)).bytes is None
    assert holdings._holding(card, a_split(100, 19, select=some)).bytes == 35  # of 119, 3 in 10
    here |= {"f1": copy}
    assert holdings._holding(card, a_split(100, None)) == CorpusSize(130, False, ("made",))
    here |= {"f0": copy}
    assert holdings._holding(card, a_split(100, None)) == CorpusSize(130, True, ("made",))


def test_together_is_known_and_here_where_all_are():
    one, other = CorpusSize(5, True, ("a",)), CorpusSize(7, False, ("b", "c"))
    assert holdings._together([one, other]) == CorpusSize(12, False, ("a", "b", "c"))
    unknown = CorpusSize(None, True, ("d",))
    assert holdings._together([one, unknown]) == CorpusSize(None, True, ("a", "d"))


def test_training_data_alone_count():
    """A card whose language has a test split only is not held."""
    held = of_cards(["ud-javanese-csui", "ud-english-pud"])
    assert set(held) == {"jav"}


def test_a_config_that_says_nothing_holds_nothing():
    assert of_config("ind", LanguageData()) is None
    assert of_config("jav", data("sample-dep:ind:train")).cards == ("sample-dep",)


def test_how_a_size_is_written():
    assert str(CorpusSize(1_250_000, True, ())) == "1.2 MB"
    assert str(CorpusSize(None, True, ())) == "?"
    assert str(CorpusSize(None, False, ())) == "?, not here"
    held = {"ind": CorpusSize(1_250_000, True, ("a",))}
    wanted = {"bytes": 1_250_000, "here": True, "cards": ("a",), "text": "1.2 MB"}
    assert describe(held, "ind") == wanted


@pytest.mark.parametrize(("bytes_", "said"), [(99, True), (100, False), (None, False)])
def test_less_than_a_tenth_of_the_most_is_pointed_out(bytes_, said):
    held = {"ind": CorpusSize(bytes_, True, ()), "eng": CorpusSize(1000, True, ())}
    assert bool(note(held | {"spa": CorpusSize(None, True, ())}, "ind", "Indonesian")) == said
    assert note(held, "xxx", "?") == []
    assert note({}, "ind", "Indonesian") == []
