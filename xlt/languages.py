"""The only table of language codes: every spelling in, ISO 639-3 out.

`code` keeps a language what it was called: a macrolanguage stays itself (``zho``, ``swa``,
``nor``) and so does an individual one (``cmn``, ``swh``, ``nob``). `same` says when two codes
may stand for one another, and `match` finds a language under whichever code a card uses.

Built on langcodes (CLDR and the IANA registry); its tables load on the first question asked.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache

from xlt.errors import XltError

_RETIRED = {"ajp": "apc", "sh": "hbs", "bh": "bih"}
"""What langcodes' registry does not know yet, or would turn into a language-and-script."""

_NAMES = {
    "naija": "pcm",
    "low saxon": "nds",
    "north sami": "sme",
    "kiswahili": "swa",
    "mandarin": "cmn",
    "mandarin chinese": "cmn",
    "farsi": "fas",
    "otomi": "oto",
    "nahuatl": "nah",
    "raramuri": "tar",
    "rarámuri": "tar",
    "wixarika": "hch",
    "shipibo konibo": "shp",
    "ashaninka": "cni",
    "bribri": "bzd",
}
"""English names in use in corpora that CLDR and the registry lack or hold as ambiguous."""

_STANDARD = {"nob": "nor", "tgl": "fil"}
"""Standard members that CLDR does not list: Bokmål; Filipino, which is standardised Tagalog."""

_SCRIPTS = {"grc": "Grek"}
"""Where CLDR's likely script is not that of the corpora (it gives Cypriot to Ancient Greek)."""

_SPECIAL = frozenset({"und", "mul", "mis", "zxx"})
_PRIVATE = re.compile(r"q[a-t][a-z]")
_TAG = re.compile(r"([a-z]{2,3})((?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?(?:-[a-z0-9]{5,8})*)")
_SCRIPT = re.compile(r"-([a-z]{4})(?:-|$)")


def code(text: str, *, where: object = None) -> str:
    """The ISO 639-3 code of a language, from any way to write it.

    text: a 639-1, 639-2 or 639-3 code, a BCP 47 tag (``zho-Hans``, ``pt_BR``), a retired code
        (``iw``, ``ajp``), or an English name (``Indonesian``), in any case. What could be a
        code and a name ("Ga") is a code.
    Raises XltError, with the nearest names, for anything else.
    """
    # The tables' search fails on what no name has: NUL, half of a surrogate pair.
    given = text.strip()
    language = _code(given.casefold().replace("_", "-")) if given.isprintable() else None
    if language is None:
        close = _nearest(text)
        raise XltError(
            f"unknown language {text!r}",
            where=where,
            fix="write an ISO 639 code or an English name"
            + (f"; nearest: {', '.join(close)}" if close else ""),
        )
    return language


def bcp47(text: str) -> str:
    """The shortest tag: two letters where ISO 639-1 has them, a script only if one was given."""
    given = _SCRIPT.search(text.strip().casefold().replace("_", "-"))
    language = code(text)
    tag = _two_letter().get(language, language)
    return f"{tag}-{given[1].title()}" if given and _is_tag(text) else tag


def name(text: str) -> str:
    """The English name, e.g. ``Javanese`` for ``jav``."""
    from langcodes import Language

    language = code(text)
    # Without a language's own code langcodes would answer "Unknown language [xyz]".
    shown: str = Language.make(language=_two_letter().get(language, language)).display_name("en")
    return shown if not shown.startswith("Unknown language") else language


def script(text: str) -> str | None:
    """ISO 15924 code: the script named in the tag, else the likely one; None where unknown."""
    given = _SCRIPT.search(text.strip().casefold().replace("_", "-"))
    if given and _is_tag(text):
        return str(given[1].title())
    from langcodes import Language

    language = code(text)
    if language in _SCRIPTS:
        return _SCRIPTS[language]
    for candidate in (language, macrolanguage(language)):
        if candidate is not None:
            tag = _two_letter().get(candidate, candidate)
            likely: str | None = Language.make(language=tag).maximize().script
            if likely and likely != "Zzzz":
                return likely
    return None


def macrolanguage(text: str) -> str | None:
    """The macrolanguage that an individual language belongs to, e.g. ``swa`` for ``swh``."""
    return _macrolanguages().get(code(text))


def individuals(text: str) -> tuple[str, ...]:
    """The individual languages of a macrolanguage, sorted; empty for other languages."""
    whole = code(text)
    return tuple(sorted(part for part, macro in _macrolanguages().items() if macro == whole))


def same(a: str, b: str) -> bool:
    """Whether data in `a` may be used as data in `b`.

    True for equal codes and for a macrolanguage and its standard member (``swa``/``swh``,
    ``zho``/``cmn``, ``est``/``ekk``, ``nor``/``nob``, ``ara``/``arb``); not for other members:
    Indonesian lies under Malay in ISO 639-3, Egyptian under Arabic, and are not the same.
    """
    one, other = code(a), code(b)
    return one == other or _standard().get(one) == other or _standard().get(other) == one


def shared(text: str) -> str:
    """The code under which languages that are the `same` meet: the macrolanguage's (``swa``)."""
    language = code(text)
    return _standard().get(language, language)


def match(text: str, available: Collection[str]) -> str | None:
    """The element of `available` that is the same language, the exact code before others."""
    wanted = code(text)
    exact = [item for item in available if code(item) == wanted]
    similar = exact or [item for item in available if same(item, wanted)]
    return similar[0] if similar else None


def _is_tag(text: str) -> bool:
    parsed = _TAG.fullmatch(text.strip().casefold().replace("_", "-"))
    return parsed is not None and _subtag(parsed[1]) is not None


def _code(text: str) -> str | None:
    parsed = _TAG.fullmatch(text)
    if parsed and (primary := _subtag(parsed[1])):
        if not parsed[2]:
            return primary
        from langcodes import tag_is_valid

        if tag_is_valid("en" + parsed[2]):
            return primary
    return _named(text.replace("-", " ")) if text else None


@cache
def _subtag(text: str) -> str | None:
    """The 639-3 code of a two- or three-letter subtag, or None if it is not one."""
    from langcodes import tag_is_valid
    from langcodes.data_dicts import (
        LANGUAGE_ALPHA3,
        LANGUAGE_ALPHA3_BIBLIOGRAPHIC,
        LANGUAGE_REPLACEMENTS,
    )

    if text in _SPECIAL or _PRIVATE.fullmatch(text):
        return None
    if text in _RETIRED:
        return _RETIRED[text]
    if text in _two_letter():
        return text
    if len(text) == 2 and text in LANGUAGE_ALPHA3 and text not in _old_two_letter():
        return str(LANGUAGE_ALPHA3[text])
    for short, bibliographic in LANGUAGE_ALPHA3_BIBLIOGRAPHIC.items():
        if bibliographic == text:
            return str(LANGUAGE_ALPHA3[short])
    replaced = LANGUAGE_REPLACEMENTS.get(text)
    # Replacements with a script or region (prs → fa-AF) and those of living codes are CLDR's
    # preferences, not retirements.
    if replaced and "-" not in replaced and text not in ("tl", "xsj"):
        return _subtag(replaced)
    return text if tag_is_valid(text) else None


@cache
def _named(text: str) -> str | None:
    from langcodes import find

    if text in _NAMES:
        return _NAMES[text]
    try:
        language = find(text, language="en")
    except LookupError:
        return _registry_names().get(text)
    # `find` also lengthens and shortens what it is given: "hausaa" would be Hausa.
    if language.display_name("en").casefold().replace("-", " ") == text:
        return _subtag(language.language)
    return _registry_names().get(text)


@cache
def _two_letter() -> dict[str, str]:
    """639-3 → 639-1."""
    from langcodes.data_dicts import LANGUAGE_ALPHA3

    return {
        long: short
        for short, long in LANGUAGE_ALPHA3.items()
        if len(short) == 2 and short not in _old_two_letter()
    }


@cache
def _old_two_letter() -> frozenset[str]:
    """Retired two-letter codes: iw, in, ji, jw, mo, sh, bh."""
    from langcodes.data_dicts import LANGUAGE_REPLACEMENTS

    return frozenset({old for old in LANGUAGE_REPLACEMENTS if len(old) == 2} | {"bh"}) - {"tl"}


@cache
def _macrolanguages() -> dict[str, str]:
    from langcodes.data_dicts import MACROLANGUAGES

    pairs = ((_subtag(part), _subtag(macro)) for part, macro in MACROLANGUAGES.items())
    return {part: macro for part, macro in pairs if part and macro and part != macro}


@cache
def _standard() -> dict[str, str]:
    """Standard member → macrolanguage."""
    from langcodes.data_dicts import NORMALIZED_MACROLANGUAGES

    listed = ((_subtag(part), _subtag(whole)) for part, whole in NORMALIZED_MACROLANGUAGES.items())
    return {part: whole for part, whole in listed if part and whole} | _STANDARD


@cache
def _registry_names() -> dict[str, str]:
    """Casefolded English name in the IANA registry → 639-3 code."""
    from language_data.registry_parser import parse_registry

    names: dict[str, str] = {}
    for item in parse_registry():
        if item["Type"] == "language" and item.get("Scope") not in ("special", "private-use"):
            registered = _subtag(item["Subtag"])
            for described in item["Description"] if registered else ():
                plain = re.sub(r"\s*\(.*?\)", "", described).casefold().replace("-", " ")
                names.setdefault(described.casefold(), str(registered))
                names.setdefault(plain, str(registered))
    return names


def _nearest(text: str) -> list[str]:
    """Up to three languages whose names are like `text`, as ``Javanese (jav)``."""
    import difflib

    names = _registry_names()
    close = difflib.get_close_matches(text.strip().casefold(), names, n=3, cutoff=0.7)
    return [f"{english.title()} ({names[english]})" for english in close]
