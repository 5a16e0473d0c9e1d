"""Source models that are chosen together: each part by figures that are worked out by hand."""

from __future__ import annotations

from itertools import combinations, permutations
from math import log, sqrt

import numpy as np
import pytest
import torch
from records import RECORDS
from tiny import make_encoder

from xlt.config.schema import Model
from xlt.data.encode import pool_words
from xlt.document import Document, Label, Span, Spans, Structure, Structures, Tags, Text, Tree
from xlt.document.layers import Answers
from xlt.evaluation.classes import classes
from xlt.evaluation.osborn import (
    Member,
    balanced,
    choose,
    conditional_entropy,
    cost,
    disagreement,
    most_say,
    transport,
)
from xlt.inference.features import features
from xlt.inference.predictor import Predictor
from xlt.model.backbone import Backbone
from xlt.registry import tasks
from xlt.runs.source_sets import Seen, members

# Parts -------------------------------------------------------------------------------------------


def test_the_transport_of_two_vectors_by_hand():
    """East and north are carried to north and west: north stays, and east goes to the west, 2; or
    each turns by a right angle, √2. Lengths do not count."""
    source, target = [[3.0, 0], [0, 2.0]], [[0, 7.0], [-0.5, 0]]
    distance, places = transport(source, target)
    assert distance == pytest.approx(min((0 + 2) / 2, sqrt(2)))
    assert places.tolist() == [1, 0]
    distance, places = transport(source, source)
    assert (distance, places.tolist()) == (pytest.approx(0), [0, 1])


def test_no_other_assignment_is_cheaper():
    draw = np.random.default_rng(2)
    a, b = draw.normal(size=(2, 6, 3))
    found, places = transport(a, b)
    a, b = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (a, b))
    means = {
        order: np.linalg.norm(a - b[list(order)], axis=1).mean() for order in permutations(range(6))
    }
    assert found == pytest.approx(min(means.values()))
    assert means[tuple(places.tolist())] == pytest.approx(found)


@pytest.mark.parametrize(
    ("a", "b"), [([[1.0]], [[1.0], [2.0]]), (np.zeros((0, 2)), np.zeros((0, 2)))]
)
def test_what_cannot_be_transported(a, b):
    with pytest.raises(ValueError, match="shapes"):
        transport(a, b)


def test_conditional_entropy_by_hand():
    """Of x it is always 1; of y half 0 and half 1: (0 + 2 ln 2) / 4, in ln 2."""
    assert conditional_entropy([1, 1, 0, 1], ["x", "x", "y", "y"]) == pytest.approx(0.5)
    assert conditional_entropy("aabb", "xxyy") == 0
    assert conditional_entropy("abab", "xxyy") == pytest.approx(1)
    assert conditional_entropy("aaaa", "xyzw") == 0
    # Three classes: of x one of a and one of b, ln 2; of y c alone. 2 ln 2 / 3, in ln 3.
    assert conditional_entropy("abc", "xxy") == pytest.approx(2 * log(2) / 3 / log(3))
    for of, given in [("a", ""), ("", ""), ("ab", "a")]:
        with pytest.raises(ValueError, match="classes"):
            conditional_entropy(of, given)


def test_two_disagree_both_ways():
    assert disagreement("aabb", "bbaa") == 0, "other names for the same are no disagreement"
    assert disagreement([1, 1, 0, 1], ["x", "x", "y", "y"]) == pytest.approx(
        conditional_entropy([1, 1, 0, 1], ["x", "x", "y", "y"])
        + conditional_entropy(["x", "x", "y", "y"], [1, 1, 0, 1])
    )


def test_what_most_say():
    assert most_say(["abc", "abd", "xyz"]) == ["a", "b", "c"], "the first where all differ"


# Sets --------------------------------------------------------------------------------------------

APART = {
    "near": Member(0.1, 0.1, "aabb"),
    "like": Member(0.2, 0.1, "aabb"),
    "other": Member(0.15, 0.1, "abab"),
    "far": Member(0.9, 0.9, "aabb"),
}
"""`near` and `like` say the same, of which `other` tells nothing: 1 each way."""


def test_each_next_one_adds_least():
    assert choose(APART, 1) == ["near"]
    assert choose(APART, 2) == ["near", "like"], "`other` is nearer, and disagrees"
    assert choose(APART, 3) == ["near", "like", "far"], "0.9 + 0.9 is less than 0.25 + 2 · 2"
    assert cost(APART, ["near", "like"]) == pytest.approx(0.2 + 0.3)
    assert cost(APART, ["near", "other"]) == pytest.approx(0.2 + 0.25 + 2)
    assert cost(APART, ["other", "near", "like"]) == pytest.approx(0.2 + 0.3 + 0.25 + 2 * 2)
    with pytest.raises(ValueError, match="5 of 4"):
        choose(APART, 5)


def test_what_one_more_costs_grows_with_the_set():
    """The negative cost is submodular."""
    draw = np.random.default_rng(7)
    many = {name: Member(*draw.random(2), draw.integers(0, 3, 12).tolist()) for name in "abcdef"}
    for size in (1, 2, 3):
        for small in combinations("abcd", size):
            for large in (one for one in combinations("abcd", size + 1) if {*small} <= {*one}):
                added = [cost(many, [*some, "e"]) - cost(many, some) for some in (small, large)]
                assert added[0] <= added[1] + 1e-12


# Units -------------------------------------------------------------------------------------------


def test_the_most_frequent_class_has_no_more_than_the_others():
    many = ["O"] * 90 + ["PER"] * 6 + ["LOC"] * 4
    found = balanced(many, 50)
    assert [many[n] for n in found].count("O") == 10
    assert found[10:] == list(range(90, 100))
    assert found[:10] == sorted({*found[:10]})
    assert found[0] == 0
    assert found[9] == 89
    assert [many[n] for n in balanced(many, 8)].count("O") == 4
    assert balanced(["O"] * 5, 3) == [0, 2, 4]
    assert balanced(["O", "PER"], 9) == [0, 1]
    assert balanced([], 9) == []


def test_classes_of_each_kind_of_layer():
    words = Text.from_words(["a", "b", "c", "d", "e"])
    spans = Spans((Span("X", 1, 4), Span("Y", 2, 3)))
    layers = {
        "tags": Tags(("N", None, "V", "N", "N")),
        "spans": spans,
        "events": Structures((Structure(Span("Buy", 0, 1), (Span("Who", 1, 2),)),)),
        "tree": Tree((0, 1, -1, 1, 1), ("root", "nsubj:pass", "_", "obj", "obl")),
        "label": Label("yes"),
        "open": Label(None),
        "answers": Answers(()),
    }
    document = Document("1", {"text": words}, layers)

    def of(*names):
        return [None if one is None else "|".join(one) for one in classes(document, names)]

    assert of("tags") == ["N", None, "V", "N", "N"]
    assert of("spans") == ["O", "X", "Y", "X", "O"]
    assert of("events") == ["Buy", "O", "O", "O", "O"]
    assert of("tree") == ["root", "nsubj", None, "obj", "obl"]
    assert of("spans", "events") == ["O|Buy", "X|O", "Y|O", "X|O", "O|O"]
    assert (of("label"), of("open")) == (["yes"], [None])
    with pytest.raises(TypeError, match="Answers has no classes"):
        of("answers")


def test_members_are_what_the_parts_say_of_the_units():
    """Three models of four words; the third disagrees on the last. Features on a circle."""
    angles = np.array([0.0, 1.0, 2.0, 3.0])
    circle = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    said = [("a",), ("a",), ("b",), ("b",)]
    other = [("a",), ("a",), ("b",), ("a",)]
    seen = {
        "one": Seen(said, circle, said, circle),
        "two": Seen(said, circle, said, circle[::-1].copy()),
        "three": Seen([("b",), ("b",), ("a",), ("a",)], circle, other, -circle),
    }
    found = members(seen)
    assert found["one"].said == said
    assert found["three"].said == other
    assert found["one"].domain == pytest.approx(0, abs=1e-6)
    assert found["two"].domain == pytest.approx(0, abs=1e-6), "the order of words is nothing"
    # What the others say: one, two by the first of two and three; three by one and two.
    assert found["one"].task == conditional_entropy("aabb", "aabb") == 0
    # As far apart as the transport of a circle to its other side, whatever it couples.
    distance, places = transport(circle, -circle)
    assert found["three"].domain == pytest.approx(distance)
    labels = [said[n] for n in places]
    assert found["three"].task == conditional_entropy(labels, seen["three"].source_classes)


def test_source_and_target_have_as_many_units():
    draw = np.random.default_rng(1)
    target = [("a",) if n % 2 else ("b",) for n in range(9)]
    source = target * 3
    seen = {
        name: Seen(source, draw.normal(size=(27, 4)), target, draw.normal(size=(9, 4)))
        for name in "xyz"
    }
    assert all(0 < one.domain <= 2 and 0 <= one.task <= 1 for one in members(seen).values())


# Features ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ner", "bert"),
        ("ner", "umt5"),
        ("dependency_parsing", "bert"),
        ("event_extraction", "bert"),
        ("nli", "bert"),
        ("classification", "umt5"),
    ],
)
def test_features_of_units(tmp_path, name, kind):
    """As many as classes, in order, and each example's own, however they are batched."""
    task, records = tasks.get(name)(), RECORDS[name]
    texts = [text.surface + " $" for record in records for text in record.texts.values()]
    make_encoder(tmp_path, texts * 3, kind)
    backbone = Backbone(str(tmp_path), Model(encoder=str(tmp_path)))
    predictor = Predictor(task, task.build(backbone, task.labels(records)).eval(), 100)
    examples = task.encode(records, backbone, None)
    found = features(backbone, predictor, records, examples)
    assert len(found) == len(records)
    whole = name in ("nli", "classification")
    for n, record in enumerate(records):
        assert len(found[n]) == (1 if whole else len(record.words))
        (alone,) = features(backbone, predictor, [record], [examples[n]])
        np.testing.assert_allclose(alone, found[n], rtol=1e-3, atol=1e-4)
    batch = task.collate(examples[:1])
    with torch.no_grad():
        states = predictor.model.encoder.base_model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).last_hidden_state
        if whole:
            expected = states[0][batch["attention_mask"][0] == 1].mean(0)[None]
        else:
            mask = batch["word_mask"]
            index = batch["word_index"].masked_fill(batch["word_index"] >= mask.numel(), -1)
            expected = pool_words(states, index, mask)[0, : len(records[0].words)]
    np.testing.assert_allclose(found[0], expected.numpy(), rtol=1e-3, atol=1e-4)
