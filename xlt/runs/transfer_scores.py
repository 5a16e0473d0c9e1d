"""The Transfer Scores of a run's models on text without labels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.document import Document
from xlt.registry import tasks
from xlt.runs.remembered import remembered
from xlt.runs.source_dev import of_each
from xlt.training.raw_text import MAX_TRANSFER_SENTENCES

if TYPE_CHECKING:
    from xlt.config.schema import Config
    from xlt.inference.predictor import Predictor
    from xlt.model.backbone import Backbone
    from xlt.task import Task


def transfer_scores(
    config: Config,
    models: Sequence[Path],
    texts: Sequence[Sequence[Document]],
    *,
    batch_tokens: int,
) -> list[list[float | None]]:
    """Of each text the Transfer Score of each model, of one run with several seeds, on the first
    records; None where it has none (`xlt.inference.transfer_score`). Computed once (`remembered`);
    each model is loaded once for all texts.

    config: of the run. The records' annotation is not looked at, but for what the model is given.
    """
    first = [records[:MAX_TRANSFER_SENTENCES] for records in texts]

    def compute(lacking: Sequence[int]) -> list[list[float | None]]:
        def work(task: Task, backbone: Backbone, predictor: Predictor) -> list[float | None]:
            from xlt.inference.transfer_score import transfer_score_of

            return [
                transfer_score_of(predictor, task.encode(first[number], backbone, None))
                for number in lacking
            ]

        found = of_each(config, models, work, batch_tokens=batch_tokens)
        return [list(of_text) for of_text in zip(*found, strict=True)]

    reads = tasks.get(config.task.name).reads
    asked = [[_fingerprint(records, reads)] for records in first]
    return remembered("transfer-score", config, models, asked, compute)


def _fingerprint(records: Sequence[Document], reads: Sequence[str]) -> str:
    """Of what a model is given of the records: texts, and the layers that it reads."""
    told = hashlib.sha256()
    for record in records:
        told.update(repr((dict(record.texts), [record.layers[name] for name in reads])).encode())
    return told.hexdigest()
