"""Text without labels, read as any data are: referred to, limited, cached, with its licence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TextIO

from xlt.config.schema import TEXT
from xlt.data.files import lines
from xlt.data.jsonl import read_jsonl, write_jsonl
from xlt.data.segment import placed_text, sentences_of_lines, with_words
from xlt.document import Document
from xlt.document.document import Row
from xlt.document.layers import Layer
from xlt.errors import XltError
from xlt.reader_options import JsonlOptions, ReaderOptions
from xlt.task import Labels, Task
from xlt.transfer.stage import DataSplit

MAX_SELECTION_SENTENCES = 1000
"""Sentences of a text that selects a checkpoint: they are predicted at every evaluation."""

MAX_ESTIMATE_SENTENCES = 2000
"""Sentences of a text on which it is said what a model is expected to score: more hardly change a
mean."""

MAX_TRANSFER_SENTENCES = 500
"""The first ones, of which a Transfer Score is computed: clusters and diversity show in fewer."""


def evaluated_subwords(
    data_split: DataSplit, records: int, subwords: int, sentences: int = MAX_SELECTION_SENTENCES
) -> int:
    """How many subwords of a split are predicted at an evaluation, where it has so many. Each
    record of text without labels is taken for a sentence."""
    share = min(1.0, sentences / max(1, records)) if data_split.split == TEXT else 1.0
    return round(share * subwords)


def sentences(task: Task, texts: Iterable[Document], language: str) -> Iterator[Document]:
    """The sentences of raw text, as documents of a task without annotation; whole texts for a task
    that reads these (`Task.by_sentence`). The id of each is the text's with its number in it."""
    split = sentences_of_lines if task.by_sentence else placed_text
    for one in texts:
        for number, (_, text) in enumerate(split(one.text.surface, language), 1):
            yield task.from_text(f"{one.id}.{number}", text, language)


def first_sentences(
    task: Task, texts: Iterable[Document], language: str, most: int
) -> list[Document]:
    """The first of `sentences`."""
    return list(islice(sentences(task, texts, language), most))


class RawText(Task):
    """Documents of one text each. There is nothing to predict: no model is built of it."""

    name = TEXT
    layers: ClassVar[Mapping[str, type[Layer]]] = {}
    metrics_reported = ()
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "txt": (".txt",),
        "jsonl": (".jsonl",),
        "lines": (),  # what cards of parallel text call a side of it
    }
    columns = ("id", TEXT)
    reader_options: ClassVar[Mapping[str, type[ReaderOptions]]] = {"jsonl": JsonlOptions}
    count_names = ()

    def read(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Document]:
        """A document for every line of a text that holds more than white space."""
        if format == "jsonl":
            for number, row in read_jsonl(path, required=(TEXT,), columns=options.get("columns")):
                row = {"id": str(number), **row}
                yield self.validate_row(row, where=f"{path}:{number}")
            return
        for number, line in lines(path):
            if line.strip():
                yield Document(str(number), {TEXT: with_words(line)})

    def write(self, documents: Iterable[Document], stream: TextIO, format: str) -> None:
        if format == "jsonl":
            write_jsonl(map(self.to_row, documents), stream)
            return
        stream.writelines(document.text.surface + "\n" for document in documents)

    def validate_row(self, row: Row, *, where: object) -> Document:
        text = row.get(TEXT)
        if not isinstance(text, str) or not text.strip():
            raise XltError(
                "there is no text in it", where=where, fix=f"remove it, or give it a `{TEXT}`"
            )
        return Document(str(row.get("id", where)), {TEXT: with_words(text)})

    def to_row(self, document: Document) -> Row:
        return {"id": document.id, TEXT: document.text.surface}

    def labels(self, documents: Iterable[Document]) -> Labels:
        return {}

    def _nothing(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError("text without labels is no task")

    build = load = encode = collate = decode = counts = metrics = _nothing
