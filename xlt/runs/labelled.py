"""Labelled data that a command scores several models of one task on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xlt.document import Document


@dataclass(frozen=True)
class Data:
    """Labelled data, as `xlt.runs.evaluate.evaluate` takes them, but for a card's split: where the
    reference says none it is dev."""

    reference: str
    language: str | None = None
    input_format: str | None = None
    options: Mapping[str, Any] | None = None


def records(folder: Path, data: Data) -> Sequence[Document]:
    """For a model's folder. Raises XltError as `xlt.runs.evaluate.evaluate`."""
    from xlt.model.folder import read_info, task_of
    from xlt.runs.evaluate import labelled

    info = read_info(folder)
    _, records, _ = labelled(
        task_of(info, folder),
        info.labels,
        info.languages,
        data.reference,
        language=data.language,
        split=None,
        format=data.input_format,
        options=data.options,
        default="dev",
    )
    return records


def metrics(folder: Path, records: Sequence[Document], batch_tokens: int) -> dict[str, float]:
    """What a model's folder scores on them; the task's main metric first."""
    from xlt.evaluation.counts import count_matrix, score
    from xlt.projection.opening import open_predictor

    task, backbone, predictor = open_predictor(folder, batch_tokens=batch_tokens)
    predicted = predictor(records, task.encode(records, backbone, None))
    found = score(task, count_matrix(task, records, predicted))
    return {name: float(found[name]) for name in task.metrics_reported}
