"""What commands need beside a bad file: models, a config, translations."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from records import OPTIONS

from xlt.registry import tasks
from xlt.testing.subject import Subject


@cache
def folder() -> Path:
    """Where the models of this process are; the system's temporary folder is emptied by others."""
    return Path(tempfile.mkdtemp(prefix="bad-inputs-"))


@cache
def model(task: str, data: str, suffix: str, format: str) -> Path:
    """A model folder for the task with the labels of the data; its weights are random."""
    from xlt.model.folder import ModelInfo, save_model

    place = folder() / f"{task}-{format}"
    place.mkdir()
    path = place / f"data{suffix}"
    path.write_text(data, encoding="utf-8")
    options = OPTIONS.get(task, [{}])[0]
    kind = tasks.get(task)
    records = list(kind(kind.Options(**options)).read(path, format))
    subject = Subject(kind, records, place, options)
    info = ModelInfo(
        task=task,
        options=subject.task.options.model_dump(mode="json"),
        labels=subject.labels,
        encoder=str(subject.encoder),
        max_length=subject.backbone.max_length,
    )
    save_model(subject.untrained, info, subject.backbone.tokenizer, place / "model")
    return place / "model"
