"""Whatever two tasks: the encoder learns one, then the other, and is scored on both."""

from __future__ import annotations

import json
import os
from itertools import permutations
from pathlib import Path

import pytest
from records import OPTIONS, RECORDS

from xlt.config.load import load_config
from xlt.registry import tasks
from xlt.runs.plan import plan
from xlt.runs.train import train
from xlt.testing import make_encoder

PAIRS = list(permutations(tasks.names(), 2))
QUICK = [
    ("nli", "question_generation"),
    ("question_generation", "ner"),
    ("ner", "event_extraction"),
]
"""An encoder alone before one with a decoder, the other way round, and two that label words; others
are trained where XLT_THOROUGH is set."""

TEXTS = [
    text.surface
    for records in RECORDS.values()
    for document in records
    for text in document.texts.values()
    if text.surface
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """An encoder, and data of all tasks."""
    made = tmp_path_factory.mktemp("tasks")
    make_encoder(made / "encoder", TEXTS, max_position_embeddings=512)
    for name in tasks.names():
        task = tasks.get(name)()
        format, (suffix, *_) = next(iter(task.formats.items()))
        with (made / f"{name}{suffix}").open("w", encoding="utf-8") as stream:
            task.write(RECORDS[name], stream, format)
    return made


def config(folder: Path, tmp_path: Path, first: str, second: str) -> Path:
    def file(name: str) -> str:
        (path,) = folder.glob(f"{name}.*")
        return str(path)

    def both(name: str) -> dict[str, str]:
        return {"train": file(name), "dev": file(name)}

    def task(name: str) -> dict[str, object]:
        return {"name": name, **OPTIONS.get(name, [{}])[0]}

    stated = {
        "name": "run",
        "task": task(second),
        "model": {"encoder": str(folder / "encoder")},
        "intermediate": {"first": {"task": task(first), "data": {"eng": both(first)}}},
        "data": {"eng": both(second), "jav": {"test": file(second)}},
        "source": "eng",
        "target": "jav",
        "strategy": {"name": "zero_shot", "before": {"task": "first"}},
        "training": {"max_steps": 1, "precision": "fp32"},
        "evaluation": {"bootstrap": 1},
        "seeds": [1],
        "output": {"root": str(tmp_path / "runs")},
    }
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(stated), encoding="utf-8")
    return path


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_it_is_planned(first, second, folder, tmp_path):
    planned = plan(load_config(config(folder, tmp_path, first, second)))
    assert planned["missing"] == []
    assert [(one["kind"], one["train"]) for one in planned["stages"]] == [
        ("task", ["first:eng train"]),
        ("train", ["eng train"]),
    ]


@pytest.mark.parametrize(("first", "second"), PAIRS if "XLT_THOROUGH" in os.environ else QUICK)
def test_it_is_learnt(first, second, folder, tmp_path):
    result = train(load_config(config(folder, tmp_path, first, second)), quiet=True)
    start, own, other = result["forgetting"]
    assert (start["stage"], start["scores"]) == (None, [])
    assert [(one["task"], one["language"]) for one in own["scores"]] == [("first", "eng")]
    assert [one["task"] for one in other["scores"]] == ["first", None]
    for row in (*own["scores"], other["scores"][1]):
        assert row["drop"] == 0
    # A stage's own score is that by which its weights were selected.
    for row, stage in zip((own, other), result["lineage"]["seed-1/jav"], strict=True):
        selected = stage["selected"][stage["primary"]]["score"]
        assert row["scores"][-1]["score"] == pytest.approx(selected, abs=1e-6)
