"""Relations that are none of Universal Dependencies': labels of their own, said and not guessed."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest
from small import make_world, result, xlt

from xlt.data.conllu import read_conllu
from xlt.errors import XltError
from xlt.registry import tasks
from xlt.testing.subject import Subject

TREES = (
    "1\tAnn\t_\t_\t_\t_\t2\tSBJ:x\t_\t_\n2\tsees\t_\t_\t_\t_\t0\troot\t_\t_\n"
    "3\tRome\t_\t_\t_\t_\t2\tobj\t_\t_\n\n"
    "1\tBob\t_\t_\t_\t_\t2\tSBJ\t_\t_\n2\tsleeps\t_\t_\t_\t_\t0\troot\t_\t_\n\n"
)
PARSING = tasks.get("dependency_parsing")


@pytest.fixture
def documents(tmp_path):
    def documents(text: str = TREES, **options):
        path = tmp_path / "data.conllu"
        path.write_text(text, encoding="utf-8")
        return list(PARSING(PARSING.Options(**options)).read(path, "conllu"))

    return documents


@pytest.mark.parametrize(("subtypes", "own"), [(False, ["SBJ"]), (True, ["SBJ", "SBJ:x"])])
def test_they_are_labels_beside_the_universal_ones(documents, subtypes, own):
    task = PARSING(PARSING.Options(subtypes=subtypes))
    labels = task.labels(documents(subtypes=subtypes))["relation"]
    assert [*labels[37:]] == own
    assert labels[:37] == task.labels([])["relation"]


def test_reading_names_them_once_with_their_place(documents, caplog):
    with caplog.at_level(logging.WARNING):
        documents()
    (record,) = caplog.records
    assert record.getMessage().endswith(
        "data.conllu:1: the relation 'SBJ', in 2 sentences, is none of Universal Dependencies'; it "
        "counts as one of its own"
    )
    caplog.clear()
    documents(TREES.replace("SBJ", "nsubj"))
    assert not caplog.records


def test_they_are_named_in_alphabetical_order(documents, caplog):
    with caplog.at_level(logging.WARNING):
        documents(TREES.replace("\tobj", "\tOBJ").replace("2\tSBJ\t", "2\tADV\t"))
    named = [record.getMessage().split("the relation ")[1] for record in caplog.records]
    assert [one.split(" is none")[0] for one in named] == [
        "'ADV', in 1 sentence,",
        "'OBJ', in 1 sentence,",
        "'SBJ', in 1 sentence,",
    ]


def test_words_without_a_head_are_not_counted(documents, caplog):
    partial = "# tree = partial\n" + TREES.replace("2\tSBJ:x", "_\tSBJ:x").replace(
        "1\tBob", "# tree = partial\n1\tBob"
    )
    with caplog.at_level(logging.WARNING):
        read = documents(partial.replace("2\tSBJ\t", "_\tOTHER\t"))
    assert read[0].layers["tree"].relations[0] == "SBJ:x"
    assert not caplog.records


def test_what_the_model_was_never_taught_counts_as_wrong(documents, tmp_path, caplog):
    subject = Subject(PARSING, documents(), tmp_path, {"arc_size": 16, "relation_size": 8})
    task = subject.task
    known = task.labels([])
    with caplog.at_level(logging.WARNING):
        task.check_labels(known, subject.labels, where="data.jav.test")
    assert "data.jav.test: the model is never taught the relations SBJ" in caplog.text
    predicted = [
        one.with_layers(tree=type(one.layers["tree"])(one.layers["tree"].heads, ("nsubj",) * n))
        for one, n in zip(subject.records, (3, 2), strict=True)
    ]
    pairs = zip(subject.records, predicted, strict=True)
    scores = task.metrics(np.sum([task.counts(gold, one) for gold, one in pairs], axis=0))
    assert (float(scores["uas"]), float(scores["las"])) == (100, 0)


def test_a_head_without_a_relation_is_refused(tmp_path):
    text = TREES.replace("obj", "_")
    with pytest.raises(XltError, match=r":3: the relation is '_'"):
        list(read_conllu(io.StringIO(text)))
    assert len(list(read_conllu(io.StringIO(text), strict_trees=False))) == 2
    row = {"id": "1", "words": ["a", "b"], "heads": [0, 1], "relations": ["root", ":x"]}
    with pytest.raises(XltError, match="the relation of a word that has a head is ':x'"):
        PARSING().validate_row(row, where="row 1")


def test_a_run_learns_them(tmp_path):
    world = make_world(tmp_path, suffix="conllu", size=6)
    for path in tmp_path.glob("eng-*.conllu"):
        path.write_text(path.read_text().replace("nsubj", "SBJ"), encoding="utf-8")
    outcome = xlt(
        "train",
        world.config(strategy={"name": "zero_shot"}, training__epochs=1, target=["eng", "jav"]),
    )
    assert outcome.code == 0, outcome.text
    assert "the relation 'SBJ'" in outcome.err
    assert {row["target"] for row in result(world.runs())["rows"]} == {"eng", "jav"}
