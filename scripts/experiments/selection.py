"""Does `xlt select` save labels? Corrections are played with gold data, round after round.

    python -m scripts.experiments.selection CONFIG FOLDER [--by mixed random] [--words 500]
        [--rounds 5] [--seeds 1 2 3]

CONFIG is a zero-shot config; every target has training data, which play the texts that nobody has
labelled, and test data. For each target, seed and way to choose, a round takes `--words` words of
what is left by the newest model, gives them their gold labels, and trains by `few_shot` on all that
are labelled; the stage on the source is trained once. All ways begin with the zero-shot model and
see the same pool. FOLDER has the runs, and a line for each of them in curves.jsonl; a line that is
there is not made again. For xlt-mini on MasakhaNER:

    python -m scripts.experiments.selection scripts/experiments/selection.yaml runs/selection

Printed is, for each target, the mean score over seeds after so many words, and how many words each
way takes to the score that `random` has in the end, in the mean over those seeds that get there;
and how far it lies above `random` over all rounds, with the interval of Student's t over the seeds
(95 %), which share their beginning and are therefore paired.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from scipy.special import stdtrit

from xlt.config.load import load_config
from xlt.document import Document
from xlt.registry import tasks
from xlt.results import measured
from xlt.runs.acquisition import WAYS
from xlt.runs.select import select
from xlt.runs.sources import Sources
from xlt.runs.train import train
from xlt.task import Task
from xlt.transfer.stage import DataSplit

Row = dict[str, Any]
"""target, seed, by, round, sentences and words that are labelled, score."""

Trained = tuple[Path, float]
"""A model and its score."""

Curve = Sequence[tuple[int, float]]
"""Words that are labelled after each round, and the score."""

RANDOM = "random"


def curve(
    pool: Sequence[Document],
    rounds: int,
    learn: Callable[[int, Sequence[Document]], Trained],
    choose: Callable[[Path, Sequence[Document]], Sequence[int]],
) -> Iterator[Row]:
    """What is labelled after each round, and the score that is reached with it.

    learn:  what comes of these labelled documents in this round; of none at first.
    choose: which of these documents to label next, by position, with a model.
    """
    labelled: list[Document] = []
    left = list(pool)
    for number in range(rounds + 1):
        model, score = learn(number, labelled)
        words = sum(len(document.words) for document in labelled)
        yield {"round": number, "sentences": len(labelled), "words": words, "score": score}
        if number < rounds:
            chosen = set(choose(model, left))
            labelled += [left[i] for i in sorted(chosen)]
            left = [document for i, document in enumerate(left) if i not in chosen]


def needed(points: Iterable[tuple[int, float]], goal: float) -> float | None:
    """How many words it takes to the goal, between points in a straight line; None if never.

    points: words and score of each round.
    """
    before: tuple[int, float] | None = None
    for words, score in points:
        if score >= goal:
            if before is None:
                return float(words)
            share = (goal - before[1]) / (score - before[1])
            return before[0] + share * (words - before[0])
        before = words, score
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--by", nargs="+", choices=WAYS, default=["mixed", RANDOM])
    parser.add_argument("--words", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    config = load_config(options.config).config
    kind = tasks.get(config.task.name)
    task = kind(kind.Options.model_validate(config.task.options))
    sources = Sources(config, task)
    done = options.folder / "curves.jsonl"
    rows = [json.loads(line) for line in done.read_text().splitlines()] if done.exists() else []
    for target in config.target:
        pool = list(sources.load(DataSplit(target, "train")).records)
        for seed in options.seeds:
            for by in options.by:
                own = {"target": target, "seed": seed, "by": by, "step": options.words}
                there = {row["round"] for row in rows if own.items() <= row.items()}
                if there >= {*range(options.rounds + 1)}:
                    continue
                game = Game(options.config, options.folder, task, own)
                made = [
                    {**own, **row} for row in curve(pool, options.rounds, game.learn, game.choose)
                ]
                rows = [row for row in rows if not own.items() <= row.items()] + made
                text = "".join(json.dumps(row) + "\n" for row in rows)
                done.write_text(text, encoding="utf-8")
    print(table([row for row in rows if _asked(row, config.target, options)], options.by))


def _asked(row: Row, targets: Sequence[str], options: argparse.Namespace) -> bool:
    """Whether a row that is kept belongs to what is asked for this time."""
    return (
        row["target"] in targets
        and row["step"] == options.words
        and row["seed"] in options.seeds
        and row["round"] <= options.rounds
    )


class Game:
    """One way to choose, with one seed, for one target; `own` says which, and the words a round."""

    def __init__(self, config: Path, folder: Path, task: Task, own: Mapping[str, Any]) -> None:
        self.config, self.folder, self.task, self.own = config, folder, task, own
        self.name = "{target}-{seed}-{by}-{step}".format(**own)

    def learn(self, number: int, labelled: Sequence[Document]) -> Trained:
        """Train on the source, and then on what is labelled, if anything is."""
        target = self.own["target"]
        format = next(iter(self.task.formats))
        name = f"{self.name}-{number}" if labelled else f"{target}-{self.own['seed']}-zero-shot"
        changes = [
            f"name={name}",
            f"target={target}",
            f"seeds=[{self.own['seed']}]",
            f"output.root={json.dumps(str(self.folder.resolve() / 'runs'))}",
        ]
        if labelled:
            data = self.folder.resolve() / f"{name}{self.task.suffix(format)}"
            with data.open("w", encoding="utf-8") as stream:
                self.task.write(labelled, stream, format)
            reference = json.dumps({"ref": str(data), "format": format})
            changes += [
                f"data.{target}.train={reference}",
                f"strategy={json.dumps({'name': 'few_shot', 'k': len(labelled)})}",
            ]
        result = train(load_config(self.config, changes), overwrite=True, quiet=True)
        (row,) = measured(result)
        score = row["metrics"][self.task.metrics_reported[0]]["mean"]
        return self.folder / "runs" / name, score

    def choose(self, model: Path, left: Sequence[Document]) -> list[int]:
        """The positions of so many words' worth of documents."""
        format = next(iter(self.task.formats))
        given = self.folder / f"{self.name}.words"
        taken = self.folder / f"{self.name}.chosen{self.task.suffix(format)}"
        lines = [" ".join(document.words) + "\n" for document in left]
        given.write_text("".join(lines), encoding="utf-8")
        select(
            model,
            str(given),
            str(taken),
            number=len(left),
            by=self.own["by"],
            max_words=self.own["step"],
            language=self.own["target"],
            input_format="words",
            output_format=format,
            seed=self.own["seed"],
            quiet=True,
        )
        # Sentences are numbered in their order.
        return [int(document.id) - 1 for document in self.task.read(taken, format)]


def table(rows: Sequence[Row], ways: Sequence[str]) -> str:
    """Scores after each round, and words that a way takes to the last score of `random`."""
    lines = ["| target | by | scores after words | words to the last of random | above random |"]
    lines.append("|---" * 5 + "|")
    for target in dict.fromkeys(row["target"] for row in rows):
        of_target = [row for row in rows if row["target"] == target]
        points: dict[str, dict[int, list[tuple[int, float]]]] = {by: {} for by in ways}
        for row in sorted(of_target, key=lambda row: row["round"]):
            if row["by"] in points:
                of_seed = points[row["by"]].setdefault(row["seed"], [])
                of_seed.append((row["words"], row["score"]))
        ends = [one[-1][1] for one in points.get(RANDOM, {}).values()]
        for by, of_way in points.items():
            shown = [
                f"{mean(score for _, score in at):.1f} ({mean(words for words, _ in at):.0f})"
                for at in zip(*of_way.values(), strict=True)
            ]
            reached = [needed(one, mean(ends)) for one in of_way.values()] if ends else []
            there = [one for one in reached if one is not None]
            took = f"{mean(there):.0f} ({len(there)} of {len(reached)})" if there else "never"
            above = "" if by == RANDOM else _above(of_way, points.get(RANDOM, {}))
            lines.append(f"| {target} | {by} | {', '.join(shown)} | {took} | {above} |")
    return "\n".join(lines)


def _above(of_way: Mapping[int, Curve], of_random: Mapping[int, Curve]) -> str:
    """The mean difference over seeds and all rounds in which something is labelled."""
    differences = [
        mean(one[1] - other[1] for one, other in zip(of_way[seed][1:], random[1:], strict=True))
        for seed, random in of_random.items()
        if seed in of_way
    ]
    if len(differences) < 2:
        return ""
    reach = float(stdtrit(len(differences) - 1, 0.975)) * stdev(differences)
    reach /= len(differences) ** 0.5
    middle = mean(differences)
    return f"{middle:+.1f} [{middle - reach:+.1f}, {middle + reach:+.1f}]"


if __name__ == "__main__":
    main()
