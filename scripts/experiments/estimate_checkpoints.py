"""The checkpoints that finished runs have kept, each with what is known of it without labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xlt.config.load import load_config
from xlt.document import Document
from xlt.errors import XltError
from xlt.evaluation.combination import Pair
from xlt.evaluation.counts import count_matrix, score
from xlt.evaluation.criteria import agreements, on_dev, on_text
from xlt.inference.transfer_score import transfer_score_of
from xlt.report.curves import stage_folder, stage_record
from xlt.results import CONFIG, read_result
from xlt.runs.evidence import pair_of
from xlt.runs.source_dev import of_each
from xlt.runs.sources import Sources
from xlt.task import make_task
from xlt.training.observing import model_at
from xlt.transfer.stage import DataSplit, source_dev

if TYPE_CHECKING:
    from xlt.inference.predictor import Predictor
    from xlt.model.backbone import Backbone
    from xlt.task import Task

RECORDS = 300
"""Of dev and test data, the first ones."""
STEPS = 6
"""Checkpoints of a stage, evenly spread over all."""
LEAST = 3
"""Of fewer there is no order."""


class _Seen(NamedTuple):
    """What a checkpoint of one seed says of dev data, and of each target's test data."""

    dev: list[Document]
    text: list[list[Document]]
    transfer_scores: list[float | None]


def checkpoints(pairs: Sequence[Pair], number: int) -> list[Pair]:
    """The checkpoints of some of the pairs, drawn at random: a pair each, of the same name, with
    the means over the run's seeds. Confidences are as they are, without calibration.

    What cannot be used is said.
    """
    draw = np.random.default_rng(0)
    chosen = draw.choice(len(pairs), min(number, len(pairs)), replace=False)
    by_run: dict[Path, list[str]] = defaultdict(list)
    for place in sorted(chosen):
        run, _, target = pairs[place].name.rpartition("/")
        by_run[Path(run)].append(target)
    found: list[Pair] = []
    for run, targets in by_run.items():
        try:
            found += _of_run(run, targets)
        except XltError as error:
            print(f"no checkpoints of {run}: {error.what}")
    return found


def _of_run(run: Path, targets: Sequence[str]) -> Iterator[Pair]:
    """Those of a run's last stages; targets that share their stages are predicted together."""
    result = read_result(run)
    together: dict[tuple[Path, ...], list[str]] = defaultdict(list)
    for target in targets:
        stages = [
            stage_folder(run, Path(chain[-1]["folder"]))
            for place, chain in result["lineage"].items()
            if place.endswith(f"/{target}")
        ]
        together[tuple(stages)].append(target)
    for of_seeds, some in together.items():
        yield from _of_stages(run, of_seeds, some)


def _of_stages(run: Path, stages: Sequence[Path], targets: Sequence[str]) -> Iterator[Pair]:
    """stages: the last one of each seed."""
    config = load_config(run / CONFIG).config
    task = make_task(config)
    sources = Sources(config, task)
    dev = [r for one in source_dev(config) for r in sources.load(one).records][:RECORDS]
    tests = [list(sources.load(DataSplit(t, "test")).records)[:RECORDS] for t in targets]

    def see(task: Task, backbone: Backbone, predictor: Predictor) -> _Seen:
        predictor.temperatures = {}
        examples = [task.encode(records, backbone, None) for records in (dev, *tests)]
        said = [predictor(*both) for both in zip((dev, *tests), examples, strict=True)]
        return _Seen(said[0], said[1:], [transfer_score_of(predictor, e) for e in examples[1:]])

    for steps in _steps(run, stages):
        with ExitStack() as there:
            models = [
                there.enter_context(model_at(stage, step))
                for stage, step in zip(stages, steps, strict=True)
            ]
            budget = config.evaluation.batch_tokens
            seen = of_each(config, models, see, batch_tokens=budget)
        agreed = agreements(task, [one.dev for one in seen])
        known = [
            on_dev(task, dev, one.dev, agrees=agrees)
            for one, agrees in zip(seen, agreed, strict=True)
        ]
        for place, target in enumerate(targets):
            said = [one.text[place] for one in seen]
            text = on_text(task, said, [one.transfer_scores[place] for one in seen])
            metric = task.metrics_reported[0]
            truth = [score(task, count_matrix(task, tests[place], one))[metric] for one in said]
            pair = pair_of(target, known, text, None, score=fmean(truth), name=f"{run}/{target}")
            if pair is not None:
                yield pair


def _steps(run: Path, stages: Sequence[Path]) -> list[tuple[int, ...]]:
    """Of each seed's stage, those of which there are weights; evenly spread."""
    every = []
    for stage in stages:
        done = stage_record(run, stage)
        if done is None or done.get("keep") != "all":
            raise XltError(
                "its stages have not kept the weights that were evaluated",
                where=run,
                fix="run it again with `selection.keep: all`",
            )
        every.append([int(one["step"]) for one in done["history"]])
    together = list(zip(*every, strict=False))
    if len(together) < LEAST:
        raise XltError(f"{len(together)} weights were evaluated", where=run)
    places = np.linspace(0, len(together) - 1, min(STEPS, len(together)))
    return [together[int(place)] for place in places]
