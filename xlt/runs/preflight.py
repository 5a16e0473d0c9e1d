"""Before anything is trained: is all there that a run needs, and do its labels go together?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from xlt.errors import XltError, flat, raise_all
from xlt.model import named
from xlt.projection.predict import projector_of
from xlt.runs.experiment import Experiment
from xlt.runs.sources import Sources
from xlt.task import Labels, extend_labels
from xlt.training.labels import check_overlap
from xlt.transfer.stage import DataSplit, Stage


def preflight(experiment: Experiment, sources: Sources) -> None:
    """Find the encoder, read all data and compare label inventories; then project what has to be.

    Raises XltError with everything that is missing or malformed.
    """
    named.located(experiment.config.model.encoder)
    problems: list[XltError] = []
    # First whatever costs little: projecting may take hours.
    for data_split in experiment.data_splits:
        try:
            sources.check(data_split)
            sources.load(data_split.origin)
        except XltError as error:
            problems.append(error)
    problems += check_predictions(experiment)
    problems += _check_labels(experiment, sources)
    different = {problem.render(): problem for error in problems for problem in flat(error)}
    raise_all(list(different.values()))
    for data_split in experiment.data_splits:
        sources.load(data_split)


def check_predictions(experiment: Experiment) -> list[XltError]:
    """What is missing for the way in which the strategy predicts on the targets."""
    config, problems = experiment.config, []
    for target in experiment.plans:
        prediction = experiment.prediction(target)
        if prediction.mode != "direct":
            try:
                projector_of(experiment.task, prediction, config.projection, target)
            except XltError as error:
                problems.append(error)
    return problems


def _check_labels(experiment: Experiment, sources: Sources) -> Iterator[XltError]:
    """Labels that a stage shares with none before it, or that a model would not know."""
    task = experiment.task
    known: dict[DataSplit, Labels] = {}

    def labels(data_split: DataSplit) -> Labels:
        # A projected data_split's inventory is that of the records it comes from.
        if data_split.origin not in known:
            known[data_split.origin] = task.labels(sources.load(data_split.origin).records)
        return known[data_split.origin]

    for target, plan in experiment.plans.items():
        scored = [data_split for data_split in experiment.scored if data_split.language == target]
        try:
            learnt = _learn(experiment, plan, labels)
            for data_split in scored:
                task.check_labels(learnt, labels(data_split), where=_key(data_split))
        except XltError as error:
            yield error


def _learn(
    experiment: Experiment, plan: list[Stage], labels: Callable[[DataSplit], Labels]
) -> Labels:
    """The labels that a model knows after the stages of a plan."""
    learnt: Labels = {}
    for stage in plan:
        new: Labels = {}
        for data_split in stage.train:
            new = extend_labels(new, labels(data_split))
        check_overlap(learnt, new, stage)
        learnt = extend_labels(learnt, new)
        for data_split in stage.dev:
            experiment.task.check_labels(learnt, labels(data_split), where=_key(data_split))
    return learnt


def _key(data_split: DataSplit) -> str:
    return f"data.{data_split.origin.language}.{data_split.split}"
