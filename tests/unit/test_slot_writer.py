"""Spans of known types written into their places, and proposed on translations."""

from __future__ import annotations

import pytest
import torch
from records import documents
from small import Stages, all_texts, make_world
from test_projector import settings
from tiny import make_encoder

from xlt.config.load import load_config
from xlt.config.schema import Model
from xlt.document import Span, Text
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.model.constrain import FillSlots
from xlt.model.slot_writer import encode_slots, proposals
from xlt.model.tag_writer import word_subwords
from xlt.projection.candidates import Candidates
from xlt.projection.pair import AlignedPair
from xlt.projection.project import Projector
from xlt.runs.train import train
from xlt.tasks.ner import NER
from xlt.testing import translation

LABELS = {"tag": ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")}
TASK = NER(NER.Options(model="slots", beams=3))
WORDS = ["Ann", "sees", "Rome", "near", "Medan"]
(RECORD,) = documents(
    "ner", [{"id": "1", "words": WORDS, "tags": ["B-PER", "O", "B-LOC", "I-LOC", "I-LOC"]}]
)


@pytest.fixture(scope="module", params=["umt5", "bert"])
def backbone(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param) / "encoder"
    make_encoder(folder, all_texts(), request.param)
    return Backbone(str(folder), Model(encoder=str(folder)))


@pytest.fixture
def model(backbone):
    torch.manual_seed(0)
    return TASK.build(backbone, LABELS).eval()


def test_targets_are_what_may_be_said(backbone, model):
    (example,) = TASK.encode([RECORD], backbone, LABELS)
    batch = TASK.collate([example])
    flat = [tuple(ids) for ids in model.config.tag_token_id]
    tags = list(zip(flat[::2], flat[1::2], strict=True))
    (words,) = word_subwords(batch["copy_input_ids"], backbone.pad_id)
    slots = [tags[kind] for kind in batch["slots"][0].tolist()]
    automaton = FillSlots(words, slots, tuple(model.config.none_token_id), model.end_id)
    assert automaton.spans(example.inputs["target"].tolist()) == [[(0, 1)], [(2, 5)]]


def test_every_output_fills_the_slots_it_was_asked_for(backbone, model):
    """A type that was not learnt, a text that asks for nothing, and one that is mostly padding."""
    asked = [
        [Span("PER", 0, 1), Span("EVENT", 1, 2), Span("LOC", 2, 3)],
        [],
        [Span("LOC", 0, 1)],
    ]
    encoded = backbone.words([Text.from_words(words) for words in (WORDS, WORDS, ["Rome"])])
    examples = encode_slots(encoded, asked, backbone, None)
    with torch.inference_mode():
        filled = model.fill(**TASK.collate(examples), several=3)
    assert filled.shape == (3, 3, 2, 2)
    first, none, one = (
        proposals(rows, example, LABELS) for rows, example in zip(filled, examples, strict=True)
    )
    assert {span.kind for span in first} <= {"PER", "LOC"}
    assert all(0 <= span.start < span.end <= len(WORDS) for span in first)
    assert none == []
    assert {*one} <= {Span("LOC", 0, 1)}


def test_spans_within_a_word_are_the_word(backbone):
    encoded = backbone.words([Text.from_words(WORDS)])
    (example,) = encode_slots(encoded, [[Span("LOC", 2, 3)]], backbone, None, "subwords")
    owners = example.inputs["owners"].tolist()
    assert len(example.inputs["units"]) == len(owners) > len(WORDS)
    inside = next(i for i in range(1, len(owners)) if owners[i] == owners[i - 1])
    filled = torch.tensor([[[inside, inside + 1], [-1, -1]]])
    word = owners[inside]
    assert proposals(filled, example, LABELS, "subwords") == [Span("LOC", word, word + 1)]


def test_a_trained_model_proposes_what_the_source_has(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    world = make_world(tmp_path, "umt5", size=16)
    path = world.config(
        task={"name": "ner", "model": "slots", "beams": 4}, strategy={"name": "zero_shot"},
        training__epochs=2, training__learning_rate=1e-2, selection={"on": "last"},
    )  # fmt: skip
    train(load_config(path), quiet=True)
    gold = Stages(path).records("eng")
    folder = str(world.runs("runs") / "run")
    found = [(d, {"text": AlignedPair(d.text, d.text, {})}, False) for d in gold]
    found.append((gold[0], {"text": AlignedPair(gold[0].text, Text(""), {})}, True))
    for within in False, True:
        proposed = Candidates(TASK, folder, within_words=within)(found)
        assert not proposed[-1]
        for record, some in zip(gold, proposed, strict=False):
            asked = {span.kind for span in record.layers["entities"].spans}
            assert {span.kind for span in some} <= asked
            assert max((span.end for span in some), default=0) <= len(record.words)
    assert any(some for some in proposed)
    with translation.registered():
        plain = Projector(TASK, settings(), "eng", "jav")
        with_them = Projector(TASK, settings(candidates=folder), "eng", "jav")
        assert plain.identity() != with_them.identity()
        assert len([*with_them.stream(gold)]) == len(gold)


def test_text_that_is_longer_than_the_decoder(tmp_path):
    folder = make_encoder(tmp_path / "bert", all_texts())
    backbone = Backbone(str(folder), Model(encoder=str(folder)))
    model = TASK.build(backbone, LABELS).eval()
    tags = ["B-LOC", *["I-LOC"] * 89]
    (long,) = documents("ner", [{"id": "1", "words": ["Paris"] * 90, "tags": tags}])
    with pytest.raises(XltError, match="the decoder can write 64"):
        model(**TASK.collate(TASK.encode([long], backbone, LABELS)))
