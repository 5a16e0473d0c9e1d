"""What a projector refuses, keeps and passes on; markers and candidates without a model."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import pytest
from pairs import aligned_pair
from records import documents
from test_projector import records, settings

from xlt.config.schema import Ranking
from xlt.document import Document, FlatSpans, Span, Text
from xlt.errors import XltError
from xlt.projection import candidates, markers, project
from xlt.projection.candidates import Candidates
from xlt.projection.pair import AlignedPair, Outcome, Projection
from xlt.projection.pairing import Paired, Translated
from xlt.projection.project import Projector, filtered
from xlt.registry import tasks
from xlt.tasks.ner import NER
from xlt.testing import translation


@pytest.fixture(autouse=True)
def _fakes():
    with translation.registered():
        yield


PAIR = aligned_pair(list("abcd"), list("xyz"), {(0, 0): 1.0, (1, 1): 1.0})
WHOLE = Projection(
    Document("1", {"text": PAIR.target}),
    (Outcome("X", (0, 2), (0, 2), 1.0), Outcome("Y", (2, 3), reason="unaligned")),
)


@pytest.mark.parametrize(
    ("require", "partial", "outcomes", "kept"),
    [
        ([], False, WHOLE.outcomes, True),
        (["labels"], False, WHOLE.outcomes, False),
        (["labels"], True, WHOLE.outcomes, True),
        (["labels"], False, WHOLE.outcomes[:1], True),
        (["words"], False, WHOLE.outcomes, True),
        (["words"], False, (Outcome("X", (0, 3), (0, 2), 1.0),), False),
        (["words"], False, (Outcome("X", (0, 3), reason="split"),), True),
        (["words"], True, (WHOLE.outcomes[0], Outcome("X", (1, 4), (0, 2), 1.0)), False),
        (["labels", "words"], True, WHOLE.outcomes, True),
        (["labels", "words"], True, (Outcome("X", (3, 4), (0, 2), 1.0),), False),
        (["labels", "words"], False, (), True),
    ],
)
def test_documents_that_lost_too_much(require, partial, outcomes, kept) -> None:
    projection = replace(WHOLE, outcomes=outcomes)
    found = filtered(projection, {"text": PAIR}, settings(require=require), partial=partial)
    if kept:
        assert found == projection
        return
    assert found.document is None
    reasons = [o.reason or "filtered" for o in outcomes]
    assert [o.reason for o in found.outcomes] == reasons
    assert [o.source for o in found.outcomes] == [o.source for o in outcomes]


def test_what_is_lost_already_stays_lost() -> None:
    nothing = Projection(None, (Outcome("X", (0, 2), (0, 2), 1.0),))
    strict = settings(require=["labels", "words"])
    assert filtered(nothing, {"text": PAIR}, strict, partial=False) is nothing


@pytest.mark.parametrize(
    ("lines", "changes", "kind"),
    [
        ("", {}, Document),
        ("translations", {}, Translated),
        ("links", {}, Paired),
        ("links", {"method": "markers", "aligner": None}, Document),
        ("translations", {"method": "markers", "aligner": None}, Paired),
    ],
)
def test_what_files_say_line_by_line_comes_first(monkeypatch, lines, changes, kind) -> None:
    whole = list(Projector(NER(), settings(**changes), "eng", "spa").stream(records()))
    monkeypatch.setattr(translation.Backwards, "in_order", lines == "translations")
    monkeypatch.setattr(translation.SameWords, "in_order", lines == "links")
    projector = Projector(NER(), settings(**changes), "eng", "spa")
    begun = list(projector.begin(records()))
    assert [type(one) for one in begun] == [kind] * 4
    assert list(projector.finish(begun[2:])) == whole[2:]
    assert list(projector.stream(records())) == whole


def test_who_translates_and_who_aligns() -> None:
    described = Projector(NER(), settings(), "eng", "spa").describe()
    assert described["aligner"] == "same_words"
    assert described["translator"] == translation.Backwards(
        translation.Backwards.Options()
    ).identity("eng", "spa")
    marked = Projector(NER(), settings(method="markers", aligner=None), "eng", "spa")
    assert (marked.describe()["aligner"], marked.aligner, marked.marks) == ("markers", None, True)
    label = Projector(tasks.get("nli")(), settings(aligner=None), "eng", "spa")
    assert label.describe()["aligner"] == "nothing is aligned"


def test_without_annotation_texts_are_aligned_alone() -> None:
    asked = settings(method="markers", candidates="nowhere", ranking=Ranking(model="nowhere"))
    projector = Projector(NER(), asked, "eng", "spa", annotate=False)
    assert not projector.marks
    found = list(projector.stream(records()))
    assert [one.projection for one in found] == [Projection(None)] * 4
    assert all(one.pairs["text"].links for one in found)
    assert projector.identity() != Projector(NER(), settings(), "eng", "spa").identity()


def test_a_task_with_a_layer_that_nobody_can_project() -> None:
    class Odd(NER):
        layers: ClassVar = {"odd": type("Odd", (), {"positional": True})}

    with pytest.raises(XltError, match="nothing says how `odd` of the task ner is projected"):
        Projector(Odd(), settings(), "eng", "spa")
    assert Projector(Odd(), settings(), "eng", "spa", annotate=False).aligner is not None


def test_candidates_are_found_for_512_documents_at_a_time(monkeypatch) -> None:
    sizes = []

    class Proposing:
        identity = "proposing"

        def __init__(self, task, folder, *, target, within_words) -> None:
            assert (folder, target, within_words) == ("somewhere", "spa", False)

        def __call__(self, projected):
            sizes.append(len(projected))
            return [[Span("?", 0, 2)] for _ in projected]

    monkeypatch.setattr(candidates, "Candidates", Proposing)
    projector = Projector(NER(), settings(candidates="somewhere"), "eng", "spa")
    # Bob Marley comes first in the translation; that is where the candidate is.
    (document,) = records(["Ana/O likes/O Bob/B-PER Marley/I-PER"])
    found = list(projector.stream([document] * 513))
    assert sizes == [512, 1]
    assert {one.projection.outcomes[0].target for one in found} == {(0, 2)}
    assert found[0].projection.outcomes[0].confidence == 1.0
    assert project.CHUNK == 512


def test_the_translator_is_asked_again_for_what_failed(monkeypatch) -> None:
    class Failing(translation.Backwards):
        def translate(self, texts, source, target):
            return [translation.Translation("", "no", failed="Rome" in text) for text in texts]

    monkeypatch.setitem(translation.translators._registered, "backwards", Failing)
    projector = Projector(NER(), settings(), "eng", "spa")
    assert projector.translates_any(records())
    assert not projector.translates_any(records()[2:3])
    assert not projector.translates_any([])


# Candidates -----------------------------------------------------------------------------------


def proposing(monkeypatch, found) -> Candidates:
    """Candidates of a model that finds these spans, and the folder, target and task it is for."""
    monkeypatch.setattr(candidates, "find_model", lambda folder, target: folder / (target or "-"))
    monkeypatch.setattr(candidates, "read_info", lambda path: SimpleNamespace(task="ner"))
    monkeypatch.setattr(candidates, "folder_hash", str)

    class Predictor:
        model = None

        def __call__(self, given, examples):
            assert len(given) == len(examples)
            return [found(document) for document in given]

    class Encoding(NER):
        def encode(self, some, backbone, labels):
            return list(some)

    def load(path, *, batch_tokens):
        assert batch_tokens == 8192
        return Encoding(), None, Predictor()

    monkeypatch.setattr(candidates, "make_direct_predictor", load)
    return Candidates(NER(), "runs", target="spa")


def test_candidates_of_documents_that_have_a_translation(monkeypatch) -> None:
    def found(document: Document) -> Document:
        assert document.text.words == ("X", "Y")
        return document.with_layers(entities=FlatSpans((Span("LOC", 1, 2),)))

    made = proposing(monkeypatch, found)
    assert made.identity == "runs/spa"
    assert not made.within_words
    (document,) = documents("ner", [{"id": "1", "words": ["a", "b"], "tags": ["B-PER", "O"]}])
    pairs = [
        {"text": AlignedPair(document.text, target, {}, warning)}
        for target, warning in (
            (Text.from_words(["X", "Y"]), None),
            (Text(""), None),
            (Text.from_words(["X", "Y"]), "suspicious"),
        )
    ]
    spans = made([(document, one, False) for one in pairs])
    assert [list(one) for one in spans] == [[Span("LOC", 1, 2)], [], [Span("LOC", 1, 2)]]


def test_candidates_of_another_task(monkeypatch) -> None:
    proposing(monkeypatch, None)
    monkeypatch.setattr(candidates, "read_info", lambda path: SimpleNamespace(task="nli"))
    with pytest.raises(XltError, match="the model does nli, not ner") as error:
        Candidates(NER(), "runs")
    assert error.value.where == "projection.candidates"


# Markers --------------------------------------------------------------------------------------


def test_the_score_of_a_region_is_likeness_and_order() -> None:
    spans = [Span("A", 0, 1), Span("B", 2, 3), Span("C", 4, 5)]
    target = Text.from_words(["Uno", "Dos", "Tres"], [True] * 3)
    regions = [Span("", n, n + 1) for n in range(3)]
    found = markers.match(spans, ["uno", "xyz", "T r e s"], regions, target)
    assert found == [
        (spans[0], regions[0], pytest.approx(1.0)),
        (spans[1], regions[1], pytest.approx(0.15)),  # nothing but the order
        (spans[2], regions[2], pytest.approx(1.0)),
    ]
    # Half as alike, and at the other end: 0.1 + 0.85 / 2 + 0.
    (one,) = markers.match(spans[:1], ["unxx"], [Span("", 0, 1)], Text.from_words(["unyy"]))
    assert one[2] == pytest.approx(0.1 + 0.85 / 2 + 0.05)
    found = markers.match(spans[:2], ["Dos", "Uno"], regions[:2], target)
    assert [(t, score) for _, t, score in found] == [
        (regions[1], pytest.approx(0.95)),
        (regions[0], pytest.approx(0.95)),
    ]


def test_spaces_that_brackets_leave_are_one_and_empty_brackets_are_nothing() -> None:
    assert markers.unmark("a [ b ] c", ("[", "]")) == ("a b c", [(2, 4)])
    assert markers.unmark("a  b", ("[", "]")) == ("a b", [])
    assert markers.unmark("[a [b] c]", ("[", "]")) == ("a b c", [(2, 3), (0, 5)])
    assert markers.unmark("[[ ] a]", ("[", "]")) == (" a", [(0, 2)])
    assert markers.unmark("]a[", ("[", "]")) == ("a", [])
    assert markers.unmark("{a}", ("[", "]")) == ("{a}", [])
