"""Events on a translation."""

from __future__ import annotations

import pytest
from pairs import aligned_pair
from records import row

from xlt.config.schema import ProjectionSettings
from xlt.projection.layers import project_document
from xlt.tasks.event_extraction import EventExtraction

SETTINGS = ProjectionSettings()
WORDS = ["Ana", "bought", "a", "house", "and", "left", "Lima"]
TARGET = ["Lima", "utziz", ",", "Anak", "etxe", "bat", "erosi", "zuen"]
LINKS = {(0, 3): 0.9, (1, 6): 0.8, (1, 7): 0.6, (2, 5): 0.9, (3, 4): 0.9, (5, 1): 0.9, (6, 0): 1.0}


def event(start, kind, *arguments):
    return {
        "trigger": {"start": start, "end": start + 1}, "type": kind,
        "arguments": [{"start": a, "end": b, "role": r} for a, b, r in arguments],
    }  # fmt: skip


EVENTS = [
    event(1, "Buy", (0, 1, "Buyer"), (2, 4, "Thing")),
    event(5, "Leave", (0, 1, "Agent"), (6, 7, "Place")),
]
ROW = {
    "id": "1", "words": WORDS, "events": EVENTS, "given": EVENTS, "unknown": [],
    "entities": [{"start": 0, "end": 1, "type": "PER"}, {"start": 6, "end": 7, "type": "LOC"}],
}  # fmt: skip


TASK = EventExtraction()


def project(links=LINKS, given=ROW, task=TASK, **more):
    """The projection, and the projected document as a row; None if it is lost."""
    pair = aligned_pair(WORDS, TARGET, links, **more)
    document = TASK.validate_row(given, where="here")
    found = project_document(task, document, {"text": pair}, SETTINGS)
    return found, None if found.document is None else row(TASK, found.document)


def test_head_words_stay_one_word():
    """`bought` is linked to two words: the better link says where the trigger is, so that the
    projection can be read with `spans: head` again."""
    given = {**ROW, "events": [event(1, "Buy", (0, 1, "Buyer"))], "given": []}
    for spans, end in {"head": 7, "exact": 8}.items():
        task = EventExtraction(EventExtraction.Options(spans=spans))
        _, found = project(given=given, task=task)
        assert found["events"][0]["trigger"] == {"start": 6, "end": end}


def test_events_keep_their_parts_when_the_order_changes():
    projection, found = project()
    assert found["entities"] == [
        {"start": 0, "end": 1, "type": "LOC"}, {"start": 3, "end": 4, "type": "PER"},
    ]  # fmt: skip
    leave, buy = found["events"]
    assert leave == event(1, "Leave", (0, 1, "Place"), (3, 4, "Agent"))
    assert (buy["trigger"], buy["type"]) == ({"start": 6, "end": 8}, "Buy")
    assert buy["arguments"] == [
        {"start": 3, "end": 4, "role": "Buyer"}, {"start": 4, "end": 6, "role": "Thing"},
    ]  # fmt: skip
    assert found["given"] == found["events"]
    assert found["unknown"] == []
    assert [o.kind for o in projection.outcomes] == [
        "PER", "LOC", "Buy", "Buyer", "Thing", "Leave", "Agent", "Place",
    ]  # fmt: skip
    assert all(o.confidence > 0.5 for o in projection.outcomes)


def test_an_event_without_one_of_its_arguments_is_lost_and_its_trigger_unknown():
    projection, found = project({k: v for k, v in LINKS.items() if k != (0, 3)})
    assert found["events"] == []
    assert found["unknown"] == [{"start": 1, "end": 2}, {"start": 6, "end": 8}]
    assert [e["type"] for e in found["entities"]] == ["LOC"]
    assert [o.reason for o in projection.outcomes] == [
        "unaligned", None, "structure", "unaligned", "structure",
        "structure", "unaligned", "structure",
    ]  # fmt: skip


def test_a_lost_trigger_loses_its_event_alone():
    projection, found = project({k: v for k, v in LINKS.items() if k != (5, 1)})
    assert [e["type"] for e in found["events"]] == ["Buy"]
    assert found["unknown"] == []
    assert [o.reason for o in projection.outcomes[-3:]] == ["unaligned", "structure", "structure"]


def test_what_was_unknown_stays_unknown():
    unknown = [{"start": 5, "end": 6}]
    given = {**ROW, "events": EVENTS[:1], "given": EVENTS[:1], "unknown": unknown}
    assert project(given=given)[1]["unknown"] == [{"start": 1, "end": 2}]


def test_predictions_go_back_with_what_gold_triggers_were_given():
    _, found = project(given={**ROW, "given": EVENTS[1:]})
    assert [e["type"] for e in found["events"]] == ["Leave", "Buy"]
    assert [e["type"] for e in found["given"]] == ["Leave"]


@pytest.mark.parametrize("more", [{"warning": "no translation"}])
def test_a_suspicious_translation_teaches_nothing(more):
    projection, found = project(**more)
    assert found is None
    assert {o.reason for o in projection.outcomes} == {"guard"}
