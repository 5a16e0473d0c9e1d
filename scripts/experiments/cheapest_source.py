"""The cheapest good answer to "which source?": regret of the first choice against CPU minutes.

    python -m scripts.experiments.cheapest_source measure CONFIG.yaml OUT.json [KEY=VALUE] --seed N
    python -m scripts.experiments.cheapest_source report OUT.json OUT2.json … [--plot FILE.svg]

`measure` trains a model on each source of CONFIG (as `transfer_table`), with one seed. Of a
target's test records the last `SAMPLE` are what a user has labelled; their text is what there is
without labels. On the others the models are scored. `report` chooses by what the models of one seed
say and counts the regret in the scores of the others', so that a choice holds for new seeds and
sentences (of one file: in the scores of the same models, on other sentences); intervals (95 %) draw
targets.

Measured of every source and target: genetic and geographic distance; xlt's ranker, our own tables
and all rows of the target left out; NN-Rank and subwords in common (`xlt.typology.text`); agreement
of the source models on the sample, the mean metric of each against every other as gold; LogME of
the trained model's word vectors, and through an ESM; and a try: one epoch on `FEW` records of the
source, scored on the labelled sample.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scripts.evaluate_ranker.report import difference
from scripts.experiments.transfer_table import Table
from xlt.data.encode import pool_words
from xlt.document import Document, Tags, Tree
from xlt.errors import XltError
from xlt.evaluation.counts import count_matrix, score
from xlt.evaluation.logme import embedding_map, logme
from xlt.files import write_json
from xlt.inference.predictor import Predictor
from xlt.report.figures import Score, cost
from xlt.report.images import of_plot
from xlt.task import Example
from xlt.training.data import Data
from xlt.transfer.stage import DataSplit
from xlt.typology import text
from xlt.typology.measured import Evidence
from xlt.typology.scores import OURS, matrices

Values = NDArray[np.float64]
SAMPLE, FEW = 50, 200
"""Labelled records of the target; records of a source in a try."""
MAP_RECORDS = 200
"""Of a source, for its ESM."""
RARE = 5
"""Classes with fewer words say nothing."""
SENTENCES = 25
"""Of the target's text for NN-Rank."""


class Clock:
    """CPU seconds by what they were spent on."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.spent[name] += time.process_time() - began  # type: ignore[assignment]


def measure(path: Path, overrides: Sequence[str], seed: int) -> dict[str, Any]:
    """All measures of every source and target, and what each took."""
    table = Table(path, [*overrides, f"seeds=[{seed}]"])
    clock, task, targets = Clock(), table.task, table.config.target
    test, sample = {}, {}
    for target, (records, _) in table.tests.items():
        test[target], sample[target] = (
            (part, task.encode(part, table.backbone, None))
            for part in (records[:-SAMPLE], records[-SAMPLE:])
        )
    classes = {target: _classes(records) for target, (records, _) in sample.items()}
    base = Predictor(task, bare(table), table.config.evaluation.batch_tokens)
    with clock("base vectors"):
        plain = {target: vectors(base, examples) for target, (_, examples) in sample.items()}
    found: dict[str, dict[str, dict[str, float]]] = {}
    answers: dict[str, dict[str, list[Document]]] = {}
    for source in table.config.source:
        data = table.data.load(DataSplit(source, "train"))
        with clock("try"):
            tried = table.trained(_first(data, FEW), epochs=1)
        with clock("try, tested"):
            tries = {t: _score(table, *sample[t], tried) for t in targets}
        with clock("train"):
            model = table.trained(data)
        own = task.encode(data.records[:MAP_RECORDS], table.backbone, None)
        with clock("ESM"):
            esm = embedding_map(vectors(base, own), vectors(model, own))
        with clock("predict sample"):
            answers[source] = {t: model(*sample[t]) for t in targets}
        found[source] = {}
        for target in targets:
            if target == source:
                continue
            kept, labels = classes[target]
            with clock("LogME"):
                direct = logme(vectors(model, sample[target][1])[kept], labels)
            with clock("LogME by ESM"):
                mapped = logme(esm(plain[target])[kept], labels)
            found[source][target] = {
                "score": _score(table, *test[target], model),
                "try": tries[target],
                "logme": direct,
                "esm": mapped,
            }
        print(f"{source}: {dict(clock.spent)}", file=sys.stderr, flush=True)
    with clock("agreement"):
        for target in targets:
            for source in answers:
                if source != target:
                    found[source][target]["agreement"] = agreement(table, source, target, answers)
    _outside(table, found, sample, clock)
    return {"seed": seed, "seconds": dict(clock.spent), "measures": found}


def agreement(
    table: Table, source: str, target: str, answers: Mapping[str, Mapping[str, list[Document]]]
) -> float:
    """Mean score of a source's predictions, those of every other source taken as gold."""
    own = answers[source][target]
    others = [said[target] for code, said in answers.items() if code not in (source, target)]
    counts = [count_matrix(table.task, other, own) for other in others]
    return float(np.mean([score(table.task, one)[table.metric] for one in counts]))


def vectors(predictor: Predictor, examples: Sequence[Example]) -> Values:
    """The last layer's vector of every word, in the order of the examples. Shape (words, d)."""

    def pooled(batch: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        states = predictor.model.encoder(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).last_hidden_state
        words = pool_words(states, batch["word_index"], batch["word_mask"])
        return [row[mask] for row, mask in zip(words, batch["word_mask"], strict=True)]

    order = sorted(range(len(examples)), key=lambda n: examples[n].length)
    rows: dict[int, torch.Tensor] = {}
    for start in range(0, len(order), 16):
        chosen = order[start : start + 16]
        rows |= zip(chosen, predictor.run([examples[n] for n in chosen], pooled), strict=True)
    return np.asarray(torch.cat([rows[n] for n in range(len(examples))]).double().numpy())


def _classes(records: Sequence[Document]) -> tuple[NDArray[np.bool_], list[str]]:
    """Which words have a class that is not rare, and the classes of those."""
    names = [
        f"{tag} {relation.partition(':')[0]}"
        for record in records
        for tag, relation in zip(
            record.layer(Tags, "upos").tags, record.layer(Tree, "tree").relations, strict=True
        )
    ]
    counts = Counter(names)
    kept = np.array([counts[name] >= RARE for name in names])
    return kept, [name for name in names if counts[name] >= RARE]


def bare(table: Table) -> Any:
    model = table.task.build(table.backbone, table.task.labels([]))
    return model.eval()


def _first(data: Data, count: int) -> Data:
    return replace(data, records=data.records[:count])


def _score(
    table: Table, records: Sequence[Document], examples: Sequence[Example], model: Predictor
) -> float:
    return score(table.task, count_matrix(table.task, records, model(records, examples)))[
        table.metric
    ]


def _outside(
    table: Table,
    found: dict[str, dict[str, dict[str, float]]],
    sample: Mapping[str, tuple[Sequence[Document], Sequence[Example]]],
    clock: Clock,
) -> None:
    """What is known without a model: distances, the ranker, text."""
    sources = list(found)
    name = next(iter(table.task.measured_as))
    texts = {
        source: _sentences(table, table.data.load(DataSplit(source, "train")).records, 100)
        for source in sources
    }
    for target in table.config.target:
        candidates = [source for source in sources if source != target]
        tables = [
            matrix.without(target)
            for matrix in matrices()
            if matrix.task == name and matrix.about["paper"] != OURS
        ]
        with clock("ranker"):
            answer = Evidence(tuple(tables)).ask(target, candidates)
        own = _sentences(table, sample[target][0], SENTENCES)
        with clock("text"):
            given = {code: texts[code] for code in candidates}
            near = text.evidence(own, given, {}, table.config.model.encoder).values
        apart = answer.distances.distances
        for n, source in enumerate(candidates):
            found[source][target] |= {
                "distance": -float((apart["genetic"] + apart["geographic"])[n, 0]),
                "ranker": float(answer.parts[n].sum()),
                "text": near[source],
            }


def _sentences(table: Table, records: Sequence[Document], most: int) -> list[str]:
    return [
        text.normalise(" ".join(one.surface for one in table.task.given_texts(record)))
        for record in records[:most]
    ]


Measures = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Source → target → measure → value."""


@dataclass(frozen=True)
class Way:
    """A way to choose.

    of:     what `measure` has of each candidate → the order's score; larger is better.
    shared: seconds that all targets share: the names of what they were spent on.
    each:   those of one target.
    first:  how many candidates, the first by `of`, take part in a trial; 0: all do.
    trial:  whether it is chosen among them by "try", on the labelled sample.
    """

    of: Callable[[Mapping[str, Values]], Values]
    shared: tuple[str, ...] = ()
    each: tuple[str, ...] = ("ranker",)
    first: int = 1
    trial: bool = False
    group: str = "no model"


def standard(values: Values) -> Values:
    """About their mean, in standard deviations."""
    return np.asarray((values - values.mean()) / (values.std() or 1))


def _ranked(given: Mapping[str, Values]) -> Values:
    """As delivered, with text."""
    return given["ranker"] + text.WEIGHT * given["text"]


def _with(name: str) -> Callable[[Mapping[str, Values]], Values]:
    """The ranker with text, and as much of another measure."""
    return lambda given: standard(_ranked(given)) + standard(given[name])


_TEXT = ("ranker", "text")
WAYS = {
    "genetic + geographic distance": Way(lambda given: given["distance"]),
    "the ranker": Way(lambda given: given["ranker"]),
    "+ text (subwords, NN-Rank)": Way(_ranked, each=_TEXT),
    "agreement alone": Way(
        *(lambda given: given["agreement"], ("train",), ("predict sample",)), group="source models"
    ),
    "+ text + agreement": Way(
        *(_with("agreement"), ("train",), (*_TEXT, "predict sample")), group="source models"
    ),
    "LogME alone": Way(
        *(lambda given: given["logme"], ("train",), ("LogME",)), group="source models"
    ),
    "LogME by ESM alone": Way(
        *(lambda given: given["esm"], ("train", "ESM"), ("base vectors", "LogME by ESM")),
        group="source models",
    ),
    "+ text + LogME by ESM": Way(
        *(_with("esm"), ("train", "ESM"), (*_TEXT, "base vectors", "LogME by ESM")),
        group="source models",
    ),
    "+ text + one epoch on the first three": Way(_ranked, (), _TEXT, 3, True, "trials"),
    "one epoch on all": Way(lambda given: given["try"], (), (), 0, True, "trials"),
}


def report(paths: Sequence[Path], plot: Path | None) -> None:
    """Regret of every way, the models that choose of one seed, those that are scored of another."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    pairs = [(a, b) for a in runs for b in runs if a is not b] or [(runs[0], runs[0])]
    targets = sorted(set.intersection(*map(_targets, runs)))
    regrets = {
        name: np.array([[_regret(way, a, b, t) for t in targets] for a, b in pairs])
        for name, way in WAYS.items()
    }
    minutes = {name: np.mean([_minutes(way, run) for run in runs], 0) for name, way in WAYS.items()}
    against = ("the ranker", "+ text (subwords, NN-Rank)", "genetic + geographic distance")
    print("| | CPU minutes | models there | regret | " + " | ".join(against) + " |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, found in regrets.items():
        trained, there = minutes[name]
        apart = [difference(found.mean(0), regrets[other].mean(0), targets) for other in against]
        cells = [f"{trained:.2f}", f"{there:.2f}", f"{found.mean():.2f}", *apart]
        print(f"| {name} | " + " | ".join(cells) + " |")
    always = {
        source: _always(source, [judge for _, judge in pairs], targets)
        for source in sorted(runs[0]["measures"])
    }
    print("always: " + ", ".join(f"{code} {value:.2f}" for code, value in always.items()))
    if plot is not None:
        scores = [
            (60 * float(minutes[n][0]), Score("", WAYS[n].group, n, float(r.mean()), None, None))
            for n, r in regrets.items()
        ]
        image = of_plot(
            "cheapest-source", "Regret of the first choice, over CPU time", cost(scores)
        )
        plot.write_text(image.svg(), encoding="utf-8")


def _regret(way: Way, chooser: dict[str, Any], judge: dict[str, Any], target: str) -> float:
    given, codes = _of(chooser, target)
    order = np.argsort(-way.of(given), kind="stable")
    if way.trial:
        tried = order[: way.first or len(codes)]
        order = tried[np.argsort(-given["try"][tried], kind="stable")]
    return _lost(judge, target)[codes[order[0]]]


def _always(source: str, judges: Sequence[dict[str, Any]], targets: Sequence[str]) -> float:
    """Mean regret of a source for all targets but itself."""
    return float(np.mean([_lost(b, t)[source] for b in judges for t in targets if t != source]))


def _lost(judge: dict[str, Any], target: str) -> dict[str, float]:
    """Candidate → its regret."""
    given, codes = _of(judge, target)
    scores = given["score"]
    return dict(zip(codes, (scores.max() - scores).tolist(), strict=True))


def _of(run: dict[str, Any], target: str) -> tuple[dict[str, Values], list[str]]:
    """Measure → values of the candidates for a target."""
    measures: Measures = run["measures"]
    codes = sorted(code for code, of in measures.items() if target in of)
    names = measures[codes[0]][target]
    return {name: np.array([measures[c][target][name] for c in codes]) for name in names}, codes


def _targets(run: dict[str, Any]) -> set[str]:
    return {target for of in run["measures"].values() for target in of}


def _minutes(way: Way, run: dict[str, Any]) -> tuple[float, float]:
    """CPU minutes for one target: models trained for it, and models there."""
    spent, sources, targets = run["seconds"], len(run["measures"]), len(_targets(run))
    each = sum(spent[name] for name in way.each) / targets
    if way.trial:
        tried = way.first or sources
        each += tried / sources * (spent["try"] + spent["try, tested"] / targets)
    shared = sum(spent[name] for name in way.shared)
    return (each + shared) / 60, each / 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("measure")
    first.add_argument("config", type=Path)
    first.add_argument("out", type=Path)
    first.add_argument("--seed", type=int, required=True)
    first.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    second = commands.add_parser("report")
    second.add_argument("measured", type=Path, nargs="+")
    second.add_argument("--plot", type=Path, metavar="FILE.svg")
    asked = parser.parse_args()
    if asked.command == "report":
        report(asked.measured, asked.plot)
    else:
        write_json(asked.out, measure(asked.config, asked.settings, asked.seed))


if __name__ == "__main__":
    try:
        main()
    except XltError as error:
        sys.exit(str(error))
