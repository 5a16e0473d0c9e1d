"""From records to projected records: order, texts, filters, what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest
from pairs import aligned_pair
from records import documents, row

from xlt.config.schema import Plugin, ProjectionSettings
from xlt.document import FlatSpans, Label, Text
from xlt.errors import XltError
from xlt.projection.layers import (
    is_partial,
    project_document,
    project_layers,
    span_layer,
    spans_of,
)
from xlt.projection.project import Projector, filtered
from xlt.projection.translate.base import Translation
from xlt.registry import tasks
from xlt.tasks.ner import NER
from xlt.tasks.ner.spans import spans
from xlt.testing import translation

SENTENCES = [
    "Ana/B-PER likes/O Bob/B-PER Marley/I-PER",
    "nothing/O here/O",
    "in/O New/B-LOC York/I-LOC and/O Rome/B-LOC",
    "it/O rains/O",
]


@pytest.fixture(autouse=True)
def _fakes():
    with translation.registered():
        yield


def records(sentences=SENTENCES):
    found = []
    for number, sentence in enumerate(sentences, 1):
        words, tags = zip(*(token.rsplit("/", 1) for token in sentence.split()), strict=True)
        found.append({"id": str(number), "words": list(words), "tags": list(tags)})
    return documents("ner", found)


def tags(projection):
    """The tags of a projected sentence."""
    return NER().tags(projection.document)


def test_the_layer_of_spans_is_the_only_one_of_a_task():
    (first, *_) = records()
    assert [tuple(span) for span in spans_of(NER(), first)] == [
        ("PER", 0, 1),
        ("PER", 2, 4),
    ]
    parsing = tasks.get("dependency_parsing")()
    assert span_layer(parsing) is None
    assert spans_of(parsing, first) == []

    class Two(NER):
        layers: ClassVar = {"one": FlatSpans, "other": FlatSpans}

    assert span_layer(NER()) in NER.layers
    assert span_layer(Two()) is None


def settings(**changes):
    return ProjectionSettings(**{**translation.SETTINGS, **changes})


def test_every_record_in_order_with_its_translation():
    projector = Projector(NER(), settings(), "eng", "spa")
    source = records()
    found = list(projector.stream(iter(source)))
    assert [one.source for one in found] == source
    assert row(NER(), found[0].projection.document) == {
        "id": "1",
        "words": ["Marley", "Bob", "likes", "Ana"],
        "tags": ["B-PER", "I-PER", "O", "B-PER"],
    }
    assert [o.confidence for o in found[0].projection.outcomes] == [1, 1]
    assert found[0].projection.document.text.surface == "Marley Bob likes Ana"
    assert found[0].projection.document.language == "spa"
    assert tags(found[1].projection) == ["O", "O"]
    assert found[1].projection.confidence == 1
    assert list(projector.stream([])) == []


class Echoed(NER):
    """Its second text is the first one in lower case."""

    texts = ("text", "echo")

    def project(self, document, pairs, settings):
        words = [[w.lower() for w in pairs[name].target.words] for name in ("text", "echo")]
        assert words[0] == words[1]
        return project_layers(self, document, pairs, settings)


class Unaligned(Echoed):
    layers: ClassVar = {"label": Label}


def echoed():
    return [
        replace(d, texts={"text": d.text, "echo": Text.from_words(w.lower() for w in d.words)})
        for d in records()
    ]


def test_several_texts_of_a_document_come_together():
    found = list(Projector(Echoed(), settings(), "eng", "spa").stream(echoed()))
    assert [set(one.pairs) for one in found] == [{"text", "echo"}] * 4
    assert spans(tags(found[2].projection))[0].kind == "LOC"
    assert found[2].projection.document.texts["echo"].surface == "rome and york new in"
    labelled = [replace(d, layers={"label": Label("x")}) for d in echoed()]
    alone = Projector(Unaligned(), settings(aligner=None), "eng", "spa")
    assert [one.pairs["text"].links for one in alone.stream(labelled)] == [{}] * 4


def test_what_depends_on_what():
    same = Projector(NER(), settings(), "eng", "spa").identity()
    assert Projector(NER(), settings(weighting="confidence"), "eng", "spa").identity() == same
    others = [
        Projector(NER(), settings(gap=3), "eng", "spa"),
        Projector(NER(), settings(), "eng", "por"),
        Projector(NER(NER.Options(types=["PER"])), settings(), "eng", "spa"),
        Projector(
            NER(), settings(translator={"name": "backwards", "max_repeats": 9}), "eng", "spa"
        ),
    ]
    assert len({same, *(one.identity() for one in others)}) == 5


@pytest.mark.parametrize("kind", ["translator", "aligner"])
def test_nothing_chosen(kind):
    with pytest.raises(XltError, match=f"no {kind} is chosen") as caught:
        Projector(NER(), settings(**{kind: None}), "eng", "spa")
    assert caught.value.where == f"projection.{kind}"
    assert "backwards" in caught.value.fix or "same_words" in caught.value.fix


class Failing(translation.Backwards):
    def translate(self, texts, source, target):
        made = super().translate(texts, source, target)
        return [
            Translation("", "it crashed", failed=True) if "Rome" in text else one
            for text, one in zip(texts, made, strict=True)
        ]


def test_a_translator_that_fails_once(monkeypatch):
    monkeypatch.setitem(translation.translators._registered, "backwards", Failing)
    found = list(Projector(NER(), settings(), "eng", "spa").stream(records()))
    assert [one.failed for one in found] == [False, False, True, False]
    assert found[2].projection.document is None
    assert {o.reason for o in found[2].projection.outcomes} == {"empty"}


# Filters --------------------------------------------------------------------------------------


def project(links, require, partial=False):
    chosen = settings(require=require)
    (document,) = records(["Ana/B-PER Bob/B-LOC Marley/I-LOC"])
    pairs = {"text": aligned_pair(document.words, ["a", "b", "c"], links)}
    projection = project_document(NER(), document, pairs, chosen)
    return filtered(projection, pairs, chosen, partial=partial)


def test_records_that_lost_a_label():
    some = {(0, 0): 1.0}
    assert tags(project(some, [])) == ["B-PER", "O", "O"]
    lost = project(some, ["labels"])
    assert lost.document is None
    assert [o.reason for o in lost.outcomes] == ["filtered", "unaligned"]


def test_records_with_a_word_of_a_label_that_is_not_linked():
    some = {(0, 0): 1.0, (1, 1): 1.0}
    assert tags(project(some, ["labels"])) == ["B-PER", "B-LOC", "O"]
    assert [o.reason for o in project(some, ["words"]).outcomes] == ["filtered", "filtered"]
    assert project({**some, (2, 2): 1.0}, ["labels", "words"]).document is not None


def test_partial_annotation_may_lack_labels():
    assert project({(0, 0): 1.0}, ["labels"], partial=True).document is not None
    assert is_partial(tasks.get("dependency_parsing")())
    assert not is_partial(NER())


def test_splitting_at_spaces_only():
    sentence = ["Well/O ,/O Ana/B-PER ./O"]
    (one,) = Projector(NER(), settings(tokenise=False), "eng", "spa").stream(records(sentence))
    assert one.pairs["text"].target.words == ("Ana.", "Well,")
    (one,) = Projector(NER(), settings(), "eng", "spa").stream(records(sentence))
    assert one.pairs["text"].target.words == ("Ana", ".", "Well", ",")
    assert one.pairs["text"].target.surface == "Ana. Well,"


def test_the_surface_is_what_is_translated(monkeypatch):
    """Not the words put together again: „delle case“ has a multiword token, and no rule for
    spaces gives this text."""
    asked = []

    class Listening(translation.Backwards):
        def translate(self, texts, source, target):
            asked.extend(texts)
            return super().translate(texts, source, target)

    monkeypatch.setitem(translation.translators._registered, "backwards", Listening)
    surface = "Vede  delle case ( 3 )!"
    words = ("Vede", "di", "le", "case", "(", "3", ")", "!")
    places = ((0, 4), (6, 11), (6, 11), (12, 16), (17, 18), (19, 20), (21, 22), (22, 23))
    document = NER().from_text("1", Text(surface, words, places))
    (one,) = Projector(NER(), settings(), "ita", "spa").stream([document])
    assert asked == [surface]
    assert one.pairs["text"].source.words == words


def test_a_plugin_that_is_not_there():
    chosen = settings(aligner=Plugin(name="nobody"))
    with pytest.raises(XltError, match="there is no aligner called 'nobody'"):
        Projector(NER(), chosen, "eng", "spa")
