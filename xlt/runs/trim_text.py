"""The text whose subwords a trimmed vocabulary keeps: a file's, a card's, or all of a language."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from xlt import languages
from xlt.config.schema import Reference
from xlt.data import cards
from xlt.data.conllu import read_conllu
from xlt.data.files import lines
from xlt.data.references import locate, resolve
from xlt.data.segment import sentences_of_lines, with_words
from xlt.data.store import read_documents
from xlt.document.text import Text
from xlt.errors import XltError
from xlt.registry import data_cards, tasks
from xlt.runs.reading import CONLLU, TEXT, format_of, read_units
from xlt.task import Task

MIN_WORDS = 10_000
"""Of a language that is asked for by its name. What fewer words leave out is most of it."""


def trim_texts(task: Task, asked: str, language: str | None) -> list[Text]:
    """The texts of a file, of a data card (``card:language[:split]``), or of all data cards of a
    language whose files are on this machine.

    language: whose rules split running text into sentences and words; None where it is open.

    Raises XltError for what is none of these, for a file that cannot be read or has no text, for a
    card whose files are not here, and for a language of which there is next to none.
    """
    path = Path(asked)
    if path.is_dir():
        raise XltError("this is a folder", where="--trim", fix="name a text file, or a language")
    if asked.partition(":")[0] in data_cards():
        return _of_named_card(asked)
    if path.exists() or path.name != asked or path.suffix:
        texts = list(_of_file(task, asked, language))
        if not any(text.surface.strip() for text in texts):
            raise XltError("there is no text in it", where=asked, fix="name a file with text")
        return texts
    code = languages.code(asked, where="--trim")
    # Not the sample corpus, which is made up.
    real = (name for name in data_cards() if not name.startswith("sample-"))
    texts = [text for name in real for text in _of_card(name, code)]
    words = sum(len(text.words) or 1 for text in texts)
    if words < MIN_WORDS:
        raise XltError(
            f"there are {words:,} words of {languages.name(code)} in data cards on this machine, "
            f"and with fewer than {MIN_WORDS:,} most words would fall into letters",
            where="--trim",
            fix="name a text file instead, of the kind that the model is for; or fetch data "
            "(`xlt data list`, `xlt data get`), or set XLT_DATA",
        )
    return texts


def _of_file(task: Task, path: str, language: str | None) -> Iterator[Text]:
    """The texts of a file in a format of the task's; of running text the sentences that
    `xlt predict` makes of it, or without a language its lines."""
    try:
        format = format_of(task, path)
    except XltError:  # its name says nothing, and any file is text
        format = TEXT
    if format == CONLLU:
        yield from (sentence.text() for sentence in read_conllu(path, strict_trees=False))
    elif format == TEXT:
        for _, line in lines(path):
            if language is not None:
                yield from (text for _, text in sentences_of_lines(line, language))
            elif line.strip():
                yield with_words(line)
    else:
        for unit in read_units(task, path, format, language, {}):
            for document in unit.documents:
                yield from task.given_texts(document)


def _of_named_card(asked: str) -> list[Text]:
    name, language, split = [*asked.split(":"), "", ""][:3]
    card = cards.get(name)
    if not language:
        raise XltError(
            f"the card {name} has several languages",
            where="--trim",
            fix=f"write {name}:LANGUAGE; it has {', '.join(card.languages)}",
        )
    code = card.language(language, where="--trim")
    if split:
        card.split(code, split, where="--trim")
    texts = list(_of_card(name, code, split))
    if not texts:
        raise XltError(
            f"the files of {asked} are not on this machine",
            where="--trim",
            fix=f"`xlt data get {name}`, or set XLT_DATA",
        )
    return texts


def _of_card(name: str, language: str, wanted: str = "") -> Iterator[Text]:
    """The texts of a card's split, or of all its splits, of a language, whose files are here."""
    card = cards.get(name)
    code = languages.match(language, card.languages)
    if code is None or card.task not in tasks.names():
        return
    plugin = tasks.get(card.task)()
    for split, content in card.languages[code].items():
        here = all(locate(card, file) is not None for file in content.files)
        if here and wanted in ("", split):
            reference = Reference(ref=f"{name}:{code}:{split}")
            for document in read_documents(plugin, resolve(reference, code, split)):
                yield from plugin.given_texts(document)
