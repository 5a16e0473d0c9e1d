"""What is computed of a run's models once, and kept in the cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from xlt.config.schema import Config
from xlt.data.checksums import cache_dir
from xlt.files import DamagedFile, read_sealed, write_sealed
from xlt.inference.device import best_device, choose_precision
from xlt.model.folder import read_info
from xlt.registry import tasks
from xlt.training.identity import environment


def remembered(
    kind: str,
    config: Config,
    models: Sequence[Path],
    asked: Sequence[Sequence[Any]],
    compute: Callable[[Sequence[int]], list[list[Any]]],
) -> list[list[Any]]:
    """What is asked of some models, JSON-able: for each question an answer of each model.

    It is computed once for these models, with this code and on such a device, and kept in the
    cache; of models that do not say what is in their folders it is computed anew.

    kind: what it is, a folder of the cache. config: of the models' run.
    asked: what else each answer depends on, JSON-able.
    compute: answers those questions, by their numbers, whose answers are not kept.
    """
    if not all(read_info(folder).files for folder in models):  # of older xlt they are not known
        return compute(range(len(asked)))
    folder = cache_dir() / kind
    paths = [folder / f"{key(config, models, given)}.json" for given in asked]
    found: dict[int, list[Any]] = {}
    for number, path in enumerate(paths):
        with contextlib.suppress(FileNotFoundError, DamagedFile):  # then it is computed anew
            found[number] = read_sealed(path, fix="delete it")["models"]
    lacking = [number for number in range(len(asked)) if number not in found]
    if not lacking:
        return [found[number] for number in range(len(asked))]
    for number, answers in zip(lacking, compute(lacking), strict=True):
        found[number] = answers
        # On a full disk, or in a cache for reading alone, it is computed anew the next time.
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            write_sealed(paths[number], {"models": answers}, cache=True)
    return [found[number] for number in range(len(asked))]


def key(config: Config, models: Sequence[Path], given: Sequence[Any]) -> str:
    """Of what the models' folders hold, of what predicts and scores, and of what else is given.

    The languages that a model is said to be for change nothing: one stage serves several targets.
    """
    device = best_device()
    computed = environment(
        [tasks.get(config.task.name)],
        choose_precision(config.training.precision, device),
        device,
        lora=config.model.lora is not None,
    )
    held: list[Any] = [computed, config.model.attention, *given]
    held += [asdict(replace(read_info(folder), languages=[])) for folder in models]
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()
