"""Column files in their documented form are read as they stand, and written in ours."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from xlt.data.comments import DOCUMENT
from xlt.document import Document, FlatSpans
from xlt.registry import tasks

FILES = Path(__file__).with_name("columns")
NER = tasks.get("ner")()


def named(document: Document) -> list[tuple[str, str]]:
    """Type and text of each entity."""
    spans = document.layer(FlatSpans, "entities").spans
    return [(s.kind, document.text.between(s.start, s.end)) for s in spans]


READ = {
    # https://www.clips.uantwerpen.be/conll2002/ner/: word and tag (IOB2), separated by a space
    "conll2002.txt": [
        [("LOC", "Kano"), ("LOC", "Najeriya"), ("ORG", "Kamfanin Dillancin Labarai")],
        [("PER", "Amina Bello")],
        [("ORG", "Banco Central")],
    ],
    # https://www.clips.uantwerpen.be/conll2003/ner/: word, part of speech, chunk, tag (IOB1)
    "conll2003.txt": [
        [("ORG", "Kano"), ("ORG", "Lagos"), ("ORG", "Kaduna")],
        [("PER", "Amina Bello")],
        [],
    ],
    "bioes.txt": [
        [("PER", "Amina Bello"), ("LOC", "Kano")],
        [("ORG", "Central Bank of Nigeria")],
    ],
    "types.tsv": [[("PERSON", "Amina Bello"), ("LOCATION", "Kano")]],
}
OPTIONS = {"types.tsv": {"scheme": "types"}}
"""All that has to be said."""


@pytest.mark.parametrize("name", READ)
def test_read_as_they_stand(name: str, tmp_path: Path) -> None:
    documents = list(NER.documents(FILES / name, "bio", **OPTIONS.get(name, {})))
    assert [named(document) for document in documents] == READ[name]
    written = tmp_path / "written.bio"
    with written.open("w", encoding="utf-8") as stream:
        NER.write(documents, stream, "bio")
    again = list(NER.documents(written, "bio"))
    assert again == documents  # which document each is of, too


@pytest.mark.parametrize("name", ["conll2002.txt", "conll2003.txt"])
def test_docstart_begins_a_document(name: str) -> None:
    documents = NER.documents(FILES / name, "bio")
    assert [document.meta[DOCUMENT] for document in documents] == ["1", "1", "2"]


def test_what_is_written_has_the_tags_of_iob2() -> None:
    stream = io.StringIO()
    NER.write(NER.documents(FILES / "conll2003.txt", "bio"), stream, "bio")
    assert stream.getvalue().splitlines()[:6] == [
        "# newdoc",
        "Kano\tB-ORG",
        "rejects\tO",
        "Lagos\tB-ORG",
        "Kaduna\tB-ORG",
        "call\tO",
    ]
