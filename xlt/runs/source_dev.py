"""What a run's models do on labelled dev data of its sources."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from xlt.data.checksums import cache_dir
from xlt.document import Document
from xlt.evaluation.criteria import OnDev, agreements, on_dev
from xlt.files import DamagedFile, read_sealed, write_sealed
from xlt.inference.device import best_device, choose_precision
from xlt.model.folder import read_info
from xlt.registry import tasks
from xlt.training.data import MAX_SAMPLE, sample
from xlt.training.identity import environment

if TYPE_CHECKING:
    from xlt.config.schema import Config
    from xlt.task import Task
    from xlt.training.data import Data

_READ = TypeAdapter(list[OnDev])


def on_source_dev(
    config: Config, models: Sequence[Path], data: Sequence[Data], *, batch_tokens: int
) -> list[OnDev]:
    """Each model, of one run with several seeds, on a `sample` of each dev set together.

    config: of the run.

    It is computed once for these models and data, with this code and on such a device, and kept in
    the cache; of models that do not say what is in their folders it is computed anew.
    """
    path: Path | None = None
    if all(read_info(folder).files for folder in models):  # of older xlt they are not known
        path = cache_dir() / "source-dev" / f"{_key(config, models, data)}.json"
        with contextlib.suppress(FileNotFoundError, DamagedFile):  # then it is computed anew
            return _READ.validate_python(read_sealed(path, fix="delete it")["models"])
    records = [one.records[number] for one in data for number in sample(len(one.records))]
    task, predicted = predictions(config, models, records, batch_tokens=batch_tokens)
    agreed = agreements(task, predicted)
    found = [
        on_dev(task, records, own, agrees=agrees)
        for own, agrees in zip(predicted, agreed, strict=True)
    ]
    if path is not None:
        # On a full disk, or in a cache for reading alone, it is computed anew the next time.
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sealed(path, {"models": _READ.dump_python(found, mode="json")}, cache=True)
    return found


def predictions(
    config: Config, models: Sequence[Path], records: Sequence[Document], *, batch_tokens: int
) -> tuple[Task, list[list[Document]]]:
    """What each model of a run says of the records themselves, without a translation, computed as
    where the run scores them; and the models' task. One model at a time is in memory."""
    predicted = []
    for folder in models:
        task, own = _predicted(config, folder, records, batch_tokens)
        predicted.append(own)
    return task, predicted


def _predicted(
    config: Config, folder: Path, records: Sequence[Document], batch_tokens: int
) -> tuple[Task, list[Document]]:
    from xlt.inference.loading import make_direct_predictor

    task, backbone, predictor = make_direct_predictor(
        folder,
        batch_tokens=batch_tokens,
        precision=config.training.precision,
        options=config.model,
        confident=True,
    )
    return task, predictor(records, task.encode(records, backbone, None))


def _key(config: Config, models: Sequence[Path], data: Sequence[Data]) -> str:
    """Of what the models' folders and the data hold, and of what predicts and scores.

    The languages that a model is said to be for change nothing: one stage serves several targets.
    """
    device = best_device()
    computed = environment(
        [tasks.get(config.task.name)],
        choose_precision(config.training.precision, device),
        device,
        lora=config.model.lora is not None,
    )
    held: list[Any] = [MAX_SAMPLE, computed, config.model.attention]
    held += [one.fingerprint for one in data]
    held += [asdict(replace(read_info(folder), languages=[])) for folder in models]
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()
