"""Reading, scoring and projecting pairs of premise and hypothesis."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from records import RECORDS

from xlt.config.schema import ProjectionSettings
from xlt.document import Label, Text
from xlt.errors import XltError
from xlt.label_task.metrics import class_counts, class_metrics
from xlt.projection.layers import project_document
from xlt.projection.pair import AlignedPair
from xlt.reader_options import read_with
from xlt.tasks.nli import NLI

TASK, SETTINGS = NLI(), ProjectionSettings()
ANLI = {"uid": "a-1", "context": "A dog ran.", "hypothesis": "It ran.", "label": "e"}
SNLI = {"pairID": "7", "sentence1": "A", "sentence2": "B", "gold_label": "neutral"}
OWN = {"id": "1", "premise": "A dog ran.", "hypothesis": "It ran.", "label": "neutral"}


def read(tmp_path, text, format="jsonl", task=TASK, **options):
    path = tmp_path / f"data.{format}"
    path.write_text(text, encoding="utf-8", newline="\n")
    return [task.to_row(document) for document in task.read(path, format, **options)]


def jsonl(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_published_formats(tmp_path):
    (anli,) = read(tmp_path, jsonl(ANLI), label_names={"e": "entailment"})
    assert anli == {
        "id": "a-1", "premise": "A dog ran.", "hypothesis": "It ran.", "label": "entailment",
        "phenomena": [],
    }  # fmt: skip
    (snli,) = read(tmp_path, jsonl(SNLI | {"phenomenon": "negation"}))
    assert (snli["id"], snli["label"], snli["phenomena"]) == ("7", "neutral", ["negation"])
    (named,) = read(tmp_path, json.dumps([OWN | {"tags": ["A", "B"], "id": 0}], indent=1), "json",
                    columns={"phenomena": "tags"})  # fmt: skip
    assert (named["id"], named["phenomena"]) == ("0", ["A", "B"])
    xnli = "language\tgold_label\tsentence1\tsentence2\n"
    xnli += 'de\tneutral\tEin "A"\tB\nfr\tneutral\tC\tD\n'
    (german,) = read(tmp_path, xnli, "tsv", where={"language": "de"})
    assert (german["id"], german["premise"]) == ("2", 'Ein "A"')
    quoted = 'premise\thypothesis\tlabel\n"a\tb ""c"""\td\tneutral\n\ne\tf\tneutral\n'
    first, second = read(tmp_path, quoted, "tsv", quoted=True)
    assert (first["premise"], second["id"]) == ('a\tb "c"', "4")


def test_rows_that_are_asked_for_have_to_be_there(tmp_path):
    table = "language\tpremise\thypothesis\tlabel\nde\tA\tB\tneutral\n"
    for where in ({"lang": "de"}, {"language": "fr"}):
        with pytest.raises(XltError, match="no pair has lang"):
            read(tmp_path, table, "tsv", where=where)


def test_pairs_without_agreement_are_counted(tmp_path, caplog):
    rows = [OWN | {"id": str(n), "label": "-" if n % 2 else "neutral"} for n in range(5)]
    with caplog.at_level(logging.WARNING):
        assert len(read(tmp_path, jsonl(*rows))) == 3
    assert "2 pairs without an agreed label (-) are left out" in caplog.text
    unlabelled = read(tmp_path, jsonl(*rows), labelled=False)
    assert [record["label"] for record in unlabelled] == ["neutral", "", "neutral", "", "neutral"]
    (other,) = read(tmp_path, jsonl(OWN | {"label": "who knows"}), labelled=False)
    assert other["label"] == ""
    caplog.clear()
    empty = [OWN, OWN | {"id": "2", "premise": " "}]
    assert len(read(tmp_path, jsonl(*empty), drop_empty=True)) == 1
    assert "1 pairs that lack a text are left out" in caplog.text


@pytest.mark.parametrize("label", [{"label": ""}, {"label": None}, {}])
def test_labels_may_be_missing_where_that_is_said(tmp_path, label):
    """Nothing is learnt from such a pair, nor is it scored."""
    row = {key: value for key, value in OWN.items() if key != "label"} | label
    path = tmp_path / "a.jsonl"
    path.write_text(jsonl(row))
    (document,) = read_with(TASK, path, "jsonl", {"labelled": False}, where=str)
    assert document.layers["label"].label is None
    answered = document.with_layers(label=Label("neutral"))
    assert not TASK.counts(document, answered).any()


BAD = {
    "label": (jsonl(OWN, OWN | {"id": "2", "label": "entails"}), ":2: there is no label 'entails'"),
    "no label": (jsonl(OWN | {"label": None}), ":1: the pair has no label"),
    "position": (jsonl(OWN | {"label": 1}), ":1: there is no label 1"),
    "field": (jsonl({k: v for k, v in OWN.items() if k != "premise"}), ":1: the field 'premise'"),
    "empty": (jsonl(OWN | {"hypothesis": "\u00a0"}), ":1: the hypothesis is empty"),
    "empty premise": (jsonl(OWN | {"premise": ""}), ":1: the premise is empty"),
    "type": (jsonl(OWN | {"premise": ["A"]}), ":1: the premise is no text"),
    "ids": (jsonl(OWN, OWN), ":2: the id '1' has been used before, in .*:1"),
}


@pytest.mark.parametrize(("text", "complaint"), BAD.values(), ids=BAD)
def test_bad_records(tmp_path, text, complaint):
    with pytest.raises(XltError, match=complaint) as error:
        read(tmp_path, text)
    assert error.value.fix


BAD_FILES = {
    "cells": ("tsv", b"premise\thypothesis\tlabel\na\tb\n", ":2: 2 cells in a table of 3"),
    "column": ("tsv", b"premise\thypotesis\tlabel\na\tb\tneutral\n", ":2: the field 'hypothesis'"),
    "lines": ("json", b'{"premise": "a"}\n{"premise": "b"}\n', ":2: not JSON: Extra data"),
    "object": ("json", b'{"premise": "a"}', "a JSON dict where an array"),
    "encodings": ("tsv", "premise\thypothesis\tlabel\né\tb\tneutral\n".encode() + b"\xe9\tb\t\n",
                  ":3: byte 0xe9"),
}  # fmt: skip


@pytest.mark.parametrize(("format", "content", "complaint"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_files(tmp_path, format, content, complaint):
    (tmp_path / f"data.{format}").write_bytes(content)
    with pytest.raises(XltError, match=complaint):
        list(TASK.read(tmp_path / f"data.{format}", format))


def test_a_tab_does_not_fit_into_a_table(tmp_path):
    with (tmp_path / "out.tsv").open("w") as stream, pytest.raises(XltError, match="has a tab"):
        TASK.write([RECORDS["nli"][0].with_texts(premise=Text("a\tb"))], stream, "tsv")


def test_hub_rows():
    row = {"id": "3", "premise": "A", "hypothesis": "B"}
    unlabelled = TASK.validate_row(row | {"label": None}, where="hf")
    assert unlabelled.layer(Label, "label").label is None
    assert TASK.validate_row(row | {"label": "neutral"}, where="hf").groups == ()
    with pytest.raises(XltError, match="there is no label 'maybe'"):
        TASK.validate_row(row | {"label": "maybe"}, where="hf")


def test_other_inventories():
    two = TASK.for_labels({"label": ("entailment", "not_entailment")})
    assert two.metrics_reported[2:] == ("f1_entailment", "f1_not_entailment")
    assert TASK.for_labels({"label": ("neutral", "entailment")}) is TASK
    with pytest.raises(XltError, match="a premise and a hypothesis are needed"):
        TASK.from_text("1", Text("one text"))


def test_metrics():
    labels = ("entailment", "neutral", "contradiction")
    gold = ["entailment"] * 3 + ["neutral"] * 2 + ["", "entailment"]
    predicted = ["entailment", "neutral", "entailment", "neutral", "contradiction", "neutral", ""]
    counts = sum(class_counts(g, p, labels) for g, p in zip(gold, predicted, strict=True))
    found = {name: float(value) for name, value in class_metrics(counts, labels).items()}
    assert found["accuracy"] == pytest.approx(100 * 3 / 6)
    assert found["f1_entailment"] == pytest.approx(100 * 2 * 2 / (2 + 4))
    assert found["f1_neutral"] == pytest.approx(100 * 2 * 1 / (2 + 2))
    assert found["f1_contradiction"] == 0
    assert found["macro_f1"] == pytest.approx((200 / 3 + 50 + 0) / 3)
    one = class_metrics(class_counts("neutral", "neutral", labels), labels)
    assert one["macro_f1"] == 100, "labels that nobody gives count for nothing"
    assert all(np.shape(v) == (2, 1) for v in class_metrics(np.zeros((2, 1, 9)), labels).values())


def test_labels_are_kept_unless_the_translation_is_suspicious():
    document = RECORDS["nli"][0]

    def project(hypothesis="Budi compró libros.", warning=None):
        pairs = {
            "premise": AlignedPair(document.texts["premise"], Text("买书。"), {}),
            "hypothesis": AlignedPair(document.texts["hypothesis"], Text(hypothesis), {}, warning),
        }
        return project_document(TASK, document, pairs, SETTINGS)

    found = project()
    assert TASK.to_row(found.document) == {
        **TASK.to_row(document), "premise": "买书。", "hypothesis": "Budi compró libros.",
    }  # fmt: skip
    assert (found.outcomes[0].kind, found.confidence) == ("entailment", 1.0)
    lost = project(warning="five times as long")
    assert (lost.document, lost.outcomes[0].reason) == (None, "guard")
    assert project(hypothesis="").outcomes[0].reason == "empty"
