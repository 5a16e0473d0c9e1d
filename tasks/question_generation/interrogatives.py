"""Which type a question is of."""

from __future__ import annotations

import regex

from .exemplars import TYPES, find

_AUXILIARIES = frozenset(
    """do does did is are was were am be been being has have had can could will would shall should
    may might must need ought""".split()  # noqa: SIM905
)
_WORD = regex.compile(r"[a-z]+")


def english_type(question: str) -> str | None:
    """Return the type by the first word, or `whom` anywhere; None for "In what year …".

    The labels of SQuAD-QT: the same for 99.8 % of its dev set, the rest being typing errors there.
    """
    words = _WORD.findall(question.lower())
    if not words:
        return None
    if words[0].startswith("who") or "whom" in words:
        return "who"
    if words[0] == "how":
        return "how-way" if len(words) > 1 and words[1] in _AUXILIARIES else "how-num"
    return words[0] if words[0] in TYPES else None


def question_types(question: str, language: str, folder: str | None = None) -> frozenset[str]:
    """Return the types that the first interrogative may ask for; empty if there is none.

    Several where the language does not tell them apart (Spanish "qué": what, which). English goes
    by `english_type`, other languages by the interrogatives that stand with their exemplars.
    """
    if language == "eng":
        kind = english_type(question)
        return frozenset([kind]) if kind else frozenset()
    known = find(language, folder)
    if known is None:
        return frozenset()
    for match in known.pattern.finditer(question.casefold().replace("’", "'")):
        if kinds := known.meanings[known.key(match)]:
            return frozenset(kinds)
    return frozenset()
