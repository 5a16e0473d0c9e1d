"""How good models are that xlt trains, beside those of a plain transformers.Trainer.

Same sentences, encoder, epochs, seeds and about as many steps; tested on the same sentences by the
same scorer. The baseline is set up as in the library's run_ner (`scripts.benchmark_training`), in
fp32, with each of the learning rates; warm-up as xlt's. Its new layer begins with a deviation of
0.02, as most architectures' do: T5's own begins with 1, from which it hardly learns. Its tags are
read as seqeval reads them: an I- that continues nothing begins an entity. xlt does what it does by
itself for the encoder.

    python -m scripts.benchmark_fine_tuning --settings eng swe --seeds 1 2 3 --out fine-tuning.csv

Each setting trains on one language's sentences of a treebank or of MasakhaNER 2.0 and is tested on
the same language's. Rows are added to --out as they come; those that are there are left out, so
that what was stopped goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from transformers import set_seed

from scripts.benchmark_training import tagging
from scripts.experiments.transfer_table import Table
from xlt.data.batch import StepSampler
from xlt.document import Document
from xlt.errors import XltError
from xlt.evaluation.counts import count_matrix, score
from xlt.tasks.ner import NER
from xlt.transfer.stage import DataSplit

SETTINGS = {
    "eng": "uner-english-ewt", "por": "uner-portuguese-bosque", "swe": "uner-swedish-talbanken",
    "slk": "uner-slovak-snk", "zho": "uner-chinese-gsdsimp", "hau": "masakhaner2",
    "ibo": "masakhaner2", "swa": "masakhaner2", "yor": "masakhaner2", "zul": "masakhaner2",
}  # fmt: skip
"""Language → card, whose train and test parts are used."""

COLUMNS = ("encoder", "language", "system", "seed", "sentences", "epochs", "test_sentences", "f1",
           "cpu_s")  # fmt: skip
Row = dict[str, str]


class Trial:
    """One language's sentences, and what trains on them with one seed."""

    def __init__(self, language: str, seed: int, options: argparse.Namespace) -> None:
        card = SETTINGS[language]
        parts = {"train": options.sentences, "test": options.test_sentences}
        data = {
            part: {"ref": f"{card}:{language}:{part}", "limit": limit}
            for part, limit in parts.items()
        }
        stated = {
            "name": "benchmark", "task": {"name": "ner", "types": ["PER", "ORG", "LOC"]},
            "model.encoder": options.encoder, "source": [language], "target": [language],
            "strategy": "joint", "selection": {"on": "last"}, f"data.{language}": data,
            "training.epochs": options.epochs, "seeds": [seed],
        }  # fmt: skip
        self.language, self.seed = language, seed
        self.table = Table(None, [f"{key}={json.dumps(value)}" for key, value in stated.items()])

    def ours(self) -> float:
        (row,) = self.table.rows(self.language)
        return row[-1]

    def baseline(self, learning_rate: float) -> float:
        import torch
        from transformers import AutoTokenizer, Trainer, TrainingArguments

        config = self.table.config
        train = list(self.table.data.load(DataSplit(self.language, "train")).records)
        tests, _ = self.table.tests[self.language]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "encoder"
            self.table.backbone.encoder().save_pretrained(folder)
            self.table.backbone.tokenizer.save_pretrained(folder)
            tokenizer = AutoTokenizer.from_pretrained(folder, add_prefix_space=True)
            set_seed(self.seed)
            model, data, collator = tagging(folder, tokenizer, train)
            torch.nn.init.normal_(model.classifier.weight, std=0.02)
            lengths = [len(ids) for ids in data["input_ids"]]
            budget, epochs = config.training.batch_tokens, config.training.epochs
            steps = len(
                StepSampler(
                    lengths, [np.arange(len(lengths))], budget=budget, epochs=epochs, seed=1
                )
            )
            arguments = TrainingArguments(
                output_dir=str(Path(name) / "out"),
                per_device_train_batch_size=max(1, round(len(train) * epochs / steps)),
                num_train_epochs=epochs, learning_rate=learning_rate,
                warmup_steps=config.training.warmup,
                seed=self.seed, save_strategy="no", report_to="none", disable_tqdm=True,
            )  # fmt: skip
            trainer = Trainer(
                model=model, args=arguments, train_dataset=data, data_collator=collator,
                processing_class=tokenizer,
            )  # fmt: skip
            trainer.train()
            tags = sorted({tag for document in train for tag in NER().tags(document)})
            predicted = [_predicted(model.eval(), tokenizer, tags, one) for one in tests]
        counts = count_matrix(self.table.task, tests, predicted)
        return float(score(self.table.task, counts)["f1"])


def _predicted(model: Any, tokenizer: Any, tags: Sequence[str], document: Document) -> Document:
    """With the tag of each word's first subword; O for words beyond 512 subwords."""
    import torch

    encoded = tokenizer(
        [list(document.words)], truncation=True, max_length=512, is_split_into_words=True,
        return_tensors="pt",
    )  # fmt: skip
    with torch.inference_mode():
        best = model(**encoded).logits[0].argmax(-1).tolist()
    found = ["O"] * len(document.words)
    for place, word in reversed(list(enumerate(encoded.word_ids(0)))):
        if word is not None:
            found[word] = tags[best[place]]
    for n, tag in enumerate(found):
        if tag.startswith("I-") and (n == 0 or found[n - 1][2:] != tag[2:]):
            found[n] = f"B-{tag[2:]}"
    return NER().with_tags(document, found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--encoder", default="xlt-mini")
    parser.add_argument("--rates", nargs="*", type=float, default=[5e-5, 2e-4, 1e-3],
                        help="of the baseline")  # fmt: skip
    parser.add_argument("--sentences", type=int, default=400)
    parser.add_argument("--test-sentences", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("fine-tuning.csv"))
    options = parser.parse_args()
    for language in options.settings:
        for seed in options.seeds:
            _run(language, seed, options)
    _say([row for row in _rows(options.out) if _about(options).items() <= row.items()])


def _run(language: str, seed: int, options: argparse.Namespace) -> None:
    """Add the rows of a language and a seed that are not there yet."""
    about = {**_about(options), "language": language, "seed": str(seed)}
    rows = _rows(options.out)
    done = {row["system"] for row in rows if about.items() <= row.items()}
    trial: Trial | None = None
    rates = {f"Trainer, {rate:g}": rate for rate in options.rates}
    for system in (*rates, "xlt"):
        if system in done:
            continue
        trial = trial or Trial(language, seed, options)
        began = time.process_time()
        f1 = trial.baseline(rates[system]) if system in rates else trial.ours()
        took = time.process_time() - began
        row = {**about, "system": system, "f1": f"{f1:.2f}", "cpu_s": f"{took:.0f}"}
        begins = not options.out.exists()
        with options.out.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            if begins:
                writer.writeheader()
            writer.writerow(row)
        print(", ".join(row.values()), file=sys.stderr, flush=True)


def _about(options: argparse.Namespace) -> Row:
    names = ("encoder", "sentences", "epochs", "test_sentences")
    return {name: str(getattr(options, name)) for name in names}


def _rows(out: Path) -> list[Row]:
    if not out.exists():
        return []
    with out.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _say(rows: Sequence[Row]) -> None:
    """Means and deviations over seeds, side by side, and means over languages."""
    systems = list(dict.fromkeys(row["system"] for row in rows))
    print(f"| | {' | '.join(systems)} |")
    print("|---" * (len(systems) + 1) + "|")
    totals: dict[str, list[float]] = {system: [] for system in systems}
    for language in dict.fromkeys(row["language"] for row in rows):
        cells = []
        for system in systems:
            own = (row for row in rows if (row["language"], row["system"]) == (language, system))
            found = [float(row["f1"]) for row in own]
            totals[system].append(mean(found))
            cells.append(f"{mean(found):.1f}" + (f" ± {stdev(found):.1f}" if found[1:] else ""))
        print(f"| {language} | {' | '.join(cells)} |")
    print(f"| mean | {' | '.join(f'{mean(found):.1f}' for found in totals.values())} |")


if __name__ == "__main__":
    try:
        main()
    except XltError as error:
        sys.exit(str(error))
