"""Documents of question generation, and the files they are in: SQuAD's JSON, JSON Lines.

A row: ``{id, language, title, context, question, answers, question_type, note}``; `answers` is
``{"text": [...], "answer_start": [...]}``, offsets in characters; the first answer is the one that
is asked for. `note` is empty for a person's question, "generated" for a model's, and else says why
a generated question should not be used (`filters.REASONS`). Documents have it in `meta`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TextIO

from xlt import languages
from xlt.data.fields import identifier, objects
from xlt.data.jsonl import load_json, read_jsonl, to_json, write_jsonl
from xlt.data.numbers import integer
from xlt.data.offsets import SpanLocator
from xlt.document import Answers, Document, Label, Offsets, Text
from xlt.document.document import Row
from xlt.errors import XltError, choose
from xlt.reader_options import advise, advise_format
from xlt.yaml.write import scalar

from .exemplars import TYPES
from .filters import REASONS

AFRIQA = {"answers": "answer_pivot", "question": "question_lang"}
"""Our field → AfriQA's: the question is in the language, its context in English or French."""


def make(
    row: Row,
    *,
    locate: SpanLocator,
    labelled: bool,
    where: object,
    types: Mapping[str, str] | None = None,
) -> Document:
    """Make a document of a row with a context, a question and answers, in any usual form.

    locate:   finds the answers in the context; one for a file, as it counts what it moved.
    labelled: False where there may be no question yet.
    types:    a file's own name of a type → ours; `*` for all that are not named, "" for none.

    Raises XltError: no context, no question, no answer, an answer that is not in the context or
    whose start is no number, an unknown type or language.
    """
    context = row.get("context")
    if not isinstance(context, str) or not context.strip():
        raise XltError(
            "the context is empty" if context is None or isinstance(context, str)
            else "the context is no text",
            where=where, fix="give the text that is asked about, or leave the question out",
        )  # fmt: skip
    question, title, language, kind = (
        _text(row, name, where) for name in ("question", "title", "language", "question_type")
    )
    if labelled and not question.strip():
        raise XltError("there is no question", where=where, fix="write one, or leave this out")
    if kind and types:
        kind = types.get(kind, types.get("*", kind))
    if kind and kind not in TYPES:
        raise XltError(
            f"there is no type {kind!r} of questions", where=where,
            fix=f"{choose(kind, TYPES)}; or " + advise(f"types: {{{scalar(kind)}: OURS}}"),
        )  # fmt: skip
    note = _text(row, "note", where)
    return Document(
        identifier(row.get("id"), "", where=where),
        {
            "context": Text(context),
            "question": Text(question.strip()),
            "title": Text(title),
        },
        {
            "answers": Answers(_answers(row.get("answers"), context, locate, where)),
            "question_type": Label(kind or None),
        },
        languages.code(language, where=where) if language else "",
        meta={"note": note} if note else {},
    )


def _text(row: Row, name: str, where: object) -> str:
    """A field that is a text, or "" where it is missing. Raises XltError for anything else."""
    value = row.get(name)
    if value is None or isinstance(value, str):
        return value or ""
    raise XltError(
        f"the {name.replace('_', ' ')} is no text", where=where, fix="write it as one JSON string"
    )


def to_row(document: Document) -> Row:
    """Return the row that `make` makes an equal document of."""
    answers = document.layer(Answers, "answers")
    return {
        "id": document.id,
        "language": document.language,
        "title": document.texts["title"].surface,
        "context": document.text.surface,
        "question": document.texts["question"].surface,
        "answers": {
            "text": answers.texts(document.text.surface),
            "answer_start": [start for start, _ in answers.offsets],
        },
        "question_type": document.layer(Label, "question_type").label or "",
        "note": note_of(document),
    }


def note_of(document: Document) -> str:
    """Return "" for a person's question, "generated" for a model's, or why it is not to be used."""
    return str(document.meta.get("note", ""))


def _answers(given: Any, context: str, locate: SpanLocator, where: object) -> tuple[Offsets, ...]:
    """Where the answers are in the context."""
    stated = _stated_answers(given, where)
    if not any(text.strip() for text, _ in stated):
        raise XltError("there is no answer to ask for", where=where, fix=_ANSWERS)
    offsets = []
    for number, (text, start) in enumerate(stated, 1):
        if not text.strip():
            raise XltError(f"answer {number} is empty", where=where, fix="remove it")
        try:
            answer, begin = locate(text, start, context, where=where)
        except XltError as error:
            raise XltError(
                error.what,
                where=where,
                fix=f"{error.fix}; or, to leave such questions out, {advise('drop: true')}",
            ) from error
        offsets.append((begin, begin + len(answer)))
    return tuple(offsets)


_ANSWERS = (
    'give `"answers": {"text": ["…"], "answer_start": [0]}` or a list of '
    '`{"text": "…", "answer_start": 0}`: questions are generated for an answer in the context'
)


def _stated_answers(given: Any, where: object) -> list[tuple[str, Any]]:
    """Text and start of each answer, as they stand in the file; None for a start it does not give.

    given: lists of texts and starts side by side, as in hub data sets; one text and one start;
        a list of mappings, as in SQuAD's files; a list of texts or one text, without starts.
    """
    if given is None:
        return []
    if isinstance(given, dict):
        texts, starts = given.get("text"), given.get("answer_start")
        if not isinstance(texts, list):
            texts, starts = [texts], [starts]
        elif starts is None:
            starts = [None] * len(texts)
        if not isinstance(starts, list):
            raise _not_answers("`text` is a list and `answer_start` is not", where)
        if len(starts) != len(texts):
            raise _not_answers(f"{len(texts)} in `text`, {len(starts)} in `answer_start`", where)
        pairs = list(zip(texts, starts, strict=True))
    else:
        pairs = [
            (one.get("text"), one.get("answer_start")) if isinstance(one, dict) else (one, None)
            for one in (given if isinstance(given, list) else [given])
        ]
    for text, _ in pairs:
        if not isinstance(text, str):
            raise _not_answers(f"an answer is {text!r:.60}, not a text", where)
    return pairs


def _not_answers(why: str, where: object) -> XltError:
    return XltError(f"`answers` cannot be read: {why}", where=where, fix=_ANSWERS)


# Reading -----------------------------------------------------------------------------------------


def read_squad(
    path: Path, *, labelled: bool, types: Mapping[str, str] | None = None, drop: bool = False
) -> Iterator[Document]:
    """Read articles with paragraphs, or a plain list of paragraphs.

    Questions without an answer (`is_impossible`) cannot be generated: they are left out.

    drop: leave out what `make` refuses, instead of raising.
    """
    with SpanLocator(path, "answer", "context") as locate:
        for row, where in _squad_rows(path, labelled=labelled):
            try:
                yield make(row, locate=locate, labelled=labelled, where=where, types=types)
            except XltError:
                if not drop:
                    raise


def _squad_rows(path: Path, *, labelled: bool) -> Iterator[tuple[Row, str]]:
    """A row for each question that has an answer, and where it is."""
    number = 0
    for title, paragraph, at in _paragraphs(path):
        questions = _questions(paragraph, "qas", path, at)
        if not labelled:  # what the filters have put aside, back in its place
            filtered = [
                (integer(one.get("position", 0), "`position`", where=f"{path}: {at}"), one)
                for one in _questions(paragraph, "filtered", path, at)
            ]
            for position, one in sorted(filtered, key=itemgetter(0)):
                questions.insert(position, one)
        for one in questions:
            number += 1
            if _unanswerable(one, f"{path}: question {number}"):
                continue
            id = identifier(one.get("id"), number, where=f"{path}: question {number}")
            answers = one.get("answers")
            first = answers[0] if isinstance(answers, list) else None
            label = first.get("label") if isinstance(first, dict) else None
            row = {
                "title": title,
                "context": paragraph.get("context"),
                **{"question_type": _published(label), "language": paragraph.get("language")},
                **one,
                "id": id,
            }
            yield row, f"{path}: question {id}"


def _questions(paragraph: Row, key: str, path: Path, at: str) -> list[Row]:
    """The questions in a field of a paragraph, in a new list."""
    return [*objects(paragraph.get(key), f"`{key}` in {at}", where=path)]


def _published(label: Any) -> str | None:
    """SQuAD-QT says NONE for questions of no type."""
    return None if label == "NONE" else label


def _paragraphs(path: Path) -> Iterator[tuple[str, Row, str]]:
    content = load_json(
        path, fix=f"a SQuAD file is one JSON object; for one a line {advise_format('jsonl')}"
    )
    articles = content.get("data") if isinstance(content, dict) else content
    if not isinstance(articles, list):
        raise _not_squad(path, "there is no list of articles in `data`")
    for number, article in enumerate(articles, 1):
        at = f"article {number}"
        if not isinstance(article, dict):
            raise _not_squad(path, f"{at} is no mapping")
        inner = article.get("paragraphs", [article])
        if not isinstance(inner, list) or not all(isinstance(p, dict) for p in inner):
            raise _not_squad(path, f"the paragraphs of {at} are no list of mappings")
        for paragraph in inner:
            yield _text(article, "title", f"{path}: {at}"), paragraph, at


def _not_squad(path: Path, why: str) -> XltError:
    return XltError(
        f"this is not SQuAD's format: {why}",
        where=path,
        fix='write {"data": [{"title": …, "paragraphs": [{"context": …, "qas": [{"id": …, '
        '"question": …, "answers": [{"text": …, "answer_start": …}]}]}]}]}',
    )


def read_lines(
    path: Path,
    *,
    labelled: bool,
    columns: Mapping[str, str] | None = None,
    types: Mapping[str, str] | None = None,
    drop: bool = False,
) -> Iterator[Document]:
    """Read JSON Lines, a question each. Questions without an answer are left out, and so are, with
    `labelled`, those that a filter has put aside.

    columns: our field → the file's. types: as in `make`.
    drop:    leave out what `make` refuses, instead of raising XltError.
    """
    with SpanLocator(path, "answer", "context") as locate:
        for number, row in read_jsonl(path, required=("context", "answers"), columns=columns):
            where = f"{path}:{number}"
            row["id"] = identifier(row.get("id"), number, where=where)
            if (labelled and _text(row, "note", where) in REASONS) or _unanswerable(row, where):
                continue
            try:
                yield make(row, locate=locate, labelled=labelled, where=where, types=types)
            except XltError:
                if not drop:
                    raise


def _unanswerable(row: Row, where: str) -> bool:
    impossible = row.get("is_impossible")
    if impossible not in (None, True, False):
        raise XltError(
            f"`is_impossible` is {impossible!r:.40}, neither true nor false",
            where=where,
            fix="write true or false, or leave it out",
        )
    answers = row.get("answers")
    texts = answers.get("text") if isinstance(answers, dict) else answers
    return bool(impossible) or texts == []


# Writing -----------------------------------------------------------------------------------------


def write_squad(documents: Iterable[Document], stream: TextIO) -> None:
    """Write SQuAD's JSON; what a filter put aside stands under `filtered` in its paragraph."""
    stream.write('{"version": "1.1", "data": [')
    for number, (title, some) in enumerate(_articles(map(to_row, documents))):
        paragraphs = [
            _paragraph(context, language, list(group))
            for (context, language), group in groupby(some, _context)
        ]
        article = {"title": title, "paragraphs": paragraphs}
        stream.write((",\n" if number else "\n") + to_json(article))
    stream.write("\n]}\n")


def _articles(rows: Iterable[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Rows after one another with the same title; without one, those with the same context."""
    for key, group in groupby(rows, lambda r: (r["title"], "" if r["title"] else _context(r))):
        yield key[0], list(group)


def _context(row: Row) -> tuple[str, str]:
    return row["context"], row["language"]


def _paragraph(context: str, language: str, rows: list[Row]) -> Row:
    paragraph: Row = {"context": context, "qas": []}
    if language:
        paragraph["language"] = language
    for position, row in enumerate(rows):
        answers = row["answers"]
        pairs = zip(answers["text"], answers["answer_start"], strict=True)
        question: Row = {
            "id": row["id"],
            "question": row["question"],
            "answers": [{"text": text, "answer_start": start} for text, start in pairs],
            **{key: row[key] for key in ("question_type", "note") if row[key]},
        }
        if row["note"] in REASONS:
            paragraph.setdefault("filtered", []).append({**question, "position": position})
        else:
            paragraph["qas"].append(question)
    return paragraph


def write_lines(documents: Iterable[Document], stream: TextIO) -> None:
    """Write JSON Lines, a row each."""
    write_jsonl(map(to_row, documents), stream)
