"""`xlt predict`: annotate text with a trained model, a bounded number of sentences at a time."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from xlt import languages
from xlt.data.columns import is_tagged
from xlt.data.conllu import read_conllu
from xlt.data.files import STDIN, STDIN_PATH, label, lines
from xlt.document import Document, Text
from xlt.errors import XltError, choose, flat, raise_all
from xlt.reader_options import Location, on_command_line, read_with

if TYPE_CHECKING:
    from xlt.display import Page
    from xlt.task import Task

log = logging.getLogger(__name__)

MAX_SENTENCES_HELD = 2048
"""Sentences in memory at once: enough to fill length buckets, little enough for any file."""

TEXT, WORDS, CONLLU = "text", "words", "conllu"
"""Formats of text without annotation, which every task can read that makes records of words."""


def predict(
    model: Path,
    source: str = "-",
    output: str = "-",
    *,
    language: str | None = None,
    input_format: str | None = None,
    output_format: str | None = None,
    options: Mapping[str, Any] | None = None,
    html: str | Path | None = None,
    batch_tokens: int = 8192,
    quiet: bool = False,
) -> dict[str, Any]:
    """Read `source`, annotate it, write to `output`; "-" is standard input or output.

    input_format: ``text`` (running text, split into sentences and words by the rules of
        `language`), ``words`` (one sentence a line, words separated by spaces), ``conllu``, or a
        format of the task. By default the file's suffix says it; standard input is text, and so is
        ``.txt`` unless its first lines are plainly tagged words or CoNLL-U.
    options: of the reader.
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
    records = read_input(task, source, input_format, language, options)
    spoken = "und" if language is None else languages.code(language, where="--language")
    written = 0

    def predictions(stream: TextIO, page: Page | None) -> Iterator[Document]:
        nonlocal written
        told = False
        for chunk in _progress(_chunks(records, MAX_SENTENCES_HELD), quiet or output == "-"):
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
    task: Task,
    source: str,
    input_format: str | None,
    language: str | None,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Document]:
    """Documents without annotation from a file or standard input; arguments as of `predict`.

    Raises XltError for a format that the task cannot take or that the suffix does not say, a
    missing language, options that the reader lacks, malformed input.
    """
    format = input_format or _format_of(task, source)
    if format not in (TEXT, WORDS, CONLLU, *task.readable()):
        raise XltError(
            f"there is no input format {format!r}",
            where="--input-format",
            fix=choose(format, input_formats(task)),
        )
    spoken = "" if language is None else languages.code(language, where="--language")

    def where(location: Location) -> str:
        return on_command_line(("options", *location))

    if format in task.readable():
        path, given = STDIN_PATH if source == STDIN else Path(source), options or {}
        with _told_as_stdin(path):
            for document in read_with(task, path, format, given, where=where, labelled=False):
                unknown = spoken and not document.language
                yield replace(document, language=spoken) if unknown else document
        return
    task.from_text("1", Text.from_words(["word"]))  # says so if the task needs more than words
    if options:
        raise XltError(
            f"there are no options for reading {format}",
            where=where((next(iter(options)),)),
            fix="remove it, or say with --input-format what the file is",
        )
    if format == TEXT and not spoken:
        raise XltError(
            "running text needs a language: its words are split by that language's rules",
            where="--language",
            fix="pass --language eus (say), or --input-format words for text that is split already",
        )
    for id, text in _sentences(source, format, spoken):
        yield task.from_text(id, text, spoken)


def input_formats(task: Task) -> list[str]:
    """What `read_input` can read for a task."""
    try:
        task.from_text("1", Text.from_words(["word"]))
    except XltError:  # it needs more than words
        return list(task.readable())
    return list(dict.fromkeys([TEXT, WORDS, CONLLU, *task.readable()]))


def _sentences(source: str, format: str, language: str) -> Iterator[tuple[str, Text]]:
    """Id and text of the sentences of text of no task's own."""
    if format == CONLLU:
        for number, sentence in enumerate(read_conllu(source, strict_trees=False), 1):
            yield sentence.comment("sent_id") or str(number), sentence.text()
        return
    from xlt.data.segment import sentences

    number = 0
    for at, line in lines(source):
        texts = (
            sentences(line, language) if format == TEXT else _words(line, f"{label(source)}:{at}")
        )
        for text in texts:
            number += 1
            yield str(number), text
    if not number:
        raise XltError(
            "there is no text in it", where=label(source), fix="check where it came from"
        )


def _words(line: str, where: str) -> list[Text]:
    """The sentence of a line, none if it is empty. Words are what stands between spaces: other
    white space, as a no-break space, may be part of one."""
    if "\t" in line:
        raise XltError(
            "there is a tab between or in the words",
            where=where,
            fix="separate words by spaces; columns are another format (--input-format)",
        )
    words = [word for word in line.split(" ") if word]
    return [Text.from_words(words, [True] * len(words))] if words else []


def _format_of(task: Task, source: str) -> str:
    """The format that the suffix means; letters of either case."""
    if source == STDIN:
        return TEXT
    path = Path(source)
    name = path.name.lower().removesuffix(".gz").removesuffix(".xz")
    if name.endswith(".txt"):
        return _format_of_text(task, path)
    own = [format for format, suffixes in task.readable().items() if name.endswith(suffixes)]
    if name.endswith(".conllu") and CONLLU not in own and (not own or _is_conllu(path)):
        return CONLLU
    if own:
        return own[0]
    raise XltError(
        f"the name {path.name!r} does not say what is in the file",
        where=path,
        fix=f"pass --input-format, one of {', '.join(input_formats(task))}",
    )


def _format_of_text(task: Task, path: Path) -> str:
    """Of a file that may hold anything: running text, unless it plainly is something else. Tagged
    words and trees, too, are published as ``.txt``."""
    own = [format for format, suffixes in task.readable().items() if ".txt" in suffixes]
    if own and is_tagged(path):
        return own[0]
    return CONLLU if CONLLU in input_formats(task) and _is_conllu(path) else TEXT


def _is_conllu(path: Path) -> bool:
    """Whether a file with that suffix has CoNLL-U's ten columns. Annotations of UD treebanks by
    others have it too, and more columns or names for them."""
    for _, line in lines(path):
        if line.startswith("#"):
            if line[1:].partition("=")[0].strip() == "global.columns":
                return False
        elif line:
            return line.count("\t") == 9
    return False


@contextmanager
def _told_as_stdin(path: Path) -> Iterator[None]:
    """Errors of a task's reader name standard input as all others do."""
    try:
        yield
    except XltError as error:
        if path != STDIN_PATH:
            raise
        raise_all([_of_stdin(one) for one in flat(error)])


def _of_stdin(error: XltError) -> XltError:
    what, where, fix = (
        text and text.replace(str(STDIN_PATH), label(STDIN))
        for text in (error.what, error.where, error.fix)
    )
    return XltError(what or "", where=where, fix=fix)


@contextmanager
def open_output(output: str) -> Iterator[TextIO]:
    """Standard output, or a file that has its name only when it is complete."""
    if output == "-":
        yield sys.stdout
        return
    from xlt.files import beside, disk_error, sync

    path = Path(output)
    part = beside(path, ".part")
    try:
        part.unlink(missing_ok=True)  # which may be a link to anything
        with part.open("x", encoding="utf-8", newline="\n") as stream:
            yield stream
        sync(part)
        part.replace(path)
    except XltError:
        log.warning("what was predicted before the error is in %s", part)
        raise
    except OSError as error:
        raise disk_error(error, path) from error


def _open_page(task: Task, html: str | Path | None) -> AbstractContextManager[Page | None]:
    if html is None:
        return nullcontext()
    from xlt.display import Page

    return Page(task, html)


def _chunks(records: Iterator[Document], size: int) -> Iterator[list[Document]]:
    """So many records at a time, and what there is before an error."""
    chunk: list[Document] = []
    try:
        for record in records:
            chunk.append(record)
            if len(chunk) == size:
                yield chunk
                chunk = []
    except XltError:
        if chunk:
            yield chunk
        raise
    if chunk:
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
