"""Formats of annotation tools: golden files of each documented format, read, written, read."""

from __future__ import annotations

import io
import json
import logging
import random
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from xlt.data.offsets import SpanLocator
from xlt.data.references import reference_to, resolve
from xlt.data.tools.formats import needs_path, tool, tools_of
from xlt.data.tools.layers import NO_CLASS, SEVERAL_CLASSES, documents_of, record_of
from xlt.data.tools.options import DocBinOptions, ToolOptions
from xlt.data.tools.record import Mark, Record
from xlt.data.tools.tally import Tally
from xlt.document import Document, FlatSpans, Label, Span, Spans, Structures, Text
from xlt.errors import XltError
from xlt.registry import tasks

GOLDEN = Path(__file__).parents[1] / "golden" / "tools"


def read(task: str, path: Path, format: str, **options) -> list[Document]:
    return list(tasks.get(task)().documents(path, format, **options))


def named(document: Document, layer: str = "entities") -> list[tuple[str, str]]:
    """Kind and text of each span."""
    text = document.text
    return [(s.kind, text.between(s.start, s.end)) for s in document.layer(Spans, layer).spans]


def events(document: Document) -> list[tuple[str, str, list[tuple[str, str]]]]:
    text = document.text
    return [
        (
            head.kind,
            text.between(head.start, head.end),
            [(part.kind, text.between(part.start, part.end)) for part in parts],
        )
        for head, parts in document.layer(Structures, "events").structures
    ]


def errors(action: Callable[[], object]) -> list[XltError]:
    """What it raises of what a user may see."""
    try:
        action()
    except XltError as error:
        return [error]
    return []


def again(task: str, documents: list[Document], format: str, folder: Path, **options):
    """What is read of what is written."""
    plugin = tasks.get(task)()
    path = folder / "written"
    if needs_path(format):
        plugin.write_any(documents, path, format)
    else:
        with path.open("w", encoding="utf-8") as stream:
            plugin.write_any(documents, stream, format)
    return list(plugin.documents(path, format, **options))


FIRST = [("PER", "Amina Bello"), ("LOC", "Kano")]
MOTION = [("Motion", "tafi", [("Agent", "Amina Bello"), ("Goal", "Kano")])]
NER_FILES = [("doccano", "doccano.jsonl"), ("webanno", "webanno.tsv")]
EVENT_FILES = [
    ("doccano", "doccano-relations.jsonl"),
    ("label-studio", "label-studio.json"),
    ("prodigy", "prodigy.jsonl"),
    ("brat", "brat"),
    ("brat", "brat/news/a.ann"),
]
AGAIN = {"label-studio": {"predictions": True}}
"""What is written there is a prediction."""


@pytest.mark.parametrize(("format", "file"), NER_FILES)
def test_entities(format, file, tmp_path):
    documents = read("ner", GOLDEN / file, format)
    assert documents[0].text.surface == "Amina Bello ta tafi Kano jiya."
    assert named(documents[0]) == FIRST
    assert named(documents[1]) == []
    assert again("ner", documents, format, tmp_path, **AGAIN.get(format, {})) == documents


@pytest.mark.parametrize(("format", "file"), EVENT_FILES)
def test_events(format, file, tmp_path):
    documents = read("event_extraction", GOLDEN / file, format)
    assert named(documents[0]) == FIRST
    assert events(documents[0]) == MOTION
    assert (
        again("event_extraction", documents, format, tmp_path, **AGAIN.get(format, {})) == documents
    )


@pytest.mark.parametrize("format", ["doccano", "label-studio", "prodigy"])
def test_classes(format, tmp_path):
    documents = read("nli", GOLDEN / "doccano-classes.jsonl", "doccano")
    assert [d.layers["label"].label for d in documents] == ["entailment", "contradiction"]
    assert again("nli", documents, format, tmp_path, **AGAIN.get(format, {})) == documents


def test_what_stands_beside_a_text_is_written_back(tmp_path):
    documents = read("ner", GOLDEN / "doccano.jsonl", "doccano")
    stream = io.StringIO()
    tasks.get("ner")().write_any(documents, stream, "doccano")
    first = json.loads(stream.getvalue().splitlines()[0])
    assert first["source"] == "made up"
    stream = io.StringIO()
    documents = read("ner", GOLDEN / "label-studio.json", "label-studio")
    tasks.get("ner")().write_any(documents, stream, "label-studio")
    assert json.loads(stream.getvalue())[0]["data"]["source"] == "made up"


# From characters to words -------------------------------------------------------------------------


@pytest.fixture
def of_spans(tmp_path):
    """Reads a text with these spans by doccano's format."""

    def make(text, *spans, task="ner", **options):
        path = tmp_path / "data.jsonl"
        path.write_text(json.dumps({"text": text, "label": [list(s) for s in spans]}))
        return read(task, path, "doccano", **options)

    return make


def test_a_span_that_ends_within_a_word_is_widened_and_counted(of_spans, caplog):
    (document,) = of_spans("Ya je Istanbul'da.", (6, 14, "LOC"))
    assert named(document) == [("LOC", "Istanbul'da")]
    assert "spans that ended within a word now have all of it: 1 (first in 1)" in caplog.text


def test_or_the_word_is_split(of_spans, caplog):
    (document,) = of_spans("Ya je Istanbul'da.", (6, 14, "LOC"), cut="split")
    assert named(document) == [("LOC", "Istanbul")]
    assert document.words == ("Ya", "je", "Istanbul", "'da", ".")
    assert "words were split where a span ends within them: 1" in caplog.text


def test_white_space_at_the_ends_of_a_span_is_no_change(of_spans, caplog):
    (document,) = of_spans("Ya je Kano jiya", (5, 11, "LOC"))
    assert named(document) == [("LOC", "Kano")]
    assert not caplog.records


@pytest.mark.parametrize("split", ["none", "sentences", "lines"])
def test_nor_is_it_where_a_text_is_split(of_spans, caplog, split):
    text, spans = " Amina ta zo. \n\n Kano \n", [(0, 7, "PER"), (13, 22, "LOC")]
    documents = of_spans(text, *spans, split=split, language="hau")
    assert [one for d in documents for one in named(d)] == [("PER", "Amina"), ("LOC", "Kano")]
    assert not caplog.records


@pytest.mark.parametrize(("nested", "kept"), [("outer", "Jami'ar Bayero Kano"), ("inner", "Kano")])
def test_of_overlapping_spans_a_flat_task_keeps_one(of_spans, caplog, nested, kept):
    spans = (0, 19, "ORG"), (15, 19, "LOC")
    (document,) = of_spans("Jami'ar Bayero Kano", *spans, nested=nested)
    assert [text for _, text in named(document)] == [kept]
    assert "spans that overlap others are left out, which this task cannot have: 1" in caplog.text


def test_a_task_of_nested_spans_keeps_both(of_spans, caplog):
    spans = (0, 19, "ORG"), (15, 19, "LOC")
    (document,) = of_spans("Jami'ar Bayero Kano", *spans, task="event_extraction")
    assert len(named(document)) == 2
    assert not caplog.records


def test_relations_that_a_task_cannot_have_are_counted(caplog):
    (document,) = read("ner", GOLDEN / "doccano-relations.jsonl", "doccano")
    assert len(named(document)) == 3
    assert "relations are left out, which this task cannot have: 2" in caplog.text


def test_triggers_may_be_named(of_spans):
    (document,) = of_spans("Ta tafi.", (3, 7, "Motion"), task="event_extraction", triggers=["Mo*"])
    assert events(document) == [("Motion", "tafi", [])]
    assert named(document) == []


def test_words_are_those_of_the_language(of_spans):
    (document,) = of_spans("Ann's", (0, 3, "PER"), language="English")
    assert document.words == ("Ann", "'s")
    assert document.language == "eng"


@pytest.mark.parametrize("split", ["sentences", "lines"])
def test_texts_may_be_split(of_spans, split):
    text = "Amina ta zo.\nBello\nya tafi. Kano."
    spans = (0, 5, "PER"), (13, 21, "PER"), (28, 32, "LOC")
    documents = of_spans(text, *spans, split=split, language="hau")
    surfaces = {
        "sentences": ["Amina ta zo.", "Bello\nya tafi.", "Kano."],
        "lines": ["Amina ta zo.", "Bello\nya tafi. Kano."],
    }
    assert [d.text.surface for d in documents] == surfaces[split]
    assert [s for d in documents for s in named(d)] == [
        ("PER", "Amina"),
        ("PER", "Bello\nya"),
        ("LOC", "Kano"),
    ]
    assert [d.id for d in documents] == [f"1.{n}" for n in range(1, len(documents) + 1)]


def test_sentences_need_a_language(of_spans):
    with pytest.raises(XltError, match="rules of a language"):
        of_spans("Ta zo. Ya tafi.", split="sentences")


# What tools have that others have not -------------------------------------------------------------


def test_label_studio_counts_what_it_leaves_out(caplog):
    documents = read("ner", GOLDEN / "label-studio.json", "label-studio")
    assert [d.id for d in documents] == ["3", "4"]
    assert named(documents[1]) == [("LOC", "nan")]
    for said in (
        "tasks without an annotation are left out: 1 (first in [3])",
        "annotations that were skipped are left out: 1",
        "results of type 'textarea' are left out: 1",
        "tasks have several annotations, of which one is read: 1",
    ):
        assert said in caplog.text


@pytest.mark.parametrize(
    ("told", "ids", "spans"),
    [
        ({"several": "first"}, ["3", "4"], 3),
        ({"several": "all"}, ["3#9", "4#11", "4#12"], 4),
        ({"annotator": "2"}, ["4"], 1),
        ({"annotator": "a@example.org"}, ["3"], 3),
        ({"labelled": False}, ["3", "4", "5"], 4),
    ],
)
def test_label_studio_has_several_annotators(told, ids, spans):
    documents = read("ner", GOLDEN / "label-studio.json", "label-studio", **told)
    assert [d.id for d in documents] == ids
    assert sum(len(named(d)) for d in documents) == spans


def test_label_studio_of_old_counted_utf_16(tmp_path, caplog):
    value = {"start": 5, "end": 9, "text": "Kano", "labels": ["LOC"]}
    result = {"id": "a", "type": "labels", "value": value}
    task = {"data": {"text": "😀 je Kano"}, "annotations": [{"result": [result]}]}
    task["data"]["text"] = "😀 a Kano"
    path = tmp_path / "old.json"
    path.write_text(json.dumps([task]))
    (document,) = read("ner", path, "label-studio")
    assert named(document) == [("LOC", "Kano")]
    assert "1 of 1 span moved: 1 counted in UTF-16 code units" in caplog.text


def test_prodigy_counts_what_was_not_accepted(caplog):
    documents = read("ner", GOLDEN / "prodigy.jsonl", "prodigy")
    assert [d.id for d in documents] == ["h1", "h2"]
    assert "examples whose answer is 'reject' are left out: 1 (first in 3)" in caplog.text
    assert "examples whose answer is 'ignore' are left out: 1 (first in 4)" in caplog.text
    assert len(read("ner", GOLDEN / "prodigy.jsonl", "prodigy", labelled=False)) == 4


def test_prodigy_gets_the_tokens_of_its_spans():
    documents = read("ner", GOLDEN / "prodigy.jsonl", "prodigy")
    stream = io.StringIO()
    tasks.get("ner")().write_any(documents, stream, "prodigy")
    row = json.loads(stream.getvalue().splitlines()[0])
    assert [(span["start"], span["end"]) for span in row["spans"]] == [(0, 11), (15, 19), (20, 24)]
    for span in row["spans"]:
        first, last = row["tokens"][span["token_start"]], row["tokens"][span["token_end"]]
        assert (first["start"], last["end"]) == (span["start"], span["end"])


@pytest.fixture
def of_brat(tmp_path):
    """Reads a text with these lines of brat's annotation."""

    def make(text, *lines, task="ner", **options):
        (tmp_path / "a.txt").write_text(text, encoding="utf-8")
        (tmp_path / "a.ann").write_text("\n".join(lines), encoding="utf-8")
        return read(task, tmp_path / "a.ann", "brat", **options)

    return make


def test_brat_counts_what_it_leaves_out(caplog):
    assert [d.id for d in read("ner", GOLDEN / "brat", "brat")] == ["news/a", "news/b"]
    assert "attributes are left out: 1 (first in" in caplog.text
    assert "notes are left out: 1" in caplog.text


@pytest.mark.parametrize(
    ("told", "kept", "said"),
    [
        ({}, [("X", "ido na hagu da")], "spans with gaps now cover them: 1"),
        ({"discontinuous": "drop"}, [], "spans with gaps are left out: 1"),
    ],
)
def test_a_span_with_a_gap_is_counted(of_brat, caplog, told, kept, said):
    (document,) = of_brat("ido na hagu da dama", "T1\tX 0 3;12 14\tido da", **told)
    assert named(document) == kept
    assert said in caplog.text


def test_a_span_over_a_line_end_has_no_gap(of_brat, caplog):
    (document,) = of_brat("Amina\nBello ta zo", "T1\tPER 0 5;6 11\tAmina Bello")
    assert named(document) == [("PER", "Amina\nBello")]
    assert not caplog.records


def test_without_events_of_brat_triggers_may_be_named(of_brat):
    line = "T1\tMotion 3 7\ttafi"
    (document,) = of_brat("Ta tafi.", line, task="event_extraction", triggers=["Mo*"])
    assert events(document) == [("Motion", "tafi", [])]
    (document,) = of_brat("Ta tafi.", line, task="event_extraction")
    assert events(document) == []


def test_a_line_end_of_brat_has_as_many_characters_as_are_there(of_brat):
    (document,) = of_brat("Amina\r\nBello", "T1\tPER 7 12\tBello")
    assert named(document) == [("PER", "Bello")]
    with pytest.raises(XltError, match="at its offsets is") as error:
        of_brat("Amina\r\nBello", "T1\tPER 6 11\tBello")
    assert "\\r\\n as two" in error.value.fix


def test_relations_of_brat_are_no_events(of_brat, caplog):
    lines = "T1\tPER 0 5\tAmina", "T2\tPER 6 11\tBello", "R1\tFamily Arg1:T1 Arg2:T2"
    (document,) = of_brat("Amina Bello", *lines)
    assert len(named(document)) == 2
    assert "relations are left out, which this task cannot have: 1" in caplog.text


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("T1\tPER 0 5\tBello", "but at its offsets is 'Amina'"),
        ("T1\tPER 0 50\tAmina", "in a text of 11"),
        ("T1\tPER 5 0\tAmina", "in a text of 11"),
        ("T1\tPER 5 6\t ", "nothing but white space"),
        ("T1 PER 0 5 Amina", "no line of brat's"),
        ("T1\tPER 0\tAmina", "is not TYPE START END"),
        ("E1\tMotion:T7", "there is no 'T7'"),
        ("E1\tMotion", "is not NAME:ID"),
        ("R1\tFamily Arg1:T7", "has not two arguments"),
        ("R1\tFamily Arg1:T7 Arg2:T8", "there is no 'T7'"),
    ],
)
def test_wrong_lines_of_brat(of_brat, tmp_path, line, what):
    with pytest.raises(XltError, match=re.escape(what)) as error:
        of_brat("Amina Bello", line)
    assert error.value.where == f"{tmp_path}/a.ann:1"
    assert error.value.fix


def test_brat_needs_text_and_annotation(tmp_path):
    (tmp_path / "a.ann").write_text("")
    for path in (tmp_path, tmp_path / "a.ann"):
        with pytest.raises(XltError, match=r"no \.txt"):
            read("ner", path, "brat")
    (tmp_path / "b.txt").write_text("Ta zo.")
    (tmp_path / "a.ann").unlink()
    with pytest.raises(XltError, match=r"no \.ann file"):
        read("ner", tmp_path, "brat")
    (document,) = read("ner", tmp_path, "brat", labelled=False)
    assert document.words == ("Ta", "zo", ".")


@pytest.mark.parametrize("id", ["..", "a//b", "", "x" * 300, "a\nb"])
def test_brat_writes_to_no_other_place(id, tmp_path):
    document = replace(read("ner", GOLDEN / "brat/news/a.ann", "brat")[0], id=id)
    with pytest.raises(XltError, match="cannot name a file"):
        tasks.get("ner")().write_any([document], tmp_path / "out", "brat")
    assert [*tmp_path.rglob("*.txt")] == []


def test_data_of_brat_are_known_by_their_texts_too(tmp_path):
    (tmp_path / "a.txt").write_text("Amina")
    (tmp_path / "a.ann").write_text("T1\tPER 0 5\tAmina")
    prints = set()
    for text in ("Amina", "Amina Bello"):
        (tmp_path / "a.txt").write_text(text)
        for path in (tmp_path, tmp_path / "a.ann"):
            data = resolve(reference_to(str(path), format="brat"), "hau", "train")
            prints.add(data.fingerprint)
    assert len(prints) == 2
    with pytest.raises(XltError, match="this is a folder"):
        resolve(reference_to(str(tmp_path), format="doccano"), "hau", "train")


# spaCy's DocBin -----------------------------------------------------------------------------------


@pytest.fixture
def docbin(tmp_path):
    """A file that spaCy itself has written."""
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin, Span

    nlp = spacy.blank("en")
    first = nlp("Amina Bello  went to\nKano.")
    first.ents = [Span(first, 0, 2, "PER"), Span(first, 6, 7, "LOC")]
    first.spans["sc"] = [Span(first, 0, 2, "PER"), Span(first, 1, 2, "SURNAME")]
    second = nlp("Nobody here.")
    for doc, label in ((first, "neutral"), (second, "entailment")):
        doc.cats = {label: 1.0, "contradiction": 0.0}
    DocBin(docs=[first, second]).to_disk(tmp_path / "a.spacy")
    return tmp_path / "a.spacy"


def test_docbin(docbin, tmp_path):
    assert tasks.get("ner")().format_of(docbin) == "docbin"
    documents = read("ner", docbin, "docbin")
    assert [d.text.surface for d in documents] == ["Amina Bello  went to\nKano.", "Nobody here."]
    assert [named(d) for d in documents] == [FIRST, []]
    assert again("ner", documents, "docbin", tmp_path) == documents
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    first, _ = DocBin().from_disk(tmp_path / "written").get_docs(Vocab())
    assert [(e.label_, e.text) for e in first.ents] == FIRST


def test_a_group_of_spans_of_docbin(docbin):
    (first, _) = read("ner", docbin, "docbin", group="sc", nested="inner")
    assert named(first) == [("SURNAME", "Bello")]


def test_groups_that_are_not_read_are_counted(docbin, caplog):
    read("ner", docbin, "docbin")
    assert "spans of the group 'sc' are left out: 2 (first in 1)" in caplog.text
    with pytest.raises(XltError, match="no group of spans is called 'cs'") as error:
        read("ner", docbin, "docbin", group="cs")
    assert error.value.fix.startswith("valid: sc; set `group: GROUP`")


def test_blocked_tokens_of_docbin_are_in_no_entity(tmp_path):
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin, Span

    doc = spacy.blank("en")("Amina Bello saw Kano")
    doc.set_ents([Span(doc, 1, 2, "PER")], blocked=[doc[0:1], doc[2:3]])
    DocBin(docs=[doc]).to_disk(tmp_path / "a.spacy")
    (document,) = read("ner", tmp_path / "a.spacy", "docbin")
    assert named(document) == [("PER", "Bello")]
    DocBin(attrs=["ENT_IOB"], docs=[doc]).to_disk(tmp_path / "a.spacy")
    with pytest.raises(XltError, match="entities, but not their labels"):
        read("ner", tmp_path / "a.spacy", "docbin")


def test_all_documents_of_docbin_have_groups_or_none(tmp_path):
    pytest.importorskip("spacy")
    words = (0, 5), (6, 10)
    one, other = Mark("PER", ((0, 10),)), Mark("LOC", ((6, 10),))
    records = [Record(str(n), {"text": "Amina Kano"}, words=words) for n in range(3)]
    marks = [(one, other), (other,), ()]
    nested = [replace(record, marks=own) for record, own in zip(records, marks, strict=True)]
    path = tmp_path / "a.spacy"
    tool("docbin").write(nested, path)
    with Tally(path) as tally:
        reader = tool("docbin")(("text",), DocBinOptions(group="sc"), tally, None)
        found = [r for where, one in reader.raw(path) for r in reader.records(where, one)]
    assert [record.marks for record in found] == marks


def test_docbin_has_no_relations():
    assert "docbin" not in tasks.get("event_extraction").readable()


@pytest.mark.parametrize("seed", range(30))
def test_damaged_docbins_are_refused_or_read(docbin, seed):
    draw = random.Random(seed)
    content = bytearray(docbin.read_bytes())
    inside = bytearray(zlib.decompress(content))
    changed = inside if seed % 3 else content
    for _ in range(draw.randint(1, 3)):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    docbin.write_bytes(zlib.compress(inside) if seed % 3 else content)
    for group in (None, "sc"):
        for error in errors(lambda group=group: read("ner", docbin, "docbin", group=group)):
            assert error.fix
            assert str(error.where).startswith(str(docbin))


# WebAnno's TSV ------------------------------------------------------------------------------------


def test_webanno_chooses_a_layer(tmp_path, caplog):
    (first, _) = read("ner", GOLDEN / "webanno.tsv", "webanno", layer="Topic")
    assert named(first) == [("travel", "Kano")]
    assert "annotations of layer webanno.custom.Family are left out: 1 (first in 12)" in caplog.text
    with pytest.raises(XltError, match="no layer of spans is called 'Place'"):
        read("ner", GOLDEN / "webanno.tsv", "webanno", layer="Place")
    with pytest.raises(XltError, match="has the features identifier, value"):
        read("ner", GOLDEN / "webanno.tsv", "webanno", feature="kind")


def test_webanno_holds_any_text_and_label(of_spans, tmp_path):
    text = "😀 Ann's\tb\\c_d [x] Rome\nNew York 😀."
    spans = (2, 7, "A_b|c"), (19, 23, "*"), (24, 32, "P[1]\\"), (33, 34, "\\|;x\\")
    documents = of_spans(text, *spans) * 2
    written = again("ner", documents, "webanno", tmp_path)
    assert [(d.text, d.layers) for d in written] == [(d.text, d.layers) for d in documents]


@pytest.mark.parametrize(
    ("old", "new", "what", "line"),
    [
        ("1-2\t6-11", "1-2\t6-12", "does not stand at 6-12", 9),
        ("1-2\t6-11", "1-2\tx", "is no number and place of a token", 9),
        ("\tta\t_\t_", "\tta\t_", "columns where the header makes 8", 10),
        ("#T_RL=", "#T_XX=", "names no layer", 4),
        ("#Text=Ba kowa a nan.\n", "", "the sentence has no text", 16),
        ("#Text=Ba", "#Text=\\u0000Ba", "the character NUL", 16),
        ("#Text=Ba", "#Text=\\ud83dBa", "half of a surrogate pair (U+D83D)", 16),
    ],
)
def test_wrong_lines_of_webanno(tmp_path, old, new, what, line):
    text = (GOLDEN / "webanno.tsv").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "a.tsv"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(XltError, match=re.escape(what)) as error:
        read("ner", path, "webanno")
    assert error.value.where == f"{path}:{line}"


def test_several_classes_are_counted(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    path = tmp_path / "classes.jsonl"
    pair = {"premise": "a", "hypothesis": "b"}
    rows = [pair | {"label": ["neutral", "entailment"]}, pair | {"label": []}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read("nli", path, "doccano") == []
    assert "texts of several classes are left out" in caplog.text
    assert "texts without a class are left out: 1 (first in 2)" in caplog.text


BOTH = {"entities": Spans, "label": Label}
"""Layers of spans and of a class."""


@pytest.mark.parametrize("format", ["doccano", "prodigy", "label-studio", "docbin"])
def test_a_text_may_have_spans_and_a_class(format, tmp_path):
    text = Text.from_words(["Amina", "Bello"])
    layers = {"entities": Spans((Span("PER", 0, 2),)), "label": Label("neutral")}
    documents = [Document("1", {"text": text}, layers)]
    kind, path = tool(format), tmp_path / "a"
    records = [record_of(document, BOTH) for document in documents]
    if needs_path(format):
        kind.write(records, path)
    else:
        with path.open("w", encoding="utf-8") as stream:
            kind.write(records, stream)
    told = kind.Options(**AGAIN.get(format, {}))
    with Tally(path) as tally, SpanLocator(path, "span", "text") as locate:
        reader = kind(("text",), told, tally, locate)
        again = [r for where, one in reader.raw(path) for r in reader.records(where, one)]
        found = [d for record in again for d in documents_of(record, BOTH, told, tally)]
    assert [d.layers for d in found] == [layers]
    assert not tally.counts


@pytest.mark.parametrize(("classes", "said"), [((), NO_CLASS), (("a", "b"), SEVERAL_CLASSES)])
def test_spans_of_a_text_that_has_not_one_class_are_left_out(classes, said):
    record = Record("1", {"text": "Amina"}, "a:1", (Mark("PER", ((0, 5),)),), classes=classes)
    tally = Tally("a")
    assert [*documents_of(record, BOTH, ToolOptions(), tally)] == []
    assert tally.counts == {said: 1}
    (document,) = documents_of(record, BOTH, ToolOptions(labelled=False), tally)
    assert document.layers == {"entities": Spans((Span("PER", 0, 1),)), "label": Label(None)}


def test_only_formats_that_can_say_it_have_classes():
    task = SimpleNamespace(annotated=None, layers={"label": Label}, texts=("text",))
    assert [*tools_of(task)] == ["doccano", "label-studio", "prodigy", "docbin", "csv"]
    assert "csv" not in tasks.get("ner").readable()


def test_a_table_of_texts_and_classes(tmp_path, caplog):
    path = tmp_path / "a.csv"
    path.write_text('label;review;by\ngood;"Sunny; warm.";A\n;Cold.;\nbad;"Two\nlines.";B\n')

    def read_table(**options):
        kind = tool("csv")
        told = kind.Options(**options)
        with Tally(path) as tally, SpanLocator(path, "span", "text") as locate:
            reader = kind(("text",), told, tally, locate)
            records = [r for where, one in reader.raw(path) for r in reader.records(where, one)]
            layers = {"label": Label}
            return [d for one in records for d in documents_of(one, layers, told, tally)]

    documents = read_table(columns={"text": "review"})
    assert [(d.id, d.text.surface, d.layers["label"].label) for d in documents] == [
        ("2", "Sunny; warm.", "good"),
        ("4", "Two\nlines.", "bad"),
    ]
    assert "texts without a class are left out: 1 (first in 3)" in caplog.text
    assert "values in the column 'by' are left out: 2 (first in 2)" in caplog.text
    assert len(read_table(columns={"text": "review"}, labelled=False)) == 3
    for options in ({}, {"columns": {"text": "review", "id": "label"}}):
        with pytest.raises(XltError, match="is missing") as caught:
            read_table(**options)
        assert "`header: false`" in str(caught.value.fix)
    with path.open("w", encoding="utf-8", newline="") as stream:
        tool("csv").write((record_of(d, {"label": Label}) for d in documents), stream)
    assert read_table() == documents


def test_doccano_has_spans_beside_classes(tmp_path):
    path = tmp_path / "intents.jsonl"
    row = {"text": "Zuwa Kano", "cats": ["flight"], "entities": [[5, 9, "LOC"]]}
    path.write_text(json.dumps(row))
    (document,) = read("ner", path, "doccano")
    assert named(document) == [("LOC", "Kano")]
    path.write_text(json.dumps(row | {"cats": [[0, 4, "LOC"]]}))
    with pytest.raises(XltError, match="a label in `cats` is"):
        read("ner", path, "doccano")


def test_options_of_the_task_hold(tmp_path):
    task = tasks.get("ner")
    (first, _) = task(task.Options(types=["LOC"])).documents(GOLDEN / "doccano.jsonl", "doccano")
    assert named(first) == [("LOC", "Kano")]


def test_a_task_that_cannot_say_it_has_no_such_format():
    assert "doccano" not in tasks.get("dependency_parsing").readable()
    assert "doccano" in tasks.get("ner").writable()


@pytest.mark.parametrize("format", ["label-studio", "doccano", "prodigy", "jsonl"])
def test_ids_of_numbers_stay_numbers(format, tmp_path):
    row = {"text": "Ani", "data": {"text": "Ani"}, "words": ["Ani"], "tags": ["O"]}
    rows = [{**row, "id": id} for id in (7, "8", "08")]
    path = tmp_path / "given.json"
    lines = map(json.dumps, rows)
    path.write_text(json.dumps(rows) if format == "label-studio" else "\n".join(lines))
    read_here = read("ner", path, format, labelled=False)
    assert [document.id for document in read_here] == ["7", "8", "08"]
    stream = io.StringIO()
    tasks.get("ner")().write_any(read_here, stream, format)
    written = stream.getvalue()
    array = format == "label-studio"
    found = json.loads(written) if array else map(json.loads, written.splitlines())
    assert [one.get("id", one.get("meta", {}).get("id")) for one in found] == [7, "8", "08"]


def test_label_studio_keeps_what_stands_beside_the_data(tmp_path):
    task = {
        "id": 2,
        "meta": {"batch": 1},
        "created_at": "2026-01-01",
        "annotations": [],
        "data": {"text": "Ani", "source": "a"},
        "predictions": [],
    }
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    documents = read("ner", tmp_path / "tasks.json", "label-studio", labelled=False)
    again("ner", documents, "label-studio", tmp_path, labelled=False)
    (one,) = json.loads((tmp_path / "written").read_text())
    del one["predictions"]
    assert one == {key: task[key] for key in ("id", "meta", "created_at", "data")}


def test_the_score_of_a_task_counts_that_nothing_else_is_there():
    document = tasks.get("ner")().from_text("1", Text.from_words(["Ani", "lunga"]))
    for sure, score in (((), 0.4), ((0.2,), 0.3)):
        own = document.with_layers(entities=FlatSpans((Span("PER", 0, 1),) * len(sure)))
        own = own.with_confidence({"entities": sure, "entities.rest": (0.4,)})
        assert record_of(own, {"entities": FlatSpans}).score == pytest.approx(score)
