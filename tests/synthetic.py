"""Finished runs of a study without training: gold data, predictions with errors at a rate of each
cell's own, and all that a run leaves, sealed as `xlt.runs` seals it."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from xlt.config.load import LoadedConfig, dump
from xlt.config.study import load_study
from xlt.document import FlatSpans, Span
from xlt.evaluation.counts import count_matrix, score
from xlt.evaluation.statistics import bootstrap_interval
from xlt.files import write_sealed
from xlt.runs.experiment import prepare, resolve_source
from xlt.runs.folder import RunFolder
from xlt.runs.score import summarise
from xlt.runs.sources import Sources
from xlt.task import make_task
from xlt.transfer.stage import DataSplit, Stage

KINDS = ("PER", "LOC", "ORG")
SPLITS = ("train", "dev", "test")
SECONDS = 100.0
"""That a first stage took; the second took twice as long."""


def write_study(
    folder: Path,
    study: dict[str, Any],
    targets: Sequence[str] = ("jav", "tur"),
    sources: Sequence[str] = ("eng", "ind"),
    records: int = 30,
    **config: Any,
) -> Path:
    """A study's file, and data of its languages."""
    draw = random.Random(7)
    for language in dict.fromkeys((*targets, *sources)):
        for split in SPLITS:
            text = ""
            for number in range(records):
                for word in range(draw.randint(2, 6)):
                    tag = draw.choice(("O", *(f"B-{kind}" for kind in KINDS)))
                    text += f"{language}{number}w{word}\t{tag}\n"
                text += "\n"
            (folder / f"{language}-{split}.bio").write_text(text, encoding="utf-8")
    data = {
        language: {split: str(folder / f"{language}-{split}.bio") for split in SPLITS}
        for language in dict.fromkeys((*sources, *targets))
    }
    whole = {
        "name": "toy",
        "task": "ner",
        "model": {"encoder": "xlt-mini"},
        "data": data,
        "source": sources[0],
        "target": list(targets),
        "seeds": [1, 2, 3],
        "output": {"root": str(folder / "runs")},
        "study": study,
        **config,
    }
    path = folder / "study.yaml"
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path


def finish(path: Path, rates: dict[str, float], *, skip: Sequence[str] = ()) -> None:
    """Give every cell a finished run.

    rates: part of a cell's name → the share of its entities that are missed or mislabelled; the
        last one that fits counts, and 0.3 where none does. On further test data the name is
        followed by "@" and theirs.
    """
    study = load_study(path)
    for name, loaded in study.cells.items():
        if name not in skip:

            def rate(split: str, name: str = name) -> float:
                whole = name if split == "test" else f"{name}@{split}"
                return next((r for part, r in reversed(rates.items()) if part in whole), 0.3)

            _run(loaded, rate)


def _run(loaded: LoadedConfig, rate: Callable[[str], float]) -> None:
    loaded, _ = resolve_source(loaded)
    config = loaded.config
    experiment = prepare(loaded)
    task = make_task(config)
    sources = Sources(config, task)
    root = config.output.root
    rows, lineage, intervals = [], {}, {}
    with RunFolder(root / config.name) as folder:
        described = [
            {
                "language": language, "split": "test", "reference": f"{language}-test.bio",
                "licence": "CC-BY-4.0", "sha256": "0" * 64,
                "files": [str(loaded.path.parent / f"{language}-test.bio")],
            }
            for language in config.target
        ]  # fmt: skip
        folder.claim(dump(config), {"started": "2026-11-30", "data": described})
        for data_split in experiment.scored:
            target, split = data_split.language, data_split.split
            plan = experiment.plans[target]
            gold = sources.load(DataSplit(target, split))
            every = []
            for seed in config.seeds:
                base = f"seed-{seed}/{target}"
                lineage[base] = [
                    _stage(root, plan.history[: number + 1], seed)
                    for number in range(len(plan.history))
                ]
                draw = random.Random(f"{config.name}{seed}{target}{split.removeprefix('test')}")
                own = rate(split) * draw.uniform(0.9, 1.1)
                predicted = [
                    one.with_layers(entities=_spoilt(one.layers["entities"], own, draw))
                    for one in gold.records
                ]
                counts = count_matrix(task, gold.records, predicted)
                every.append(counts)
                with folder.write_text(f"{base}/{split}.bio") as stream:
                    task.write(predicted, stream, "bio")
                stored = {"data": gold.fingerprint, "counts": counts.tolist()}
                folder.write_json(f"{base}/{split}.counts.json", stored)
                found = {
                    name: [one.low, one.high]
                    for name, one in bootstrap_interval(counts, task.metrics, resamples=50).items()
                }
                rows.append(
                    {
                        "target": target, "split": split, "seed": seed, "primary": True,
                        "selected_on": "dev:eng", "records": len(gold.records), "step": 20,
                        "metrics": score(task, counts), "interval": found,
                    }
                )  # fmt: skip
            intervals[target, split, "dev:eng"] = bootstrap_interval(
                every, task.metrics, resamples=200
            )
        folder.finish(
            {
                "name": config.name, "task": "ner", "strategy": config.strategy.name,
                "source": config.source, "selection": "source_dev",
                "metrics": list(task.metrics_reported), "rows": rows,
                "summary": summarise(rows, intervals), "languages": {}, "notes": [],
                "lineage": lineage,
            }
        )  # fmt: skip


def _spoilt(gold: FlatSpans, rate: float, draw: random.Random) -> FlatSpans:
    kept = []
    for kind, start, end in gold.spans:
        luck = draw.random()
        if luck < rate / 2:
            continue
        kept.append(Span(draw.choice(KINDS) if luck < rate else kind, start, end))
    return FlatSpans(tuple(kept))


def _stage(root: Path, plan: Sequence[Stage], seed: int) -> dict[str, Any]:
    """The folder of a plan's last stage with its curves, as the trainer leaves them."""
    stage = plan[-1]
    key = "-".join("+".join(one.language for one in stage.train) for stage in plan) + f"-{seed}"
    folder = root / "stages" / f"{stage.name}-{key}"
    draw = random.Random(key)
    if not folder.is_dir():
        folder.mkdir(parents=True)
        speed = draw.uniform(5, 9)
        history = [
            {"step": step, "dev:eng": 90 * (1 - math.exp(-step / speed))}
            for step in range(5, 25, 5)
        ]
        logged: list[dict[str, float]] = [{"step": n, "loss": 20 / n} for n in range(5, 25, 5)]
        logged.append({"step": 20, "train_runtime": SECONDS * len(plan)})
        write_sealed(
            folder / "done.json",
            {
                "key": key, "history": history, "log": logged, "primary": "dev:eng",
                "selected": {"dev:eng": {"step": 20, "score": history[-1]["dev:eng"]}},
            },
        )  # fmt: skip
    return {
        "stage": stage.name, "folder": str(folder), "key": key, "reused": False, "differs": [],
        "selected": {"dev:eng": {"step": 20, "score": 80.0}}, "training": {},
        "train": [{"language": one.language, "projected_from": None} for one in stage.train],
    }  # fmt: skip
