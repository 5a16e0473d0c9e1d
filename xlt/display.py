"""Predictions to look at: displaCy views of any task that implements `Task.annotate`."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from markupsafe import escape

from xlt.files import disk_error
from xlt.html import macros

if TYPE_CHECKING:
    from spacy.tokens import Doc

    from xlt.task import Record, Task


def render(records: Iterable[Record], task: Task, output: str | Path) -> int:
    """Write one HTML page with a view of each record; returns how many there are.

    Entities are marked in the text; trees are drawn as arcs, over the parts of speech if any.
    The records are taken one at a time.
    Raises XltError if the task cannot be shown or the file cannot be written.
    """
    with Page(task, output) as page:
        page.add(records)
    return page.count


class Page:
    """The page that `render` writes, for records that come in parts; has its name when complete."""

    def __init__(self, task: Task, output: str | Path) -> None:
        self.task, self.path = task, Path(output)
        self.count = 0
        self._part = self.path.with_name(self.path.name + ".part")
        self._stream: TextIO | None = None

    def __enter__(self) -> Page:
        try:
            self._stream = self._part.open("w", encoding="utf-8", newline="\n")
            self._stream.write(macros("display").opening(self.path.stem))
        except OSError as error:
            raise disk_error(error, self.path) from error
        return self

    def add(self, records: Iterable[Record]) -> None:
        assert self._stream is not None, "a page is a context manager"
        for record in records:
            text = figure(record, self.task)
            try:
                self._stream.write(text)
            except OSError as error:
                raise disk_error(error, self.path) from error
            self.count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._stream is not None
        try:
            if error is None:
                self._stream.write(macros("display").closing())
            self._stream.close()
            if error is None:
                self._part.replace(self.path)
        except OSError as failure:
            raise disk_error(failure, self.path) from failure
        finally:
            self._part.unlink(missing_ok=True)


def figure(record: Record, task: Task) -> str:
    """One record as an HTML figure."""
    from spacy import displacy

    doc = document(record, task)
    spans = doc.has_annotation("ENT_IOB") and not doc.has_annotation("DEP")
    style = "ent" if spans else "dep"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is nothing to mark is no news
        view = displacy.parse_deps(doc) if style == "dep" else displacy.parse_ents(doc)
    for marked in view["arcs" if style == "dep" else "ents"]:
        marked["label"] = str(escape(marked["label"]))  # displaCy escapes the text only
    options = {"compact": True}
    drawn = displacy.render(view, style=style, manual=True, jupyter=False, options=options)
    direction = doc.vocab.writing_system["direction"]
    return str(macros("display").figure(record["id"], direction, drawn))


def document(record: Record, task: Task) -> Doc:
    """The record as a spaCy document with its annotation, whether gold or predicted."""
    from spacy.tokens import Doc
    from spacy.vocab import Vocab

    words = task.words(record)
    vocab = Vocab(writing_system={"direction": direction(words)})
    # spaCy has no words without characters.
    doc = Doc(vocab, words=[word or "�" for word in words])
    task.annotate(doc, [(record, list(doc))])
    return doc


def direction(words: Iterable[str]) -> str:
    kinds = [unicodedata.bidirectional(character) for word in words for character in word]
    right = sum(kind in ("R", "AL") for kind in kinds)
    return "rtl" if right > kinds.count("L") else "ltr"
