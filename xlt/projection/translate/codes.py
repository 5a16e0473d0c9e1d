"""How a multilingual model is told its languages, read off its tokenizer's own subwords.

There is no table here that could go out of date: a model's codes are the subwords that look like
one, and `xlt.languages` knows which of them means a language (`arb_Arab`, `__ar__`, `ar_AR`,
`>>ara<<` and `<2ar>` all mean Arabic).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from xlt import languages
from xlt.errors import XltError


@dataclass(frozen=True)
class Scheme:
    """A family's way. forced: the target's code is the first subword of the output, and the
    source's goes with the input; else the target's code stands before the input."""

    name: str
    pattern: re.Pattern[str]
    forced: bool


SCHEMES = (
    Scheme("NLLB", re.compile(r"([a-z]{3})_([A-Z][a-z]{3})"), forced=True),
    Scheme("M2M100", re.compile(r"__([a-z]{2,3})__"), forced=True),
    Scheme("mBART", re.compile(r"([a-z]{2})_[A-Z]{2}"), forced=True),
    Scheme("OPUS-MT", re.compile(r">>([a-z]{2,3})(?:_([A-Z][a-z]{3}))?<<"), forced=False),
    Scheme("MADLAD", re.compile(r"<2([a-z]{2,3})(?:_([A-Z][a-z]{3}))?>"), forced=False),
)


def scheme_of(subwords: Collection[str]) -> Scheme | None:
    """The way of the first family that at least two subwords are codes of; None: one direction."""
    for scheme in SCHEMES:
        if len(_codes(subwords, scheme)) > 1:
            return scheme
    return None


def names(tokenizer: Any) -> set[str]:
    """The subwords of a tokenizer, with those that stand for languages."""
    codes = getattr(tokenizer, "lang_code_to_token", {}).values()
    return {*tokenizer.get_vocab(), *tokenizer.added_tokens_encoder, *codes}


def code_for(
    subwords: Collection[str],
    scheme: Scheme,
    language: str,
    *,
    where: object,
    otherwise: str = "name the subword in source_code or target_code",
) -> str:
    """The subword that means a language: the same one, of several the one in its usual script.

    otherwise: what can be done if the model does not know the language.

    Where a model has but one member of a macrolanguage (Nigerian Fulfulde for Fula), it is that.
    Raises XltError if the model does not know the language.
    """
    codes = _codes(subwords, scheme)
    same = [subword for subword, (code, _) in codes.items() if languages.same(code, language)]
    if not same:
        same = [p for p, (code, _) in codes.items() if languages.macrolanguage(code) == language]
        if len({codes[subword][0] for subword in same}) > 1:
            same = []
    if not same:
        known = sorted({languages.name(code) for code, _ in codes.values()})
        some = ", ".join(known[:30]) + (" …" if len(known) > 30 else "")
        raise XltError(
            f"the model has no code for {languages.name(language)} ({language})",
            where=where,
            fix=f"it knows {some}; or {otherwise}",
        )
    script = languages.script(language)
    exact = [subword for subword in same if codes[subword][0] == language]
    candidates = exact or same
    return next((p for p in candidates if codes[p][1] == script), sorted(candidates)[0])


def inner(subword: str, scheme: Scheme) -> str:
    """What the family's tokenizer calls the source language: `en` for M2M100's `__en__`."""
    match = scheme.pattern.fullmatch(subword)
    return match[1] if scheme.name == "M2M100" and match else subword


def _codes(subwords: Collection[str], scheme: Scheme) -> dict[str, tuple[str, str | None]]:
    """Subword → language and script, of the subwords that are codes of this family."""
    codes = {}
    for subword in subwords:
        match = scheme.pattern.fullmatch(subword)
        if match is None:
            continue
        try:
            code = languages.code(match[1])
        except XltError:
            continue
        codes[subword] = (code, match[2] if match.re.groups > 1 else None)
    return codes
