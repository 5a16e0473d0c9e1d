"""What a run's models do on labelled dev data of its sources, and on any records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from xlt.document import Document
from xlt.evaluation.criteria import OnDev, agreements, on_dev
from xlt.runs.remembered import remembered
from xlt.training.data import MAX_SAMPLE, sample

if TYPE_CHECKING:
    from xlt.config.schema import Config
    from xlt.inference.predictor import Predictor
    from xlt.model.backbone import Backbone
    from xlt.task import Task
    from xlt.training.data import Data

_READ = TypeAdapter(list[OnDev])
T = TypeVar("T")


def on_source_dev(
    config: Config, models: Sequence[Path], data: Sequence[Data], *, batch_tokens: int
) -> list[OnDev]:
    """Each model, of one run with several seeds, on a `sample` of each dev set together; computed
    once (`remembered`).

    config: of the run.
    """

    def compute(_: Sequence[int]) -> list[list[Any]]:
        records = [one.records[number] for one in data for number in sample(len(one.records))]
        task, predicted = predictions(config, models, records, batch_tokens=batch_tokens)
        agreed = agreements(task, predicted)
        found = [
            on_dev(task, records, own, agrees=agrees)
            for own, agrees in zip(predicted, agreed, strict=True)
        ]
        dumped: list[Any] = _READ.dump_python(found, mode="json")
        return [dumped]

    given = [MAX_SAMPLE, *(one.fingerprint for one in data)]
    (kept,) = remembered("source-dev", config, models, [given], compute)
    return _READ.validate_python(kept)


def predictions(
    config: Config, models: Sequence[Path], records: Sequence[Document], *, batch_tokens: int
) -> tuple[Task, list[list[Document]]]:
    """What each model of a run says of the records themselves, without a translation, computed as
    where the run scores them; and the models' task. One model at a time is in memory."""

    def work(task: Task, backbone: Backbone, predictor: Predictor) -> tuple[Task, list[Document]]:
        return task, predictor(records, task.encode(records, backbone, None))

    found = of_each(config, models, work, batch_tokens=batch_tokens)
    return found[-1][0], [own for _, own in found]


def of_each(
    config: Config,
    models: Sequence[Path],
    work: Callable[[Task, Backbone, Predictor], T],
    *,
    batch_tokens: int,
) -> list[T]:
    """What `work` makes of each model of a run, ready to predict; one at a time is in memory."""
    return [_of(config, folder, work, batch_tokens) for folder in models]


def _of(
    config: Config,
    folder: Path,
    work: Callable[[Task, Backbone, Predictor], T],
    batch_tokens: int,
) -> T:
    from xlt.inference.loading import make_direct_predictor

    return work(
        *make_direct_predictor(
            folder,
            batch_tokens=batch_tokens,
            precision=config.training.precision,
            options=config.model,
            confident=True,
        )
    )
