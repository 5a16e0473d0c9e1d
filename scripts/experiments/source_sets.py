"""Which set of source models decides best together: OSBORN, against sets by typology.

    python -m scripts.experiments.source_sets FOLDER [--size 3] [--records 200]

FOLDER holds finished zero-shot runs, each from one source, with gold data of common targets, all
with one encoder and one inventory of labels. For each target that four sources or more have a model
of, other than their own language, the models (of the first seed) read the first test sentences:
their text, for what is chosen by; and their gold, on which the models of a set score that decide
together (the mean of their log-probabilities). Of `--size` sources:

    osborn        by what the models make of the text (`xlt predict-source --set-by osborn`)
    greedy, tower by typology, as `--set-by` says, without any score of the target
    ranker        the first ones
    source dev    those with the highest scores on dev data of their sources
    any           the mean of all sets of this size: what a choice at random has
    best          the best of them: what nobody knows before

Printed is the mean score over targets, the regret against the best set, and the difference from a
set at random and from `greedy`, with 95 % intervals (targets are drawn).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.evaluate_ranker.report import difference
from xlt import languages
from xlt.config.load import load_config
from xlt.config.schema import Config
from xlt.document import Document
from xlt.evaluation.counts import count_matrix, score
from xlt.evaluation.osborn import choose
from xlt.inference.loading import make_direct_predictor
from xlt.model.folder import read_info
from xlt.results import CONFIG, finished_runs, measured, read_result
from xlt.runs.folder import model_folder
from xlt.runs.source_choice import figures
from xlt.runs.source_sets import Seen, members, on_dev, on_text
from xlt.runs.sources import Sources
from xlt.task import Example, Labels, Task, make_task, without_annotation
from xlt.transfer.stage import DataSplit, source_dev
from xlt.typology.ranking import rank
from xlt.typology.scores import measured_as
from xlt.typology.sets import choose_set
from xlt.typology.tower import climb

if TYPE_CHECKING:
    from xlt.inference.predictor import Predictor

LEAST = 4
"""Sources of a target."""
DEV = 300
"""Dev records of a source."""
MOST_SETS = 200
"""Of one size; of more as many are drawn."""
ANY, BEST, GREEDY = "any", "best", "greedy"


@dataclass(frozen=True)
class Model:
    """What a source's model says of a target's records: `outputs` for each batch of positions."""

    seen: Seen
    outputs: Sequence[tuple[list[int], Mapping[str, Any]]]
    predictor: Predictor
    examples: Sequence[Example]
    source_dev: float | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=3)
    parser.add_argument("--records", type=int, default=200)
    asked = parser.parse_args()
    by_target: dict[str, dict[str, Path]] = defaultdict(dict)
    for run in finished_runs(asked.folder):
        result = read_result(run)
        if result["strategy"] != "zero_shot" or len(result["source"]) != 1:
            continue
        for row in measured(result):
            source, target = result["source"][0], row["target"]
            if not languages.same(source, target):
                by_target[target][source] = run
    known: dict[Any, Any] = {}
    found = {}
    for target, runs in sorted(by_target.items()):
        if len(runs) >= max(LEAST, asked.size + 1):
            found[target] = scores(target, runs, asked.size, asked.records, known)
            print(
                target, {name: round(value, 1) for name, value in found[target].items()}, flush=True
            )
    print(table(found))


def scores(
    target: str, runs: Mapping[str, Path], size: int, records: int, known: dict[Any, Any]
) -> dict[str, float]:
    """Way → the score of the set that it chooses. known: what was made of dev data before."""
    config = load_config(next(iter(runs.values())) / CONFIG).config
    task = make_task(config)
    gold = list(Sources(config, task).load(DataSplit(target, "test")).records)[:records]
    models = {source: _model(run, target, gold, known) for source, run in sorted(runs.items())}
    labels: list[Labels] = [one.predictor.labels for one in models.values()]
    if any(one != labels[0] for one in labels):
        raise SystemExit(f"the models of {target} have different labels")
    together = {
        chosen: _score(task, gold, [models[one] for one in chosen])
        for chosen in _sets(list(models), size)
    }
    ways = _chosen(target, config, models, size)
    found = {}
    for name, chosen in ways.items():
        key = tuple(sorted(chosen))
        if key not in together:  # a climb may end before, and of many sets some are drawn
            together[key] = _score(task, gold, [models[one] for one in key])
        found[name] = together[key]
    full = [value for chosen, value in together.items() if len(chosen) == size]
    return {**found, ANY: float(np.mean(full)), BEST: max(together.values())}


def _sets(sources: Sequence[str], size: int) -> list[tuple[str, ...]]:
    every = list(combinations(sorted(sources), size))
    if len(every) <= MOST_SETS:
        return every
    drawn = np.random.default_rng(0).choice(len(every), MOST_SETS, replace=False)
    return [every[n] for n in sorted(drawn)]


def _chosen(
    target: str, config: Config, models: Mapping[str, Model], size: int
) -> dict[str, list[str]]:
    """Way → the sources that it chooses."""
    task = config.task.name
    ask = partial(
        rank,
        task=task,
        measured_as=measured_as(task),
        encoder=config.model.encoder,
        own_scores=False,
    )
    written = {languages.shared(code): code for code in models}
    ranking = ask(target, list(written), unseen=True)
    climbed = climb(ranking.target, [one.language for one in ranking.sources], ask, size)
    found = {
        "osborn": choose(members({code: one.seen for code, one in models.items()}), size),
        GREEDY: [written[code] for code in choose_set(ranking, size)],
        "tower": [written[code] for code in climbed.sources],
        "ranker": [written[one.language] for one in ranking.sources[:size]],
    }
    dev = {code: one.source_dev for code, one in models.items() if one.source_dev is not None}
    if len(dev) == len(models):
        found["source dev"] = sorted(dev, key=lambda code: (-dev[code], code))[:size]
    return found


def _model(run: Path, target: str, gold: Sequence[Document], known: dict[Any, Any]) -> Model:
    loaded, result = load_config(run / CONFIG), read_result(run)
    config = loaded.config
    folder = run / model_folder(config.seeds[0], target)
    _, backbone, predictor = make_direct_predictor(
        folder,
        batch_tokens=config.evaluation.batch_tokens,
        precision=config.training.precision,
        options=config.model,
    )
    task = predictor.task
    content = repr(sorted(read_info(folder).files.items()))
    if content not in known:  # one stage serves several targets
        sources = Sources(config, make_task(config))
        dev = [r for one in source_dev(config) for r in sources.load(one).records][:DEV]
        known[content] = on_dev(backbone, predictor, dev)
    bare = [without_annotation(task, record) for record in gold]
    examples = task.encode(bare, backbone, None)
    source_classes, vectors = known[content]
    return Model(
        Seen(source_classes, vectors, *on_text(backbone, predictor, bare)),
        list(predictor.batches(examples)),
        predictor,
        examples,
        figures(result, target).get("source_dev"),
    )


def _score(task: Task, gold: Sequence[Document], models: Sequence[Model]) -> float:
    """Of models that decide together, in percent."""
    first = models[0]
    predicted: dict[int, Document] = {}
    for parts in zip(*(one.outputs for one in models), strict=True):
        positions = parts[0][0]
        outputs = task.combine([outputs for _, outputs in parts])
        said = first.predictor.decode(gold, first.examples, positions, outputs)
        predicted |= zip(positions, said, strict=True)
    ordered = [predicted[number] for number in range(len(gold))]
    return score(task, count_matrix(task, gold, ordered))[task.metrics_reported[0]]


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    """found: target → way → score."""
    if not found:
        return f"no target has models of {LEAST} sources and more than a set has"
    targets = list(found)
    ways = [way for way in next(iter(found.values())) if all(way in one for one in found.values())]
    values = {way: np.array([found[target][way] for target in targets]) for way in ways}
    lines = [
        "| set by | score | regret | against any | against greedy |",
        "|---|---:|---:|---:|---:|",
    ]
    for way, of in values.items():
        apart = [
            "" if way in (BEST, other) else difference(of, values[other], targets)
            for other in (ANY, GREEDY)
        ]
        lost = (values[BEST] - of).mean()
        lines.append(f"| {way} | {of.mean():.1f} | {lost:.1f} | " + " | ".join(apart) + " |")
    return "\n".join([f"{len(targets)} targets", *lines])


if __name__ == "__main__":
    main()
