"""Gold and predicted annotation set side by side, by kind of layer; figures worked out by hand."""

from __future__ import annotations

import pytest

from xlt.document import (
    Answers,
    Document,
    FlatSpans,
    Label,
    Layer,
    Span,
    Spans,
    Structure,
    Structures,
    Tags,
    Text,
    Tree,
)
from xlt.evaluation.reliability import verdicts
from xlt.report.pairs import RIGHT, LabelScore, Pair, Tally, compared

TEXT = Text.from_words(list("abcdefgh"))


def document(layer: Layer, *confidence: float) -> Document:
    return Document("1", {"text": TEXT}, {"layer": layer}, confidence={"layer": confidence})


def pairs(gold: Layer, predicted: Layer) -> dict[str, list[Pair]]:
    return compared(document(gold), document(predicted), "layer")


def shown(found: list[Pair]) -> list[tuple[str, str, str]]:
    """Kind, gold and predicted thing as label@first-last."""

    def one(thing) -> str:
        if thing is None:
            return ""
        where = "" if thing.place is None else "@{}-{}".format(*thing.place)
        return f"{thing.label}{where}{'' if thing.head is None else f'<{thing.head}'}"

    return [(pair.kind, one(pair.gold), one(pair.predicted)) for pair in found]


GOLD_SPANS = (Span("PER", 0, 1), Span("LOC", 1, 3), Span("ORG", 3, 6), Span("PER", 7, 8))
PREDICTED_SPANS = (Span("PER", 0, 1), Span("ORG", 1, 3), Span("ORG", 4, 6), Span("LOC", 6, 7))


@pytest.mark.parametrize("kind", [Spans, FlatSpans])
def test_spans(kind):
    found = pairs(kind(GOLD_SPANS), kind(PREDICTED_SPANS))
    assert shown(found["layer"]) == [
        ("right", "PER@0-1", "PER@0-1"),
        ("label", "LOC@1-3", "ORG@1-3"),
        ("boundary", "ORG@3-6", "ORG@4-6"),
        ("spurious", "", "LOC@6-7"),
        ("missed", "PER@7-8", ""),
    ]


def test_the_nearest_of_the_same_label_is_the_one_that_was_meant():
    gold = Spans((Span("PER", 0, 4),))
    predicted = Spans((Span("LOC", 0, 3), Span("PER", 2, 5), Span("PER", 3, 4)))
    assert shown(pairs(gold, predicted)["layer"]) == [
        ("spurious", "", "LOC@0-3"),
        ("boundary", "PER@0-4", "PER@2-5"),
        ("spurious", "", "PER@3-4"),
    ]
    other = Spans((Span("LOC", 2, 5),))
    assert shown(pairs(gold, other)["layer"]) == [("label and boundary", "PER@0-4", "LOC@2-5")]


def test_tags_are_judged_where_gold_has_one():
    gold, predicted = Tags(("N", "V", None, "D")), Tags(("N", "N", "N", None))
    assert shown(pairs(gold, predicted)["layer"]) == [
        ("right", "N@0-1", "N@0-1"),
        ("label", "V@1-2", "N@1-2"),
        ("missed", "D@3-4", ""),
    ]


def test_trees():
    """A subtype does not count; a word whose head is not known is not judged."""
    gold = Tree((2, 0, 2, 2, -1), ("nsubj", "root", "obl:tmod", "obj", "_"))
    predicted = Tree((2, 0, 4, 1, 1), ("obj", "root", "obl", "nmod", "dep"))
    assert shown(pairs(gold, predicted)["layer"]) == [
        ("label", "nsubj@0-1<2", "obj@0-1<2"),
        ("right", "root@1-2<0", "root@1-2<0"),
        ("head", "obl@2-3<2", "obl@2-3<4"),
        ("label and head", "obj@3-4<2", "nmod@3-4<1"),
    ]


def test_structures_and_their_parts():
    """A part counts in a structure of the same kind, whatever its head."""
    attack, person, place = Span("Attack", 1, 2), Span("Victim", 3, 4), Span("Place", 5, 7)
    gold = Structures((Structure(attack, (person, place)),))
    predicted = Structures(
        (
            Structure(Span("Attack", 2, 3), (person, Span("Time", 5, 7))),
            Structure(Span("Meet", 7, 8), (place,)),
        )
    )
    found = pairs(gold, predicted)
    assert shown(found["layer"]) == [
        ("missed", "Attack@1-2", ""),
        ("spurious", "", "Attack@2-3"),
        ("spurious", "", "Meet@7-8"),
    ]
    assert shown(found["layer.parts"]) == [
        ("right", "Victim@3-4", "Victim@3-4"),
        ("label", "Place@5-7", "Time@5-7"),
        ("spurious", "", "Place@5-7"),  # of a meeting
    ]


def test_labels():
    assert shown(pairs(Label("yes"), Label("yes"))["layer"]) == [("right", "yes", "yes")]
    assert shown(pairs(Label("yes"), Label("no"))["layer"]) == [("label", "yes", "no")]
    assert shown(pairs(Label("yes"), Label(None))["layer"]) == [("missed", "yes", "")]
    assert shown(pairs(Label(None), Label("no"))["layer"]) == []


@pytest.mark.parametrize(
    ("predicted", "kind", "gold"),
    [
        (((4, 6),), "right", "answer@4-6"),
        (((5, 9),), "boundary", "answer@4-6"),
        (((12, 13), (4, 6)), "missed", "answer@0-2"),  # the first counts
        ((), "missed", "answer@0-2"),
    ],
)
def test_any_of_the_answers_will_do(predicted, kind, gold):
    found = shown(pairs(Answers(((0, 2), (4, 6))), Answers(predicted))["layer"])
    assert found[0][:2] == (kind, gold)
    assert len(found) == 1 + (kind == "missed" and bool(predicted))


def test_confidence_stays_with_what_it_is_of():
    gold = document(Spans((Span("PER", 2, 3),)))
    predicted = document(Spans((Span("LOC", 0, 1), Span("PER", 2, 3))), 0.9, 0.4)
    found = compared(gold, predicted, "layer")["layer"]
    assert [(pair.kind, pair.confidence) for pair in found] == [("spurious", 0.9), ("right", 0.4)]


LAYERS = [
    (Spans(GOLD_SPANS), Spans(PREDICTED_SPANS)),
    (Tags(("N", "V", None, "D")), Tags(("N", "N", "N", "D"))),
    (Tree((2, 0, 2), ("nsubj", "root", "obj")), Tree((2, 0, 1), ("nsubj", "root", "obj"))),
    (Label("yes"), Label("no")),
    (
        Structures((Structure(Span("A", 0, 1), (Span("x", 1, 2), Span("y", 2, 3))),)),
        Structures((Structure(Span("A", 3, 4), (Span("x", 1, 2), Span("x", 2, 3))),)),
    ),
]


@pytest.mark.parametrize(("gold", "predicted"), LAYERS)
def test_right_is_what_reliability_calls_right(gold, predicted):
    judged = verdicts(predicted, gold)
    for key, found in pairs(gold, predicted).items():
        right = sum(pair.kind == RIGHT for pair in found)
        assert right == sum(map(bool, judged[key.removeprefix("layer")]))


def test_scores_of_labels_and_confusion():
    tally = Tally()
    for pair in pairs(Spans(GOLD_SPANS), Spans(PREDICTED_SPANS))["layer"]:
        tally.add(pair)
    assert tally.labels == {
        "PER": LabelScore(2, 1, 1),
        "LOC": LabelScore(1, 1, 0),
        "ORG": LabelScore(1, 2, 0),
    }
    assert tally.total == LabelScore(4, 4, 1)
    per = tally.labels["PER"]
    assert (per.precision, per.recall) == (100, 50)
    assert per.f1 == pytest.approx(200 / 3)
    assert LabelScore().f1 == LabelScore().precision == LabelScore().recall == 0
    assert tally.confusion == {
        ("PER", "PER"): 1,
        ("LOC", "ORG"): 1,
        (None, "LOC"): 1,
        ("PER", None): 1,
    }
    assert tally.elsewhere == {"ORG": 1}
    assert tally.kinds == {"label": 1, "boundary": 1, "spurious": 1, "missed": 1}
