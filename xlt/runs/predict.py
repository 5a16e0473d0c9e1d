"""`xlt predict`: annotate text with a trained model, a bounded number of sentences at a time."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from xlt.data.files import STDIN, label, unpacked_name
from xlt.data.jsonl import write_jsonl
from xlt.data.tools.formats import TOOLS, is_folder, needs_path
from xlt.document import Document
from xlt.errors import XltError, choose
from xlt.files import refuse_overwriting
from xlt.runs.annotate import Annotated, Annotator, record
from xlt.runs.reading import Unit, files_of, files_read, read_units

if TYPE_CHECKING:
    from xlt.display import Page
    from xlt.task import Task

log = logging.getLogger(__name__)

MAX_SENTENCES_HELD = 2048
"""Sentences in memory at once: enough to fill length buckets, little enough for any file."""

SHARD = 10 * MAX_SENTENCES_HELD
"""Lines or records after which what is held ends in any case: whoever begins a process there
(`xlt.runs.predict_shards`) has the batches of the one that reads all, and so its rounding."""

STANDOFF = "standoff"
"""What every task writes: a JSON object for each line or record of the input, with what was
predicted at character offsets of it."""


def predict(
    model: Path,
    source: str | Sequence[str] = "-",
    output: str = "-",
    *,
    language: str | None = None,
    input_format: str | None = None,
    output_format: str | None = None,
    options: Mapping[str, Any] | None = None,
    limit: int | None = None,
    html: str | Path | None = None,
    batch_tokens: int = 8192,
    quiet: bool = False,
) -> dict[str, Any]:
    """Read `source`, annotate it, write to `output`; "-" is standard input or output.

    source: a file or several; a folder stands for the files in it whose names say what they hold.
    output: a file; or a folder, which is there or whose name ends with a slash, for a file for each
        of the input's.
    language: by default the one that the model was trained for.
    input_format: ``text`` (running text, split into sentences and words by the rules of
        `language`), ``words`` (one sentence a line, words separated by spaces), ``conllu``, or a
        format of the task. By default the file's suffix says it; standard input is text, and so is
        ``.txt`` unless its first lines are plainly tagged words or CoNLL-U.
    output_format: of the task, or ``standoff``; by default what the output's suffix says, or the
        task's first.
    options: of the reader.
    limit: so many lines or records of all the input, empty lines not counted.
    html: a page of displaCy views of the predictions, beside the output.
    Returns how many records were written.
    Raises XltError for a folder that is no model, a missing language, malformed input, and an
    output or page that is a file of the input.
    """
    annotator = FileAnnotator(
        model,
        source,
        language=language,
        input_format=input_format,
        options=options,
        batch_tokens=batch_tokens,
    )
    task = annotator.task
    writing = output_format_of(task, output_format, output, (*task.writable(), STANDOFF))
    places = _outputs(task, annotator.files, output, writing)
    inputs = files_read(task, annotator.files, input_format)
    for place in places:
        if place != "-":
            refuse_overwriting(place, inputs)
    if html is not None:
        refuse_overwriting(html, inputs, where="--html")
        _refuse_same(html, places)
    written = 0

    def annotated(
        read: Iterator[Unit], target: TextIO | Path, page: Page | None
    ) -> Iterator[Annotated]:
        nonlocal written
        for chunk in annotator.annotated(read, quiet=quiet or output == "-"):
            yield from chunk
            if not isinstance(target, Path):
                target.flush()
            documents = [document for _, of_unit in chunk for document in of_unit]
            if page is not None:
                page.add(documents)
            written += len(documents)

    left = limit
    with _open_page(task, html) as page:
        for place, chosen in places.items():
            if left == 0:
                break
            read = _Limited(annotator.units(chosen), left)
            with open_target(place, writing) as target:
                # One call for all: a writer may number what it writes.
                write_annotated(task, annotated(read, target, page), target, writing)
            left = read.left
    return {"records": written, "model": str(annotator.folder), "output": output}


class FileAnnotator(Annotator):
    """A trained model and the files that it is to annotate; arguments as of `predict`.

    files: those that are meant (`files_of`).

    Raises XltError for a folder that is no model, and for sources without any file to read.
    """

    def __init__(
        self,
        model: Path,
        source: str | Sequence[str],
        *,
        language: str | None,
        input_format: str | None,
        options: Mapping[str, Any] | None,
        batch_tokens: int,
    ) -> None:
        super().__init__(model, language, batch_tokens=batch_tokens)
        sources = [source] if isinstance(source, str) else source
        self.files = files_of(self.task, sources, input_format)
        self._input_format, self._options = input_format, options
        self._numbers = count(1)
        self._told = False

    def units(self, files: Iterable[str]) -> Iterator[Unit]:
        """The units of files, in order. Raises XltError for malformed input, and for running text
        without a language."""
        for file in files:
            yield from read_units(
                self.task, file, self._input_format, self.language, self._options, self._numbers
            )

    def annotated(self, units: Iterable[Unit], *, quiet: bool) -> Iterator[list[Annotated]]:
        """The units with what is predicted, so many at a time; all before an error of the input."""
        for chunk in _progress(chunks(units), quiet):
            if not self._told:  # once, from what a first chunk holds
                self._told = True
                self.tell(chunk)
            yield self(chunk)

    def tell(self, units: Iterable[Unit]) -> None:
        """Warn of what these say about the text as a whole."""
        documents = [document for unit in units for document in unit.documents]
        for text in self.coverage_warnings(documents):
            log.warning("warning: %s", text)


class _Limited:
    """Units up to the one that is the last of `left` with text, None: all."""

    def __init__(self, units: Iterator[Unit], left: int | None) -> None:
        self.units, self.left = units, left

    def __iter__(self) -> Iterator[Unit]:
        return self

    def __next__(self) -> Unit:
        if self.left == 0:
            raise StopIteration
        unit = next(self.units)
        if self.left is not None and unit.documents:
            self.left -= 1
        return unit


def output_format_of(
    task: Task,
    asked: str | None,
    output: str,
    formats: Sequence[str],
    *,
    otherwise: str | None = None,
) -> str:
    """The format to write: the one that is asked for, or what the output's suffix means.

    formats: those that may be asked for.
    otherwise: where the suffix means none; by default the task's first.

    Raises XltError for one that is asked for and not among `formats`.
    """
    if asked is not None:
        if asked not in formats:
            raise XltError(
                f"{task.name} does not write {asked!r}",
                where="--format",
                fix=choose(asked, formats),
            )
        return asked
    name = output.lower()
    meant = [format for format, suffixes in task.writable().items() if name.endswith(suffixes)]
    if not meant and name.endswith(".jsonl") and STANDOFF in formats:
        return STANDOFF
    return next(iter([*meant, *([otherwise] if otherwise else []), *task.formats]))


def _outputs(task: Task, files: Sequence[str], output: str, writing: str) -> dict[str, list[str]]:
    """Each file to write, with the files of the input that go into it.

    Raises XltError where two would be written to one.
    """
    if output == "-" or not (output.endswith(("/", os.sep)) or Path(output).is_dir()):
        return {output: list(files)}
    if is_folder(writing):
        return {str(Path(output)): list(files)}
    suffix = ".jsonl" if writing == STANDOFF else task.suffix(writing)
    places: dict[str, list[str]] = {}
    for file in files:
        name = "stdin" if file == STDIN else unpacked_name(Path(file))
        places.setdefault(str(Path(output) / Path(name).with_suffix(suffix)), []).append(file)
    for place, chosen in places.items():
        if len(chosen) > 1:
            raise XltError(
                f"{' and '.join(map(label, chosen))} would be written to {place}",
                where="--output",
                fix="name another folder, or one file for all",
            )
    Path(output).mkdir(parents=True, exist_ok=True)
    return places


def _refuse_same(html: str | Path, places: Iterable[str]) -> None:
    """Raises XltError where the page would be written over the predictions."""
    if any(place != "-" and Path(place).resolve() == Path(html).resolve() for place in places):
        raise XltError(
            "the predictions are written to this file", where="--html", fix="name another file"
        )


def write_annotated(
    task: Task, annotated: Iterator[Annotated], target: TextIO | Path, format: str
) -> None:
    """Write what was predicted of units, in a format of the task or as standoff."""
    if format == STANDOFF and not isinstance(target, Path):
        write_jsonl((record_in_file(task, *one) for one in annotated), target)
    else:
        task.write_any(_documents(annotated, blank=format in TOOLS), target, format)


def _documents(annotated: Iterator[Annotated], *, blank: bool) -> Iterator[Document]:
    """What is written in another format. blank: it can hold records without text."""
    for unit, documents in annotated:
        yield from documents
        if blank and unit.blank is not None:
            yield unit.blank


def record_in_file(task: Task, unit: Unit, documents: Sequence[Document]) -> dict[str, Any]:
    """The unit's record of standoff, with where it was read."""
    place: dict[str, Any] = {"file": label(unit.source)}
    if unit.line is not None:
        place["line"] = unit.line
    return place | record(task, unit, documents)


def check_target(output: str, format: str) -> None:
    """Refuse what a format cannot be written to.

    Raises XltError for a folder or a binary file on standard output, for a folder that is there
    already and not empty, for a folder where a file is to be, and for a place in no folder.
    """
    if output == "-":
        if needs_path(format):
            raise XltError(
                f"{format} is not text",
                where="--output",
                fix=f"name a {'folder' if is_folder(format) else 'file'} with --output",
            )
        return
    path = Path(output)
    if is_folder(format) and (any(path.iterdir()) if path.is_dir() else path.exists()):
        raise XltError(
            "there is something of this name already",
            where=path,
            fix="name a folder that is not there yet with --output",
        )
    if not is_folder(format) and path.is_dir():
        raise XltError(
            "this is a folder, and a file is to be written",
            where=path,
            fix="name a file with --output",
        )
    if not path.parent.is_dir():
        raise XltError(
            "cannot write here: there is no such folder",
            where=path.parent,
            fix="make it, or name another place with --output",
        )


@contextmanager
def open_target(output: str, format: str) -> Iterator[TextIO | Path]:
    """What `Task.write_any` writes a format to: the stream of `open_output`; or, where the format
    is a folder or a binary file, a path that gets the output's name when all is there.

    Raises XltError as `check_target`.
    """
    check_target(output, format)
    if not needs_path(format):
        with open_output(output) as stream:
            yield stream
        return
    with _complete(Path(output)) as part:
        yield part


@contextmanager
def open_output(output: str) -> Iterator[TextIO]:
    """Standard output, or a file that has its name only when it is complete."""
    if output == "-":
        yield sys.stdout
        return
    with (
        _complete(Path(output)) as part,
        part.open("x", encoding="utf-8", newline="\n") as stream,
    ):
        yield stream


@contextmanager
def _complete(path: Path) -> Iterator[Path]:
    """The name to write a file or folder under, which becomes `path` when all of it is on the
    disk. What was written before an error of the input is kept there."""
    from xlt.files import PART, beside, disk_error, publish_folder, remove, sync

    part = beside(path, PART)
    try:
        remove(part)  # of a run that was stopped; or it is a link to anything
        yield part
        if part.is_dir():
            publish_folder(part, path)
        else:
            sync(part)
            part.replace(path)
    except XltError:
        if part.exists():
            log.warning("what was predicted before the error is in %s", part)
        raise
    except OSError as error:
        raise disk_error(error, path) from error


def _open_page(task: Task, html: str | Path | None) -> AbstractContextManager[Page | None]:
    if html is None:
        return nullcontext()
    from xlt.display import Page

    return Page(task, html)


def chunks(units: Iterable[Unit]) -> Iterator[list[Unit]]:
    """`MAX_SENTENCES_HELD` at a time, and what there is before an error; none goes on across a
    multiple of `SHARD` units."""
    chunk: list[Unit] = []
    held = 0
    try:
        for number, unit in enumerate(units, 1):
            chunk.append(unit)
            held += max(1, len(unit.documents))
            if held >= MAX_SENTENCES_HELD or number % SHARD == 0:
                yield chunk
                chunk, held = [], 0
    except XltError:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def _progress(chunks: Iterator[list[Unit]], quiet: bool) -> Iterator[list[Unit]]:
    if quiet:
        yield from chunks
        return
    if sys.stderr is None or not sys.stderr.isatty():
        yield from _told(chunks)
        return
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    # Messages get lines of their own, above the bar.
    with (
        logging_redirect_tqdm([logging.getLogger("xlt")]),
        tqdm(unit=" sentences", desc="predict") as bar,
    ):
        for chunk in chunks:
            yield chunk
            bar.update(sum(len(unit.documents) for unit in chunk))


def _told(chunks: Iterator[list[Unit]]) -> Iterator[list[Unit]]:
    """The chunks, with a line now and then, as a file can have it."""
    from xlt.projection.translate.run import MIN_LOG_INTERVAL

    done, said = 0, time.monotonic()
    for chunk in chunks:
        yield chunk
        done += sum(len(unit.documents) for unit in chunk)
        if time.monotonic() - said >= MIN_LOG_INTERVAL:
            said = time.monotonic()
            log.info("predict: %s sentences so far", f"{done:,}")
