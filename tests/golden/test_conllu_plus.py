"""CoNLL-U Plus and PARSEME's .cupt are read as they stand, for trees and for entities."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from xlt.data.columns import read_columns
from xlt.data.comments import DOCUMENT
from xlt.data.conllu import read_conllu
from xlt.document import Document, FlatSpans, Tags, Tree
from xlt.errors import XltError
from xlt.registry import tasks

FILES = Path(__file__).with_name("columns")
NER, PARSING = tasks.get("ner")(), tasks.get("dependency_parsing")()


def entities(document: Document) -> list[tuple[str, str]]:
    """Type and text of each."""
    spans = document.layer(FlatSpans, "entities").spans
    return [(s.kind, document.text.between(s.start, s.end)) for s in spans]


def test_entities() -> None:
    path = FILES / "entities.conllup"
    (document,) = NER.documents(path, NER.format_of(path))
    assert entities(document) == [("PER", "Amina Bello"), ("ORG", "Banco Central")]
    assert (document.id, document.meta) == ("a-1", {DOCUMENT: "1"})
    assert document.words == ("Amina", "Bello", "de", "el", "Banco", "Central", ".")
    assert document.text.surface == "Amina Bello del Banco Central."
    stream = io.StringIO()
    NER.write([document], stream, "bio")
    assert "global.columns" not in stream.getvalue()


@pytest.mark.parametrize("tag", ["UPOS", 2, -3])
def test_the_column_of_tags_by_name_or_number(tag: str | int) -> None:
    with pytest.raises(XltError, match="'PROPN' is not a tag") as caught:
        list(NER.documents(FILES / "entities.conllup", "bio", tag=tag))
    assert str(caught.value.where).endswith("entities.conllup:5")


@pytest.mark.parametrize("options", [{"tag": "NE"}, {"tag": 7}, {"tag": 1}, {"word": 9}])
def test_no_such_column(options: dict[str, Any]) -> None:
    path = FILES / "entities.conllup"
    with pytest.raises(XltError, match="among the columns ID FORM UPOS NE:BIO MISC") as caught:
        list(NER.documents(path, "bio", **options))
    assert caught.value.where == f"{path}:1"
    with pytest.raises(XltError, match="among the columns ID FORM LEMMA"):
        list(NER.documents(FILES / "mwe.cupt", "bio"))
    with pytest.raises(XltError, match="no column is called 'NE', as nothing names them"):
        list(NER.documents(FILES / "conll2003.txt", "bio", tag="NE"))


@pytest.mark.parametrize(
    ("name", "heads", "unread"),
    [
        ("trees.conllup", (2, 0, 2), "NE:BIO (2)"),
        ("mwe.cupt", (2, 0, 2, 2, 2), "PARSEME:MWE (2)"),
    ],
)
def test_trees(
    name: str, heads: tuple[int, ...], unread: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = FILES / name
    (document,) = PARSING.documents(path, PARSING.format_of(path))
    assert document.layer(Tree, "tree").heads == heads
    assert document.layer(Tags, "upos").tags[1] == "VERB"
    assert f"{path}: columns that are not read, with so many values: {unread}" in caplog.text
    # What is written has CoNLL-U's columns, all of them.
    stream = io.StringIO()
    PARSING.write([document], stream, "conllu")
    (again,) = read_conllu(io.StringIO(stream.getvalue()))
    assert again.heads == list(heads)
    assert again.comment("global.columns") is None


def test_where_no_column_says_where_spaces_are_the_words_are_joined() -> None:
    assert [next(read_conllu(FILES / "trees.conllup")).text().joined] == [True]
    assert next(read_conllu(FILES / "mwe.cupt")).text().surface == "He gives it up."


@pytest.mark.parametrize(
    ("text", "strict", "line", "what"),
    [
        ("# global.columns = ID HEAD DEPREL\n1\t0\troot\n", True, 1, "there is no column FORM"),
        ("# global.columns = ID FORM\n1\ta\n", True, 1, "there is no column HEAD"),
        ("# global.columns = ID FORM FORM\n1\ta\tb\n", False, 1, "two columns are called FORM"),
        ("# global.columns = ID FORM X\n1\ta\n", False, 2, "2 columns where 3 were named"),
        ("# global.columns = ID FORM X\n1\t\tx\n", False, 2, "column FORM is empty"),
    ],
)
def test_malformed(text: str, strict: bool, line: int, what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.conllup"
    path.write_text(text)
    with pytest.raises(XltError, match=what) as caught:
        list(read_conllu(path, strict_trees=strict))
    assert caught.value.where == f"{path}:{line}"
    assert caught.value.fix


JOINED = (
    "# global.columns = ID FORM UPOS NE:BIO\n1\tAmina\tPROPN\tB-PER\n\n"
    "# global.columns = ID FORM {}\n1\tKano\tPROPN\tB-LOC\n"
)


def test_files_that_were_joined_have_to_name_the_same_columns(tmp_path):
    path = tmp_path / "a.conllup"
    path.write_text(JOINED.format("UPOS NE:BIO"), encoding="utf-8")
    assert [one.tags for one in read_columns(path)] == [["B-PER"], ["B-LOC"]]
    assert len(list(read_conllu(path, strict_trees=False))) == 2
    path.write_text(JOINED.format("NE:BIO UPOS"), encoding="utf-8")
    for read in (read_columns(path), read_conllu(path, strict_trees=False)):
        with pytest.raises(XltError, match="other columns are named"):
            list(read)
