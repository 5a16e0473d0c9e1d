"""Which way of choosing a set of sources finds the languages whose data matter?

    python -m scripts.evaluate_sets LITMUS

LITMUS is litmus_multisource.csv(.gz): about 400 models a task (XLM-R large; UD part of speech,
WikiANN), each trained on another mixture of 13 to 29 languages with 100 to 20,000 examples, and
their scores on targets. No table has the score of just the set that a method would choose. So a
set is judged by what its data do: Spearman's correlation, over the models that have not seen the
target, between Σ log(1 + examples) of the set's languages and the target's score. All candidates
are the languages of the mixtures; the target has left the evidence of the ranker, as target and
as source. For each way the same number of languages drawn at random, 20 times, stands beside it.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from scripts.evaluate_ranker.report import difference
from xlt import languages
from xlt.typology import ranking
from xlt.typology.scores import of_task
from xlt.typology.sets import choose_set
from xlt.typology.tower import climb

TASKS = {"UDPOS": "pos", "WikiANN": "ner"}
MODEL = "XLMR"
MIN_MODELS = 30
"""Models that have not seen the target."""
DRAWS = 20

Mixtures = list[tuple[dict[str, int], float]]


def read(path: Path) -> dict[tuple[str, str], Mixtures]:
    """(task, target) → examples a language, and the score, of every model without target data."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    by_target: dict[tuple[str, str], Mixtures] = defaultdict(list)
    with opened(path, "rt", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["task"] in TASKS and row["model"] == MODEL:
                target = languages.shared(row["target_iso639_3"])
                given = json.loads(row["train_sizes_json"])
                sizes = {languages.shared(code): n for code, n in given.items()}
                if target not in sizes:
                    by_target[TASKS[row["task"]], target].append((sizes, 100 * float(row["score"])))
    return {
        key: mixtures for key, mixtures in sorted(by_target.items()) if len(mixtures) >= MIN_MODELS
    }


def rank_without(held: str, task: str, target: str, candidates: Sequence[str]) -> ranking.Ranking:
    """The ranking of candidates, as if nothing had been measured on `held`, or from it."""
    evidence = [matrix.without(held) for matrix in of_task((task,))]
    scored = ranking._score(target, list(candidates), evidence)
    order = sorted(scored.values(), key=lambda source: (-source.score, source.language))
    return ranking.Ranking(target, task, tuple(order), {}, (), ())


def main() -> None:
    draw = np.random.default_rng(0)
    by_task: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    held: dict[str, list[str]] = defaultdict(list)
    for (task, target), mixtures in read(Path(sys.argv[1])).items():
        codes = sorted({code for sizes, _ in mixtures for code in sizes})
        scores = np.array([score for _, score in mixtures])
        amounts = {c: np.log1p([sizes.get(c, 0) for sizes, _ in mixtures]) for c in codes}

        def value(chosen: Sequence[str], amounts: Any = amounts, scores: Any = scores) -> float:
            together = sum(amounts[code] for code in chosen)
            return float(spearmanr(together, scores)[0]) if np.ptp(together) else float("nan")

        target_ranking = rank_without(target, task, target, codes)

        def ranked(
            other: str, among: Sequence[str], held: str = target, task: str = task
        ) -> ranking.Ranking:
            return rank_without(held, task, other, among)

        climbed = climb(target, codes, ranked).sources
        choices: dict[str, Sequence[str]] = {
            "tower": climbed,
            "greedy, as many": choose_set(target_ranking, len(climbed)),
        }
        for count in (1, 3, 5):
            choices[f"greedy {count}"] = choose_set(target_ranking, count)
            choices[f"best {count}"] = [
                source.language for source in target_ranking.sources[:count]
            ]
        for name, chosen in choices.items():
            drawn = [
                value(draw.choice(codes, len(chosen), replace=False).tolist()) for _ in range(DRAWS)
            ]
            by_task[task][name].append(value(list(chosen)))
            by_task[task][f"{name}, at random"].append(float(np.nanmean(drawn)))
        by_task[task]["tower, languages"].append(len(climbed))
        held[task].append(target)
    for task, ways in by_task.items():
        print(f"\n{task}: {len(held[task])} targets")
        for name, values in ways.items():
            if not name.endswith("random"):
                random = ways.get(f"{name}, at random")
                beside = f" (at random {np.nanmean(random):.2f})" if random else ""
                print(f"  {name}: {np.nanmean(values):.2f}{beside}")
        for one, other in (("tower", "greedy, as many"), ("greedy 3", "best 3")):
            apart = difference(100 * np.array(ways[one]), 100 * np.array(ways[other]), held[task])
            print(f"  {one} less {other}, in hundredths: {apart}")


if __name__ == "__main__":
    main()
