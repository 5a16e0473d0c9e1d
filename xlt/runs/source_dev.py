"""What a run's models do on labelled dev data of its sources, and on text without labels."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from xlt.data.checksums import cache_dir
from xlt.data.rows import rounded
from xlt.document import Document
from xlt.evaluation.counts import count_matrix, score
from xlt.evaluation.criteria import OnDev, OnText, Sure, agreement, fit_threshold
from xlt.evaluation.reliability import judged, things
from xlt.files import DamagedFile, read_sealed, write_sealed
from xlt.model.folder import read_info

if TYPE_CHECKING:
    from xlt.task import Task
    from xlt.training.data import Data

MAX_RECORDS = 1000
"""Of each dev set, spread over it."""

_READ = TypeAdapter(list[OnDev])
_KIND = "source-dev 1"
"""Of what is cached; another number where it is computed otherwise."""


def on_source_dev(
    models: Sequence[Path], data: Sequence[Data], *, batch_tokens: int
) -> list[OnDev]:
    """Each model, of one run with several seeds, on the dev data together.

    It is computed once for these models and data, and kept in the cache.
    """
    path = cache_dir() / "source-dev" / f"{_key(models, data)}.json"
    with contextlib.suppress(FileNotFoundError, DamagedFile):  # then it is computed anew
        return _READ.validate_python(read_sealed(path, fix="delete it")["models"])
    records = [record for one in data for record in _spread(one.records)]
    task, predicted = predictions(models, records, batch_tokens)
    agreed = _agreement(task, predicted)
    found = [
        _on_dev(task, records, own, agrees) for own, agrees in zip(predicted, agreed, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sealed(path, {"models": _READ.dump_python(found, mode="json")}, cache=True)
    return found


def on_text(task: Task, predicted: Sequence[Sequence[Document]]) -> list[OnText]:
    """Each model on text, by what it predicts there."""
    return [
        OnText(
            np.array([rounded(one) for each in own for one in things(each.confidence)]),
            sum(len(task.words(each)) for each in own),
            agrees,
        )
        for own, agrees in zip(predicted, _agreement(task, predicted), strict=True)
    ]


def predictions(
    models: Sequence[Path], records: Sequence[Document], batch_tokens: int
) -> tuple[Task, list[list[Document]]]:
    """What each model says of the records themselves, without a translation; and their task."""
    from xlt.inference.loading import make_direct_predictor

    predicted = []
    for folder in models:
        task, backbone, predictor = make_direct_predictor(
            folder, batch_tokens=batch_tokens, confident=True
        )
        predicted.append(predictor(records, task.encode(records, backbone, None)))
    return task, predicted


def _agreement(task: Task, predicted: Sequence[Sequence[Document]]) -> Sequence[float | None]:
    return agreement(task, predicted) if len(predicted) > 1 else [None]


def _on_dev(
    task: Task, gold: Sequence[Document], predicted: Sequence[Document], agrees: float | None
) -> OnDev:
    metric = task.metrics_reported[0]
    scored = score(task, count_matrix(task, gold, predicted))[metric]
    every = judged(zip(gold, predicted, strict=True)).values()
    confidences = np.array([rounded(one) for sure, _ in every for one in sure.tolist()])
    if not len(confidences):
        return OnDev(scored, None, agrees)
    right = np.concatenate([verdicts for _, verdicts in every])
    words = sum(len(task.words(document)) for document in predicted)
    return OnDev(
        scored,
        Sure(
            float(right.mean()),
            float(confidences.mean()),
            fit_threshold(confidences, right),
            len(confidences) / words,
        ),
        agrees,
    )


def _spread(records: Sequence[Document]) -> list[Document]:
    step = max(1, -(-len(records) // MAX_RECORDS))
    return [records[number] for number in range(0, len(records), step)]


def _key(models: Sequence[Path], data: Sequence[Data]) -> str:
    """Of what the models' folders and the data hold."""
    held: list[Any] = [_KIND, MAX_RECORDS, [one.fingerprint for one in data]]
    for folder in models:
        files = read_info(folder).files
        held.append(sorted(files.items()) or str(folder.resolve()))
    return hashlib.sha256(json.dumps(held).encode()).hexdigest()
