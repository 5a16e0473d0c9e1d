"""The training of a run: every stage of every target under every seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xlt.config.schema import STAGES, Config
from xlt.runs.experiment import Experiment
from xlt.runs.sources import Sources
from xlt.training.finished import StageResult
from xlt.training.stages import StageRunner
from xlt.transfer.stage import DataSplit, Stage, data_splits

Trained = Mapping[tuple[int, str], Sequence[StageResult]]
"""Seed, target → its stages in order."""


def execute(
    experiment: Experiment, sources: Sources, *, resume: bool, reuse: bool, quiet: bool
) -> Trained:
    """Train what is not trained already. All processes of a distributed run do it together."""
    config = experiment.config
    trained = {}
    for seed in config.seeds:
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
            trained[seed, target] = run_plan(runner, plan, observers(config, target, plan))
    return trained


def run_plan(
    runner: StageRunner, plan: Sequence[Stage], watched: Sequence[Sequence[DataSplit]]
) -> list[StageResult]:
    """The plan's stages one after the other, each from the weights of the one before."""
    done: list[StageResult] = []
    for number, stage in enumerate(plan):
        last = number == len(plan) - 1
        done.append(runner.run(stage, done[-1] if done else None, watched if last else ()))
    return done


def observers(config: Config, target: str, plan: Sequence[Stage]) -> list[tuple[DataSplit, ...]]:
    """Dev sets to report beside the one selected on: of the sources, and of the target.

    Targets that may share the last stage are watched together, so that it is trained once.
    """
    if config.selection.on == "last":
        return []
    last = plan[-1]
    gold = dict.fromkeys(p.language for p in last.train if p.projected_from is None)
    own = tuple(p for lang in gold for p in data_splits(config, lang, "dev", required=False))
    reached = {data_split.language for data_split in last.train}
    targets = [target] if target in reached else config.target
    sets = [own, *(data_splits(config, language, "dev", required=False) for language in targets)]
    return [dev for dev in dict.fromkeys(sets) if dev and dev != last.dev]
