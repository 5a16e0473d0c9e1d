"""`xlt train`: every target × seed of a config, stage by stage, and what came out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from xlt.config.check import make_strategy, make_task, plan_stages
from xlt.errors import XltError, flat, raise_all
from xlt.model import embedded
from xlt.runs.folder import CARD, MANIFEST, RESULT, RunFolder, write_text
from xlt.transfer.stage import Portion, Stage, portions

if TYPE_CHECKING:
    from xlt.config.load import LoadedConfig
    from xlt.config.schema import Config
    from xlt.runs.sources import Sources
    from xlt.task import Task
    from xlt.training.stages import Finished, StageRunner

log = logging.getLogger(__name__)


def train(
    loaded: LoadedConfig, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Run a config to its end and return the result (also in result.json).

    resume:    continue an unfinished run from its last checkpoint.
    overwrite: forget what the run's folder holds. Finished stages are used again all the same:
        they are equal to what training them again would give.
    """
    try:
        return _train(loaded, resume=resume, overwrite=overwrite, quiet=quiet)
    except XltError as error:
        raise loaded.locate(error) from error


def _train(loaded: LoadedConfig, *, resume: bool, overwrite: bool, quiet: bool) -> dict[str, Any]:
    from accelerate import PartialState

    from xlt.config.load import dump
    from xlt.runs.coverage import coverage
    from xlt.runs.sources import Sources
    from xlt.training.predict import best_device

    config = loaded.config
    task = make_task(config)
    plans = plan_stages(loaded)
    # The first to ask decides: without this word, several CPU processes would be taken for one.
    state = PartialState(cpu=best_device() == "cpu")
    folder = RunFolder(config.output.root / config.name)
    if not state.is_main_process:
        # The main process alone touches the run folder; it prepares the data first.
        if _agreed(None) is not None:
            return {}
        state.wait_for_everyone()
        sources = Sources(config, task)
        preflight(config, task, plans, sources)
        return _run_all(config, task, plans, sources, None, {}, resume=resume, quiet=True)
    with folder:
        finished = _agreed(folder.start(dump(config), resume=resume, overwrite=overwrite))
        if finished is not None:
            log.warning("%s is finished already", folder.path)
            return finished
        sources = Sources(config, task)
        preflight(config, task, plans, sources)
        from xlt.runs.manifest import describe_encoder, manifest

        folder.claim(dump(config))
        about = {
            **manifest(),
            "processes": state.num_processes,
            "encoder": describe_encoder(config.model),
            "data": describe_data(sources),
            "projections": sources.projections(),
        }
        if loaded.chosen is not None:
            about["source_choice"] = loaded.chosen
            log.info("source: auto is %s, see %s", ", ".join(config.source), folder.path / MANIFEST)
        folder.write_json(MANIFEST, about)
        warnings = coverage(config, task, sources, every_portion(config, plans))
        for found in filter(None, warnings.values()):
            log.warning("warning: %s", "; ".join(found))
        state.wait_for_everyone()
        return _run_all(config, task, plans, sources, folder, warnings, resume=resume, quiet=quiet)


def _agreed(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """The main process's value, in every process."""
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    if PartialState().num_processes == 1:
        return value
    values: list[dict[str, Any] | None] = broadcast_object_list([value])
    return values[0]


def preflight(config: Config, task: Task, plans: dict[str, list[Stage]], sources: Sources) -> None:
    """Find the encoder, read all data and compare label inventories before anything is trained.

    Raises XltError with everything that is missing or malformed.
    """
    from xlt.task import extend_labels

    embedded.located(config.model.encoder)
    problems: list[XltError] = []
    # First whatever costs little: projecting may take hours.
    for portion in every_portion(config, plans):
        try:
            sources.check(portion)
            sources.load(portion.origin)
        except XltError as error:
            if error.render() not in {problem.render() for problem in problems}:
                problems.append(error)
    problems += check_prediction(config, task)
    known: dict[Portion, Any] = {}

    def labels(portion: Portion) -> Any:
        # A projected portion's inventory is that of the records it comes from.
        if portion.origin not in known:
            known[portion.origin] = task.labels(sources.load(portion.origin).records)
        return known[portion.origin]

    for target, plan in plans.items():
        try:
            model: Any = {}
            for stage in plan:
                new: Any = {}
                for portion in stage.train:
                    new = extend_labels(new, labels(portion))
                if model:
                    check_overlap(model, new, stage)
                model = extend_labels(model, new)
                for portion in stage.dev:
                    task.check_labels(model, labels(portion), where=_key(portion))
            for split in config.evaluation.splits:
                portion = Portion(target, split)
                task.check_labels(model, labels(portion), where=_key(portion))
        except XltError as error:
            if error.render() not in {problem.render() for problem in problems}:
                problems.append(error)
    raise_all([p for e in problems for p in flat(e)])
    for portion in every_portion(config, plans):
        sources.load(portion)


def predictions(config: Config) -> dict[str, str]:
    """Target → how its text is predicted, where that is not on the text itself."""
    strategy = make_strategy(config)
    ways = {target: strategy.prediction(config, target) for target in config.target}
    return {target: way.describe() for target, way in ways.items() if way.mode != "direct"}


def check_prediction(config: Config, task: Task) -> list[XltError]:
    """What is missing for the way in which the strategy predicts on the targets."""
    from xlt.projection.predict import projector_of

    problems = []
    strategy = make_strategy(config)
    for target in config.target:
        prediction = strategy.prediction(config, target)
        if prediction.mode != "direct":
            try:
                projector_of(task, prediction, config.projection, target)
            except XltError as error:
                problems.append(error)
    return problems


def every_portion(config: Config, plans: Mapping[str, list[Stage]]) -> list[Portion]:
    """Everything that training and evaluation will read, each once."""
    trained = [p for stages in plans.values() for s in stages for p in (*s.train, *s.dev)]
    scored = [Portion(target, split) for target in plans for split in config.evaluation.splits]
    return list(dict.fromkeys([*trained, *scored]))


def check_overlap(before: Any, new: Any, stage: Stage) -> None:
    """Raise XltError if a stage's labels have nothing in common with those learnt before it."""
    for layer, values in new.items():
        old = set(before.get(layer, ())) - {"O"}
        fresh = set(values) - {"O"}
        if old and fresh and not old & fresh:
            language = stage.train[0].origin.language
            raise XltError(
                f"the labels of stage {stage.name} ({', '.join(sorted(fresh)[:6])}) share none "
                f"with those of the stages before it ({', '.join(sorted(old)[:6])})",
                where=f"data.{language}.train",
                fix="map the labels to one inventory (see the task's options)",
            )


def _key(portion: Portion) -> str:
    return f"data.{portion.origin.language}.{portion.split}"


def _run_all(
    config: Config,
    task: Task,
    plans: dict[str, list[Stage]],
    sources: Sources,
    folder: RunFolder | None,
    warnings: dict[str, list[str]],
    *,
    resume: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Train every target × seed; evaluate where there is a folder (the main process).

    warnings: of `coverage`, for the result.
    """
    from accelerate import PartialState

    from xlt.runs.card import model_card
    from xlt.runs.score import evaluate_ensemble, evaluate_target, summarise
    from xlt.training.stages import StageRunner

    strategy = make_strategy(config)
    rows: list[dict[str, Any]] = []
    lineage: dict[str, list[dict[str, Any]]] = {}
    languages: dict[str, Any] = {}
    for seed in config.seeds:
        runner = StageRunner(
            config,
            task,
            config.output.root / "stages",
            sources.load,
            seed,
            resume=resume,
            quiet=quiet,
        )
        for target, plan in plans.items():
            stages = run_plan(runner, plan, observers(config, target, plan))
            if folder is None:
                PartialState().wait_for_everyone()
                continue
            how = strategy.prediction(config, target)
            found, statistics = evaluate_target(
                config, task, sources, folder, stages[-1], target, seed, how
            )
            rows += found
            languages[target] = {
                split: {**found, "warnings": warnings[target]}
                for split, found in statistics.items()
            }
            lineage[f"seed-{seed}/{target}"] = [
                {
                    "stage": stage.name,
                    "folder": str(done.folder),
                    "key": done.key,
                    "selected": dict(done.selected),
                    "reused": done.reused,
                    "training": stage.training.model_dump(mode="json"),
                    "train": [asdict(portion) for portion in stage.train],
                }
                for stage, done in zip(plan, stages, strict=True)
            ]
            PartialState().wait_for_everyone()
    if folder is None:
        return {}
    if config.evaluation.ensemble and len(config.seeds) > 1:
        for target in plans:
            how = strategy.prediction(config, target)
            rows += evaluate_ensemble(config, sources, folder, target, how)
    result = {
        "name": config.name,
        "task": task.name,
        "strategy": config.strategy.name,
        "source": config.source,
        "selection": config.selection.on,
        "metrics": list(task.metrics_reported),
        "rows": rows,
        "summary": summarise(rows),
        "languages": languages,
        "warnings": {language: found for language, found in warnings.items() if found},
        "lineage": lineage,
        "projections": sources.projections(),
        "predictions": predictions(config),
    }
    write_text(folder.path / CARD, model_card(config, result, describe_data(sources)))
    if config.output.push_to_hub:
        from xlt.runs.publish import publish

        result["pushed"] = publish(
            folder.path, config.output.push_to_hub, config.target, config.seeds[0]
        )
    folder.write_json(RESULT, result)
    return result


def run_plan(
    runner: StageRunner, plan: Sequence[Stage], watched: Sequence[Sequence[Portion]]
) -> list[Finished]:
    """The plan's stages one after the other, each from the weights of the one before."""
    done: list[Finished] = []
    for number, stage in enumerate(plan):
        last = number == len(plan) - 1
        done.append(runner.run(stage, done[-1] if done else None, watched if last else ()))
    return done


def observers(config: Config, target: str, plan: Sequence[Stage]) -> list[tuple[Portion, ...]]:
    """Dev sets to report beside the one selected on: of the sources, and of the target.

    Targets that may share the last stage are watched together, so that it is trained once.
    """
    last = plan[-1]
    if not last.dev:
        return []
    gold = dict.fromkeys(p.language for p in last.train if p.projected_from is None)
    own = tuple(p for lang in gold for p in portions(config, lang, "dev", required=False))
    reached = {portion.language for portion in last.train}
    targets = [target] if target in reached else config.target
    sets = [own, *(portions(config, language, "dev", required=False) for language in targets)]
    return [dev for dev in dict.fromkeys(sets) if dev and dev != last.dev]


def describe_data(sources: Sources) -> list[dict[str, Any]]:
    """Where every record of the run came from, JSON-able."""
    return [
        {
            "language": language,
            "split": split,
            "reference": resolved.reference,
            "files": [str(path) for path in resolved.files],
            "sha256": resolved.fingerprint,
            "licence": resolved.licence,
            "origin": resolved.origin,
            "caveats": list(resolved.caveats),
            "differs_from_publisher": resolved.differs,
        }
        for (language, split), found in sorted(sources.used.items())
        for resolved in found
    ]
