"""Basque word forms: the endings of noun phrases and the auxiliaries of the sample."""

from __future__ import annotations

VOWELS = "aeiouáéíóúy"
#: (after a consonant, after a vowel other than a, after a) for definite common nouns.
DEFINITE = {
    ("Abs", False): ("a", "a", ""),
    ("Erg", False): ("ak", "ak", "k"),
    ("Dat", False): ("ari", "ari", "ri"),
    ("Gen", False): ("aren", "aren", "ren"),
    ("Ine", False): ("ean", "an", "n"),
    ("All", False): ("era", "ra", "ra"),
    ("Abs", True): ("ak", "ak", "k"),
    ("Erg", True): ("ek", "ek", "ek-"),
    ("Dat", True): ("ei", "ei", "ei-"),
    ("Gen", True): ("en", "en", "en-"),
}
#: (after a consonant, after a vowel) without article: counted nouns and proper names.
BARE = {
    "Abs": ("", ""),
    "Erg": ("ek", "k"),
    "Dat": ("i", "ri"),
    "Gen": ("en", "ren"),
    "Ine": ("en", "n"),
    "All": ("era", "ra"),
    "Par": ("ik", "rik"),
}
THIS = {"Abs": "hau", "Erg": "honek", "Dat": "honi", "Gen": "honen", "Ine": "honetan"}
ALL = {"Abs": "guztiak", "Erg": "guztiek", "Dat": "guztiei"}
NOR_NORK_PAST = {(0, 0): "zuen", (0, 1): "zuten", (1, 0): "zituen", (1, 1): "zituzten"}
NOR_NORK_PRES = {(0, 0): "du", (0, 1): "dute", (1, 0): "ditu", (1, 1): "dituzte"}
#: absolutive, dative, ergative -> past
NOR_NORI_NORK = {
    (0, 0, 0): "zion",
    (0, 0, 1): "zioten",
    (1, 0, 0): "zizkion",
    (1, 0, 1): "zizkioten",
    (0, 1, 0): "zien",
    (0, 1, 1): "zieten",
    (1, 1, 0): "zizkien",
    (1, 1, 1): "zizkieten",
}


def bare(stem: str) -> str:
    return stem.rstrip("!")


def _open(stem: str) -> str:
    """The stem before an ending in a vowel: a hard r is doubled."""
    return stem[:-1] + "r" if stem.endswith("!") else stem


def definite(stem: str, case: str, plural: bool = False) -> str:
    after = DEFINITE[case, plural]
    base = _open(stem)
    if base[-1] == "a":
        ending = after[2]
        return base[:-1] + ending[:-1] if ending.endswith("-") else base + ending
    ending = after[1] if base[-1] in VOWELS else after[0]
    return base + ending


def indefinite(stem: str, case: str) -> str:
    if case == "Abs":
        return bare(stem)
    base = _open(stem)
    consonant, vowel = BARE[case]
    if case == "Par" and stem.endswith("!"):
        return base + "ik"
    return base + (vowel if base[-1] in VOWELS else consonant)


def name(form: str, case: str) -> str:
    """Names end in a hard r as a rule: Demir, Demirrek."""
    return indefinite(form + "!" if form.endswith("r") else form, case)


def auxiliary(kind: str, past: bool, absolutive: bool, dative: bool, ergative: bool) -> str:
    if kind == "da":
        return ("ziren" if absolutive else "zen") if past else ("dira" if absolutive else "da")
    if kind == "du":
        table = NOR_NORK_PAST if past else NOR_NORK_PRES
        return table[int(absolutive), int(ergative)]
    if not past:
        raise ValueError("the sample has no present of this auxiliary")
    return NOR_NORI_NORK[int(absolutive), int(dative), int(ergative)]


def subordinate(aux: str, kind: str) -> str:
    """`zuen` -> zuela (that), zuelako (because), zuenean (when), zuen (relative)."""
    if kind == "relative":
        return aux
    if kind == "when":
        return aux + "ean"
    return aux.removesuffix("n") + ("la" if kind == "that" else "lako")
