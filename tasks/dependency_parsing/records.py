"""Documents from CoNLL-U and from rows, and back; a tree may be partial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.data.comments import begins_document, comment_line, document_meta
from xlt.data.fields import identifier
from xlt.data.rows import text_columns, text_from_columns
from xlt.document import Document, Tags, Tree
from xlt.document.document import Row
from xlt.errors import XltError

from .inventory import Others
from .metrics import universal

if TYPE_CHECKING:
    from xlt.data.conllu import Sentence


def read(path: Path, *, labelled: bool) -> Iterator[Document]:
    """Read CoNLL-U; `meta["lines"]` is the sentence as it was read.

    labelled: every sentence has a whole tree, unless a comment says that it is partial.
    Raises XltError with ``path:line`` for anything malformed.
    """
    from xlt.data.conllu import UPOS, read_conllu

    others = Others()
    document = 0
    for number, sentence in enumerate(read_conllu(path, strict_trees=labelled), 1):
        document += begins_document(sentence.comments)
        if labelled:
            others.add(sentence.heads, sentence.deprels, sentence.line)
        lines = [*sentence.comments, *("\t".join(row) for row in sentence.rows)]
        yield Document(
            sentence.comment("sent_id") or str(number),
            {"text": sentence.text()},
            {
                "upos": Tags(tuple(_known(row[UPOS]) for row in sentence.words)),
                "tree": Tree(tuple(sentence.heads), tuple(sentence.deprels)),
            },
            meta={"lines": lines, **document_meta(document)},
        )
    others.warn(path)


def to_sentence(document: Document) -> Sentence:
    """Return the document's sentence of CoNLL-U: the one that was read, if there was one, with the
    heads and relations of the document.

    Raises XltError for an id that a comment cannot hold.
    """
    from xlt.data.conllu import DEPREL, HEAD, PARTIAL, Sentence

    tree = document.layer(Tree, "tree")
    if "lines" in document.meta:
        sentence = Sentence.from_lines(document.meta["lines"])
        for row, head, relation in zip(sentence.words, tree.heads, tree.relations, strict=True):
            row[HEAD], row[DEPREL] = "_" if head < 0 else str(head), relation
        return sentence
    heads = tree.heads
    where = f"record {document.id!r}"
    comments = [
        comment_line("sent_id", document.id, where=where),
        comment_line("text", " ".join(document.text.surface.splitlines()), where=where),
    ]
    partial = [PARTIAL] if min(heads, default=0) < 0 <= max(heads, default=-1) else []
    upos = [tag or "_" for tag in document.layer(Tags, "upos").tags]
    return Sentence.from_text(
        document.text, heads, tree.relations, upos=upos, comments=[*comments, *partial]
    )


def from_row(row: Row, *, where: object) -> Document:
    """Return the document of a row. Raises XltError unless tags, heads and relations are one for
    each word, and the heads a tree or a part of one."""
    text = text_from_columns(row, where=where)
    size = len(text.words)
    upos = row.get("upos") or ["_"] * size
    for name, values, kind in (
        ("upos", upos, str),
        ("heads", row["heads"], object),
        ("relations", row["relations"], str),
    ):
        if (
            not isinstance(values, list)
            or len(values) != size
            or not all(isinstance(value, kind) for value in values)
        ):
            raise XltError(
                f"`{name}` is not a list of one {'text' if kind is str else 'value'} for each "
                f"of the {size} words",
                where=where,
                fix="give each word one",
            )
    heads = _heads(row["heads"], where)
    for head, relation in zip(heads, row["relations"], strict=True):
        if head >= 0 and universal(relation) in ("", "_"):
            raise XltError(
                f"the relation of a word that has a head is {relation!r}",
                where=where,
                fix="write it, or -1 as the head, too",
            )
    layers = {"upos": Tags(tuple(map(_known, upos))), "tree": Tree(heads, tuple(row["relations"]))}
    return Document(identifier(row["id"], "", where=where), {"text": text}, layers)


def to_row(document: Document) -> Row:
    """Return the row of a document; ``_`` is written for no tag."""
    tree = document.layer(Tree, "tree")
    return {
        "id": document.id,
        **text_columns(document.text),
        "upos": [tag or "_" for tag in document.layer(Tags, "upos").tags],
        "heads": list(tree.heads),
        "relations": list(tree.relations),
    }


def _heads(given: Sequence[object], where: object) -> tuple[int, ...]:
    """The heads of a row, -1 for one that is not known. Raises XltError for what is no tree."""
    from xlt.data.numbers import integer
    from xlt.data.trees import tree_problem

    heads = [
        integer(head, f"the head of word {number}", where=where)
        for number, head in enumerate(given, 1)
    ]
    size = len(heads)
    if min(heads) >= 0:
        problem = tree_problem(heads)
    else:  # a part of a tree
        outside = (n for n, head in enumerate(heads) if not -1 <= head <= size)
        problem = next(((n, f"head {heads[n]} is out of range") for n in outside), None)
    if problem:
        word, reason = problem
        raise XltError(
            f"the heads are no tree: word {word + 1}: {reason}",
            where=where,
            fix="give the number of each word's head, from 1; 0 for the one root; -1 if not known",
        )
    return tuple(heads)


def _known(tag: str) -> str | None:
    return None if tag == "_" else tag
