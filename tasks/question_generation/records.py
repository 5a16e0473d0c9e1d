"""Records of question generation, and the files they are in: SQuAD's JSON, JSON Lines.

A record: ``{id, language, title, context, question, answers, question_type, note}``; `answers` is
``{"text": [...], "answer_start": [...]}``, offsets in characters; the first answer is the one that
is asked for. `note` is empty for a person's question, "generated" for a model's, and else says why
a generated question should not be used (`filters.REASONS`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from xlt import languages
from xlt.data.jsonl import load_json, read_jsonl, to_json, write_jsonl
from xlt.data.options import advise, advise_format
from xlt.errors import XltError, choose
from xlt.task import Record

from .exemplars import TYPES
from .filters import REASONS

Row = dict[str, Any]

AFRIQA = {"answers": "answer_pivot", "question": "question_lang"}
"""Our field → AfriQA's: the question is in the language, its context in English or French."""


def make(
    row: Row, *, labelled: bool, where: object, types: Mapping[str, str] | None = None
) -> Record:
    """The record of a row with a context, a question and answers, in any of their usual forms.

    labelled: False where there may be no question yet.
    types:    a file's own name of a type → ours; `*` for all that are not named, "" for none.

    Raises XltError: no context, no question, no answer, an answer that is not in the context, an
    unknown type or language.
    """
    context = row.get("context")
    if not isinstance(context, str) or not context.strip():
        raise XltError(
            "the context is empty" if context is None or isinstance(context, str)
            else "the context is no text",
            where=where, fix="give the text that is asked about, or leave the question out",
        )  # fmt: skip
    question = row.get("question") or ""
    if labelled and not (isinstance(question, str) and question.strip()):
        raise XltError("there is no question", where=where, fix="write one, or leave this out")
    language = row.get("language") or ""
    kind = row.get("question_type") or ""
    if kind and types:
        kind = types.get(kind, types.get("*", kind))
    if kind and kind not in TYPES:
        raise XltError(
            f"there is no type {kind!r} of questions", where=where,
            fix=f"{choose(kind, TYPES)}; or " + advise(f"types: {{{kind}: OURS}}"),
        )  # fmt: skip
    return {
        "id": str(row["id"]),
        "language": languages.code(language, where=where) if language else "",
        "title": row.get("title") or "",
        "context": context,
        "question": question.strip(),
        "answers": _answers(row.get("answers"), context, where),
        "question_type": kind,
        "note": row.get("note") or "",
    }


def _answers(given: Any, context: str, where: object) -> dict[str, list[Any]]:
    if isinstance(given, dict):  # lists side by side, as in hub data sets
        texts = given.get("text") or []
        starts = given.get("answer_start") or [None] * len(texts)
        pairs = list(zip(texts, starts, strict=False))
    elif isinstance(given, list):
        pairs = [(a.get("text"), a.get("answer_start")) for a in given if isinstance(a, dict)]
    else:
        pairs = []
    found = [
        (t, _place(t, s, context, where)) for t, s in pairs if isinstance(t, str) and t.strip()
    ]
    if not found:
        raise XltError(
            "there is no answer to ask for",
            where=where,
            fix='give `"answers": {"text": ["…"], "answer_start": [0]}`: questions are generated '
            "for an answer in the context",
        )
    return {"text": [t for t, _ in found], "answer_start": [s for _, s in found]}


def _place(text: str, start: Any, context: str, where: object) -> int:
    """Where the answer begins: where it is said to, else the place nearest to that."""
    if isinstance(start, int) and start >= 0 and context.startswith(text, start):
        return start
    places = [at for at in range(len(context)) if context.startswith(text, at)]
    if not places:
        shown = text if len(text) <= 60 else text[:57] + "…"
        raise XltError(
            f"the answer {shown!r} is not in the context",
            where=where,
            fix="an answer is a span of the context, letter for letter; correct it; or, to leave "
            "such questions out, " + advise("drop: true"),
        )
    return min(places, key=lambda at: abs(at - start)) if isinstance(start, int) else places[0]


# Reading -----------------------------------------------------------------------------------------


def read_squad(
    path: Path, *, labelled: bool, types: Mapping[str, str] | None = None, drop: bool = False
) -> Iterator[Record]:
    """Articles with paragraphs, or a plain list of paragraphs. Questions without an answer
    (`is_impossible`) are none that can be generated: they are left out.

    drop: leave out what `make` refuses, instead of raising.
    """
    number = 0
    for title, paragraph, at in _paragraphs(path):
        questions = [*(paragraph.get("qas") or [])]
        if not labelled:  # what the filters have put aside, back in its place
            for one in sorted(paragraph.get("filtered") or [], key=lambda q: q.get("position", 0)):
                questions.insert(one.get("position", 0), one)
        for one in questions:
            number += 1
            if not isinstance(one, dict):
                raise _not_squad(path, f"a question in {at} is no mapping")
            id = one.get("id") or str(number)
            answers = one.get("answers")
            if one.get("is_impossible") or (answers is not None and not answers):
                continue
            label = answers[0].get("label") if isinstance(answers, list) and answers else None
            row = {
                "title": title,
                "context": paragraph.get("context"),
                **{"question_type": _published(label), "language": paragraph.get("language")},
                **one,
                "id": id,
            }
            try:
                yield make(row, labelled=labelled, where=f"{path}: question {id}", types=types)
            except XltError:
                if not drop:
                    raise


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
            yield article.get("title") or "", paragraph, at


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
) -> Iterator[Record]:
    for number, row in read_jsonl(path, required=("context", "answers"), columns=columns):
        row.setdefault("id", str(number))
        if labelled and row.get("note") in REASONS:
            continue
        if _unanswerable(row):
            continue
        try:
            yield make(row, labelled=labelled, where=f"{path}:{number}", types=types)
        except XltError:
            if not drop:
                raise


def _unanswerable(row: Row) -> bool:
    answers = row["answers"]
    texts = answers.get("text") if isinstance(answers, dict) else answers
    return bool(row.get("is_impossible")) or texts == []


# Writing -----------------------------------------------------------------------------------------


def write_squad(records: Iterable[Record], stream: TextIO) -> None:
    """SQuAD's JSON; what the filters have put aside stands under `filtered` in its paragraph."""
    stream.write('{"version": "1.1", "data": [')
    for number, (title, some) in enumerate(_articles(records)):
        paragraphs = [
            _paragraph(context, language, list(group))
            for (context, language), group in groupby(some, _context)
        ]
        article = {"title": title, "paragraphs": paragraphs}
        stream.write((",\n" if number else "\n") + to_json(article))
    stream.write("\n]}\n")


def _articles(records: Iterable[Record]) -> Iterator[tuple[str, list[Record]]]:
    """Records in a row with the same title; without one, those with the same context."""
    for key, group in groupby(records, lambda r: (r["title"], "" if r["title"] else _context(r))):
        yield key[0], list(group)


def _context(record: Record) -> tuple[str, str]:
    return record["context"], record["language"]


def _paragraph(context: str, language: str, records: list[Record]) -> Row:
    paragraph: Row = {"context": context, "qas": []}
    if language:
        paragraph["language"] = language
    for position, record in enumerate(records):
        answers = record["answers"]
        pairs = zip(answers["text"], answers["answer_start"], strict=True)
        row: Row = {
            "id": record["id"],
            "question": record["question"],
            "answers": [{"text": text, "answer_start": start} for text, start in pairs],
            **{key: record[key] for key in ("question_type", "note") if record[key]},
        }
        if record["note"] in REASONS:
            paragraph.setdefault("filtered", []).append({**row, "position": position})
        else:
            paragraph["qas"].append(row)
    return paragraph


def write_lines(records: Iterable[Record], stream: TextIO) -> None:
    write_jsonl(records, stream)
