"""The training of a run: every stage of every target under every seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from xlt.config.schema import STAGES, Config
from xlt.runs.experiment import Experiment
from xlt.runs.remaining import doing
from xlt.runs.sources import Sources
from xlt.training.finished import StageResult
from xlt.training.stages import StageRunner
from xlt.transfer.stage import DataSplit, Stage, data_splits

Trained = Mapping[tuple[int, str], Sequence[StageResult]]
"""Seed, target → its stages in order."""

Watched = tuple[Stage, Sequence[tuple[DataSplit, ...]]]
"""The last stage of a plan, and the dev sets that it is scored on beside its own."""


def execute(
    experiment: Experiment, sources: Sources, *, resume: bool, reuse: bool, quiet: bool
) -> Trained:
    """Train what is not trained already. All processes of a distributed run do it together."""
    config = experiment.config
    watched = list(observed(experiment))
    stages: list[Stage] = []  # one that several plans have is trained once
    for plan in experiment.plans.values():
        stages += [stage for stage in plan.history if stage not in stages]
    total = len(config.seeds) * len(stages)
    trained = {}
    for number, seed in enumerate(config.seeds):

        def title(stage: Stage, number: int = number, seed: int = seed) -> str:
            before = number * len(stages) + stages.index(stage)
            return f"stage {before + 1} of {total} ({stage.name}), seed {seed}"

        runner = StageRunner(
            config,
            experiment.task,
            config.output.root / STAGES,
            sources.load,
            seed,
            resume=resume,
            reuse=reuse,
            quiet=quiet,
        )
        for target, plan in experiment.plans.items():
            trained[seed, target] = run_plan(runner, plan, watched, title)
    return trained


def run_plan(
    runner: StageRunner,
    plan: Stage,
    watched: Sequence[Watched],
    title: Callable[[Stage], str | None] = lambda _: None,
) -> list[StageResult]:
    """The plan's stages one after the other, each from the weights of its parents.

    title: of a stage, for its progress.
    """
    done: list[StageResult] = []
    for stage in plan.history:
        dev = dict.fromkeys(d for other, sets in watched if other == stage for d in sets)
        parents = [done[plan.history.index(parent)] for parent in stage.parents]
        with doing(runner.config.name, stage, runner.seed):
            done.append(runner.run(stage, parents, list(dev), title(stage)))
    return done


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
    if config.selection.on == "last":
        return []
    gold = dict.fromkeys(p.language for p in last.train if p.projected_from is None)
    reached = {data_split.language for data_split in last.train}
    sets = [
        tuple(d for language in languages for d in _dev(config, language))
        for languages in (gold, *([one] for one in ([target] if target in reached else targets)))
    ]
    return [dev for dev in dict.fromkeys(sets) if dev and dev != last.dev]


def _dev(config: Config, language: str) -> tuple[DataSplit, ...]:
    return data_splits(config, language, "dev", required=False)
