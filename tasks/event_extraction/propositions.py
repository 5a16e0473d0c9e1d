"""Rows from columns of predicates and roles: CoNLL-U Plus, Universal PropBank 1, CoNLL-2005/2012.

A predicate is an event: its word the trigger, its frame the type, its roles the arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from xlt.data.comments import comment_value
from xlt.data.conllu import FORM, MISC, written_text
from xlt.data.conllu_ids import Numbering
from xlt.data.conllu_plus import named_columns
from xlt.data.files import lines
from xlt.data.numbers import MAX_DIGITS, whole
from xlt.data.rows import text_columns
from xlt.document import Text
from xlt.errors import XltError, choose
from xlt.reader_options import advise

from .readers import Row

NOTHING = ("_", "-", "")
_PREDICATE, _HEADS, _SPANS = "UP:PRED", "UP:ARGHEADS", "UP:ARGSPANS"
_CELL = re.compile(r"((?:\([^()*\s]+)*)\*(\)*)")
_OTHER_NAMES = {"UP:PREDS": _PREDICATE}
_ID = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}(?:[-.][0-9]{{1,{MAX_DIGITS}}})?")


@dataclass
class _Sentence:
    """rows: of the words. written: ID, FORM and MISC of all rows, if the rows have IDs."""

    comments: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    written: list[tuple[str, str, str | None]] = field(default_factory=list)

    def split(self, path: Path, id: int, form: int, misc: int | None) -> _Sentence:
        """The sentence with its multiword tokens and empty nodes told from its words.

        id, form, misc: their columns. Raises XltError for IDs that CoNLL-U does not allow.
        """
        words = _Sentence(self.comments)
        numbering = Numbering(str(path))
        for row, line in zip(self.rows, self.lines, strict=True):
            if row[id] == str(len(words.rows) + 1):
                words.rows.append(row)
                words.lines.append(line)
            else:
                numbering.check(line, row[id], len(words.rows))
            words.written.append((row[id], row[form], None if misc is None else row[misc]))
        numbering.finish(len(words.rows))
        return words

    def text(self, words: Sequence[str]) -> Text:
        """The text as it was written, as far as the file says."""
        stated = comment_value(self.comments, "text")
        rows = self.written or [(str(i), word, None) for i, word in enumerate(words, 1)]
        return written_text(rows, stated)


def read_propositions(path: Path, *, word: int = 1, predicate: int = 10) -> Iterator[Row]:
    """Read the rows of a file of columns. Raises XltError with ``path:line``.

    With ``# global.columns`` in its first line it is CoNLL-U Plus, and UP:PRED, UP:ARGHEADS and
    UP:ARGSPANS are read (Universal PropBank 2). Without, it is a table separated by tabs or
    blanks: `word` and `predicate` number the columns (from 0) of the word and of its frame, and a
    column for each predicate follows. A role there stands at its head, whose subtree in columns 6
    and 7 it covers (Universal PropBank 1), or is in brackets, ``(A0*`` to ``*)`` (CoNLL-2005).

    The text is kept as in a treebank: multiword tokens, SpaceAfter and the comment ``text``.
    """
    names: list[str] | None = None
    sentences = _sentences(path)
    first = next(sentences, None)
    if first is None:
        raise XltError("there is no sentence in it", where=path, fix="check where it came from")
    for sentence in chain([first], sentences):
        if (named := named_columns(sentence.comments)) is not None:
            names = [_OTHER_NAMES.get(name, name) for name in named]
        where = f"{path}:{sentence.lines[0]}"
        if names is not None:
            sentence, words, events = _plus(path, sentence, names)
        else:
            sentence, words, events = _table(path, sentence, word, predicate)
        yield (
            where,
            {
                "id": comment_value(sentence.comments, "sent_id"),
                **text_columns(sentence.text(words)),
                "entities": [],
                "events": events,
            },
        )


def _sentences(path: Path) -> Iterator[_Sentence]:
    sentence = _Sentence()
    for number, line in lines(path):
        if not line.strip():
            if sentence.rows:
                yield sentence
                sentence = _Sentence()
        elif line.startswith("#") and not sentence.rows:
            sentence.comments.append(line)
        else:
            sentence.rows.append(line.split("\t") if "\t" in line else line.split())
            sentence.lines.append(number)
    if sentence.rows:
        yield sentence


def _plus(
    path: Path, sentence: _Sentence, names: Sequence[str]
) -> tuple[_Sentence, list[str], list[dict[str, Any]]]:
    for name in ("FORM", _PREDICATE, _SPANS):
        if name not in names:
            raise XltError(
                f"the columns lack {name}",
                where=f"{path}:1",
                fix=f"{choose(name, names)}. Universal PropBank comes without words: "
                "merge it with its treebank first (its tools have merge_ud_up.py)",
            )
    form, frame, spans = (names.index(name) for name in ("FORM", _PREDICATE, _SPANS))
    heads = names.index(_HEADS) if _HEADS in names else None
    for row, line in zip(sentence.rows, sentence.lines, strict=True):
        if len(row) != len(names):
            raise XltError(
                f"{len(row)} columns where {len(names)} were named",
                where=f"{path}:{line}",
                fix="give every line the columns of `# global.columns`, separated by tabs",
            )
    if "ID" in names:
        misc = names.index("MISC") if "MISC" in names else None
        sentence = sentence.split(path, names.index("ID"), form, misc)
    words, events = [], []
    for i, (row, line) in enumerate(zip(sentence.rows, sentence.lines, strict=True)):
        where = f"{path}:{line}"
        words.append(row[form])
        if row[frame] in NOTHING:
            continue
        arguments = [_argument(text, where) for text in _listed(row[spans])]
        if heads is not None:
            stated = [_argument(text, where)[1][0] for text in _listed(row[heads])]
            if len(stated) == len(arguments):
                arguments = [(r, s, h) for (r, s, _), h in zip(arguments, stated, strict=True)]
        events.append(_event(i, row[frame], arguments))
    return sentence, words, events


def _listed(cell: str) -> list[str]:
    return [] if cell in NOTHING else cell.split("|")


def _argument(text: str, where: str) -> tuple[str, tuple[int, int], int | None]:
    """``A0:3-5`` or ``A0:3``, counted from 1: role, span, no head."""
    role, _, place = text.rpartition(":")
    first, dash, last = place.partition("-")
    start, end = whole(first), whole(last if dash else first)
    if not role or start is None or end is None:
        raise XltError(
            f"{text!r:.60} is no argument", where=where, fix="write ROLE:FIRST-LAST, counted from 1"
        )
    return role, (start - 1, end), None


def _table(
    path: Path, sentence: _Sentence, word: int, predicate: int
) -> tuple[_Sentence, list[str], list[dict[str, Any]]]:
    rows, where = sentence.rows, f"{path}:{sentence.lines[0]}"
    width = len(rows[0])
    for row, line in zip(rows, sentence.lines, strict=True):
        if len(row) != width or width <= max(word, predicate):
            raise XltError(
                f"{len(row)} columns where {max(width, predicate + 1)} were expected",
                where=f"{path}:{line}",
                fix="give every line of a sentence as many columns"
                if len(row) != width
                else "say which it is, from 0: "
                + advise("predicate: COLUMN" if width <= predicate else "word: COLUMN"),
            )
    if _numbered(rows, word):
        # Columns 0 to 9 are those of CoNLL-U where the frames come after them.
        sentence = sentence.split(
            path, 0, word, MISC if word == FORM and predicate > MISC else None
        )
        rows = sentence.rows
    # Some releases flag predicates with a Y in a column before the frames.
    flagged = {row[predicate] for row in rows} <= {"Y", *NOTHING}
    frames = predicate + 1 if flagged and width > predicate + 1 else predicate
    triggers = [i for i, row in enumerate(rows) if row[frames] not in NOTHING]
    columns = range(frames + 1, width)
    if len(columns) < len(triggers):
        raise XltError(
            f"{len(triggers)} predicates but {len(columns)} columns of arguments",
            where=where,
            fix="give every predicate a column, in their order",
        )
    events = []
    for trigger, column in zip(triggers, columns, strict=False):
        cells = [row[column] for row in rows]
        bracketed = any("*" in cell for cell in cells)
        arguments = (
            _bracketed(cells, sentence, path)
            if bracketed
            else _headed(cells, trigger, sentence, path)
        )
        events.append(_event(trigger, rows[trigger][frames], arguments))
    return sentence, [row[word] for row in rows], events


def _numbered(rows: Sequence[Sequence[str]], word: int) -> bool:
    """Whether the first column holds IDs as in CoNLL-U, and not words or something else."""
    first = [row[0] for row in rows]
    if word == 0:
        return False
    if not all(map(_ID.fullmatch, first)):
        return len(first) > 2 and _right(first) > len(first) / 2  # but for some that are wrong
    plain = [cell for cell in first if cell.isdecimal()]
    return len(plain) < len(first) or 2 * _right(first) > len(first)


def _right(first: Sequence[str]) -> int:
    """How many cells of the first column are the number of their row."""
    return sum(cell == str(number) for number, cell in enumerate(first, 1))


def _bracketed(cells: Sequence[str], sentence: _Sentence, path: Path) -> list[Any]:
    arguments: list[Any] = []
    open_: list[tuple[str, int]] = []
    for i, cell in enumerate(cells):
        where = f"{path}:{sentence.lines[i]}"
        parts = _CELL.fullmatch(cell)
        if parts is None:
            raise XltError(
                f"{cell!r:.60} is no bracketed role", where=where, fix="write `(A0*`, `*` or `*)`"
            )
        open_ += [(role, i) for role in parts[1].split("(") if role]
        for _ in parts[2]:
            if not open_:
                raise XltError(
                    f"{cell!r:.60} closes what was not opened",
                    where=where,
                    fix="open it in a line before, `(A0*`",
                )
            role, start = open_.pop()
            if role not in ("V", "rel"):
                arguments.append((role, (start, i + 1), None))
    if open_:
        raise XltError(
            f"({open_[-1][0]:.40} is not closed",
            where=f"{path}:{sentence.lines[open_[-1][1]]}",
            fix="close it in a line of this sentence, `*)`",
        )
    return arguments


def _headed(cells: Sequence[str], trigger: int, sentence: _Sentence, path: Path) -> list[Any]:
    heads = []
    for row, line in zip(sentence.rows, sentence.lines, strict=True):
        head = whole(row[6]) if len(row) > 7 else None
        if head is None or head > len(cells):
            raise XltError(
                "column 7 is no head, which the extent of arguments is read from",
                where=f"{path}:{line}",
                fix="give the tree, or arguments in brackets",
            )
        heads.append(head - 1)
    return [
        (role, subtree(heads, i, trigger), i)
        for i, role in enumerate(cells)
        if role not in NOTHING and role not in ("V", "rel")
    ]


def subtree(heads: Sequence[int], head: int, trigger: int) -> tuple[int, int]:
    """Return the words around `head` that depend on it, without the predicate and its dependents.

    heads: of each word, counted from 0, -1 for the root.
    """

    def below(word: int, top: int) -> bool:
        for _ in heads:
            if word == top:
                return True
            if word < 0:
                return False
            word = heads[word]
        return False

    inside = [below(i, head) for i in range(len(heads))]
    if head != trigger and inside[trigger]:
        inside = [own and not below(i, trigger) for i, own in enumerate(inside)]
    start = end = head
    while start > 0 and inside[start - 1]:
        start -= 1
    while end + 1 < len(heads) and inside[end + 1]:
        end += 1
    return start, end + 1


def _event(word: int, frame: str, arguments: Sequence[Any]) -> dict[str, Any]:
    return {
        "trigger": {"start": word, "end": word + 1},
        "type": frame,
        "arguments": [
            {"start": start, "end": end, "role": role} | ({} if head is None else {"head": head})
            for role, (start, end), head in arguments
        ],
    }
