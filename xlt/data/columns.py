"""One word a line with a tag beside it: CoNLL-2002/2003, UNER .iob2, MasakhaNER, WikiANN.

Whatever scheme a file uses, IOB2 comes out: every entity starts with ``B-``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TextIO

from xlt.data.files import Source, label, lines
from xlt.data.malformed import malformed
from xlt.data.options import advise
from xlt.errors import XltError

Scheme = Literal["IOB2", "IOB1", "BIOES"]
Separator = Literal["auto", "tab", "space"]

_TAG = re.compile(r"O|[A-Z]-.+")
_COMMENT = re.compile(r"#\s*[\w.:-]+\s*=|#\s*(newdoc|newpar)\b")
_PREFIXES = {"IOB2": "BI", "IOB1": "BI", "BIOES": "BIESLU"}


@dataclass(slots=True)
class TaggedSentence:
    """Words and their IOB2 tags, of equal number.

    comments: ``#`` lines and -DOCSTART- lines above the sentence, complete.
    lines:    for each word, the number of its line.
    """

    words: list[str]
    tags: list[str]
    comments: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def comment(self, key: str) -> str | None:
        """The value of ``# key = value``, or None."""
        for comment in self.comments:
            name, _, value = comment.lstrip("# ").partition("=")
            if name.strip() == key:
                return value.strip()
        return None


def read_columns(
    source: Source,
    *,
    word: int | None = None,
    tag: int = -1,
    separator: Separator = "auto",
    scheme: Scheme = "IOB2",
    repair: bool = False,
    types: Mapping[str, str | None] | None = None,
    prefix: str = "",
    outside: Sequence[str] = (),
    drop_empty: bool = False,
    problems: list[XltError] | None = None,
) -> Iterator[TaggedSentence]:
    """The sentences of a column file (plain, .gz, .xz) or stream, one at a time.

    word, tag: columns, from 0 (negative: from the end). By default the word is in the first
        column, or in the second where the first only counts the words (UNER).
    separator: ``auto`` takes a tab where a line has one, else spaces.
    scheme:    what the file uses; it is converted to IOB2.
    repair:    an I- that continues nothing starts an entity (as conlleval reads it); otherwise it
        is an error under IOB2 and BIOES.
    types:     entity type in the file → type that comes out; None turns it into ``O``.
    prefix:    text to drop before each word, such as WikiANN's ``en:``.
    outside:   further tags that mean ``O``, such as UNER Norwegian's ``-``.
    drop_empty: leave out lines tagged ``O`` that have no word, instead of an error.
    problems:  malformed sentences are described here and left out, instead of raising.

    Raises XltError with ``path:line``.
    """
    name = label(source)
    reader = _Reader(
        name,
        word,
        tag,
        separator,
        scheme,
        repair,
        dict(types or {}),
        prefix,
        frozenset(outside),
        drop_empty,
    )
    rows: list[tuple[int, list[str]]] = []
    comments: list[str] = []
    found = 0

    def finish() -> TaggedSentence | None:
        try:
            return reader.sentence(rows, comments)
        except XltError as error:
            malformed(error, problems)
            return None

    for number, line in lines(source):
        if not line.strip(" \t") and not (line and reader.tabbed(line)):
            if rows:
                found += 1
                if sentence := finish():
                    yield sentence
                rows, comments = [], []
        elif (not rows and reader.is_comment(line)) or line.startswith("-DOCSTART-"):
            comments.append(line)
        else:
            rows.append((number, reader.split(line)))
    if rows:
        found += 1
        if sentence := finish():
            yield sentence
    if not found:
        raise XltError("there is no sentence in it", where=name, fix="check where it came from")


def write_columns(
    sentences: Iterable[TaggedSentence],
    stream: TextIO,
    *,
    separator: str = "\t",
    numbered: bool = False,
) -> None:
    """Write word and tag in two columns; `numbered` puts UNER's word number before them."""
    for sentence in sentences:
        for comment in sentence.comments:
            stream.write(comment + "\n")
        for i, (word, tag) in enumerate(zip(sentence.words, sentence.tags, strict=True), 1):
            row = [str(i), word, tag] if numbered else [word, tag]
            stream.write(separator.join(row) + "\n")
        stream.write("\n")


def to_iob2(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """IOB1 or BIOES tags as IOB2. Tags must be well formed."""
    converted: list[str] = []
    previous = "O"
    for tag in tags:
        if tag == "O":
            converted.append(tag)
        else:
            kind, _, name = tag.partition("-")
            begins = kind in "BSU" if scheme == "BIOES" else kind == "B" or previous[2:] != name
            converted.append(f"{'B' if begins else 'I'}-{name}")
        previous = tag
    return converted


@dataclass(slots=True)
class _Reader:
    name: str
    word: int | None
    tag: int
    separator: Separator
    scheme: Scheme
    repair: bool
    types: dict[str, str | None]
    prefix: str
    outside: frozenset[str]
    drop_empty: bool

    def tabbed(self, line: str) -> bool:
        return self.separator == "tab" or (self.separator == "auto" and "\t" in line)

    def split(self, line: str) -> list[str]:
        if self.tabbed(line):
            return line.split("\t")
        # str.split() would also split at U+2028 or a no-break space within a word.
        return re.split(" +", line.rstrip(" "))

    def is_comment(self, line: str) -> bool:
        """Not every ``#`` line is one: "# O" is the word "#"."""
        if line.startswith("-DOCSTART-"):
            return True
        if not line.startswith("#"):
            return False
        columns = self.split(line)
        tag = columns[self.tag] if -len(columns) <= self.tag < len(columns) else ""
        return not _TAG.fullmatch(tag) or (
            not self.tabbed(line) and _COMMENT.match(line) is not None
        )

    def sentence(self, rows: list[tuple[int, list[str]]], comments: list[str]) -> TaggedSentence:
        column = self.word
        if column is None:
            counted = all(len(row) > 2 and row[0] == str(i) for i, (_, row) in enumerate(rows, 1))
            column = 1 if counted else 0
        words: list[str] = []
        tags: list[str] = []
        numbers: list[int] = []
        for number, row in rows:
            if not (-len(row) <= column < len(row) and -len(row) <= self.tag < len(row)) or (
                column % len(row) == self.tag % len(row)
            ):
                raise self._error(
                    number,
                    f"{len(row)} column{'s' * (len(row) > 1)}: no word and tag in "
                    f"columns {column} and {self.tag}",
                    "separate word and tag by a tab or a space; or say which columns they are, "
                    f"from 0: {advise('word: COLUMN', 'tag: COLUMN')}",
                )
            tag = self._tag(number, row[self.tag])
            if self.drop_empty and tag == "O" and not row[column].removeprefix(self.prefix):
                continue
            words.append(self._word(number, row[column]))
            tags.append(tag)
            numbers.append(number)
        if not words:
            raise self._error(rows[0][0], "a sentence without words", "remove it")
        self._check_order(numbers, tags)
        return TaggedSentence(words, self._map(to_iob2(tags, self.scheme)), comments, numbers)

    def _word(self, number: int, text: str) -> str:
        text = text.removeprefix(self.prefix)
        if not text:
            raise self._error(number, "a word of length zero", "remove the line or write the word")
        return text

    def _tag(self, number: int, text: str) -> str:
        if text == "O" or text in self.outside:
            return "O"
        kind, _, name = text.partition("-")
        allowed = _PREFIXES[self.scheme]
        if len(kind) == 1 and kind in allowed:
            if name:
                return text
            raise self._error(
                number, f"tag {text!r} has no type", f"write e.g. {kind}-PER, or O outside entities"
            )
        fix = f"{self.scheme} has O and, before a type, {', '.join(f'{p}-' for p in allowed)}"
        if kind in ("E", "S", "L", "U"):
            fix += f"; for this file {advise('scheme: BIOES')}"
        raise self._error(number, f"{text!r} is not a tag", fix)

    def _check_order(self, numbers: list[int], tags: list[str]) -> None:
        """An inside tag must continue an entity of its type, unless that is to be repaired."""
        if self.scheme == "IOB1":
            return
        previous = "O"
        for i, tag in enumerate(tags):
            inside = tag[0] in "IEL" and tag != "O"
            continues = previous[0] in "BI" and previous[2:] == tag[2:]
            if inside and not continues:
                if not self.repair:
                    remedies = ["repair: true", *["scheme: IOB1"] * (self.scheme == "IOB2")]
                    raise self._error(
                        numbers[i],
                        f"{tag} after {previous} continues no entity",
                        f"write B-{tag[2:]}, or {advise(*remedies)}",
                    )
                tags[i] = f"B-{tag[2:]}"
            previous = tags[i]

    def _map(self, tags: list[str]) -> list[str]:
        if not self.types:
            return tags
        mapped = []
        for tag in tags:
            name = self.types.get(tag[2:], tag[2:])
            mapped.append("O" if tag == "O" or name is None else f"{tag[:2]}{name}")
        return mapped

    def _error(self, number: int, what: str, fix: str) -> XltError:
        return XltError(what, where=f"{self.name}:{number}", fix=fix)
