"""Documents with one label, read from tables and JSON and written to them."""

from __future__ import annotations

from abc import ABC
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TextIO

from pydantic import Field

from xlt.data.fields import Ids, identifier, texts
from xlt.data.malformed import malformed, tell
from xlt.data.rows import with_confidence
from xlt.document import Document, Label, Layer, Text
from xlt.document.document import Row
from xlt.errors import XltError, choose
from xlt.label_task.options import (
    LabelCsvOptions,
    LabelObjectOptions,
    LabelOptions,
    LabelTsvOptions,
)
from xlt.reader_options import ReaderOptions, TableOptions, advise
from xlt.task import Task, TaskOptions
from xlt.yaml.write import scalar


class LabelRecords(Task, ABC):
    """What a task with one label a document says of files."""

    inventory: ClassVar[tuple[str, ...]] = ()
    """The labels there are where `task.labels` lists none; empty: those of the training data."""
    known_names: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Our field → what published data sets call it."""
    no_agreement: ClassVar[str | None] = None
    """What data sets write where the annotators agreed on no label; such records are left out."""
    noun: ClassVar[str] = "record"
    """What errors call a record."""
    by_sentence = False
    layers: ClassVar[Mapping[str, type[Layer]]] = {"label": Label}
    columns: ClassVar[tuple[str, ...]] = ("id", "text", "label", "phenomena")
    optional_columns: ClassVar[tuple[str, ...]] = ("id", "phenomena")
    label_columns: ClassVar[tuple[str, ...]] = ("label",)
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "jsonl": (".jsonl",),
        "tsv": (".tsv",),
        "csv": (".csv",),
        "json": (".json",),
    }
    reader_options: ClassVar[Mapping[str, type[ReaderOptions]]] = {
        "jsonl": LabelObjectOptions,
        "tsv": LabelTsvOptions,
        "csv": LabelCsvOptions,
        "json": LabelObjectOptions,
    }

    class Options(TaskOptions):
        """Says which labels there are."""

        labels: list[str] | None = Field(
            None, min_length=2, description="all labels; by default those of the training data"
        )
        rename: dict[str, str] = Field(
            default_factory=dict, description="label in the data → our label"
        )

    options: Options

    def __init__(self, options: TaskOptions | None = None) -> None:
        super().__init__(options)
        self.listed = tuple(self.options.labels or self.inventory)
        """The labels that are known without data: data have no others."""

    def read(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Document]:
        """Read records, but for those without an agreed label, which a log counts.

        Raises XltError with the place of a record that lacks a text or a label, or whose id was
        used before; and if no record is as `where` says.
        """
        told = self.reader_options[format](**options)
        assert isinstance(told, LabelOptions)
        ids = Ids()
        left_out: Counter[str] = Counter()
        unmatched = dict(told.where)
        for place, row in self._rows(path, format, told):
            if any(str(row.get(column)) != value for column, value in told.where.items()):
                continue
            unmatched.clear()
            at = f"{path}:{place}"
            try:
                if (
                    labelled
                    and self.no_agreement is not None
                    and self._field(row, "label", at) == self.no_agreement
                ):
                    left_out[f"without an agreed label ({self.no_agreement})"] += 1
                    continue
                if told.drop_empty and any(
                    _is_blank(self._field(row, name, at)) for name in self.texts
                ):
                    left_out["that lack a text"] += 1
                    continue
                document = self._document(row, place, at, labelled, told.label_names)
                ids.add(document.id, at)
            except XltError as error:
                malformed(error)
                continue
            yield document
        if unmatched:
            wanted = ", ".join(f"{column}: {value}" for column, value in unmatched.items())
            raise XltError(
                f"no {self.noun} has {wanted}",
                where=path,
                fix="check the columns and the values of `where`",
            )
        for why, count in left_out.items():
            tell(path, f"{count} {self.noun}s {why} are left out")

    def _rows(self, path: Path, format: str, told: LabelOptions) -> Iterator[tuple[str, Row]]:
        """The place in the file and the fields of every row."""
        from xlt.data.jsonl import read_json_array, read_jsonl
        from xlt.data.table import DELIMITERS, NO_HEADER, read_table

        rows: Iterator[tuple[int, Row]]
        if isinstance(told, LabelObjectOptions):
            reader = read_jsonl if format == "jsonl" else read_json_array
            rows = reader(path, columns=told.columns)
        elif isinstance(told, LabelCsvOptions):
            rows = read_table(
                path,
                columns=told.columns,
                delimiter=None if told.delimiter == "auto" else DELIMITERS[told.delimiter],
                quoted=True,
                header=told.header,
            )
        else:
            assert isinstance(told, LabelTsvOptions)
            rows = read_table(path, columns=told.columns, quoted=told.quoted, header=told.header)
        for number, row in rows:
            if isinstance(told, TableOptions):
                for name in self.texts:
                    self._field(row, name, f"{path}:{number}", NO_HEADER * told.header)
            yield f"[{number}]" if format == "json" else str(number), row

    def _document(
        self, row: Row, place: str, at: str, labelled: bool, names: Mapping[str, str]
    ) -> Document:
        label = self._field(row, "label", at if labelled else None)
        label = names.get("" if label is None else str(label), label)
        if not labelled and not self._is_label(label) and label not in [*self.options.rename]:
            label = None
        given = {
            "id": identifier(self._field(row, "id", None), place.strip("[]"), where=at),
            **{name: self._field(row, name, at) for name in self.texts},
            "label": label,
            "phenomena": self._field(row, "phenomena", None),
        }
        return self._checked(given, at, labelled)

    def validate_row(self, row: Row, *, where: object) -> Document:
        """Check the texts, the label and the phenomena of a record, whose label may be missing.

        Raises XltError.
        """
        given = {"label": None, "phenomena": None, **row}
        return self._checked(given, where, False)

    def _checked(self, row: Row, where: object, labelled: bool) -> Document:
        for name in self.texts:
            if not isinstance(row[name], str):
                raise XltError(f"the {name} is no text", where=where, fix="write a string")
            if not row[name].strip():
                raise XltError(
                    f"the {name} is empty",
                    where=where,
                    fix=f"leave the {self.noun} out, or complete it",
                )
        label = row["label"]
        if isinstance(label, str):
            label = self.options.rename.get(label, label) or None
        if not self._is_label(label) and (labelled or label is not None):
            raise self._unknown(label, where, labelled)
        phenomena = row["phenomena"]
        if isinstance(phenomena, str):  # in a table
            phenomena = phenomena.split("|") if phenomena else []
        groups = [] if phenomena is None else texts(phenomena, "`phenomena`", where=where)
        return Document(
            str(row["id"]),
            {name: Text(row[name]) for name in self.texts},
            {"label": Label(label)},
            groups=tuple(groups),
        )

    def _is_label(self, label: object) -> bool:
        """Whether it is one of the labels; where the data say which there are, whether it may be
        one: a text without white space at its ends, with which it would look like another."""
        if self.listed:
            return label in self.listed
        return isinstance(label, str) and label != "" and label == label.strip()

    def _unknown(self, label: object, where: object, labelled: bool) -> XltError:
        """Return the error of a record with this label, or with none."""
        if label in (None, ""):
            may_lack = advise("labelled: false", 'label_names: {"": OURS}')
            one = f" of {', '.join(self.listed)}" if self.listed else ""
            return XltError(
                f"the {self.noun} has no label",
                where=where,
                fix=f"give it one{one}; or, to neither learn from nor score {self.noun}s without a "
                f"known label, or to say what none means, {may_lack}",
            )
        named = advise(f"label_names: {{{scalar(str(label))}: OURS}}")
        if not self.listed:
            return XltError(
                f"the label is {label!r:.60}, not a text without white space at its ends",
                where=where,
                fix="write it as one text" + f"; or {named}" * labelled,
            )
        return XltError(
            f"there is no label {label!r:.60}",
            where=where,
            fix=f"{choose(str(label), self.listed)}; or map it with `task.rename`; or list all "
            "labels in `task.labels`" + f"; or {named}" * labelled,
        )

    def _field(self, row: Row, name: str, where: object, more: str = "") -> Any:
        """A field by our name or one that known data sets give it.

        Raises XltError, with `more` advice, if it is missing and `where` is given.
        """
        for candidate in (name, *self.known_names.get(name, ())):
            if candidate in row:
                return row[candidate]
        if where is None:
            return None
        raise XltError(
            f"the field {name!r} is missing",
            where=where,
            fix=f"{choose(name, row)}; " + advise(f"columns: {{{name}: THEIRS}}") + more,
        )

    def to_row(self, document: Document) -> Row:
        """Return the row of a record; a missing label is empty text."""
        return {
            "id": document.id,
            **{name: document.texts[name].surface for name in self.texts},
            "label": document.layer(Label, "label").label or "",
            "phenomena": list(document.groups),
        }

    def write(self, documents: Iterable[Document], stream: TextIO, format: str) -> None:
        """Write JSON Lines, one JSON array or a table; a table joins phenomena with ``|``."""
        from xlt.data.jsonl import write_json_array, write_jsonl
        from xlt.data.table import write_table

        rows = (with_confidence(self.to_row(document), document) for document in documents)
        if format in ("tsv", "csv"):
            joined = ({**row, "phenomena": _joined(row)} for row in rows)
            write_table(joined, stream, self.columns, quoted=format == "csv")
        else:
            (write_jsonl if format == "jsonl" else write_json_array)(rows, stream)


def _joined(row: Row) -> str:
    """The phenomena of a row in one cell. Raises XltError for what is not read back so."""
    phenomena = row["phenomena"]
    if not all(phenomena) or any("|" in one for one in phenomena):
        raise XltError(
            f"a phenomenon that is empty or has a |, which a table cannot hold: {phenomena}",
            where=f"record {row['id']!r}",
            fix="write JSON Lines (format jsonl)",
        )
    return "|".join(phenomena)


def _is_blank(text: object) -> bool:
    return text is None or (isinstance(text, str) and not text.strip())
