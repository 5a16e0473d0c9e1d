"""What is said of a run: what came out, and from what data. All JSON-able."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from xlt.runs.card import changes, told
from xlt.runs.execute import Trained
from xlt.runs.experiment import Experiment
from xlt.runs.score import Evaluated, summarise
from xlt.runs.sources import Sources
from xlt.training.finished import StageResult
from xlt.transfer.stage import Stage


def outcome(
    experiment: Experiment,
    sources: Sources,
    trained: Trained,
    evaluated: Evaluated,
    warnings: Mapping[str, list[str]],
    estimates: Sequence[Mapping[str, Any]] = (),
    forgotten: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The result.

    evaluated: of `xlt.runs.score.evaluate_all`.
    warnings:  of `xlt.runs.coverage`, by language.
    estimates: of `xlt.runs.unlabelled.estimate_all`.
    forgotten: of `xlt.runs.forgetting.forgetting`.
    """
    config = experiment.config
    lineage = {
        f"seed-{seed}/{target}": _lineage(experiment.plans[target], stages)
        for (seed, target), stages in trained.items()
    }
    return {
        "name": config.name,
        "task": experiment.task.name,
        "strategy": config.strategy.name,
        "source": config.source,
        "selection": config.selection.on,
        "metrics": list(experiment.task.metrics_reported),
        "rows": evaluated.rows,
        "summary": summarise(evaluated.rows, evaluated.intervals),
        **({"estimates": list(estimates)} if estimates else {}),
        **({"forgetting": list(forgotten)} if forgotten else {}),
        "languages": {
            target: {split: {**one, "warnings": warnings[target]} for split, one in splits.items()}
            for target, splits in evaluated.subwords.items()
        },
        "warnings": {language: told for language, told in warnings.items() if told},
        "notes": [*experiment.notes, *changes(lineage), *told(lineage)],
        "lineage": lineage,
        "projections": sources.projections(),
        "predictions": experiment.indirect_predictions(),
    }


def _lineage(plan: Stage, stages: Sequence[StageResult]) -> list[dict[str, Any]]:
    return [
        {
            "stage": stage.name,
            "kind": stage.kind,
            "folder": str(done.folder),
            "key": done.key,
            "selected": dict(done.selected),
            "primary": done.primary,
            "reused": done.reused,
            "differs": list(done.differs),
            "training": stage.training.model_dump(mode="json"),
            "changed": dict(done.changed),
            **({"about": dict(done.about)} if done.about else {}),
            "train": [asdict(data_split) for data_split in stage.train],
        }
        for stage, done in zip(plan.history, stages, strict=True)
    ]


def describe_data(sources: Sources) -> list[dict[str, Any]]:
    """Where every record of the run came from."""
    own = [(None, sources), *sources.others.items()]
    return [
        {
            **({} if task is None else {"task": task}),
            "language": language,
            "split": split,
            "reference": resolved.reference,
            "files": [str(path) for path in resolved.files],
            "sha256": resolved.fingerprint,
            "licence": resolved.licence,
            "origin": resolved.origin,
            "caveats": [
                *resolved.caveats,
                *([f"control: {resolved.control}"] if resolved.control else []),
            ],
            "differs_from_publisher": resolved.differs,
        }
        for task, read in own
        for (language, split), used in sorted(read.used.items())
        for resolved in used
    ]
