"""Measured transfer, source × target: one encoder, trained on each source, tested on all targets.

    python -m scripts.experiments.transfer_table CONFIG.yaml OUT.csv [KEY=VALUE …]
        [--metric NAME] [--only CODE …]

CONFIG is as for `xlt train`, but each language of `source` trains a model of its own, with the
first seed, and is tested on every `target`. The encoder is read once and every test set is encoded
once, which for a small encoder is much of the time; nothing is saved but the scores. Those of a
source are added to OUT when it is done, and sources that OUT has are left out: what was stopped
goes on. The columns are those that scripts.build_scores reads; a source's score on itself is there,
too.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transformers import set_seed

from scripts.build_scores import COLUMNS
from xlt.config.load import load_config
from xlt.document import Document
from xlt.errors import XltError
from xlt.evaluation.counts import count_matrix, score
from xlt.inference.device import best_device, choose_precision
from xlt.inference.predictor import Predictor, subword_table, subwords_in
from xlt.model.backbone import Backbone
from xlt.model.vocabulary import Trimmed, stored_weights
from xlt.runs.sources import Sources
from xlt.task import Example, make_task
from xlt.training.data import Data, groups
from xlt.training.optim import freeze
from xlt.training.standardise import standardise, standardises
from xlt.training.trainer import TransferTrainer
from xlt.transfer.stage import DataSplit


class Table:
    """One encoder and one set of targets for all sources.

    metric: by default the first of the task.
    """

    def __init__(
        self, path: Path | None, overrides: Sequence[str], metric: str | None = None
    ) -> None:
        self.config = load_config(path, overrides).config
        self.task = make_task(self.config)
        self.metric = metric or self.task.metrics_reported[0]
        self.data = Sources(self.config, self.task)
        self.backbone = Backbone(self.config.model.encoder, self.config.model)
        self.tests: dict[str, tuple[Sequence[Document], Sequence[Example]]] = {}
        for target in self.config.target:
            records = self.data.load(DataSplit(target, "test")).records
            self.tests[target] = records, self.task.encode(records, self.backbone, None)

    def rows(self, source: str) -> Iterator[tuple[str, str, str, str, str, float]]:
        """The scores of a model of this source, as `COLUMNS` has them."""
        predictor = self.trained(self.data.load(DataSplit(source, "train")))
        about = next(iter(self.task.measured_as), self.task.name), self.config.model.encoder
        for target, (records, examples) in self.tests.items():
            counts = count_matrix(self.task, records, predictor(records, examples))
            value = score(self.task, counts)[self.metric]
            yield *about, source, target, self.metric, round(value, 2)

    def trained(self, data: Data, epochs: int | None = None) -> Predictor:
        """A model of these data, with the first seed. epochs: others than the config's."""
        config, seed = self.config, self.config.seeds[0]
        training = config.training
        if epochs is not None:
            training = training.model_copy(update={"epochs": epochs})
        set_seed(seed)
        model = self.task.build(self.backbone, self.task.labels(data.inventory))
        examples = self.task.encode(data.records, self.backbone, model.labels)
        vocabulary = Trimmed(
            model.encoder,
            self.backbone.tokenizer,
            subwords_in(self.task, [examples]),
            stored=stored_weights(self.backbone.source, config.model.revision),
        )
        subwords = subword_table(vocabulary)
        if standardises(config.model, self.backbone, self.task):
            standardise(model, self.task, examples, subwords, seed)
        freeze(model, training.freeze)
        device = best_device()
        precision = choose_precision(training.precision, device)
        with tempfile.TemporaryDirectory() as folder:
            TransferTrainer(
                model,
                self.task,
                examples,
                groups([data]),
                training,
                folder=Path(folder),
                seed=seed,
                subwords=subwords,
                precision=precision,
            ).train()
        vocabulary.restore(model.encoder)
        return Predictor(
            self.task, model.to(device), config.evaluation.batch_tokens, precision, device
        )


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for; settings may stand on both sides of an option."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--metric", help="by default the first of the task")
    parser.add_argument("--only", nargs="*", metavar="CODE", help="of the sources")
    return parser.parse_intermixed_args(given)


def main() -> None:
    options = arguments()
    done = _sources(options.out)
    table = Table(options.config, options.settings, options.metric)
    for source in options.only or table.config.source:
        if source in done:
            continue
        began = time.process_time()
        rows = list(table.rows(source))
        _append(options.out, rows)
        print(f"{source}: {time.process_time() - began:.0f} CPU s", file=sys.stderr, flush=True)


def _sources(out: Path) -> set[str]:
    if not out.exists():
        return set()
    with out.open(encoding="utf-8", newline="") as stream:
        return {row["source_iso639_3"] for row in csv.DictReader(stream)}


def _append(out: Path, rows: Sequence[tuple[Any, ...]]) -> None:
    """All rows of a source at once, so that none is there in part."""
    begins = not out.exists()
    with out.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows([COLUMNS, *rows] if begins else rows)


if __name__ == "__main__":
    try:
        main()
    except XltError as error:
        sys.exit(str(error))
