"""WebAnno's TSV 3, which INCEpTION reads and writes: a token a line, a column a feature.

A record is a sentence. ``#T_SP=`` lines name layers of spans and their features; ``PER[3]`` on
several lines is one span, ``|`` parts those that share a token, ``_`` is none, ``*`` one without
a label. Lines as ``2-3.1`` are parts of a token. Offsets are in UTF-16 code units of the whole
document, as Java has them. Relations and chains are counted and left out.

https://inception-project.github.io/releases/ (user guide, appendix WebAnno TSV 3.3)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from xlt.data.files import check_characters, lines
from xlt.data.numbers import MAX_DIGITS
from xlt.data.tools.options import WebAnnoOptions
from xlt.data.tools.record import Mark, Record, check_offsets
from xlt.data.tools.tool import TextTool
from xlt.errors import XltError, choose
from xlt.reader_options import advise

ENTITIES = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
"""The layer that INCEpTION has for named entities, and that is written."""

UNLABELLED = "spans without a label are left out"
ACROSS = "spans over several sentences are cut at their ends"

_NUMBER = rf"[0-9]{{1,{MAX_DIGITS}}}"
_TOKEN = re.compile(rf"{_NUMBER}-{_NUMBER}(\.{_NUMBER})?")
_PLACE = re.compile(rf"({_NUMBER})-({_NUMBER})")
_VALUE = re.compile(rf"\|(?P<label>(?:\\.|[^\\|]|\\\Z)*?)(?:\[(?P<id>{_NUMBER})\])?(?=\||\Z)", re.S)
"""A value of a cell, behind the mark before it."""
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.S)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass
class _Layer:
    """A layer of the header. columns: its first column, and the one after the last."""

    kind: str
    name: str
    features: list[str]
    columns: tuple[int, int]


@dataclass
class _Sentence:
    """The lines of a sentence, with their numbers."""

    texts: list[str] = field(default_factory=list)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)


class WebAnno(TextTool):
    """Reads one layer of spans, and writes entities."""

    written = ".tsv"
    relations = False
    classes = False
    Options = WebAnnoOptions

    def raw(self, path: Path) -> Iterator[tuple[str, Any]]:
        layers: list[_Layer] = []
        sentence = _Sentence()
        self._column: int | None = None
        self._others: list[_Layer] = []
        self._seen: set[str] = set()
        last = 0
        for last, line in lines(path):
            where = f"{path}:{last}"
            if line.startswith("#Text="):
                if sentence.rows:
                    yield f"{path}:{sentence.rows[0][0]}", sentence
                    sentence = _Sentence()
                sentence.texts.append(_unescaped(line.removeprefix("#Text="), where))
            elif line.startswith("#T_"):
                layers.append(_layer(line, layers, where))
            elif not line.strip():
                if sentence.rows:
                    yield f"{path}:{sentence.rows[0][0]}", sentence
                    sentence = _Sentence()
            elif not line.startswith("#"):
                if self._column is None:
                    self._column = self._choose(layers, where)
                    self._others = [layer for layer in layers if layer.kind != "SP"]
                    self._width = layers[-1].columns[1]
                sentence.rows.append((last, line.split("\t")))
        if sentence.rows:
            yield f"{path}:{sentence.rows[0][0]}", sentence
        if self._column is None:
            raise XltError(
                "there is no sentence in it",
                where=path,
                fix="export in the format WebAnno TSV v3.3",
            )

    def _choose(self, layers: Sequence[_Layer], where: str) -> int:
        """The column of the labels."""
        spans = [layer for layer in layers if layer.kind == "SP"]
        names = {layer.name: layer for layer in spans}
        wanted = self.told.layer or (ENTITIES if ENTITIES in names else None)
        found = [one for one in spans if wanted is None or one.name.endswith(wanted)]
        if len(found) != 1:
            raise XltError(
                f"no layer of spans is called {wanted!r}"
                if wanted and not found
                else f"there are {len(found)} layers of spans that it could be",
                where=where,
                fix=f"{choose(wanted or '', names)}; {advise('layer: LAYER')}",
            )
        layer = found[0]
        features = layer.features or ["*"]
        feature = self.told.feature or ("value" if "value" in features else features[0])
        if feature not in features or (
            self.told.feature is None and feature != "value" and len(features) > 1
        ):
            raise XltError(
                f"the layer {layer.name} has the features {', '.join(features)}",
                where=where,
                fix=f"{choose(feature, features)}; {advise('feature: FEATURE')}",
            )
        return layer.columns[0] + features.index(feature)

    def records(self, where: str, content: Any) -> Iterator[Record]:
        sentence: _Sentence = content
        assert self._column is not None
        path = where.rpartition(":")[0]
        text = "\n".join(sentence.texts)
        if not text.strip():
            raise XltError(
                "the sentence has no text", where=where, fix="write #Text=… above its tokens"
            )
        units = _Units(text)
        base: int | None = None
        open_spans: dict[str, tuple[str, int, int]] = {}
        marks: list[Mark] = []
        for number, cells in sentence.rows:
            at = f"{path}:{number}"
            cells = cells if cells[-1] else cells[:-1]  # INCEpTION ends each line with a tab
            place = _PLACE.fullmatch(cells[1]) if len(cells) > 1 else None
            if len(cells) != self._width or place is None or not _TOKEN.fullmatch(cells[0]):
                raise XltError(
                    f"{len(cells)} columns where the header makes {self._width}"
                    if len(cells) != self._width
                    else f"{' '.join(cells[:2])!r:.40} is no number and place of a token",
                    where=at,
                    fix="write SENTENCE-TOKEN, BEGIN-END, the token and a column for each feature "
                    "of the header, separated by tabs",
                )
            form = _unescaped(cells[2], at)
            begin, stop = (int(group) for group in place.groups())
            if base is None:
                base = begin - units.unit(max(text.find(form), 0))
            start, end = units.character(begin - base), units.character(stop - base)
            if start is None or end is None or text[start:end] != form:
                raise XltError(
                    f"the token {form!r:.40} does not stand at {cells[1]} in the text of its "
                    "sentence",
                    where=at,
                    fix="count UTF-16 code units from the beginning of the document",
                )
            for other in self._others:
                if any(cell != "_" for cell in cells[slice(*other.columns)]):
                    self.tally(f"annotations of layer {other.name} are left out", at)
            for label, id in _values(cells[self._column], at):
                if id is not None and id in open_spans:
                    kind, first, _ = open_spans[id]
                    open_spans[id] = kind, first, end
                    continue
                if id is not None and id in self._seen:
                    self.tally(ACROSS, at)
                if label is None:
                    self.tally(UNLABELLED, at)
                    continue
                key = id if id is not None else f"{cells[0]} {len(open_spans)}"
                open_spans[key] = label, start, end
        self._seen.update(open_spans)
        for label, start, end in open_spans.values():
            marks.append(Mark(label, (check_offsets(start, end, text, where=where),)))
        sentence_number = sentence.rows[0][1][0].partition("-")[0]
        yield Record(sentence_number, {self.texts[0]: text}, where, tuple(marks))

    @classmethod
    def write(cls, records: Iterable[Record], stream: TextIO) -> None:
        stream.write(f"#FORMAT=WebAnno TSV 3.3\n#T_SP={ENTITIES}|identifier|value\n\n")
        base, spans = 0, 0
        for number, record in enumerate(records, 1):
            check_characters(record.text, where=f"record {record.id!r}")
            units = _Units(record.text)
            several = {
                n: spans + i
                for i, n in enumerate(
                    (n for n, mark in enumerate(record.marks) if _needs_id(n, record)), 1
                )
            }
            spans += len(several)
            stream.write(f"\n#Text={_escaped(record.text, controls=True)}\n")
            for token, (start, end) in enumerate(record.words, 1):
                inside = [
                    (mark.kind, f"[{several[n]}]" if n in several else "")
                    for n, mark in enumerate(record.marks)
                    if mark.start < end and start < mark.end
                ]
                ids = "|".join(f"*{id}" for _, id in inside) or "_"
                labels = "|".join(_escaped(kind) + id for kind, id in inside) or "_"
                place = f"{base + units.unit(start)}-{base + units.unit(end)}"
                form = _escaped(record.text[start:end], controls=True)
                stream.write(f"{number}-{token}\t{place}\t{form}\t{ids}\t{labels}\t\n")
            base += units.unit(len(record.text)) + 1


def _needs_id(number: int, record: Record) -> bool:
    """Whether a mark has more than one token, or shares one with another mark."""
    mark = record.marks[number]
    tokens = [place for place in record.words if place[0] < mark.end and mark.start < place[1]]
    shared = any(
        other.start < tokens[-1][1] and tokens[0][0] < other.end
        for n, other in enumerate(record.marks)
        if n != number
    )
    return len(tokens) > 1 or shared


class _Units:
    """UTF-16 code units of a text, by characters and back."""

    def __init__(self, text: str) -> None:
        self._units = [0]
        for character in text:
            self._units.append(self._units[-1] + 1 + (character > "\uffff"))
        self._characters = {unit: n for n, unit in enumerate(self._units)}

    def unit(self, character: int) -> int:
        return self._units[character]

    def character(self, unit: int) -> int | None:
        """None for what is within a character, or outside the text."""
        return self._characters.get(unit)


def _layer(line: str, before: Sequence[_Layer], where: str) -> _Layer:
    kind, _, described = line.removeprefix("#T_").partition("=")
    name, *features = described.split("|")
    if kind not in ("SP", "RL", "CH") or not name:
        raise XltError(f"{line[:40]!r} names no layer", where=where, fix="write #T_SP=NAME|FEATURE")
    first = before[-1].columns[1] if before else 3
    # A layer without features has a column all the same.
    return _Layer(kind, name, features, (first, first + max(len(features), 1)))


def _values(cell: str, where: str) -> Iterator[tuple[str | None, str | None]]:
    """Label and id of each span of a token; None for none."""
    if cell == "_":
        return
    for match in _VALUE.finditer(f"|{cell}"):
        label = match["label"]
        yield (None if label in ("*", "") else _unescaped(label, where)), match["id"]


def _unescaped(text: str, where: str) -> str:
    """Text without its escapes. Raises XltError where they are of what is no character."""

    def character(match: re.Match[str]) -> str:
        code = match[1]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        return _CONTROLS.get(code, code)

    if "\\" not in text:
        return text
    units = _ESCAPE.sub(character, text).encode("utf-16", "surrogatepass")
    plain = units.decode("utf-16", "surrogatepass")  # two code units may be one character
    check_characters(plain, where=where)
    return plain


def _escaped(text: str, *, controls: bool = False) -> str:
    """Text with backslashes before what has a meaning. controls: of a text or token; else of a
    label."""
    for mark in "\\" if controls else "\\[]|_*;":
        text = text.replace(mark, "\\" + mark)
    for letter, control in _CONTROLS.items():
        text = text.replace(control, f"\\{letter}")
    return text
