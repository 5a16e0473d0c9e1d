"""The training of a run: every stage of every target under every seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from xlt.config.schema import STAGES
from xlt.runs.experiment import Experiment
from xlt.runs.observed import Watched, observed
from xlt.runs.remaining import doing
from xlt.runs.shared_stages import stage_store
from xlt.runs.sources import Sources
from xlt.training.finished import StageResult
from xlt.training.stages import StageRunner
from xlt.transfer.stage import Stage

Trained = Mapping[tuple[int, str], Sequence[StageResult]]
"""Seed, target → its stages in order."""


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
    store = stage_store(config.output)
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
            store=store,
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
