"""Every task's metrics as a module of the `evaluate` library, without the network::

    from xlt.evaluation import hub
    metric = hub.load("ner")
    metric.compute(predictions=predicted_records, references=gold_records)

or from `evaluate` itself, which takes the path of this file and the task as configuration::

    evaluate.load(hub.__file__, "ner")

Importing this module imports `evaluate`, which takes seconds: nothing else in xlt does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from xlt.document import Document
from xlt.document.document import Row
from xlt.errors import XltError
from xlt.evaluation.counts import count_matrix, score
from xlt.registry import tasks

try:
    import datasets
    import evaluate
except ImportError as missing:
    raise XltError(
        f"the package {missing.name} is needed for this", fix="pip install 'xlt[evaluate]'"
    ) from missing


class TaskMetric(evaluate.EvaluationModule):
    """The metrics of one task; predictions and references are its records, in one order.

    Computing raises XltError where a prediction is of another record: other id, other words.

    config_name: the task.
    options:     the task's own options; further keyword arguments are those of
        `evaluate.EvaluationModule` (experiment_id, num_process, process_id, …).
    """

    def __init__(
        self,
        config_name: str | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        if config_name is None:
            raise XltError("which task's metrics?", fix=f"one of {', '.join(tasks.names())}")
        kind = tasks.get(config_name)
        self.task = kind(kind.Options(**(options or {})))
        super().__init__(config_name=config_name, **settings)

    def _info(self) -> evaluate.EvaluationModuleInfo:
        # Rows of a task have no schema that holds for all of its formats: they travel as JSON.
        row = datasets.Value("string")
        return evaluate.EvaluationModuleInfo(
            description=f"{self.task.name}: {', '.join(self.task.metrics_reported)}, in percent",
            citation="",
            inputs_description="predictions and references: rows with the columns "
            f"{', '.join(self.task.columns)}, in one order",
            features=datasets.Features({"predictions": row, "references": row}),
        )

    def add_batch(
        self,
        *,
        predictions: Sequence[Row],
        references: Sequence[Row],
        **kwargs: Any,
    ) -> None:
        """Add a batch of rows of the task."""
        super().add_batch(
            predictions=_as_json(predictions), references=_as_json(references), **kwargs
        )

    def add(self, *, prediction: Row, reference: Row, **kwargs: Any) -> None:
        """Add one row of the task and its reference."""
        self.add_batch(predictions=[prediction], references=[reference], **kwargs)

    def _compute(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        gold = self._documents(references, "references")
        predicted = self._documents(predictions, "predictions")
        task = self.task.for_labels(self.task.labels([*gold, *predicted]))
        return score(task, count_matrix(task, gold, predicted))

    def _documents(self, texts: Sequence[str], what: str) -> list[Document]:
        """Rows as documents; those without an id have their number for one."""
        documents = []
        for number, text in enumerate(texts):
            row = json.loads(text)
            if row.get("id") is None:
                row["id"] = str(number)
            documents.append(self.task.validate_row(row, where=f"{what}[{number}]"))
        return documents


def _as_json(rows: Sequence[Row]) -> list[str]:
    return [json.dumps(row) for row in rows]


def load(task: str, *, options: Mapping[str, Any] | None = None, **settings: Any) -> TaskMetric:
    """The metrics of a registered task as an `evaluate.EvaluationModule`.

    Raises XltError for an unknown task, with the nearest name.
    """
    settings.setdefault("keep_in_memory", settings.get("num_process", 1) == 1)
    return TaskMetric(task, options=options, **settings)
