"""Event scores equal those of a brute-force scorer over a corpus, after TextEE's definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.document import Document, Span, Spans, Structure, Structures, Text
from xlt.tasks.event_extraction import EventExtraction
from xlt.tasks.event_extraction.metrics import METRICS

WORDS = 4
span = st.tuples(st.integers(0, WORDS - 1), st.integers(1, 2)).map(
    lambda s: (s[0], min(WORDS, s[0] + s[1]))
)
entity = st.builds(
    lambda s, t: {"start": s[0], "end": s[1], "type": t}, span, st.sampled_from("PL")
)
argument = st.builds(
    lambda s, r: {"start": s[0], "end": s[1], "role": r}, span, st.sampled_from(["A0", "A1"])
)
event = st.builds(
    lambda s, t, a: {"trigger": {"start": s[0], "end": s[1]}, "type": t, "arguments": a},
    span, st.sampled_from(["Buy", "Die"]), st.lists(argument, max_size=3),
)  # fmt: skip
side = st.fixed_dictionaries(
    {
        "entities": st.lists(entity, max_size=3),
        "events": st.lists(event, max_size=3),
        "given": st.lists(event, max_size=2),
    }
)
corpus = st.lists(st.tuples(side, side), min_size=1, max_size=4)


def brute_force(pairs, match):
    """F1 from lists of all items of a corpus, each with the number of its sentence."""
    gold, predicted = [], []
    for number, pair in enumerate(pairs):
        for items, record in zip((gold, predicted), pair, strict=True):
            for item in match(record):
                if [number, item] not in items:
                    items.append([number, item])
    right = sum(item in gold for item in predicted)
    precision = right / len(predicted) if predicted else 0
    recall = right / len(gold) if gold else 0
    return 200 * precision * recall / (precision + recall) if right else 0.0


def spans(items, key):
    return tuple(Span(item[key], item["start"], item["end"]) for item in items)


def structures(events):
    return Structures(
        tuple(
            Structure(Span(e["type"], *place(e["trigger"])), spans(e["arguments"], "role"))
            for e in events
        )
    )


def document(record):
    """As a model may predict it: not in order, not each once."""
    layers = {
        "entities": Spans(spans(record["entities"], "type")),
        "events": structures(record["events"]),
        "given": structures(record["given"]),
        "unknown": Spans(()),
    }
    return Document("1", {"text": Text.from_words(["w"] * WORDS)}, layers)


def place(item):
    return [item["start"], item["end"]]


def arguments(column, *, role, attached):
    def match(record):
        for e in record[column]:
            for a in e["arguments"]:
                yield [
                    e["type"], place(a), *([a["role"]] if role else []),
                    *([place(e["trigger"])] if attached else []),
                ]  # fmt: skip

    return match


DEFINITIONS = {
    "entity_f1": lambda r: [[*place(e), e["type"]] for e in r["entities"]],
    "trigger_i_f1": lambda r: [place(e["trigger"]) for e in r["events"]],
    "trigger_c_f1": lambda r: [[*place(e["trigger"]), e["type"]] for e in r["events"]],
    "argument_i_f1": arguments("events", role=False, attached=False),
    "argument_c_f1": arguments("events", role=True, attached=False),
    "argument_i_plus_f1": arguments("events", role=False, attached=True),
    "argument_c_plus_f1": arguments("events", role=True, attached=True),
    "given_argument_i_f1": arguments("given", role=False, attached=True),
    "given_argument_c_f1": arguments("given", role=True, attached=True),
}


@settings(max_examples=50, deadline=None)
@given(corpus)
def test_scores(pairs):
    task = EventExtraction()
    both = [tuple(map(document, pair)) for pair in pairs]
    found = task.metrics(np.sum([task.counts(*pair) for pair in both], axis=0))
    assert tuple(found) == METRICS == ("f1", *DEFINITIONS)
    for name, match in DEFINITIONS.items():
        assert found[name] == pytest.approx(brute_force(pairs, match)), name

    def everything(record):
        for name in ("entity_f1", "trigger_c_f1", "argument_c_plus_f1"):
            yield from ([name, item] for item in DEFINITIONS[name](record))

    assert found["f1"] == pytest.approx(brute_force(pairs, everything))


@pytest.mark.parametrize(
    ("parts", "first"),
    [
        (["entities"], "entity_f1"),
        (["triggers"], "trigger_c_f1"),
        (["arguments"], "given_argument_c_f1"),
    ],
)
def test_the_first_score_is_of_what_is_learnt(parts, first):
    task = EventExtraction(EventExtraction.Options(parts=parts))
    counts = np.arange(1.0, 1 + len(task.count_names))
    scores = task.metrics(counts)
    assert scores["f1"] == scores[first]
    assert len({float(v) for v in scores.values()}) == len(scores) - 1
