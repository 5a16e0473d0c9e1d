"""`xlt predict`: annotate text with a trained model, a bounded number of sentences at a time."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from xlt import languages
from xlt.document import Document, Text
from xlt.errors import XltError, choose

if TYPE_CHECKING:
    from xlt.display import Page
    from xlt.task import Task

log = logging.getLogger(__name__)

CHUNK = 2048
"""Sentences held at once: enough to fill length buckets, little enough for any file."""

TEXT, WORDS = "text", "words"


def predict(
    model: Path,
    source: str = "-",
    output: str = "-",
    *,
    language: str | None = None,
    input_format: str | None = None,
    output_format: str | None = None,
    html: str | Path | None = None,
    batch_tokens: int = 8192,
    quiet: bool = False,
) -> dict[str, Any]:
    """Read `source`, annotate it, write to `output`; "-" is standard input or output.

    input_format: ``text`` (running text, split into sentences and words by the rules of
        `language`), ``words`` (one sentence a line, words separated by spaces), or a format of
        the task. By default the file's suffix says it; plain text otherwise.
    html: a page of displaCy views of the predictions, beside the output.
    Returns how many records were written.
    Raises XltError for a folder that is no model, a missing language, malformed input.
    """
    from xlt.inference.loading import find_model
    from xlt.projection.predict import make_predictor
    from xlt.runs.coverage import count_words, warnings

    folder = find_model(model)
    task, backbone, predictor = make_predictor(folder, batch_tokens=batch_tokens)
    writing = output_format or next(iter(task.formats))
    if writing not in task.formats:
        raise XltError(
            f"{task.name} does not write {writing!r}",
            where="--format",
            fix=choose(writing, task.formats),
        )
    records = read_input(task, source, input_format, language)
    spoken = "und" if language is None else languages.code(language, where="--language")
    written = 0

    def predictions(stream: TextIO, page: Page | None) -> Iterator[Document]:
        nonlocal written
        told = False
        for chunk in _progress(_chunks(records, CHUNK), quiet or output == "-"):
            if not told:  # once, from what a first chunk holds
                told = True
                words = count_words(task, chunk)
                for text in warnings(spoken, words, backbone.tokenizer):
                    log.warning("warning: %s", text)
            predicted = predictor(chunk, task.encode(chunk, backbone, None))
            for before, after in zip(chunk, predicted, strict=True):
                assert before.words == after.words
            yield from predicted
            stream.flush()
            if page is not None:
                page.add(predicted)
            written += len(chunk)

    with open_output(output) as stream, _open_page(task, html) as page:
        # One call for all: a writer may number what it writes.
        task.write(predictions(stream, page), stream, writing)
    return {"records": written, "model": str(folder), "output": output}


def read_input(
    task: Task, source: str, input_format: str | None, language: str | None
) -> Iterator[Document]:
    """Records without annotation from a file or standard input."""
    format = input_format
    if format is None:
        format = TEXT if source == "-" else _by_suffix(task, Path(source))
    if format in task.readable():
        # A pipe has to be on disk for readers that name the line of an error.
        with _as_file(source) as path:
            spoken = "" if language is None else languages.code(language, where="--language")
            for document in task.read(path, format, labelled=False):
                unknown = spoken and not document.language
                yield replace(document, language=spoken) if unknown else document
        return
    if format not in (TEXT, WORDS):
        raise XltError(
            f"there is no input format {format!r}",
            where="--input-format",
            fix=choose(format, [TEXT, WORDS, *task.readable()]),
        )
    if format == TEXT and language is None:
        raise XltError(
            "running text needs a language: its words are split by that language's rules",
            where="--language",
            fix="pass --language eus (say), or --input-format words for text that is split already",
        )
    number = 0
    for line in _lines(source):
        for words, spaces in _sentences(line, format, language):
            number += 1
            yield task.from_text(str(number), Text.from_words(words, spaces), language or "")


def _sentences(
    line: str, format: str, language: str | None
) -> Iterable[tuple[list[str], list[bool]]]:
    if format == WORDS:
        words = line.split()
        return [(words, [True] * len(words))] if words else []
    from xlt.data.segment import tokenise

    assert language is not None
    return tokenise(line, language)


def _by_suffix(task: Task, path: Path) -> str:
    name = path.name.removesuffix(".gz").removesuffix(".xz")
    for format, suffixes in task.readable().items():
        if name.endswith(tuple(s for s in suffixes if s != ".txt")):
            return format
    return TEXT


def _lines(source: str) -> Iterator[str]:
    if source == "-":
        for line in sys.stdin:
            yield line.rstrip("\n")
        return
    from xlt.data.files import lines

    for _, line in lines(Path(source)):
        yield line


@contextmanager
def _as_file(source: str) -> Iterator[Path]:
    if source != "-":
        yield Path(source)
        return
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "standard-input"
        path.write_bytes(sys.stdin.buffer.read())
        yield path


@contextmanager
def open_output(output: str) -> Iterator[TextIO]:
    """Standard output, or a file that has its name only when it is complete."""
    if output == "-":
        yield sys.stdout
        return
    from xlt.files import disk_error

    path = Path(output)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream
        part.replace(path)
    except OSError as error:
        raise disk_error(error, path) from error


def _open_page(task: Task, html: str | Path | None) -> AbstractContextManager[Page | None]:
    if html is None:
        return nullcontext()
    from xlt.display import Page

    return Page(task, html)


def _chunks(records: Iterator[Document], size: int) -> Iterator[list[Document]]:
    while chunk := list(islice(records, size)):
        yield chunk


def _progress(chunks: Iterator[list[Document]], quiet: bool) -> Iterator[list[Document]]:
    if quiet:
        yield from chunks
        return
    from tqdm import tqdm

    with tqdm(unit=" sentences", desc="predict") as bar:
        for chunk in chunks:
            yield chunk
            bar.update(len(chunk))
