"""CoNLL-U: multiword tokens, empty nodes and comments are kept, so writing gives the file back.

A `Sentence` holds every row as its ten strings. `words` are those rows that are words of the
tree; they are the same lists as in `rows`, so changing ``sentence.words[3][HEAD]`` changes what
is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import TextIO

from xlt.data.comments import comment_value
from xlt.data.conllu_ids import Numbering
from xlt.data.conllu_plus import PlusColumns, check_again, named_columns
from xlt.data.files import Source, check_characters, label, lines
from xlt.data.malformed import malformed
from xlt.data.numbers import whole
from xlt.data.trees import tree_problem
from xlt.document import Text
from xlt.errors import XltError

ID, FORM, LEMMA, UPOS, XPOS, FEATS, HEAD, DEPREL, DEPS, MISC = range(10)
COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")

Row = list[str]

PARTIAL = "# tree = partial"
"""The comment of a sentence some of whose words have no head, and may have none."""


@dataclass(slots=True)
class Sentence:
    """One sentence.

    rows:     all token lines in their order, ten columns each.
    words:    the rows with a plain number as ID, in order; word i has ID i + 1.
    comments: the lines that start with ``#``, complete.
    line:     number of the sentence's first line in its file.
    spaced:   column MISC says where there is no space; without, nobody does.
    """

    rows: list[Row]
    words: list[Row]
    comments: list[str] = field(default_factory=list)
    line: int = 1
    spaced: bool = True

    @property
    def forms(self) -> list[str]:
        return [row[FORM] for row in self.words]

    @property
    def heads(self) -> list[int]:
        """Heads of the words, 0 for the root; -1 where the column is ``_``."""
        return [-1 if row[HEAD] == "_" else int(row[HEAD]) for row in self.words]

    @property
    def deprels(self) -> list[str]:
        return [row[DEPREL] for row in self.words]

    def comment(self, key: str) -> str | None:
        """The value of ``# key = value``; "" for ``# key`` alone; None if there is none."""
        return comment_value(self.comments, key)

    def text(self) -> Text:
        """The text that is written, as `written_text` has it."""
        return written_text(
            ((row[ID], row[FORM], row[MISC] if self.spaced else None) for row in self.rows),
            self.comment("text"),
        )

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> Sentence:
        """The sentence of lines that `read_conllu` has read and found right."""
        lines = list(lines)
        comments = [line for line in lines if line.startswith("#")]
        rows = [line.split("\t") for line in lines[len(comments) :]]
        return cls(rows, [row for row in rows if whole(row[ID]) is not None], comments)

    @classmethod
    def from_text(
        cls,
        text: Text,
        heads: Sequence[int] | None = None,
        deprels: Sequence[str] | None = None,
        *,
        upos: Sequence[str] | None = None,
        comments: Iterable[str] = (),
    ) -> Sentence:
        """A sentence of the words of a text; what is not given is ``_``.

        Words that have one place in the text are those of a multiword token.
        """
        rows: list[Row] = []
        words: list[Row] = []
        spaces = text.space_after
        for place, group in groupby(range(len(text.words)), key=lambda i: text.offsets[i]):
            members = list(group)
            misc = "_" if spaces[members[-1]] or text.joined else "SpaceAfter=No"
            if len(members) > 1 and place[0] < place[1]:
                token = text.surface[slice(*place)]
                identifier = f"{members[0] + 1}-{members[-1] + 1}"
                rows.append([identifier, token, *"_" * 7, misc])
                misc = "_"
            for i in members:
                head = str(heads[i]) if heads and heads[i] >= 0 else "_"
                tag, relation = upos[i] if upos else "_", deprels[i] if deprels else "_"
                word = [str(i + 1), text.words[i], "_", tag, "_", "_", head, relation, "_", misc]
                rows.append(word)
                words.append(word)
        return cls(rows=rows, words=words, comments=list(comments))


def read_conllu(
    source: Source, *, strict_trees: bool = True, problems: list[XltError] | None = None
) -> Iterator[Sentence]:
    """The sentences of a CoNLL-U file (plain, .gz, .xz) or stream, one at a time.

    strict_trees: every word has a head and a relation, one word is the root, and there is no
        cycle. Without it, and in a sentence with the comment `PARTIAL`, HEAD may be ``_`` and any
        graph passes whose heads exist.
    problems: malformed sentences are described here and left out, instead of raising.

    A file that names its columns in its first line (CoNLL-U Plus) comes out with CoNLL-U's. Others
    that it has are not read: at its end a warning counts them.

    Raises XltError with ``path:line``.
    """
    name = label(source)
    rows: list[tuple[int, str]] = []
    comments: list[str] = []
    start = n_sentences = 0
    plus: PlusColumns | None = None

    def finish() -> Sentence | None:
        try:
            if not rows:
                raise _error(
                    name, start, "comments without a sentence", "remove the empty line below them"
                )
            return _parse(name, rows, comments, start, strict_trees, plus)
        except XltError as error:
            malformed(error, problems)
            return None

    for number, line in lines(source):
        if line:
            if not rows and not comments:
                start = number
            if not rows and not n_sentences and (named := named_columns([line])) is not None:
                needed = COLUMNS[:2] + (COLUMNS[HEAD : DEPREL + 1] if strict_trees else ())
                plus = PlusColumns(name, number, named, COLUMNS, needed)
            elif line[0] == "#" and not rows:
                if plus is not None:
                    check_again([line], plus.named, where=f"{name}:{number}")
                comments.append(line)
            else:
                rows.append((number, line))
        elif rows or comments:
            n_sentences += 1
            if sentence := finish():
                yield sentence
            rows, comments = [], []
    if rows or comments:
        n_sentences += 1
        if sentence := finish():
            yield sentence
    if not n_sentences:
        raise XltError("there is no sentence in it", where=name, fix="check where it came from")
    if plus is not None:
        plus.warn()


def write_conllu(sentences: Iterable[Sentence], stream: TextIO) -> None:
    """Write sentences, each followed by an empty line; "\\n" ends every line.

    Nothing is escaped: CoNLL-U has no way to. Raises XltError, which names the sentence by its
    `sent_id` or number, for what `read_conllu` could not give back: no words, rows of other than
    ten columns, cells that are empty or have tabs or line breaks, words of nothing but spaces,
    heads without a relation, comments with line breaks or without ``#``, NUL, and halves of
    surrogate pairs. Sentences before it are written by then.
    """
    for number, sentence in enumerate(sentences, 1):
        where = f"sentence {sentence.comment('sent_id') or number}"
        if problem := _unwritable(sentence):
            raise XltError(
                f"{problem}, which CoNLL-U cannot hold", where=where, fix="remove or replace it"
            )
        text = "\n".join([*sentence.comments, *map("\t".join, sentence.rows)]) + "\n\n"
        check_characters(text, where=where)
        stream.write(text)


def _unwritable(sentence: Sentence) -> str | None:
    """What of a sentence would not be read as it is."""
    if not sentence.words:
        return "a sentence without words"
    for comment in sentence.comments:
        if not comment.startswith("#") or "\n" in comment or comment.endswith("\r"):
            return f"a comment with a line break, or without # ({comment[:40]!r})"
    for row in sentence.rows:
        if len(row) != len(COLUMNS):
            return f"a row of {len(row)} columns, or a tab in one ({row[FORM][:40]!r})"
        for column, cell in zip(COLUMNS, row, strict=True):
            if not cell:
                return f"an empty {column}"
            if column == "FORM" and cell.isspace():
                return f"a word of nothing but spaces ({cell!r})"
            if any(mark in cell for mark in "\t\n\r"):
                return f"a tab or a line break in {column} ({cell[:40]!r})"
    for row in sentence.words:
        if _lacks_relation(row):
            return f"a head without a relation ({row[FORM][:40]!r})"
    return None


def written_text(rows: Iterable[tuple[str, str, str | None]], stated: str | None) -> Text:
    """The text of a sentence; the words of a multiword token have its place.

    It is `stated` (the comment ``text``) if the tokens are those of it, else what the tokens make
    up, each followed by a space unless MISC says otherwise.

    rows: ID, FORM and MISC of each row, in order; None for MISC where the file has no such column
        and nobody knows where the spaces are.
    """
    words: list[str] = []
    forms: list[str] = []
    spaces: list[bool] = []
    ranges: list[tuple[int, int]] = []
    known = True
    end = 0
    for identifier, form, misc in rows:
        if "." in identifier:
            continue
        first, _, last = identifier.partition("-")
        if not last:
            words.append(form)
            if len(words) <= end:
                continue
        end = int(last or first)
        forms.append(form)
        spaces.append(misc is None or _space_after(misc))
        known = known and misc is not None
        ranges.append((int(first) - 1, end))
    written = Text.from_words(forms, spaces if known else None)
    if stated is not None and stated != written.surface:
        with suppress(ValueError):  # of another sentence, or edited by hand
            written = Text.locate(stated, forms)
    return written.with_multiword(words, ranges)


def _parse(
    name: str,
    numbered: list[tuple[int, str]],
    comments: list[str],
    start: int,
    strict: bool,
    plus: PlusColumns | None,
) -> Sentence:
    rows: list[Row] = []
    words: list[Row] = []
    at: list[int] = []
    numbering = Numbering(name)
    for number, line in numbered:
        row = line.split("\t") if plus is None else plus.cells(number, line)
        if len(row) != 10:
            raise _columns_error(name, number, line, len(row))
        if "" in row:
            column = COLUMNS[row.index("")]
            raise _error(name, number, f"column {column} is empty", "write `_` where it has none")
        if row[FORM].isspace():
            raise _error(name, number, "a word of nothing but spaces", "remove or join it")
        if row[ID] == str(len(words) + 1):
            words.append(row)
            at.append(number)
        else:
            numbering.check(number, row[ID], len(words))
        rows.append(row)
    if not words:
        raise _error(name, numbered[0][0], "a sentence without words", "remove it")
    numbering.finish(len(words))
    _check_heads(name, words, at, strict and PARTIAL not in comments)
    if strict:
        _check_relations(name, words, at)
    return Sentence(rows, words, comments, start, plus is None or "MISC" in plus.named)


def _check_heads(name: str, words: list[Row], at: list[int], strict: bool) -> None:
    heads: list[int] = []
    size = len(words)
    for i, row in enumerate(words):
        text = row[HEAD]
        number = whole(text)
        if number is not None:
            head = number
        elif text == "_" and not strict:
            head = -1
        else:
            raise _error(
                name, at[i], f"HEAD is {text!r:.40}, not a number", "0 for the root, else an ID"
            )
        if head > size:
            raise _error(
                name,
                at[i],
                f"head {head} is out of range: the sentence has {size} words",
                "HEAD is the ID of a word of this sentence, or 0",
            )
        heads.append(head)
    if strict and (problem := tree_problem(heads)):
        i, reason = problem
        raise _error(
            name, at[i], reason, "a tree has exactly one word with HEAD 0 and reaches all others"
        )


def _check_relations(name: str, words: list[Row], at: list[int]) -> None:
    """Raises XltError for a word that has a head and no relation to it."""
    for row, number in zip(words, at, strict=True):
        if _lacks_relation(row):
            raise _error(
                name,
                number,
                f"the relation is {row[DEPREL]!r}, though there is a head",
                "write the relation in column DEPREL, or `_` as HEAD, too",
            )


def _lacks_relation(row: Row) -> bool:
    return row[HEAD] != "_" and row[DEPREL].partition(":")[0] in ("", "_")


def _columns_error(name: str, number: int, line: str, n_columns: int) -> XltError:
    if line.startswith("#"):
        return _error(
            name, number, "a comment within a sentence", "comments stand before the first word"
        )
    fix = "the columns are " + " ".join(COLUMNS) + ", separated by one tab"
    if n_columns == 1 and len(line.split()) == 10:
        fix = "separate the columns by tabs, not spaces"
    return _error(name, number, f"{n_columns} columns where CoNLL-U has 10", fix)


def _error(name: str, number: int, what: str, fix: str) -> XltError:
    return XltError(what, where=f"{name}:{number}", fix=fix)


def _space_after(misc: str) -> bool:
    return misc == "_" or "SpaceAfter=No" not in misc.split("|")
