"""Which annotation tools' formats there are, and for which tasks: those whose layers they can say.

A task has nothing to do for them. A record becomes a document by the kinds of the task's layers,
and then one of the task's own by its row, as any row of the hub: the place for its options.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from xlt import languages
from xlt.data.fields import Ids
from xlt.data.files import check_regular
from xlt.data.malformed import malformed
from xlt.data.offsets import SpanLocator
from xlt.data.tools.layers import KINDS, document_with, documents_of, record_of
from xlt.data.tools.options import ToolOptions
from xlt.data.tools.record import Record
from xlt.data.tools.tally import Tally
from xlt.data.tools.tool import FileTool, TextTool, Tool
from xlt.document import Document, Label, Layer, Structures, Text
from xlt.errors import XltError

if TYPE_CHECKING:
    from xlt.task import Task

TOOLS = {
    "doccano": "Doccano",
    "label-studio": "LabelStudio",
    "prodigy": "Prodigy",
    "brat": "Brat",
    "docbin": "DocBin",
    "webanno": "WebAnno",
    "csv": "Csv",
}
"""Format → the class for it, in the module of the format's name."""


@cache
def tool(format: str) -> type[Tool]:
    """What reads and writes a format."""
    module = importlib.import_module(f"{__package__}.{format.replace('-', '_')}")
    found: type[Tool] = getattr(module, TOOLS[format])
    return found


def layers_of(task: type[Task] | Task) -> dict[str, type[Layer]]:
    """The layers of a task that a tool's annotation fills; none if there is one that it cannot."""
    names = task.layers if task.annotated is None else task.annotated
    layers = {name: task.layers[name] for name in names}
    kinds = [*layers.values()]
    if sum(issubclass(kind, Label) for kind in kinds) > 1:
        return {}  # a class of a text does not say of which layer it is
    if all(issubclass(kind, KINDS) for kind in kinds) and (
        len(task.texts) == 1 or all(issubclass(kind, Label) for kind in kinds)
    ):
        return layers
    return {}


def tools_of(task: type[Task] | Task) -> dict[str, tuple[str, ...]]:
    """The formats of tools that a task can read and write: format → suffixes that mean it."""
    layers = layers_of(task)
    structured = any(issubclass(kind, Structures) for kind in layers.values())
    only_classes = all(issubclass(kind, Label) for kind in layers.values())
    classified = any(issubclass(kind, Label) for kind in layers.values())
    return {
        name: tool(name).suffixes
        for name in TOOLS
        if layers
        and (tool(name).pairs or len(task.texts) == 1)
        and (tool(name).spans or only_classes)
        and (tool(name).relations or not structured)
        and (tool(name).classes or not classified)
    }


def read_documents(
    task: Task, path: Path, format: str, *, labelled: bool, **options: Any
) -> Iterator[Document]:
    """The documents of a tool's file. What is changed or left out is said at its end, counted.

    Raises XltError with the place of what is malformed.
    """
    kind = tool(format)
    if options.get("language") is not None:
        options["language"] = languages.code(options["language"], where=f"{path}: language")
    told = kind.Options(labelled=labelled, **options)
    layers = layers_of(task)
    with Tally(path) as tally, SpanLocator(path, "span", "text") as locate:
        reader, ids = kind(task.texts, told, tally, locate), Ids()
        for where, content in reader.raw(path):
            try:
                records = list(reader.records(where, content))
                for record in records if labelled else ():
                    ids.add(record.id, record.where)
                documents = [
                    document
                    for record in records
                    for document in (
                        [_blank(task, record, told)]
                        if not labelled and is_blank(record.texts)
                        else (
                            _own(task, document, record.where)
                            for document in documents_of(record, layers, told, tally)
                        )
                    )
                ]
            except XltError as error:
                malformed(error)
            else:
                yield from documents


def is_blank(texts: Mapping[str, str | Text]) -> bool:
    """Whether one of a record's texts has nothing in it, so that nothing can be predicted of it."""
    return any(not str(getattr(one, "surface", one)).strip() for one in texts.values())


def _blank(task: Task, record: Record, told: ToolOptions) -> Document:
    """The document of a record that lacks a text: all its layers are empty."""
    layers = {name: kind.empty(0) for name, kind in task.layers.items()}
    return document_with(record, Text(record.text), layers, told)


def _own(task: Task, document: Document, where: str) -> Document:
    """The document as the task has it: its options applied, its further layers filled in."""
    layers = {
        name: document.layers.get(name) or kind.empty(len(document.words))
        for name, kind in task.layers.items()
    }
    complete = Document(document.id, document.texts, layers)
    missing = {*task.layers} - {*document.layers}
    row = {k: v for k, v in task.to_row(complete).items() if k not in missing}
    own = task.validate_row(row, where=where)
    return Document(
        own.id, own.texts, own.layers, document.language, own.groups, {**own.meta, **document.meta}
    )


def write_documents(
    task: Task, documents: Iterable[Document], target: TextIO | Path, format: str
) -> None:
    """Write documents to a stream, or to a path if the format is more than a text.

    Raises XltError for what the format cannot hold.
    """
    layers = layers_of(task)
    records = (record_of(document, layers) for document in documents)
    kind = tool(format)
    if isinstance(target, Path):
        assert issubclass(kind, FileTool)
        kind.write(records, target)
    else:
        assert issubclass(kind, TextTool)
        kind.write(records, target)


def files_of(path: Path, format: str | None) -> list[Path]:
    """The files whose content is read for a path: of some formats a folder, or a pair of files.

    Raises XltError for what is no file, unless the format is a folder.
    """
    if format is None:
        name = path.name.lower()
        format = next((one for one in TOOLS if name.endswith(tool(one).suffixes)), None)
    if format in TOOLS:
        return tool(format).files(path)
    check_regular(path)
    return [path]


def is_folder(format: str | None) -> bool:
    """Whether the files of a format are read together, where a folder is named."""
    return format in TOOLS and tool(format).folder


def needs_path(format: str) -> bool:
    """Whether a format is written to a path, as a folder or binary file, not to a stream."""
    return format in TOOLS and issubclass(tool(format), FileTool)
