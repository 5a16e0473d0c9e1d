"""Which generated questions should not be used, and why: nothing is dropped without a reason."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

import regex

from xlt.task import Record

from .exemplars import SPACELESS

GENERATED = "generated"

REASONS = {
    "empty": "there is no word in it",
    "cut": "it ends at the limit of its length, not at its end",
    "copied": "it is copied from the context word for word",
    "gives_answer": "it contains its own answer",
    "language": "it is in another language",
    "unanswerable": "the question answering model finds another answer",
    "duplicate": "the same question was asked about this context before",
}

_LETTERS = regex.compile(r"[\p{L}\p{M}\p{N}]+")


def normal(text: str) -> str:
    """Letters and digits alone, casefolded: what makes two texts the same here."""
    return " ".join(_LETTERS.findall(unicodedata.normalize("NFKC", text).casefold()))


def reason(question: str, record: Record, *, cut: bool, folder: str | None = None) -> str:
    """Why this question, generated for the record, should not be used; "generated" if it should.

    folder: of one's own exemplars, with their interrogatives.
    """
    text = normal(question)
    if not text:
        return "empty"
    if cut:
        return "cut"
    if text in normal(record["context"]):
        return "copied"
    answer = normal(record["answers"]["text"][0])
    if record["language"] in SPACELESS:
        given = len(answer) > 1 and answer in text
    else:  # a number or an initial may well be there for another reason
        given = len(answer) > 3 and f" {answer} " in f" {text} "
    if given:
        return "gives_answer"
    return "language" if _foreign(question, record["language"], folder) else GENERATED


def _foreign(question: str, language: str, folder: str | None) -> bool:
    """Whether it has no interrogative of the language and is taken for another one: identification
    alone is too often wrong about a text this short."""
    from . import metrics
    from .interrogatives import question_types

    if language not in metrics.identifiable() or question_types(question, language, folder):
        return False
    heard = metrics.identify(question)
    return bool(heard) and not metrics.alike(heard, language)


def without_duplicates(records: Iterable[Record]) -> Iterator[Record]:
    """The records; a generated question that its context has already been asked is noted so."""
    context, seen = None, set[str]()
    for record in records:
        if record["context"] != context:
            context, seen = record["context"], set()
        text = normal(record["question"])
        if record["note"] == GENERATED and text in seen:
            record = {**record, "note": "duplicate"}
        if record["note"] not in REASONS:
            seen.add(text)
        yield record
