"""Models that decide together: the mean of their probabilities, or of their log-probabilities?

    python -m scripts.experiments.averaging RUN [RUN …]

For every target of a run with several seeds (`ner` with its tagger, or `nli`): the mean of the
seeds' scores in the task's first metric, and the score of all seeds together by the arithmetic mean
of their probabilities, and by the geometric one, which is that of log-probabilities.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from xlt.config.load import load_config
from xlt.evaluation.counts import count_matrix
from xlt.evaluation.statistics import paired_difference
from xlt.inference.ensemble import Ensemble
from xlt.inference.loading import make_direct_predictor
from xlt.results import CONFIG
from xlt.runs.sources import Sources
from xlt.transfer.stage import DataSplit

Outputs = Mapping[str, torch.Tensor]


def arithmetic(outputs: Sequence[Outputs]) -> Outputs:
    """The mean of probabilities, of outputs that are log-probabilities."""
    return {
        name: torch.stack([one[name] for one in outputs]).logsumexp(0) - np.log(len(outputs))
        for name in outputs[0]
    }


def geometric(outputs: Sequence[Outputs]) -> Outputs:
    """The mean of log-probabilities."""
    return {name: torch.stack([one[name] for one in outputs]).mean(0) for name in outputs[0]}


WAYS: dict[str, Callable[[Sequence[Outputs]], Outputs]] = {
    "arithmetic": arithmetic,
    "geometric": geometric,
}


def main() -> None:
    print("| run, target | seeds | " + " | ".join(WAYS) + " | difference, 95 % over records |")
    print("|---" * (len(WAYS) + 3) + "|")
    for run in map(Path, sys.argv[1:]):
        config = load_config(run / CONFIG).config
        for target in config.target:
            folders = sorted(run.glob(f"seed-*/{target}/model"))
            loaded = [make_direct_predictor(folder, batch_tokens=8192) for folder in folders]
            task, backbone, _ = loaded[0]
            records = Sources(config, task).load(DataSplit(target, "test")).records
            examples = task.encode(records, backbone, None)
            together = Ensemble.of([predictor for *_, predictor in loaded])
            each = [one(records, examples) for one in together.members]
            counts = {}
            for name, combine in WAYS.items():
                task.combine = combine  # type: ignore[assignment, method-assign]
                counts[name] = count_matrix(task, records, together(records, examples))
            metric = task.metrics_reported[0]
            singles = [
                float(task.metrics(count_matrix(task, records, one).sum(0))[metric]) for one in each
            ]
            scores = [float(task.metrics(one.sum(0))[metric]) for one in counts.values()]
            apart = paired_difference(counts["arithmetic"], counts["geometric"], task.metrics)[
                metric
            ]
            print(
                f"| {run.name}, {target} | {np.mean(singles):.1f} | "
                + " | ".join(f"{score:.1f}" for score in scores)
                + f" | {apart.difference:+z.1f} [{apart.low:+z.1f}, {apart.high:+z.1f}] |",
                flush=True,
            )


if __name__ == "__main__":
    main()
