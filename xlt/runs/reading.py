"""What `xlt predict` reads: running text, words, CoNLL-U, and the task's own formats.

A file is read in units: a line of text or words, a sentence of CoNLL-U, a record of the task's own
format. A unit knows where it stood, and where in it the documents are that the model is given.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import regex  # type: ignore[import-untyped]

from xlt import languages
from xlt.data.columns import is_tagged
from xlt.data.conllu import read_conllu
from xlt.data.conllu_plus import named_columns
from xlt.data.files import STDIN, STDIN_PATH, label, lines, unpacked_name
from xlt.data.recognise import hinting
from xlt.data.tools import formats
from xlt.document import Document, Text
from xlt.errors import XltError, choose, flat, raise_all
from xlt.reader_options import Location, on_command_line, read_with
from xlt.results import CONFIG, MANIFEST
from xlt.task import Task, takes_text, why_not_text

log = logging.getLogger(__name__)

TEXT, WORDS, CONLLU = "text", "words", "conllu"
"""Formats of text without annotation, which every task can read that makes records of words."""

TREEBANKS = (".conllu", ".conllup", ".cupt")
"""Suffixes of CoNLL-U, and of files that name their columns (CoNLL-U Plus)."""

_BETWEEN_SPACES = regex.compile("[^ ]+")


@dataclass(frozen=True)
class Unit:
    """A line or record of the input, and what a model is given of it.

    source:    the file, as it was named; "-" for standard input.
    line:      its first line in the file, from 1; None where the reader does not say.
    id:        the record's own; None for a line, which has none.
    surface:   the very text, without its line end.
    documents: its sentences, in order; none of an empty line or text.
    starts:    where in `surface` each document's first text begins, in characters.
    blank:     of a record of an annotation tool that lacks a text, what is written of it there.
    """

    source: str
    line: int | None
    id: str | None
    surface: str
    documents: tuple[Document, ...]
    starts: tuple[int, ...]
    blank: Document | None = None


def files_of(task: Task, sources: Iterable[str], input_format: str | None) -> list[str]:
    """The files that are meant: a folder stands for those in it, at any depth, in order.

    Hidden files are left out, and so, with a warning, are those whose name and beginning do not say
    what is in them. Those that are read with another one, as a text with its annotation, are not
    meant alone.
    Raises XltError for a folder without any file to read, and for one of a run or a model.
    """
    files: list[str] = []
    for source in sources:
        if source == STDIN or not Path(source).is_dir() or formats.is_folder(input_format):
            files.append(source)
            continue
        _refuse_results(Path(source))
        found = []
        for path in sorted(Path(source).rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(source).parts)
            if hidden or not path.is_file():
                continue
            try:
                if input_format is None:
                    format_of(task, str(path))
            except XltError as error:
                log.warning("%s is left out: %s", path, error.what)
            else:
                found.append(str(path))
        if not found:
            raise XltError(
                "there is no file in this folder that can be read",
                where=source,
                fix="name files, or say with --input-format what they are",
            )
        files += found
    if input_format is not None:
        return files
    beside = {other for file in files for other in _read_with(task, file)}
    return [file for file in files if Path(file) not in beside]


def _refuse_results(folder: Path) -> None:
    """A model's folder at the place of the text means that the text was forgotten."""
    from xlt.model.folder import INFO

    is_run = all((folder / name).is_file() for name in (CONFIG, MANIFEST))
    if is_run or (folder / INFO).is_file():
        raise XltError(
            f"this is a {'run' if is_run else 'model'}, and no text",
            where=folder,
            fix="name the text after the models; what a run has predicted is in its files, "
            "to be named one by one",
        )


def files_read(task: Task, files: Iterable[str], input_format: str | None) -> set[Path]:
    """All files whose content is read where these are named: of a text with its annotation both,
    of a format that is a folder those in it. Standard input is none."""
    found: set[Path] = set()
    for file in files:
        if file == STDIN:
            continue
        path = Path(file)
        found.add(path)
        with suppress(XltError):  # who reads it says what is wrong with it
            named = [input_format] if input_format else task.formats_named(path)[:1]
            found.update(*(formats.files_of(path, one) for one in named))
    return found


def _read_with(task: Task, file: str) -> set[Path]:
    """The files that are read when this one is, by what its name says."""
    path = Path(file)
    named = task.formats_named(path) if file != STDIN and path.is_file() else []
    return {*formats.files_of(path, named[0])} - {path} if named else set()


def read_units(
    task: Task,
    source: str,
    input_format: str | None,
    language: str | None,
    options: Mapping[str, Any] | None = None,
    numbers: Iterator[int] | None = None,
) -> Iterator[Unit]:
    """The units of a file or standard input, without annotation; arguments as of `predict`.

    numbers: ids for sentences that have none; of several files, they go on.

    Raises XltError for a format that the task cannot take or that the suffix does not say, a
    missing language, options that the reader lacks, malformed input.
    """
    format = input_format or format_of(task, source)
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
        with _told_as_stdin(path), hinting(task, path, input_format, labelled=False):
            documents = read_with(
                task, path, format, given, where=where, labelled=False, language=spoken
            )
            for document in documents:
                if spoken and not document.language:
                    document = replace(document, language=spoken)
                surface = document.text.surface
                if format in formats.TOOLS and formats.is_blank(document.texts):
                    yield Unit(source, None, document.id, surface, (), (), document)
                else:
                    yield Unit(source, None, document.id, surface, (document,), (0,))
        return
    if (lacking := why_not_text(task)) is not None:
        raise lacking
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
    yield from _text_units(task, source, format, spoken, numbers or count(1))


def read_input(
    task: Task,
    source: str,
    input_format: str | None,
    language: str | None,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Document]:
    """The documents of `read_units`."""
    for unit in read_units(task, source, input_format, language, options):
        yield from unit.documents


def input_formats(task: Task) -> list[str]:
    """What `read_input` can read for a task."""
    texts = (TEXT, WORDS, CONLLU) if takes_text(task) else ()
    return list(dict.fromkeys([*texts, *task.readable()]))


def _text_units(
    task: Task, source: str, format: str, language: str, numbers: Iterator[int]
) -> Iterator[Unit]:
    """The units of text of no task's own."""
    if format == CONLLU:
        for number, sentence in enumerate(read_conllu(source, strict_trees=False), 1):
            id, text = sentence.comment("sent_id") or str(number), sentence.text()
            document = task.from_text(id, text, language)
            yield Unit(source, sentence.line, id, text.surface, (document,), (0,))
        return
    some = False
    for unit in line_units(task, lines(source), source, format, language, numbers):
        some = some or bool(unit.documents)
        yield unit
    if not some:
        raise no_text(source)


def line_units(
    task: Task,
    numbered: Iterable[tuple[int, str]],
    source: str,
    format: str,
    language: str,
    numbers: Iterator[int],
) -> Iterator[Unit]:
    """A unit for each of some lines of a file of text or words.

    numbered: them with their numbers in the file.
    numbers: ids for sentences.

    Raises XltError for malformed lines.
    """
    for at, line in numbered:
        if format == TEXT:
            documents, starts = sentences_of(task, line, language, numbers)
        else:
            placed = _words(line, f"{label(source)}:{at}")
            documents, starts = _documents(task, placed, language, numbers)
        yield Unit(source, at, None, line, documents, starts)


def no_text(source: str) -> XltError:
    """The error for a file whose lines are all empty."""
    return XltError("there is no text in it", where=label(source), fix="check where it came from")


def sentences_of(
    task: Task, text: str, language: str, numbers: Iterator[int]
) -> tuple[tuple[Document, ...], tuple[int, ...]]:
    """The sentences of running text without annotation, and where in it each begins. As a file is
    read line by line, a line end ends a sentence. All of the text is one for a task that reads
    texts as a whole (`Task.by_sentence`).

    numbers: their ids.
    """
    from xlt.data.segment import placed_text, sentences_of_lines

    placed = (sentences_of_lines if task.by_sentence else placed_text)(text, language)
    return _documents(task, list(placed), language, numbers)


def _documents(
    task: Task, placed: Sequence[tuple[int, Text]], language: str, numbers: Iterator[int]
) -> tuple[tuple[Document, ...], tuple[int, ...]]:
    documents = tuple(task.from_text(str(next(numbers)), text, language) for _, text in placed)
    return documents, tuple(start for start, _ in placed)


def _words(line: str, where: str) -> list[tuple[int, Text]]:
    """The sentence of a line with where it begins, none if it is empty. Words are what stands
    between spaces: other white space, as a no-break space, may be part of one."""
    if "\t" in line:
        raise XltError(
            "there is a tab between or in the words",
            where=where,
            fix="separate words by spaces; columns are another format (--input-format)",
        )
    spans = [match.span() for match in _BETWEEN_SPACES.finditer(line)]
    return [_placed(line, spans)] if spans else []


def _placed(line: str, spans: Sequence[tuple[int, int]]) -> tuple[int, Text]:
    """The text of a line from its first word to its last, and where that begins."""
    start, end = spans[0][0], spans[-1][1]
    words = tuple(line[a:b] for a, b in spans)
    return start, Text(line[start:end], words, tuple((a - start, b - start) for a, b in spans))


def format_of(task: Task, source: str) -> str:
    """The format that the suffix means, or the beginning of the file where it may mean several.

    Raises XltError where neither says it, and for a beginning that cannot be read.
    """
    if source == STDIN:
        return TEXT
    path = Path(source)
    name = unpacked_name(path).lower()
    if name.endswith(".txt"):
        return _format_of_text(task, path)
    own = task.formats_named(path)
    if name.endswith(TREEBANKS) and CONLLU not in own and (not own or _is_conllu(path)):
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
    own = task.formats_named(path)
    if own and is_tagged(path):
        return own[0]
    return CONLLU if CONLLU in input_formats(task) and _is_conllu(path) else TEXT


def _is_conllu(path: Path) -> bool:
    """Whether a file with that suffix has CoNLL-U's ten columns. Annotations of UD treebanks by
    others have it too, and more columns or names for them."""
    for _, line in lines(path):
        if line.startswith("#"):
            if named_columns([line]) is not None:
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
