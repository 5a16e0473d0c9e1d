"""Tables of pairs, as programs write them, are read as they stand, and come back as written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from xlt.errors import XltError
from xlt.registry import tasks

FILES = Path(__file__).with_name("tables")
NLI = tasks.get("nli")()

READ: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    # https://www.rfc-editor.org/rfc/rfc4180
    "rfc4180.csv": (
        {},
        [
            ('Amina, who lives in Kano, said "no".', "Amina spoke.", "entailment"),
            ("Two lines:\r\nhere and here.", "One line.", "contradiction"),
        ],
    ),
    # as spreadsheets write it where the comma is in numbers
    "spreadsheet.csv": (
        {},
        [
            ('Amina; who lives in Kano, said "no".', "Amina spoke.", "entailment"),
            ("One, two, three.", "A; b.", "contradiction"),
        ],
    ),
    "no-header.tsv": (
        {"header": False, "columns": {"label": 0, "premise": 1, "hypothesis": 2}},
        [
            ('Amina said "no".', "Amina spoke.", "entailment"),
            ("One, two.", "Three.", "contradiction"),
        ],
    ),
}


@pytest.mark.parametrize("name", READ)
def test_read_and_written(name: str, tmp_path: Path) -> None:
    options, pairs = READ[name]
    documents = list(NLI.documents(FILES / name, name[-3:], **options))
    rows = [NLI.to_row(document) for document in documents]
    assert [(r["premise"], r["hypothesis"], r["label"]) for r in rows] == pairs
    path = tmp_path / "written.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        NLI.write(documents, stream, "csv")
    assert list(NLI.documents(path, "csv")) == documents


@pytest.mark.parametrize(
    ("name", "options", "what", "fix"),
    [
        ("no-header.tsv", {}, "the field 'premise' is missing", "`header: false`"),
        ("no-header.tsv", {"header": False}, "nothing says what the columns are", "`columns: {"),
        (
            "no-header.tsv",
            {"header": False, "columns": {"premise": "text"}},
            "there is no column 'text'",
            "`columns: {premise: 0}`",
        ),
        (
            "no-header.tsv",
            {"header": False, "columns": {"premise": 3}},
            "there is no column 3: the first row has 3",
            "from 0",
        ),
        ("rfc4180.csv", {"columns": {"label": 9}}, "there is no column 9", "from 0"),
        ("spreadsheet.csv", {"delimiter": "comma"}, "a quotation mark that does not", "double"),
    ],
)
def test_refused(name: str, options: dict[str, Any], what: str, fix: str) -> None:
    with pytest.raises(XltError) as caught:
        list(NLI.documents(FILES / name, name[-3:], **options))
    assert what in caught.value.what
    assert str(caught.value.where).startswith(f"{FILES / name}:")
    assert fix in str(caught.value.fix)


@pytest.mark.parametrize("format", ["csv", "tsv"])
def test_no_row(format: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes("\ufeff\n".encode())
    with pytest.raises(XltError, match="there is no row in it"):
        list(NLI.documents(path, format))


def test_a_delimiter_that_may_be_one_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("premise,hypothesis;label\nA,b;neutral\n")
    with pytest.raises(XltError) as caught:
        list(NLI.documents(path, "csv"))
    assert caught.value.what == "the columns may be separated by commas or semicolons"
    assert "`delimiter: comma` or `delimiter: semicolon`" in str(caught.value.fix)
    # Where one of them gives all rows as many cells, it is that one.
    path.write_text("premise;hypothesis;label\nA, b, c;B;neutral\nA, b;B;neutral\n")
    assert [d.texts["premise"].surface for d in NLI.documents(path, "csv")] == ["A, b, c", "A, b"]
    path.write_text("A, b;B;neutral\nA, b, c;B;neutral\n")
    told = {"header": False, "columns": {"premise": 0, "hypothesis": 1, "label": 2}}
    (first, _) = NLI.documents(path, "csv", **told)
    stream = io.StringIO()
    NLI.write([first], stream, "csv")
    assert stream.getvalue().splitlines()[1] == '1,"A, b",B,neutral,'
