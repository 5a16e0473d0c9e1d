"""How a file of tag columns is laid out: how many columns, in which the word is, which counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from xlt.data.comments import comment_value
from xlt.data.numbers import MAX_DIGITS
from xlt.data.tag_schemes import TAG, TagRules
from xlt.reader_options import advise

_NUMBER = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}")
NO_WORD = re.compile(rf"({_NUMBER.pattern})([-.])({_NUMBER.pattern})")
"""The number of a multiword token (``3-4``) or of an empty node (``3.1``)."""
_ENTITIES = re.compile(r"(?:.*:)?(?:NER?|BIO|IOB[12]?|BIOES)(?::.*)?", re.IGNORECASE)
"""Names of columns that have tags of entities, such as NE:BIO."""
_NUMERAL = re.compile(r"CD|NUM|CARD|MC|LS|QC|M|Z|_+|-|-?X-?", re.IGNORECASE)
"""What corpora write beside a word that is a number: its part of speech, or that it has none."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What the rows of a file have in common.

    width:    so many columns.
    numbered: the first column counts words; rows in which it is a range or a fraction are none.
    checked:  it must count them right.
    """

    width: int
    word: int
    tag: int
    numbered: bool
    checked: bool


Row = tuple[int, list[str]]
"""The number of a line, and its cells."""


@dataclass(frozen=True, slots=True)
class Block:
    """The lines of one sentence."""

    comments: list[str]
    rows: list[Row]


def layout_of(blocks: Sequence[Block], word: int | None, tag: int | str, rules: TagRules) -> Layout:
    """How the file is laid out that begins with these sentences."""
    number, cells = blocks[0].rows[0]
    if isinstance(tag, str):
        raise rules.error(
            number,
            f"no column is called {tag!r}, as nothing names them",
            f"number it, from 0: {advise('tag: COLUMN')}",
        )
    width = len(cells)
    rows = [row for block in blocks for _, row in block.rows if len(row) == width]
    numbered = word in (None, 1) and width > 2 and tag % width != 1 and _has_numbers(blocks, rows)
    if numbered and word is None:
        numbered = not _numbers_are_words(blocks, rows)
    column = int(numbered) if word is None else word
    if not (-width <= column < width and -width <= tag < width) or column % width == tag % width:
        raise rules.error(
            number,
            f"{width} column{'s' * (width > 1)}: no word and tag in columns {column} and {tag}",
            "separate word and tag by a tab or a space; or say which columns they are, from 0: "
            + advise("word: COLUMN", "tag: COLUMN"),
        )
    if numbered and tag == -1 and width > 3 and all(TAG.fullmatch(row[2]) for row in rows):
        raise rules.error(
            number,
            f"the tags may be in column 2 or {width - 1} (the word is in column 1)",
            "the first is of the outer of nested entities, as in GermEval, the last of the inner; "
            + advise("tag: 2", f"tag: {width - 1}"),
        )
    return Layout(width, column, tag, numbered, checked=numbered and word is None)


def named_layout(names: Sequence[str], word: int | None, tag: int | str, rules: TagRules) -> Layout:
    """How a file is laid out that names its columns in its first line (CoNLL-U Plus)."""
    width = len(names)
    if word is None:
        words = [n for n, name in enumerate(names) if name == "FORM"]
    else:
        words = [word % width] if -width <= word < width else []
    if isinstance(tag, str):
        tags = [n for n, name in enumerate(names) if name == tag]
    elif tag == -1:
        tags = [n for n, name in enumerate(names) if _ENTITIES.fullmatch(name)]
    else:
        tags = [tag % width] if -width <= tag < width else []
    if len(words) != 1 or len(tags) != 1 or words == tags:
        raise rules.error(
            1,
            f"among the columns {' '.join(names)} there is not one for words (FORM) and another "
            "one for tags" + f" ({tag})" * (tag != -1),
            f"name them in that line; {advise('tag: COLUMN')}; text to annotate is read with "
            "`--input-format conllu`",
        )
    numbered = names[0] == "ID"
    return Layout(width, words[0], tags[0], numbered, checked=numbered)


def _has_numbers(blocks: Sequence[Block], rows: Sequence[list[str]]) -> bool:
    """Whether the first column is for numbers, though some may be wrong: nearly all are numbers,
    or most, and in a sentence of at least three words most are right."""
    words = [row for row in rows if not NO_WORD.fullmatch(row[0])]
    share = sum(bool(_NUMBER.fullmatch(row[0])) for row in words) / max(len(words), 1)
    if share < 0.9:
        return share > 0.5 and any(map(_counts, blocks))
    return True


def _counts(block: Block) -> bool:
    """Whether most rows of three or more begin with their number."""
    cells = [row[0] for _, row in block.rows if not NO_WORD.fullmatch(row[0])]
    right = sum(cell == str(number) for number, cell in enumerate(cells, 1))
    return len(cells) > 2 and right > len(cells) / 2


def _numbers_are_words(blocks: Sequence[Block], rows: Sequence[list[str]]) -> bool:
    """Whether the numbers in the first column are not counted words but words: that is what the
    text says, or the column beside them calls them numerals."""
    for block in blocks:
        text = "".join((comment_value(block.comments, "text") or "").split())
        first, second = ("".join(row[i] for _, row in block.rows if i < len(row)) for i in (0, 1))
        if text and first != second and text in (first, second):
            return text == first
    beside = [row[1] for row in rows if _NUMBER.fullmatch(row[0])]
    marks = sum(bool(_NUMERAL.fullmatch(cell) or TAG.fullmatch(cell)) for cell in beside)
    return marks > len(beside) / 2
