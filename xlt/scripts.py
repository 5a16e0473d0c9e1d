"""The scripts that text is written in, by their ISO 15924 codes.

`script` says which one a character belongs to; which one a language is written in, says
`xlt.languages.script`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache, lru_cache

import regex

COMMON = "Zyyy"
"""Of characters that belong to no script, or to several: digits, punctuation, most symbols."""

PARTS = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
}
"""Writing systems that Unicode knows only by their parts."""

SPACELESS = frozenset({"Hans", "Hant", "Hani", "Jpan", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"})
"""Writing systems that put no space between words."""

_SPACELESS = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}ー"
    r"\u3001-\u303F\uFF01-\uFFEF]",
    regex.VERSION1,
)

_CODES = """
    Latn Cyrl Arab Hani Hira Kana Hang Deva Grek Hebr Thai Beng Taml Telu Ethi Geor Armn Adlm
    Aghb Ahom Armi Avst Bali Bamu Bass Batk Berf Bhks Bopo Brah Brai Bugi Buhd Cakm Cans Cari
    Cham Cher Chrs Copt Cpmn Cprt Diak Dogr Dsrt Dupl Egyp Elba Elym Gara Glag Gong Gonm Goth
    Gran Gujr Gukh Guru Hano Hatr Hluw Hmng Hmnp Hung Ital Java Jurc Kali Kawi Khar Khmr Khoj
    Kits Knda Krai Kthi Lana Laoo Lepc Limb Lina Linb Lisu Lyci Lydi Mahj Maka Mand Mani Marc
    Medf Mend Merc Mero Miao Mlym Modi Mong Mroo Mtei Mult Mymr Nagm Nand Narb Nbat Newa Nkoo
    Nshu Ogam Olck Onao Orkh Orya Osge Osma Ougr Palm Pauc Pcun Perm Phag Phli Phlp Phnx Plrd
    Prti Rjng Rohg Runr Samr Sarb Saur Seal Sgnw Shaw Shrd Sidd Sidt Sind Sinh Sogd Sogo Sora
    Soyo Sund Sunu Sylo Syrc Tagb Takr Tale Talu Tang Tavt Tayo Tfng Tglg Thaa Tibt Tirh Tnsa
    Todr Tols Toto Tutg Ugar Vaii Vith Wara Wcho Xpeo Xsux Yezi Yiii Zanb
"""
"""The scripts of Unicode, with those that are met most at the front."""


@lru_cache(maxsize=4096)
def script(character: str) -> str:
    """The script of a character; COMMON for what belongs to none."""
    for code, pattern in _patterns().items():
        if pattern.match(character):
            return code
    return COMMON


def scripts(texts: Iterable[str]) -> Counter[str]:
    """Script → letters in it."""
    letters = Counter(c for text in texts for c in text if c.isalpha())
    counts: Counter[str] = Counter()
    for letter, count in letters.items():
        counts[script(letter)] += count
    return counts


def is_spaceless(character: str) -> bool:
    """Whether no space is written beside the character; punctuation of East Asia included."""
    return _SPACELESS.fullmatch(character) is not None


def name(code: str) -> str:
    """The English name, e.g. ``Cherokee`` for ``Cher``."""
    from langcodes import Language

    shown: str = Language.make(script=code).script_name()
    return shown


@cache
def _patterns() -> dict[str, regex.Pattern[str]]:
    patterns = {}
    for code in _CODES.split():
        try:
            patterns[code] = regex.compile(rf"\p{{Script={code}}}")
        except regex.error:  # newer than the Unicode of the library
            continue
    return patterns
