"""From records to projected records: order, texts, filters, what is missing."""

from __future__ import annotations

import pytest

from xlt.config.schema import Plugin, ProjectionSettings
from xlt.errors import XltError
from xlt.projection.pair import AlignedPair
from xlt.projection.project import Projector, filtered
from xlt.projection.translate.base import Translation
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
    return found


def settings(**changes):
    return ProjectionSettings(**{**translation.SETTINGS, **changes})


def test_every_record_in_order_with_its_translation():
    projector = Projector(NER(), settings(), "eng", "spa")
    source = records()
    found = list(projector.stream(iter(source)))
    assert [one.source for one in found] == source
    assert found[0].projection.record == {
        "id": "1",
        "words": ["Marley", "Bob", "likes", "Ana"],
        "tags": ["B-PER", "I-PER", "O", "B-PER"],
    }
    assert [o.confidence for o in found[0].projection.outcomes] == [1, 1]
    assert found[1].projection.record["tags"] == ["O", "O"]
    assert found[1].projection.confidence == 1
    assert list(projector.stream([])) == []


class TwoTexts(NER):
    """Its second text is the first one's words in lower case; it has a label of its own."""

    def texts(self, record):
        return {"text": record["words"], "echo": [w.lower() for w in record["words"]]}

    def project(self, record, pairs, settings):
        assert [w.lower() for w in pairs["text"].target] == list(pairs["echo"].target)
        return super().project(record, pairs, settings)


class Unaligned(TwoTexts):
    aligned = False


def test_several_texts_of_a_record_come_together():
    found = list(Projector(TwoTexts(), settings(), "eng", "spa").stream(records()))
    assert [set(one.pairs) for one in found] == [{"text", "echo"}] * 4
    assert spans(found[2].projection.record["tags"])[0].kind == "LOC"
    alone = Projector(Unaligned(), settings(aligner=None), "eng", "spa")
    assert [one.pairs["text"].links for one in alone.stream(records())] == [{}] * 4


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
    assert found[2].projection.record is None
    assert {o.reason for o in found[2].projection.outcomes} == {"empty"}


# Filters --------------------------------------------------------------------------------------


def project(links, require, task=None):
    task = task or NER()
    chosen = settings(require=require)
    (record,) = records(["Ana/B-PER Bob/B-LOC Marley/I-LOC"])
    pairs = {"text": AlignedPair(record["words"], ["a", "b", "c"], links)}
    return filtered(task.project(record, pairs, chosen), pairs, chosen, partial=task.partial)


def test_records_that_lost_a_label():
    some = {(0, 0): 1.0}
    assert project(some, []).record["tags"] == ["B-PER", "O", "O"]
    lost = project(some, ["labels"])
    assert lost.record is None
    assert [o.reason for o in lost.outcomes] == ["filtered", "unaligned"]


def test_records_with_a_word_of_a_label_that_is_not_linked():
    some = {(0, 0): 1.0, (1, 1): 1.0}
    assert project(some, ["labels"]).record["tags"] == ["B-PER", "B-LOC", "O"]
    assert [o.reason for o in project(some, ["words"]).outcomes] == ["filtered", "filtered"]
    assert project({**some, (2, 2): 1.0}, ["labels", "words"]).record is not None


class Partial(NER):
    partial = True


def test_partial_annotation_may_lack_labels():
    assert project({(0, 0): 1.0}, ["labels"], Partial()).record is not None


def test_splitting_at_spaces_only():
    chosen = settings(tokenise=False)
    (one,) = Projector(NER(), chosen, "eng", "spa").stream(records(["Well/O ,/O Ana/B-PER ./O"]))
    assert one.pairs["text"].target == ["Ana.", "Well,"]
    (one,) = Projector(NER(), settings(), "eng", "spa").stream(
        records(["Well/O ,/O Ana/B-PER ./O"])
    )
    assert one.pairs["text"].target == ["Ana", ".", "Well", ","]
    assert one.pairs["text"].spaces == [False, True, False, True]


def test_a_plugin_that_is_not_there():
    chosen = settings(aligner=Plugin(name="nobody"))
    with pytest.raises(XltError, match="there is no aligner called 'nobody'"):
        Projector(NER(), chosen, "eng", "spa")
