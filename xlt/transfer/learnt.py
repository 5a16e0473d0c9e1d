"""What a stage and those before it have learnt, by which it is seen what is forgotten later."""

from __future__ import annotations

from dataclasses import replace

from xlt.config.intermediate import learning
from xlt.config.schema import TEXT, Config
from xlt.transfer.kind import solves
from xlt.transfer.stage import DataSplit, Stage, data_splits


def learnt(config: Config, stage: Stage) -> list[DataSplit]:
    """The dev data, of each task and language that there are any of, in the order in which the
    languages were learnt from labels."""
    found: dict[DataSplit, None] = {}
    for one in stage.history:
        for split in one.train:
            if split.split == TEXT or split.unlabelled:
                continue
            own = learning(config, split.task)
            dev = data_splits(own, split.language, "dev", required=False)
            found |= dict.fromkeys(replace(each, task=split.task) for each in dev)
    return [one for one in found if one.task is not None or solves(stage)]


def last_on(stage: Stage, task: str) -> Stage:
    """Of a stage and those before it, the last one that trains on another task."""
    return [one for one in stage.history if one.task == task][-1]
