"""What commands need beside a bad file: models whose weights are random, made once a process."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from records import OPTIONS

from bad_inputs.formats import Format
from xlt.registry import tasks
from xlt.testing.subject import Subject


def options(task: str) -> dict[str, Any]:
    """Options with which a small model of the task is made."""
    return OPTIONS.get(task, [{}])[0]


def encoder(format: Format) -> Path:
    """An encoder that knows the words of the format's valid file."""
    return model(format).parent / "encoder"


@cache
def model(format: Format) -> Path:
    """A model folder with the labels of the format's valid file."""
    from xlt.model.folder import ModelInfo, save_model

    place = Path(tempfile.mkdtemp(prefix="bad-inputs-"))
    path = place / format.file
    for name, text in {format.file: format.text, **format.beside}.items():
        (place / name).write_text(text, encoding="utf-8")
    kind = tasks.get(format.task)
    given = options(format.task)
    records = list(kind(kind.Options(**given)).documents(path, format.name))
    assert len(records) == format.records, f"{format.label} has {len(records)} records"
    subject = Subject(kind, records, place, given)
    info = ModelInfo(
        task=format.task,
        options=subject.task.options.model_dump(mode="json"),
        labels=subject.labels,
        encoder=str(subject.encoder),
        max_length=subject.backbone.max_length,
    )
    save_model(subject.untrained, info, subject.backbone.tokenizer, place / "model")
    return place / "model"
