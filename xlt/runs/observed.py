"""Which dev sets a stage is scored on along the way, beside the one that it is selected on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xlt.config.schema import Config
from xlt.runs.experiment import Experiment
from xlt.transfer.kind import kind_of
from xlt.transfer.stage import DataSplit, Stage, data_splits

Watched = tuple[Stage, Sequence[tuple[DataSplit, ...]]]
"""The last stage of a plan, and the dev sets that it is scored on beside its own."""


def observed(experiment: Experiment) -> Iterator[Watched]:
    """Every plan of the experiment and of its companions, with what its last stage is scored on.

    A stage that ends one plan may begin another: it is trained once if it is scored, whenever it
    is trained, on all that any of them asks for.
    """
    for other in (experiment, *experiment.companions):
        for target, plan in other.plans.items():
            yield plan, observers(experiment.config, target, plan, other.config.target)


def observers(
    config: Config, target: str, last: Stage, targets: Sequence[str]
) -> list[tuple[DataSplit, ...]]:
    """Dev sets to report beside the one selected on: of the sources, and of the target.

    targets: which may share the last stage, unless it is trained on the target; they are watched
        together, so that it is trained once.
    """
    if config.selection.on == "last" or not kind_of(last).scored:
        return []
    gold = dict.fromkeys(
        config.source
        if kind_of(last).selected_on_sources
        else (p.language for p in last.train if p.projected_from is None)
    )
    reached = {data_split.language for data_split in last.train}
    sets = [
        tuple(d for language in languages for d in _dev(config, language))
        for languages in (gold, *([one] for one in ([target] if target in reached else targets)))
    ]
    return [dev for dev in dict.fromkeys(sets) if dev and dev != last.dev]


def _dev(config: Config, language: str) -> tuple[DataSplit, ...]:
    return data_splits(config, language, "dev", required=False)
