"""Arguments written into templates: what is learnt is what may be said, and says the same."""

from __future__ import annotations

import pytest
import torch
from records import RECORDS
from tiny import make_encoder

from xlt.config.schema import Model
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.model.constrain import FillSlots
from xlt.model.tag_writer import word_subwords
from xlt.tasks.event_extraction import EventExtraction
from xlt.tasks.event_extraction.records import apart, place_of

GOLD = RECORDS["event_extraction"]
TASK = EventExtraction(EventExtraction.Options(model="templates", parts=["arguments"], beams=1))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    texts = [d.text.surface for d in GOLD]
    folder = make_encoder(tmp_path_factory.mktemp("templates") / "encoder", texts, "umt5")
    return Backbone(str(folder), Model(encoder=str(folder)))


def test_targets_are_filled_templates(backbone):
    labels = TASK.labels(GOLD)
    torch.manual_seed(0)
    model = TASK.build(backbone, labels)
    examples = TASK.encode(GOLD, backbone, labels)
    batch = TASK.collate(examples)
    roles = [tag[2:] for tag in labels["role"] if tag.startswith("B-")]
    flat = [tuple(ids) for ids in model.config.role_token_id]
    tags = list(zip(flat[::2], flat[1::2], strict=True))
    words = word_subwords(batch["copy_input_ids"], backbone.pad_id)
    targets = [row for example in examples for row in example.inputs["targets"]]
    for event, (sentence, start, stop) in enumerate(batch["events"].tolist()):
        own = [role for role in batch["slots"][event].tolist() if role >= 0]
        automaton = FillSlots(
            words[event], [tags[role] for role in own], tuple(model.config.none_token_id),
            model.end_id, tuple(model.config.and_token_id),
        )  # fmt: skip
        filled = automaton.spans(targets[event].tolist())
        slots = zip(own, filled, strict=True)
        found = {(roles[role], span) for role, some in slots for span in some}
        events = GOLD[sentence].layers["events"].structures
        arguments = [a for e in events if place_of(e.head) == (start, stop) for a in e.parts]
        assert found == {(a.kind, place_of(a)) for a in apart(arguments)}


def test_sentences_without_events(backbone):
    labels = TASK.labels(GOLD)
    torch.manual_seed(0)
    model = TASK.build(backbone, labels).eval()
    quiet = [d for d in GOLD if not d.layers["events"].structures]
    found = model(**TASK.collate(TASK.encode(quiet, backbone, None)))
    assert len(found["events"]) == 0
    loss = model(**TASK.collate(TASK.encode(quiet, backbone, labels)))["loss"]
    loss.backward()
    assert float(loss.detach()) == 0


def test_templates_find_no_triggers(backbone):
    task = EventExtraction(EventExtraction.Options(model="templates"))
    with pytest.raises(XltError, match="they find no triggers") as error:
        task.build(backbone, task.labels(GOLD))
    assert error.value.where == "task.parts"
