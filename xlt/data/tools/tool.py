"""What a module says of the format that it reads and writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TextIO

from xlt.data.fields import text
from xlt.data.files import check_regular
from xlt.data.jsonl import read_jsonl, write_jsonl
from xlt.data.offsets import SpanLocator
from xlt.data.tools.options import FieldOptions, ToolOptions
from xlt.data.tools.record import Record
from xlt.data.tools.tally import Tally
from xlt.errors import XltError


class Tool(ABC):
    """A format of an annotation tool. One object reads one file.

    texts: names of the texts that are wanted of each record, the annotated one first.
    told:  the options.
    tally: counts what is left out.
    locate: finds spans whose text is known, where offsets may count something else.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    """Which mean this format; none where a suffix may mean others, too."""
    written: ClassVar[str]
    """With what the name of a file ends that is written."""
    folder: ClassVar[bool] = False
    """Whether a folder is read as one."""
    Options: ClassVar[type[ToolOptions]] = ToolOptions
    pairs: ClassVar[bool] = False
    """Whether a record may have several texts."""
    spans: ClassVar[bool] = True
    """Whether it can mark parts of a text."""
    relations: ClassVar[bool] = True
    """Whether it can say that one span has to do with another."""
    classes: ClassVar[bool] = True
    """Whether it can say something of a text as a whole."""

    def __init__(
        self, texts: tuple[str, ...], told: Any, tally: Tally, locate: SpanLocator
    ) -> None:
        self.texts, self.told, self.tally, self.locate = texts, told, tally, locate

    def given(self, value: Any, what: str, *, where: object) -> str:
        """A text of a record, which may be empty where there is only something to be predicted.

        Raises XltError for what is none, and with annotation for an empty one."""
        if isinstance(value, str) and not value.strip():
            if self.told.labelled:
                raise XltError(
                    f"{what} is empty", where=where, fix="remove this record, or give it a text"
                )
            return value
        return text(value, what, where=where)

    @classmethod
    def files(cls, path: Path) -> list[Path]:
        """The files that are read for this one, or for this folder. Raises XltError for a folder,
        unless the format is one."""
        check_regular(path)
        return [path]

    @abstractmethod
    def raw(self, path: Path) -> Iterator[tuple[str, Any]]:
        """Place and content of every record of a file. Raises XltError for what has none."""

    @abstractmethod
    def records(self, where: str, content: Any) -> Iterator[Record]:
        """What a record says; nothing if it is left out. Raises XltError if it is malformed."""


class TextTool(Tool):
    """A format that is one text, so that it can be written to standard output."""

    @classmethod
    @abstractmethod
    def write(cls, records: Iterable[Record], stream: TextIO) -> None:
        """Write records, which `records` gives back."""


class JsonLinesTool(TextTool):
    """A format of JSON Lines: an object for each record, with its texts as fields."""

    written = ".jsonl"
    pairs = True
    Options = FieldOptions

    def raw(self, path: Path) -> Iterator[tuple[str, Any]]:
        for number, row in read_jsonl(path, required=self.texts, columns=self.told.columns):
            yield f"{path}:{number}", row

    @classmethod
    def write(cls, records: Iterable[Record], stream: TextIO) -> None:
        write_jsonl(map(cls.row, records), stream)

    @staticmethod
    @abstractmethod
    def row(record: Record) -> dict[str, Any]:
        """What stands in the line of a record, JSON-able."""


class FileTool(Tool):
    """A format that is a folder or a binary file."""

    @classmethod
    @abstractmethod
    def write(cls, records: Iterable[Record], path: Path) -> None:
        """Write records to what is not there yet."""
