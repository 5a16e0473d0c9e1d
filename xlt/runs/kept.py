"""Which of its models a run keeps (`output.keep`), and a finished run of which fewer are wanted."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from xlt.config.load import dump
from xlt.config.schema import Config
from xlt.files import write_text
from xlt.model.folder import INFO
from xlt.results import CARD
from xlt.runs.card import usage
from xlt.runs.folder import RunFolder, model_folder
from xlt.runs.publish import publish, repositories

log = logging.getLogger(__name__)

Model = tuple[int, str]
"""The seed and the target that it is of."""


def kept(config: Config, result: Mapping[str, Any]) -> set[Model]:
    """The models that the run keeps.

    Of a result that does not say by what its models were selected (of an older xlt), `best` keeps
    all, with a warning.
    """
    every = {(seed, target) for seed in config.seeds for target in config.target}
    if config.output.keep == "all":
        return every
    if config.output.keep == "scores":
        return set()
    last = {
        (seed, target): result.get("lineage", {}).get(f"seed-{seed}/{target}", [{}])[-1]
        for seed, target in every
    }
    if not all("primary" in stage for stage in last.values()):
        log.warning(
            "%s keeps all its models: an older xlt made it, and has not stored which is the best",
            config.name,
        )
        return every

    def score(seed: int, target: str) -> float:
        stage = last[seed, target]
        found = stage["selected"][stage["primary"]]["score"]
        return -math.inf if found is None else found  # it was selected on nothing

    return {
        (max(config.seeds, key=lambda seed: score(seed, target)), target)
        for target in config.target
    }


def lacking(config: Config, run: Path, result: Mapping[str, Any]) -> set[Model]:
    """Models that a finished run should have and has not."""
    return kept(config, result) - _there(config, run)


def first_seeds(config: Config, models: Collection[Model]) -> dict[str, int]:
    """Target → the first seed of which there is a model: the one that is published and shown."""
    return {
        target: seed
        for seed in reversed(config.seeds)
        for target in config.target
        if (seed, target) in models
    }


def settle(config: Config, folder: RunFolder, result: dict[str, Any]) -> dict[str, Any]:
    """Have a finished run keep and publish what its config says now; its result, which may be new.

    It has all models that are wanted (`lacking`). Raises XltError as `publish`.
    """
    wanted = kept(config, result)
    there = _there(config, folder.path)
    push = config.output.push_to_hub
    if surplus := there - wanted:
        card = folder.path / CARD
        if card.is_file():  # users edit it
            before, now = (usage(config, first_seeds(config, some)) for some in (there, wanted))
            write_text(card, card.read_text(encoding="utf-8").replace(before, now))
        log.info(
            "%s keeps %d of %d models (output.keep: %s)",
            folder.path,
            len(wanted),
            len(there),
            config.output.keep,
        )
        folder.restate(dump(config), result, without=[model_folder(*model) for model in surplus])
    if push and result.get("pushed") != repositories(push, config.target):
        result["pushed"] = publish(folder.path, push, first_seeds(config, wanted))
        folder.restate(dump(config), result)
    return result


def _there(config: Config, run: Path) -> set[Model]:
    return {
        (seed, target)
        for seed in config.seeds
        for target in config.target
        if (run / model_folder(seed, target) / INFO).is_file()
    }
