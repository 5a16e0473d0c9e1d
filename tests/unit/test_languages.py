"""Every spelling of a language means the same, and comes out as ISO 639-3."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langcodes.data_dicts import LANGUAGE_ALPHA3

from xlt import languages
from xlt.errors import XltError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id", "ind"),
        ("ind", "ind"),
        ("Indonesian", "ind"),
        (" INDONESIAN ", "ind"),
        ("in", "ind"),
        ("no", "nor"),
        ("nor", "nor"),
        ("Norwegian", "nor"),
        ("nb", "nob"),
        ("fre", "fra"),
        ("ger", "deu"),
        ("zho-Hans", "zho"),
        ("sr-Latn", "srp"),
        ("pt_BR", "por"),
        ("iw", "heb"),
        ("mo", "ron"),
        ("sh", "hbs"),
        ("ajp", "apc"),
        ("scc", "srp"),
        ("tl", "tgl"),
        ("fil", "fil"),
        ("swh", "swh"),
        ("swa", "swa"),
        ("est", "est"),
        ("msa", "msa"),
        ("prs", "prs"),
        ("nan", "nan"),
        ("Naija", "pcm"),
        ("Scottish_Gaelic", "gla"),
        ("Low_Saxon", "nds"),
        ("North_Sami", "sme"),
        ("Kyrgyz", "kir"),
        ("Modern Greek", "ell"),
        ("Mbyá Guaraní", "gun"),
    ],
)
def test_code(text: str, expected: str) -> None:
    assert languages.code(text) == expected


@pytest.mark.parametrize("text", ["xx", "und", "qaa", "", "12", "no-way", "hausaa", "deu-Foo!"])
def test_unknown(text: str) -> None:
    with pytest.raises(XltError) as caught:
        languages.code(text, where="config.yaml:3")
    assert caught.value.what == f"unknown language {text!r}"
    assert caught.value.where == "config.yaml:3"
    assert "ISO 639" in str(caught.value.fix)


def test_unknown_names_the_nearest() -> None:
    with pytest.raises(XltError, match=r"Javanese \(jav\)"):
        languages.code("Javanes")


@given(st.sampled_from(sorted(key for key in LANGUAGE_ALPHA3 if len(key) == 2)))
def test_all_spellings_of_a_language_agree(short: str) -> None:
    long = languages.code(short)
    assert len(long) == 3
    assert languages.code(long) == long
    assert languages.code(languages.bcp47(long)) == long


@pytest.mark.parametrize("text", ["jav", "ind", "eus", "hau", "pcm", "yue", "gla", "bbj", "fon"])
def test_name_leads_back(text: str) -> None:
    assert languages.code(languages.name(text)) == text


def test_scripts() -> None:
    expected = {
        "eng": "Latn", "rus": "Cyrl", "zho": "Hans", "zho-Hant": "Hant", "sr-Latn": "Latn",
        "srp": "Cyrl", "arb": "Arab", "grc": "Grek", "tha": "Thai", "hi": "Deva", "swh": "Latn",
    }  # fmt: skip
    assert {text: languages.script(text) for text in expected} == expected


def test_bcp47() -> None:
    assert languages.bcp47("Norwegian") == "no"
    assert languages.bcp47("heb") == "he"
    assert languages.bcp47("zho-Hans") == "zh-Hans"
    assert languages.bcp47("pcm") == "pcm"


def test_same_is_for_standard_members_only() -> None:
    for a, b in [("swa", "swh"), ("zh", "cmn"), ("est", "ekk"), ("no", "nb"), ("ar", "arb")]:
        assert languages.same(a, b)
        assert languages.same(b, a)
    for a, b in [("ind", "msa"), ("zho", "yue"), ("ara", "arz"), ("nob", "nno"), ("hrv", "srp")]:
        assert not languages.same(a, b)


def test_macrolanguages() -> None:
    assert languages.macrolanguage("swh") == "swa"
    assert languages.macrolanguage("eng") is None
    assert languages.individuals("nor") == ("nno", "nob")
    assert languages.individuals("eng") == ()


def test_match_prefers_the_exact_code() -> None:
    assert languages.match("sw", ["eng", "swh", "swa"]) == "swa"
    assert languages.match("swa", ["eng", "swh"]) == "swh"
    assert languages.match("deu", ["eng", "swh"]) is None


def test_import_reads_no_table() -> None:
    source = "import sys, xlt.languages; sys.exit('langcodes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", source], check=False).returncode == 0


@pytest.mark.parametrize("text", ["en\0", "\0", "iw\0ÿ", "en\ud800", "e\x01n", ""])
def test_characters_of_no_name(text):
    """The tables' own search fails on them in ways of its own."""
    with pytest.raises(XltError, match=r"here: unknown language"):
        languages.code(text, where="here")
