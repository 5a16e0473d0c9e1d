"""One word a line with a tag beside it: CoNLL-2002/2003, UNER .iob2, MasakhaNER, WikiANN.

Whatever scheme a file uses, IOB2 comes out: every entity starts with ``B-``. How a file is laid
out (what separates its columns, how many there are, whether the first only counts the words) and
in which scheme its tags are is decided once; a line that does not fit is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Literal, TextIO

from xlt.data.column_layout import NO_WORD, Block, Layout, Row, layout_of, named_layout
from xlt.data.comments import comment_value
from xlt.data.conllu_plus import check_again, named_columns
from xlt.data.files import Source, check_characters, label, lines
from xlt.data.malformed import malformed
from xlt.data.tag_schemes import TAG, Scheme, TagRules, most_likely
from xlt.document import Text
from xlt.errors import XltError
from xlt.reader_options import advise

Separator = Literal["auto", "tab", "space"]

LOOK_AHEAD = 1000
"""Sentences from which it is decided whether the first column counts the words, and in which
scheme the tags are; lines from which it is decided whether there are tags at all."""

_EDGES = " \r"
"""What is dropped around a cell. Other kinds of space may belong to a word."""
_COMMENT = re.compile(r"#\s*[\w.:-]+\s*=|#\s*(newdoc|newpar)\b")
_DOCUMENT = re.compile(r"-DOCSTART-(?=[ \t]|$)")


@dataclass(slots=True)
class TaggedSentence:
    """Words and their IOB2 tags, of equal number.

    comments:  ``#`` lines and -DOCSTART- lines above the sentence, complete.
    lines:     for each word, the number of its line.
    multiword: multiword tokens (``3-4 al``), where a file that counts its words has them: what is
        written, and the words it stands for as a range [i, j).
    """

    words: list[str]
    tags: list[str]
    comments: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    multiword: list[tuple[str, int, int]] = field(default_factory=list)

    def comment(self, key: str) -> str | None:
        """The value of ``# key = value``, or None."""
        return comment_value(self.comments, key)

    def text(self) -> Text:
        """The sentence as it was written, where the file says so (``# text = …``) and these are
        its words; else the words joined."""
        ranges = {first: (form, last) for form, first, last in self.multiword}
        tokens: list[tuple[str, int, int]] = []
        at = 0
        while at < len(self.words):
            form, end = ranges.get(at, (self.words[at], at + 1))
            tokens.append((form, at, end))
            at = end
        forms = [form for form, *_ in tokens]
        text = Text.from_words(forms)
        stated = self.comment("text")
        if stated is not None:
            with suppress(ValueError):  # of another sentence, or edited by hand
                text = Text.locate(stated, forms)
        return text.with_multiword(self.words, ((first, last) for _, first, last in tokens))


def read_columns(
    source: Source,
    *,
    word: int | None = None,
    tag: int | str = -1,
    separator: Separator = "auto",
    scheme: Scheme | Literal["auto"] = "auto",
    repair: bool = False,
    types: Mapping[str, str | None] | None = None,
    prefix: str = "",
    outside: Sequence[str] = (),
    drop_empty: bool = False,
    problems: list[XltError] | None = None,
) -> Iterator[TaggedSentence]:
    """The sentences of a column file (plain, .gz, .xz) or stream, one at a time.

    word, tag: columns, from 0 (negative: from the end). By default the word is in the first
        column, or in the second where the first counts the words of each sentence (UNER). Where
        the first line of the file names the columns (CoNLL-U Plus), `tag` may be a name, and is by
        default the one whose name says it (``NE:BIO``).
    separator: ``auto`` takes tabs if the first line of words has one, else spaces. Spaces around
        a cell are dropped.
    scheme:    what the file uses; it is converted to IOB2. ``auto`` is the one with prefixes that
        the fewest sentences contradict.
    repair:    tags that contradict the scheme, such as an I- that continues nothing, are read as
        conlleval reads them; otherwise they are errors.
    types:     entity type in the file → type that comes out; None turns it into ``O``.
    prefix:    text to drop before each word, such as WikiANN's ``en:``.
    outside:   further tags that mean ``O``, such as UNER Norwegian's ``-``.
    drop_empty: leave out lines tagged ``O`` that have no word, instead of an error.
    problems:  malformed sentences are described here and left out, instead of raising.

    Raises XltError with ``path:line``, also for a line with more columns or fewer than the first,
    a wrong number of a word, and a file with tags of two layers of which `tag` chooses none.
    """
    rules = _Rules(
        label(source),
        "IOB2" if scheme == "auto" else scheme,
        scheme == "auto",
        repair,
        dict(types or {}),
        frozenset(outside),
        prefix,
        drop_empty,
    )
    blocks = _blocks(lines(source), -1 if isinstance(tag, str) else tag, separator, rules)
    first = list(islice(blocks, LOOK_AHEAD))
    if not first:
        raise XltError(
            "there is no sentence in it", where=rules.name, fix="check where it came from"
        )
    if (names := named_columns(first[0].comments)) is None:
        layout = layout_of(first, word, tag, rules)
    else:
        first[0].comments[:] = (one for one in first[0].comments if named_columns([one]) is None)
        layout = named_layout(names, word, tag, rules)
        rules = replace(rules, outside=rules.outside | {"*"})  # no value
    if rules.decided:
        rules = replace(rules, scheme=most_likely(_tags(first, layout, rules.outside)))
    for block in chain(first, blocks):
        if names is not None and block.rows:
            check_again(block.comments, names, where=f"{rules.name}:{block.rows[0][0]}")
        try:
            sentence = _sentence(block, layout, rules)
        except XltError as error:
            malformed(error, problems)
        else:
            yield sentence


def is_tagged(source: Source) -> bool:
    """Whether a file has a tag at the end of each of its first lines, as no running text has."""
    first = islice(lines(source), LOOK_AHEAD)  # a text may have no empty line
    blocks = islice(_blocks(first, -1, "auto", TagRules("")), 10)
    rows = [cells for block in blocks for _, cells in block.rows]
    # A text of one line may well end in "U-Bahn".
    return len(rows) > 1 and all(len(row) > 1 and TAG.fullmatch(row[-1]) for row in rows)


def write_columns(sentences: Iterable[TaggedSentence], stream: TextIO) -> None:
    """Write word and tag, separated by a tab; `read_columns` gives them back.

    Raises XltError for what it could not give back: no words, empty words, words with tabs, line
    breaks or spaces at an end, comments that look like words, tags that are not IOB2.
    """
    for number, sentence in enumerate(sentences, 1):
        where = f"sentence {sentence.comment('sent_id') or number}"
        rows = map("\t".join, zip(sentence.words, sentence.tags, strict=True))
        text = "\n".join([*sentence.comments, *rows]) + "\n\n"
        problem = _unwritable(sentence)
        if number == 1 and text.startswith("\ufeff"):
            problem = "a byte order mark at the start of a word"
        if problem:
            raise XltError(
                f"{problem}, which tag columns cannot hold",
                where=where,
                fix="write JSON Lines (format jsonl)",
            )
        check_characters(text, where=where)
        stream.write(text)


@dataclass(frozen=True, slots=True)
class _Rules(TagRules):
    """How cells are read; see `read_columns`."""

    prefix: str = ""
    drop_empty: bool = False


# Lines -------------------------------------------------------------------------------------------


def _blocks(
    numbered: Iterable[tuple[int, str]], tag: int, separator: Separator, rules: TagRules
) -> Iterator[Block]:
    decided = {"tab": "\t", "space": " ", "auto": ""}[separator]
    width = 0
    comments: list[str] = []
    rows: list[Row] = []
    for number, line in numbered:
        mark = decided or _separator(line)
        empty = not line.strip(" " if mark == "\t" else " \t")
        document = line[:1] == "-" and _DOCUMENT.match(line) is not None
        if rows and (empty or document):
            yield Block(comments, rows)
            comments, rows = [], []
        if document or (not rows and _is_comment(line, tag, mark, rules)):
            comments.append(line)
        elif not empty:
            cells = _cells(line, mark)
            decided, width = mark, width or len(cells)
            while len(cells) > width and not cells[-1]:  # GermEval has a tab at the end of a line
                cells.pop()
            rows.append((number, cells))
    if rows:
        yield Block(comments, rows)


def _separator(line: str) -> str:
    return "\t" if "\t" in line else " "


def _cells(line: str, separator: str) -> list[str]:
    if separator == "\t":
        cells = line.split("\t")
        return [cell.strip(_EDGES) for cell in cells] if " " in line or "\r" in line else cells
    # str.split() would also split at U+2028 or a no-break space within a word.
    return re.split(" +", line.rstrip(" "))


def _is_comment(line: str, tag: int, separator: str, rules: TagRules) -> bool:
    """Not every ``#`` line is one: "# O" is the word "#"."""
    if not line.startswith("#"):
        return False
    cells = _cells(line, separator)
    last = cells[tag] if -len(cells) <= tag < len(cells) else ""
    types = rules.scheme == "types"  # any text may be one
    tagged = last in rules.outside or TAG.fullmatch(last) or (types and len(cells) > 1 and last)
    if not tagged:
        return True
    return (separator == " " or types) and _COMMENT.match(line) is not None


# Sentences ---------------------------------------------------------------------------------------


def _tags(
    blocks: Iterable[Block], layout: Layout, outside: frozenset[str]
) -> Iterator[Sequence[str]]:
    """The tags of each sentence that has nothing else in their column."""
    for block in blocks:
        rows = [row for _, row in block.rows if len(row) == layout.width]
        if layout.numbered:
            rows = [row for row in rows if not NO_WORD.fullmatch(row[0])]
        cells = [row[layout.tag].strip() for row in rows]
        tags = ["O" if cell in outside else cell for cell in cells]
        if all(map(TAG.fullmatch, tags)):
            yield tags


def _sentence(block: Block, layout: Layout, rules: _Rules) -> TaggedSentence:
    words: list[str] = []
    tags: list[str] = []
    numbers: list[int] = []
    multiword: list[tuple[str, int, int]] = []
    token, start, wanted = "", 0, 0  # the multiword token that is being read; rows it still wants
    expected = 1
    for number, row in block.rows:
        if len(row) != layout.width:
            raise rules.error(
                number,
                f"{len(row)} column{'s' * (len(row) > 1)} where the lines before have "
                f"{layout.width}",
                "give every line the same columns; where a word has a space in it, separate the "
                "columns of every line by tabs",
            )
        if layout.numbered and (match := NO_WORD.fullmatch(row[0])):
            if match[2] == "-":
                first, last = int(match[1]), int(match[3])
                if wanted or last < first or (layout.checked and first != expected):
                    raise rules.error(
                        number,
                        f"multiword token {row[0]} after word {expected - 1}",
                        "its range starts with the next word and overlaps no other",
                    )
                token, start, wanted = row[layout.word], len(words), last - first + 1
            continue
        if layout.checked and row[0] != str(expected):
            raise rules.error(
                number,
                f"{row[0]!r} where the number {expected} was expected",
                "number the words of each sentence 1, 2, 3 …; or, if the first column has not the "
                "number but the word (0) or the numbers do not matter (1), "
                + advise("word: 0", "word: 1"),
            )
        expected += 1
        tag = rules.tag(number, row[layout.tag].strip())
        word = row[layout.word].removeprefix(rules.prefix)
        if "\t" in word or "\t" in tag:
            raise rules.error(
                number,
                "a tab in a file whose columns are separated by spaces",
                "separate the columns of every line by tabs, or of every line by spaces",
            )
        if word:
            words.append(word)
            tags.append(tag)
            numbers.append(number)
        elif not (rules.drop_empty and tag == "O"):
            raise rules.error(number, "a word of length zero", "remove the line or write the word")
        if wanted:
            wanted -= 1
            if not wanted and start < len(words):
                multiword.append((token, start, len(words)))
    if not words or wanted:
        what = f"{wanted} more words belong to {token!r}" if wanted else "a sentence without words"
        raise rules.error(block.rows[0][0], what, "correct the range" if wanted else "remove it")
    return TaggedSentence(words, rules.iob2(numbers, tags), block.comments, numbers, multiword)


# Writing -----------------------------------------------------------------------------------------


def _unwritable(sentence: TaggedSentence) -> str | None:
    """What of a sentence would not be read as it is."""
    rules = TagRules("")
    if not sentence.words:
        return "a sentence without words"
    for line in sentence.comments:
        if "\n" in line or line.endswith("\r"):
            return f"a comment with a line break ({line[:40]!r})"
        if named_columns([line]) is not None:
            return f"a comment that names columns ({line[:40]!r})"
        # The first line of words may follow, by which the separator is decided.
        if not _DOCUMENT.match(line) and not all(
            _is_comment(line, -1, separator, rules) for separator in ("\t", _separator(line))
        ):
            return f"a comment that looks like a word ({line[:40]!r})"
    for word in sentence.words:
        if not word:
            return "an empty word"
        if "\t" in word or "\n" in word or word != word.strip(_EDGES):
            return f"a word with a tab, a line break or a space at an end ({word[:40]!r})"
        if _DOCUMENT.match(word):
            return f"the word {word}, which begins a document"
    try:
        rules.iob2([0] * len(sentence.tags), [rules.tag(0, tag) for tag in sentence.tags])
    except XltError as error:
        return f"tags that are not IOB2 ({error.what})"
    for tag in sentence.tags:
        if "\t" in tag or "\n" in tag or tag != tag.strip():
            return f"a tag with a tab, a line break or a space at an end ({tag[:40]!r})"
    return None
