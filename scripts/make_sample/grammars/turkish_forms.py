"""Turkish word forms: vowel harmony, consonant assimilation and the suffixes of the sample."""

from __future__ import annotations

VOWELS = "aıoueiöüâáéíóú"
VOICELESS = "fstkçşhp"
_PLAIN = str.maketrans("âáéíóú", "aaeiou")


def last_vowel(stem: str) -> str:
    for ch in reversed(stem.lower().replace("i̇", "i").translate(_PLAIN)):
        if ch in VOWELS:
            return ch
    raise ValueError(f"no vowel in {stem!r}")


def two(stem: str) -> str:
    """The vowel of a suffix with A."""
    return "a" if last_vowel(stem) in "aıou" else "e"


def four(stem: str) -> str:
    """The vowel of a suffix with I."""
    return {"a": "ı", "ı": "ı", "o": "u", "u": "u", "e": "i", "i": "i", "ö": "ü", "ü": "ü"}[
        last_vowel(stem)
    ]


def ends_in_vowel(stem: str) -> bool:
    return stem[-1].lower() in VOWELS


def d(stem: str) -> str:
    return "t" if stem[-1].lower() in VOICELESS else "d"


def inflect(lexeme: str, case: str, plural: bool = False, poss: bool = False) -> str:
    """A common noun; `lexeme` is `stem` or `stem/stem before a vowel`."""
    hard, _, soft = lexeme.partition("/")
    soft = soft or hard
    if plural:
        hard = soft = hard + "l" + two(hard) + "r"
    if poss:
        stem = hard + "s" + four(hard) if ends_in_vowel(hard) else soft + four(soft)
        hard = soft = stem
    if case == "Nom":
        return hard
    if case in ("Loc", "Abl"):
        link = "n" if poss else ""
        consonant = "d" if poss else d(hard)
        return hard + link + consonant + two(hard) + ("n" if case == "Abl" else "")
    vowel = ends_in_vowel(hard)
    if case == "Acc":
        ending = four(hard if vowel else soft)
        buffer = "n" if poss else "y"
    elif case == "Dat":
        ending = two(hard if vowel else soft)
        buffer = "n" if poss else "y"
    elif case == "Gen":
        ending = four(hard if vowel else soft) + "n"
        buffer = "n"
    else:
        raise ValueError(case)
    return hard + buffer + ending if vowel else soft + ending


def inflect_name(name: str, case: str, poss: bool = False) -> str:
    """A proper name: the ending follows an apostrophe and the name never changes."""
    if case == "Nom":
        return name
    return (
        name + "'" + inflect(name, case)[len(name) :]
        if not poss
        else (
            name
            + "'"
            + {
                "Acc": "n" + four(name),
                "Dat": "n" + two(name),
                "Loc": "nd" + two(name),
                "Gen": "n" + four(name) + "n",
            }[case]
        )
    )


def past(stem: str, neg: bool = False) -> str:
    base = stem + "m" + two(stem) if neg else stem
    return base + d(base) + four(base)


def nominal(stem: str, neg: bool = False) -> str:
    """-DIK with the third person possessive: `aldığı`."""
    base = stem + "m" + two(stem) if neg else stem
    vowel = four(base)
    return base + d(base) + vowel + "ğ" + vowel


def participle(stem: str, soft: str, neg: bool = False) -> str:
    """-An: `alan`, `giden`, `okuyan`."""
    if neg:
        base = stem + "m" + two(stem)
        return base + "y" + two(base) + "n"
    if stem == "ye":
        return "yiyen"
    base = soft or stem
    return base + ("y" if ends_in_vowel(base) else "") + two(base) + "n"


def infinitive(stem: str) -> str:
    return stem + "m" + two(stem) + "k"


def question(before: str) -> str:
    return "m" + four(before)


def copula(before: str) -> str:
    """Past copula: `doktor` + du, `hasta` + ydı."""
    return ("y" + "d" if ends_in_vowel(before) else d(before)) + four(before)
