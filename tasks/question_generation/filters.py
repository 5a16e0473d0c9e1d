"""Which generated questions should not be used, and why: nothing is dropped without a reason."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace

import regex

from xlt.document import Answers, Document

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
    """Return letters and digits alone, casefolded: what makes two texts the same here."""
    return " ".join(_LETTERS.findall(unicodedata.normalize("NFKC", text).casefold()))


def reason(question: str, document: Document, *, cut: bool, folder: str | None = None) -> str:
    """Return why a question generated for the document should not be used, else "generated".

    folder: of one's own exemplars, with their interrogatives.
    """
    text = normal(question)
    if not text:
        return "empty"
    if cut:
        return "cut"
    context, language = document.text.surface, document.language
    if text in normal(context):
        return "copied"
    answer = normal(document.layer(Answers, "answers").texts(context)[0])
    if language in SPACELESS:
        given = len(answer) > 1 and answer in text
    else:  # a number or an initial may well be there for another reason
        given = len(answer) > 3 and f" {answer} " in f" {text} "
    if given:
        return "gives_answer"
    return "language" if _foreign(question, language, folder) else GENERATED


def _foreign(question: str, language: str, folder: str | None) -> bool:
    """Whether it has no interrogative of the language and is taken for another one: identification
    alone is too often wrong about a text this short."""
    from . import metrics
    from .interrogatives import question_types

    if language not in metrics.identifiable() or question_types(question, language, folder):
        return False
    heard = metrics.identify(question)
    return bool(heard) and not metrics.alike(heard, language)


def without_duplicates(documents: Iterable[Document]) -> Iterator[Document]:
    """Yield the documents, and note generated questions that their context was asked before."""
    context, seen = None, set[str]()
    for document in documents:
        if document.text.surface != context:
            context, seen = document.text.surface, set()
        text = normal(document.texts["question"].surface)
        note = document.meta.get("note", "")
        if note == GENERATED and text in seen:
            note = "duplicate"
            document = replace(document, meta={**document.meta, "note": note})
        if note not in REASONS:
            seen.add(text)
        yield document
