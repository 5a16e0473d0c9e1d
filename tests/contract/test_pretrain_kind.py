"""Whatever the task: its encoder learns from text before the source stage, and after it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from records import OPTIONS, RECORDS

from xlt.config.load import load_config
from xlt.model.folder import load_model
from xlt.registry import tasks
from xlt.runs.train import train
from xlt.testing import make_encoder

LEARN = {"pretrain": {"on": "jav", "training": {"max_steps": 1, "warmup": 0}}}


QUICK = {"ner", "question_generation"}
"""An encoder alone, and one with a decoder on it; the others where XLT_THOROUGH is set."""


@pytest.mark.parametrize(
    "name", [name for name in tasks.names() if name in QUICK or "XLT_THOROUGH" in os.environ]
)
def test_text_before_and_after_the_task(name, tmp_path):
    task = tasks.get(name)(tasks.get(name).Options(**OPTIONS.get(name, [{}])[0]))
    texts = [text.surface for d in RECORDS[name] for text in d.texts.values() if text.surface]
    encoder = make_encoder(tmp_path / "encoder", texts, max_position_embeddings=512)
    (tmp_path / "text.txt").write_text("\n".join(texts * 2), encoding="utf-8")
    format, (suffix, *_) = next(iter(task.formats.items()))
    data = tmp_path / f"data{suffix}"
    with data.open("w", encoding="utf-8") as stream:
        task.write(RECORDS[name], stream, format)
    config = {
        "name": "run",
        "task": {"name": name, **OPTIONS.get(name, [{}])[0]},
        "model": {"encoder": str(encoder)},
        "data": {
            "eng": {"train": data.name},
            "jav": {"test": data.name, "text": "text.txt"},
        },
        "source": "eng",
        "target": "jav",
        "strategy": {
            "name": "hierarchical",
            "before": LEARN,
            "through": [LEARN],
            "target_stage": False,
        },
        "selection": {"on": "last"},
        "training": {"max_steps": 1, "precision": "fp32"},
        "evaluation": {"bootstrap": 1},
        "seeds": [1],
        "output": {"root": str(tmp_path / "runs")},
    }
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    result = train(load_config(path), quiet=True)
    assert [row["target"] for row in result["rows"]] == ["jav"]
    stages = result["lineage"]["seed-1/jav"]
    assert [stage["kind"] for stage in stages] == ["pretrain", "train", "pretrain"]

    places = [
        Path(stage["folder"], "selected", str(stage["selected"][stage["primary"]]["step"]))
        for stage in stages
    ]
    assert (places[0] / "encoder.json").is_file()
    (_, _, before), (_, _, after) = map(load_model, places[1:])
    changed = {
        name.partition(".")[0]
        for name, weight in before.state_dict().items()
        if not weight.equal(after.state_dict()[name])
    }
    assert changed == {"encoder"}
