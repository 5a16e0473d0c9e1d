"""spaCy's DocBin (``.spacy``): tokens, entities, groups of spans and categories of documents.

Read without spaCy's own documents, whose C code believes every number in a file: a wrong one is an
error here, and nothing else. Relations have no place in the format, and it knows no ids: documents
are numbered.

https://spacy.io/api/docbin
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xlt.data.fields import mapping
from xlt.data.files import check_regular
from xlt.data.tools.options import DocBinOptions
from xlt.data.tools.record import Mark, Record, check_offsets
from xlt.data.tools.tool import FileTool
from xlt.errors import XltError, choose
from xlt.reader_options import advise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from spacy.tokens import Doc

GROUP = "sc"
"""The group that spaCy's span categoriser reads and writes by default."""

MAX_BYTES = 1 << 31
"""What may come out of a compressed file."""

GROUPS = "spans of the group {!r} are left out"

_SPAN = struct.Struct(">QQQllll")
_INSIDE, _OUTSIDE, _BEGIN = 1, 2, 3
"""Codes of ENT_IOB."""

_Span = tuple[int, int, int]
"""Number of a label's string, first token, and the one after the last."""


class _Doc(NamedTuple):
    """What a file has of one document.

    tokens: values of its attributes, shape (tokens, attributes); spaces: whether one follows each;
    groups: name → spans.
    """

    tokens: NDArray[np.uint64]
    spaces: NDArray[np.bool_]
    cats: Any
    groups: dict[str, list[_Span]]


class DocBin(FileTool):
    """Reads a file of documents, and writes entities; or, if any in the file overlap, the group of
    spans ``sc``."""

    written = ".spacy"
    suffixes = (".spacy",)
    relations = False
    Options = DocBinOptions

    def raw(self, path: Path) -> Iterator[tuple[str, Any]]:
        check_regular(path)
        import srsly  # noqa: F401 - who lacks spaCy is told so, not that the file is wrong

        try:
            content = _unpacked(path)
            self._attributes = [int(number) for number in content["attrs"]]
            documents = list(_documents(content, len(self._attributes)))
            self._strings = _strings(content["strings"])
        except XltError:
            raise
        # Whatever msgpack and numpy make of bytes that are something else.
        except Exception as error:
            raise XltError(
                f"this is no DocBin of spaCy: {type(error).__name__}: {error!s:.80}",
                where=path,
                fix="write it again with DocBin(docs=…).to_disk(…)",
            ) from error
        if not documents:
            raise XltError("there is no document in it", where=path, fix="check where it came from")
        groups = {name for document in documents for name in document.groups}
        if self.told.group not in (None, *groups):
            raise XltError(
                f"no group of spans is called {self.told.group!r:.60}",
                where=path,
                fix=f"{choose(self.told.group, groups)}; {advise('group: GROUP')}"
                if groups
                else "leave out `group`: there are entities alone",
            )
        for number, document in enumerate(documents, 1):
            yield f"{path}:{number}", document

    def records(self, where: str, content: Any) -> Iterator[Record]:
        document: _Doc = content
        text, places = "", []
        for orth, space in zip(self._column(document, "ORTH"), document.spaces, strict=True):
            word = self._string(int(orth), where)
            places.append((len(text), len(text) + len(word)))
            text += word + " " * bool(space)
        if self.told.group is None:
            spans = self._entities(document, where)
            for name, others in document.groups.items():
                for _ in others:
                    self.tally(GROUPS.format(name), where)
        else:
            spans = document.groups.get(self.told.group, [])
        yield Record(
            where.rpartition(":")[2],
            {self.texts[0]: text},
            where,
            tuple(self._mark(*span, text, places, where) for span in spans),
            classes=tuple(_classes(document.cats, where)),
        )

    def _column(self, document: _Doc, name: str) -> list[int]:
        """The values of an attribute; zeros where the file has none such."""
        from spacy.attrs import IDS

        if not self._has(name):
            return [0] * len(document.tokens)
        values: list[int] = document.tokens[:, self._attributes.index(IDS[name])].tolist()
        return values

    def _has(self, name: str) -> bool:
        """Whether the file has an attribute."""
        from spacy.attrs import IDS

        return IDS[name] in self._attributes

    def _string(self, number: int, where: str) -> str:
        if number not in self._strings:
            raise XltError(
                f"the number {number} is that of no string in the file",
                where=where,
                fix="write it again with DocBin(docs=…).to_disk(…)",
            )
        return self._strings[number]

    def _entities(self, document: _Doc, where: str) -> list[_Span]:
        spans: list[_Span] = []
        codes, kinds = self._column(document, "ENT_IOB"), self._column(document, "ENT_TYPE")
        if _BEGIN in codes and not self._has("ENT_TYPE"):
            raise XltError(
                "there are entities, but not their labels",
                where=where,
                fix='write it again with DocBin(attrs=["ENT_IOB", "ENT_TYPE"], docs=…).to_disk(…)',
            )
        before = _OUTSIDE
        for n, (code, kind) in enumerate(zip(codes, kinds, strict=True)):
            if code == _BEGIN and not kind:  # so spaCy marks a token that may be in no entity
                code = _OUTSIDE
            if code == _INSIDE and before in (_BEGIN, _INSIDE) and spans[-1][0] == kind:
                spans[-1] = kind, spans[-1][1], n + 1
            elif code in (_BEGIN, _INSIDE):
                spans.append((kind, n, n + 1))
            before = code
        return spans

    def _mark(
        self,
        kind: int,
        first: int,
        last: int,
        text: str,
        places: list[tuple[int, int]],
        where: str,
    ) -> Mark:
        if not 0 <= first < last <= len(places):
            raise XltError(
                f"a span from token {first} to {last} in a document of {len(places)}",
                where=where,
                fix="write it again with DocBin(docs=…).to_disk(…)",
            )
        label = self._string(kind, where)
        if not label:
            raise XltError("a span without a label", where=where, fix="give each span a label")
        start, end = places[first][0], places[last - 1][1]
        return Mark(label, (check_offsets(start, end, text, where=where),))

    @classmethod
    def write(cls, records: Iterable[Record], path: Path) -> None:
        from spacy.tokens import DocBin as Bin
        from spacy.vocab import Vocab

        vocab, every = Vocab(), list(records)
        grouped = any(_overlap(record.marks) for record in every)
        Bin(docs=(_doc(record, vocab, grouped) for record in every)).to_disk(path)


def _overlap(marks: Iterable[Mark]) -> bool:
    """Whether any two of them share a character."""
    places = sorted((mark.start, mark.end) for mark in marks)
    return any(end > start for (_, end), (start, _) in pairwise(places))


def _unpacked(path: Path) -> dict[str, Any]:
    """The message in a file. Raises what zlib and msgpack raise; XltError for one too large."""
    import srsly

    decompress = zlib.decompressobj()
    data = decompress.decompress(path.read_bytes(), MAX_BYTES)
    if decompress.unconsumed_tail:
        raise XltError(
            f"more than {MAX_BYTES >> 20} MiB come out of this file",
            where=path,
            fix="check what this is, or write fewer documents to each file",
        )
    content: dict[str, Any] = srsly.msgpack_loads(data)
    return content


def _strings(given: Any) -> dict[int, str]:
    """Hash → string, as spaCy numbers them."""
    from spacy.strings import get_string_id

    return {0: "", **{get_string_id(string): string for string in given}}


def _documents(content: Mapping[str, Any], width: int) -> Iterator[_Doc]:
    """Raises ValueError where the lengths do not fit, and what msgpack raises."""
    import numpy as np

    lengths = np.frombuffer(content["lengths"], "int32").tolist()
    tokens = np.frombuffer(content["tokens"], "uint64").reshape(-1, width)
    spaces = np.frombuffer(content["spaces"], bool)
    cats = list(content["cats"])
    groups = list(content.get("span_groups") or [b""] * len(lengths))
    same = len(tokens) == len(spaces) == sum(lengths) and len(cats) == len(groups) == len(lengths)
    if not same or any(length < 0 for length in lengths):
        raise ValueError("the lengths do not fit")
    at = 0
    for number, length in enumerate(lengths):
        end = at + length
        yield _Doc(tokens[at:end], spaces[at:end], cats[number], _groups(groups[number]))
        at = end


def _groups(packed: bytes) -> dict[str, list[_Span]]:
    """The groups of spans of a document, by their names."""
    import srsly

    groups = srsly.msgpack_loads(packed) if packed else {}
    # Documents of old have a list of groups, each with its name.
    named = groups.items() if isinstance(groups, dict) else ((one, None) for one in groups)
    found: dict[str, list[_Span]] = {}
    for own, names in named:
        group = srsly.msgpack_loads(own)
        spans = [_SPAN.unpack(span)[2:5] for span in group["spans"]]
        for name in names or [group["name"]]:
            found.setdefault(str(name), []).extend(spans)
    return found


def _classes(cats: Any, where: str) -> Iterator[str]:
    """The categories that a document is in: those of a score above one half."""
    for name, score in mapping(cats, "`cats`", where=where).items():
        if not isinstance(score, int | float):
            raise XltError(f"the score of {name!r:.40} is no number", where=where, fix="write 1.0")
        if score > 0.5:
            yield str(name)


def _doc(record: Record, vocab: Any, grouped: bool) -> Doc:
    """A document of spaCy, of the same text. White space that is no single space is a token.

    grouped: whether spans are a group instead of entities.
    """
    from spacy.tokens import Doc, Span

    words: list[str] = []
    spaces: list[bool] = []
    at = 0
    for start, end in (*record.words, (len(record.text), len(record.text))):
        gap = record.text[at:start]
        if gap.startswith(" ") and words:
            spaces[-1], gap = True, gap[1:]
        if gap:
            words.append(gap)
            spaces.append(False)
        if start < end:
            words.append(record.text[start:end])
            spaces.append(False)
        at = end
    doc = Doc(vocab, words=words, spaces=spaces)
    assert doc.text == record.text
    spans = [doc.char_span(m.start, m.end, m.kind) for m in record.marks]
    assert all(isinstance(span, Span) for span in spans)
    if grouped:
        doc.spans[GROUP] = spans
    else:
        doc.set_ents(spans)
    doc.cats = dict.fromkeys(record.classes, 1.0)
    return doc
