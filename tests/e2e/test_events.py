"""Events from a config file to predictions, and what users get wrong on the way."""

from __future__ import annotations

import json

import pytest
from small import result, xlt
from tiny import make_encoder

SENTENCES = [
    (
        "Ana bought a house in Lima .",
        (1, "Buy", {"Buyer": 0, "Place": 5}),
        [(0, "PER"), (5, "LOC")],
    ),
    ("Bob left Rome .", (1, "Leave", {"Agent": 0, "Place": 2}), [(0, "PER"), (2, "LOC")]),
    ("Rome is old .", None, [(0, "LOC")]),
    ("Bob sold a car .", (1, "Sell", {"Seller": 0}), [(0, "PER")]),
]


def rows(chosen):
    found = []
    for n, (text, event, entities) in enumerate(chosen, 1):
        events = []
        if event is not None:
            trigger, kind, roles = event
            arguments = [{"start": i, "end": i + 1, "role": r} for r, i in roles.items()]
            events.append(
                {"trigger": {"start": trigger, "end": trigger + 1}, "type": kind,
                 "arguments": arguments}
            )  # fmt: skip
        spans = [{"start": i, "end": i + 1, "type": t} for i, t in entities]
        found.append({"id": str(n), "tokens": text.split(), "entities": spans, "events": events})
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    make_encoder(folder / "encoder", [text for text, *_ in SENTENCES] * 3)
    for name, chosen in {"all": SENTENCES, "some": SENTENCES[:3]}.items():
        lines = (json.dumps(row) + "\n" for row in rows(chosen))
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def config(folder, tmp_path, name="run", test="all", train="all", **task):
    path = tmp_path / f"{name}.yaml"
    content = {
        "name": name,
        "task": {"name": "event_extraction", **task},
        "model": {"encoder": str(folder / "encoder")},
        "data": {
            "eng": {
                "train": {"ref": str(folder / f"{train}.jsonl"), "limit": {"triggers": 3}},
                "dev": str(folder / "some.jsonl"),
            },
            "jav": {"test": str(folder / f"{test}.jsonl")},
        },
        "source": "eng",
        "target": "jav",
        "training": {"epochs": 2, "learning_rate": 1e-3, "precision": "fp32"},
        "evaluation": {"bootstrap": 10},
        "seeds": [1],
        "output": {"root": str(tmp_path / "runs")},
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_from_config_to_predictions(folder, tmp_path):
    outcome = xlt("train", config(folder, tmp_path, model="joint", role_size=8))
    assert outcome.code == 0, outcome.text
    scores = result(tmp_path / "runs")["summary"][0]["metrics"]
    assert {"f1", "entity_f1", "argument_c_plus_f1", "given_argument_c_f1"} <= set(scores)
    text = tmp_path / "text.txt"
    text.write_text("Ana left Lima .\n", encoding="utf-8")
    page, out = tmp_path / "page.html", tmp_path / "out.jsonl"
    outcome = xlt(
        "predict", tmp_path / "runs/run", text, "--input-format", "words", "--output", out,
        "--html", page,
    )  # fmt: skip
    assert outcome.code == 0, outcome.text
    (record,) = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    assert record["words"] == ["Ana", "left", "Lima", "."]
    assert set(record) <= {"id", "words", "text", "entities", "events", "given", "confidence"}
    assert "left" in page.read_text(encoding="utf-8")


def spoilt(folder, tmp_path, change):
    found = rows(SENTENCES)
    change(found)
    path = folder / f"{tmp_path.name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return path.stem


def outside(found):
    found[1]["events"][0]["arguments"][0]["end"] = 9


def twice(found):
    found[3]["id"] = "1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (outside, [":2", "argument from word 0 to 9", "4 words"]),
        (twice, [":4", "'1' was there before", "repeated_ids"]),
        (lambda found: found[0].pop("events"), [":1", "'events' is missing"]),
    ],
)
def test_malformed_data(folder, tmp_path, change, words):
    name = spoilt(folder, tmp_path, change)
    outcome = xlt("train", config(folder, tmp_path, train=name))
    assert outcome.code == 2, outcome.text
    assert "Traceback" not in outcome.err
    assert "fix: " in outcome.err
    for word in (name, *words):
        assert word in outcome.err, outcome.err


def test_a_label_that_is_never_taught(folder, tmp_path):
    outcome = xlt("train", config(folder, tmp_path, train="some"))
    assert outcome.code == 2, outcome.text
    assert "trigger type 'Sell'" in outcome.err
    assert "task.rename.events" in outcome.err
    renamed = config(folder, tmp_path, train="some", rename={"events": {"Sell": "Leave"}},
                     types={"roles": ["Agent", "Place", "Buyer"]})  # fmt: skip
    assert xlt("train", renamed).code == 0


def test_what_a_config_may_say(folder, tmp_path):
    for task, words in [
        ({"model": "jiont"}, ["task.model", "joint"]),
        ({"parts": []}, ["task.parts"]),
        ({"types": {"role": ["A0"]}}, ["task.types.role", "roles"]),
    ]:
        outcome = xlt("train", config(folder, tmp_path, **task))
        assert outcome.code == 2, outcome.text
        for word in words:
            assert word in outcome.err, outcome.err
