"""Marked sentences, valid roles, and the two models of events."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from records import RECORDS, documents, row
from tiny import make_encoder

from xlt.config.schema import Model
from xlt.data.encode import collate_words
from xlt.document import Span, Spans, Structures, in_order
from xlt.inference.ensemble import Ensemble
from xlt.inference.predictor import Predictor
from xlt.model.backbone import Backbone
from xlt.tasks.event_extraction import EventExtraction
from xlt.tasks.event_extraction.decoding import decode_roles
from xlt.tasks.event_extraction.inventory import Frames, inventory, tag_ids
from xlt.tasks.event_extraction.marking import Frame, mark, marked_in_batch, owners_of
from xlt.tasks.event_extraction.records import apart

EVENTS = RECORDS["event_extraction"]
LONG = {"id": "long", "words": [w for d in EVENTS for w in d.words] * 4, "events": []}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    make_encoder(folder, [d.text.surface + " $" for d in EVENTS] * 3)
    return Backbone(str(folder), Model(encoder=str(folder)))


def frame(limit, prefix=(1,), suffix=(2,)):
    return Frame(np.array(prefix, np.int32), np.array(suffix, np.int32), 9, 0, limit)


SUBWORDS = np.arange(100, 112, dtype=np.int32)
OWNERS = np.array([0, 0, 1, 2, 2, 3, 4, 5, 5, 5, 6, 7], np.int32)


def test_a_marked_sentence():
    found = mark(SUBWORDS, OWNERS, 8, (2, 4), frame(64))
    assert [w.tolist() for w in found.windows] == [
        [1, 100, 101, 102, 9, 103, 104, 105, 9, 106, 107, 108, 109, 110, 111, 2]
    ]
    assert found.word_of[0].tolist() == [-1, 0, 0, 1, -1, 2, 2, 3, -1, 4, 5, 5, 5, 6, 7, -1]
    assert (found.n_words, found.limit) == (8, 64)


@pytest.mark.parametrize("trigger", [(0, 1), (2, 4), (5, 6), (7, 8), (0, 8)])
@pytest.mark.parametrize("limit", [4, 8, 10, 13])
def test_windows_of_a_marked_sentence(limit, trigger):
    found = mark(SUBWORDS, OWNERS, 8, trigger, frame(limit))
    assert all(len(w) <= limit for w in found.windows)
    owned = [(p, o) for w, of in zip(found.windows, found.word_of, strict=True)
             for p, o in zip(w.tolist(), of.tolist(), strict=True) if o >= 0]  # fmt: skip
    assert owned == list(zip(SUBWORDS.tolist(), OWNERS.tolist(), strict=True))
    if limit >= 10 and trigger != (0, 8):
        assert all((w == 9).sum() >= 2 for w in found.windows), "a window hides the trigger"


def test_marking_in_a_batch_is_marking_alone(backbone):
    narrow = Backbone(backbone.source, Model(encoder=backbone.source, max_length=12))
    words = narrow.words([d.text for d in EVENTS])
    packed = Frame.of(narrow.words, narrow.pad_id).packed()
    around = Frame.unpacked(*packed)
    assert around.marker == backbone.tokenizer.encode("$", add_special_tokens=False)[-1]
    batch = collate_words(words, narrow.pad_id)
    ids, index = batch["input_ids"].numpy(), batch["word_index"].numpy()
    places = [
        (s, *span) for s in range(len(EVENTS)) for span in [(0, 1), (0, len(EVENTS[s].words))]
    ]
    lengths = batch["word_mask"].sum(1).tolist()
    width = batch["word_mask"].shape[1]
    together = marked_in_batch(ids, index, lengths, width, places, around)
    for (s, start, end), one in zip(places, together, strict=True):
        alone = mark(words[s].subwords, owners_of(words[s]), lengths[s], (start, end), around)
        assert [w.tolist() for w in one.windows] == [w.tolist() for w in alone.windows]
        assert [w.tolist() for w in one.word_of] == [w.tolist() for w in alone.word_of]


def test_spans_that_overlap_leave_the_longer_one():
    places = [(0, 2), (1, 5), (5, 6), (5, 6), (4, 7)]
    spans = [Span(kind, *place) for kind, place in zip("XYZZX", places, strict=True)]
    assert apart(spans) == [spans[1], spans[2]]
    ids = {"O": 0, "B-X": 1, "I-X": 2, "B-Y": 3, "I-Y": 4, "B-Z": 5, "I-Z": 6}
    assert tag_ids(spans, 7, ids).tolist() == [0, 3, 4, 4, 4, 5, 0]


TAGS = ("O", "B-A", "I-A", "B-B", "I-B")
LABELS = {
    "trigger": ("O", "B-x", "I-x", "B-y", "I-y"),
    "role": TAGS,
    "frame": ("x A", "y A", "y A +", "y B"),
}


def roles(scores, types):
    logits = torch.tensor(scores, dtype=torch.float32)
    mask = np.ones(logits.shape[:2], bool)
    return decode_roles(logits.log_softmax(-1).numpy(), mask, types, TAGS, Frames.of(LABELS))


def test_roles_that_a_type_does_not_take():
    scores = [[[0, 1, 0, 5, 0], [0, 0, 0, 0, 5], [3, 0, 0, 0, 0]]]
    assert roles(scores, ["x"]) == [[("A", 0, 1)]]
    assert roles(scores, ["y"]) == [[("B", 0, 2)]]
    assert roles(scores, ["never seen"]) == [[("B", 0, 2)]]


def test_roles_that_a_type_takes_once():
    scores = [[[0, 3, 0, 0, 0], [2, 0, 0, 0, 0], [0, 4, 0, 2, 0], [0, 0, 3, 0, 3]]]
    assert roles(scores, ["x"]) == [[("A", 2, 4)]]
    assert roles(scores, ["y"]) == [[("A", 0, 1), ("A", 2, 4)]]
    both = roles(scores * 2, ["y", "x"])
    assert both == [[("A", 0, 1), ("A", 2, 4)], [("A", 2, 4)]]
    # Two spans side by side inside the better one are still one too many.
    adjacent = [[[0, 5, 0, 0, 0], [0, 5, 0, 0, 0], [0, 6, 0, 0, 0]]]
    assert roles(adjacent, ["x"]) == [[("A", 2, 3)]]
    assert roles(scores, ["x"]) != decode_roles(
        torch.tensor(scores).float().log_softmax(-1).numpy(),
        np.ones((1, 4), bool),
        ["x"],
        TAGS,
        None,
    )


def test_the_inventory_says_what_a_type_takes():
    labels = inventory(EVENTS)
    types = ("Buy", "Group", "Motion", "State")
    assert labels["trigger"] == ("O", *(f"{p}-{k}" for k in types for p in "BI"))
    assert {"Motion Agent", "Motion Agent +", "Motion Time"} <= set(labels["frame"])
    assert "Motion Place +" not in labels["frame"]
    frames = Frames.of(labels)
    assert frames.once["Motion"] == {"Place", "Time"}
    names = labels["role"]
    assert [n for n, ok in zip(names, frames.allowed["State"], strict=True) if ok] == [
        "O", "B-Patient", "I-Patient", "B-Place", "I-Place",
    ]  # fmt: skip


@pytest.fixture(params=["pipeline", "joint"])
def built(request, backbone):
    task = EventExtraction(EventExtraction.Options(model=request.param, role_size=8))
    torch.manual_seed(0)
    model = task.build(backbone, task.labels(EVENTS)).eval()
    return task, model


def overfit(task, model, backbone, steps=60):
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    batch = task.collate(task.encode(EVENTS, backbone, model.labels))
    for _ in range(steps):
        loss = model(**batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def test_a_model_learns_its_sentences(built, backbone):
    task, model = built
    overfit(task, model, backbone)
    predicted = Predictor(task, model, 1000)(EVENTS, task.encode(EVENTS, backbone, None))
    scores = task.metrics(np.sum([task.counts(*p) for p in zip(EVENTS, predicted, strict=True)], 0))
    assert scores["f1"] > 90  # not all of it: one argument lies inside another
    assert scores["given_argument_c_f1"] > 85
    bare = [task.from_text(d.id, d.text) for d in EVENTS]
    unseen = Predictor(task, model, 1000)(bare, task.encode(bare, backbone, None))
    assert [d.layers["events"] for d in unseen] == [d.layers["events"] for d in predicted]
    assert all(not d.layers["given"].structures for d in unseen)


def test_a_long_sentence_is_read_in_windows(built, backbone):
    """Every trigger of a sentence of many windows gets arguments' scores for all of its words."""
    task, model = built
    given = [{"trigger": {"start": 3, "end": 90}, "type": "Buy", "arguments": []},
             {"trigger": {"start": 99, "end": 100}, "type": "Buy", "arguments": []}]  # fmt: skip
    given_documents = documents(task.name, [{**LONG, "given": given}])
    (example,) = task.encode(given_documents, backbone, None)
    batch = task.collate([example])
    assert batch["input_ids"].shape[1] <= backbone.max_length
    assert len(batch["input_ids"]) > 3
    with torch.no_grad():
        outputs = model(**batch)
    assert outputs["events"].tolist()[:2] == [[0, 3, 90], [0, 99, 100]]
    assert outputs["role"].shape[:2] == (len(outputs["events"]), batch["word_mask"].shape[1])
    (predicted,) = task.decode(given_documents, [example], outputs, model.labels)
    assert [e["trigger"] for e in row(task, predicted)["given"]] == [e["trigger"] for e in given]


def test_parts_that_are_not_learnt_are_not_predicted(backbone):
    task = EventExtraction(EventExtraction.Options(parts=["entities", "arguments"]))
    labels = task.labels(EVENTS)
    examples = task.encode(EVENTS, backbone, labels)
    batch = task.collate(examples)
    rows = len(EVENTS)
    assert (batch["labels"][rows : 2 * rows] == -100).all()
    assert (batch["labels"][:rows] != -100).any()
    torch.manual_seed(0)
    model = task.build(backbone, labels).eval()
    predicted = Predictor(task, model, 1000)(EVENTS, task.encode(EVENTS, backbone, None))
    assert all(not d.layers["events"].structures for d in predicted)
    given = [[len(d.layers["given"].structures) for d in some] for some in (predicted, EVENTS)]
    assert given[0] == given[1]


def test_nothing_to_learn_adds_no_targets(backbone):
    """Where no sentence has entities, their tags are no targets: the loss is not diluted."""
    bare = [d.with_layers(entities=Spans(())) for d in EVENTS]
    task = EventExtraction()
    batch = task.collate(task.encode(bare, backbone, task.labels(bare)))
    assert (batch["labels"][: len(bare)] == -100).all()


def test_an_ensemble_averages_over_those_that_found_the_trigger(built, backbone):
    task, model = built
    overfit(task, model, backbone, 40)
    torch.manual_seed(1)
    other = overfit(task, task.build(backbone, model.labels), backbone, 20)
    members = [Predictor(task, one, 1000) for one in (model, other)]
    examples = task.encode(EVENTS, backbone, None)
    outputs = [one.forward(examples) for one in members]
    together = task.combine(outputs)
    places = [tuple(p) for p in together["events"].tolist()]
    assert len(set(places)) == len(places)
    for place, scores in zip(places, together["role"], strict=True):
        alone = [o["role"][o["events"].tolist().index(list(place))] for o in outputs
                 if list(place) in o["events"].tolist()]  # fmt: skip
        torch.testing.assert_close(scores, torch.stack(alone).mean(0))
    same = Ensemble.of([members[0], members[0]])(EVENTS, examples)
    assert same == members[0](EVENTS, examples)


def test_events_on_a_document():
    from xlt.display import spacy_doc

    task = EventExtraction()
    doc = spacy_doc(EVENTS[1], task)
    assert [(e.text, e.label_) for e in doc.ents] == [
        ("Sri Mulyani", "PER"), ("United Nations", "ORG"),
    ]  # fmt: skip
    assert [(s.text, s.label_) for s in doc.spans["events"]] == [
        ("will visit", "Motion"), ("United Nations", "Group"),
    ]  # fmt: skip
    assert [(s.text, s.label_, s.id) for s in doc.spans["arguments"]] == [
        ("Sri Mulyani", "Agent", 0), ("the United Nations", "Place", 0), ("Monday", "Time", 0),
    ]  # fmt: skip


def test_a_trigger_of_which_nothing_is_known_is_not_learnt_from(backbone):
    task = EventExtraction()
    labels = task.labels(EVENTS)
    batch = task.collate(task.encode(EVENTS, backbone, labels))
    triggers = batch["labels"][len(EVENTS) : 2 * len(EVENTS)]
    assert [(u.start, u.end) for u in EVENTS[2].layers["unknown"].spans] == [(3, 4)]
    assert (triggers[2, :5] == -100).tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("kind", ["pipeline", "joint", "templates"])
def test_what_a_model_annotated_is_learnt_from(backbone, kind):
    """Its records say that no trigger was given; their arguments are learnt like gold ones."""
    parts = ["arguments"] if kind == "templates" else ["triggers", "arguments"]
    task = EventExtraction(EventExtraction.Options(model=kind, parts=parts))
    labels = task.labels(EVENTS)
    gold, silver = (
        task.collate(task.encode(records, backbone, labels))
        for records in (EVENTS, [d.with_layers(given=Structures(())) for d in EVENTS])
    )
    assert gold.keys() == silver.keys()
    assert all(torch.equal(gold[name], silver[name]) for name in gold)


def test_entities_in_entities_are_learnt_level_by_level(backbone):
    spans = [(1, 3, "PER"), (1, 8, "ORG"), (2, 3, "PER"), (6, 8, "LOC")]
    entities = {Span(kind, start, end) for start, end, kind in spans}
    layers = {"events": Structures(()), "given": Structures(())}
    record = EVENTS[1].with_layers(entities=Spans(in_order(entities)), **layers)
    for levels, expected in (1, 1), (2, 3), (3, 4):
        task = EventExtraction(EventExtraction.Options(parts=["entities"], levels=levels))
        torch.manual_seed(0)
        model = task.build(backbone, task.labels([record]))
        optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
        batch = task.collate(task.encode([record], backbone, model.labels))
        for _ in range(40):
            loss = model(**batch)["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        (predicted,) = Predictor(task, model.eval(), 1000)(
            [record], task.encode([record], backbone, None)
        )
        found = predicted.layers["entities"].spans
        assert len(found) == expected
        assert set(found) <= entities
