"""Training and prediction speed of xlt against a plain transformers.Trainer, in the same run.

The baseline is set up as in the library's own examples: for NER as in run_ner (words to subwords
with `is_split_into_words`, DataCollatorForTokenClassification), for NLI as in run_xnli (pairs cut
at 512 subwords, DataCollatorWithPadding); for events as a tagger with three heads that reads every
sentence once, and once more for each of its triggers, put between `$` (the pipeline of
tasks/event_extraction); 8 readings a batch in random order, fp32, the default fused AdamW. xlt
trains the same examples, with a token budget that gives about as many optimisation steps, or with
`--batch-tokens`, e.g. its default of 2048, which makes fewer and larger ones.
Encoders have random weights: only their shape matters for speed.

    python scripts/benchmark_training.py --data masakhaner2:hau:train --examples 160
    python scripts/benchmark_training.py --task nli --data multinli-mt:eng:train --examples 160
    python scripts/benchmark_training.py --task event_extraction --data propbank-ewt:eng:train

Each variant runs in a process of its own, baseline and xlt in turn, and prints examples a second
and the peak memory of the process (resident set).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xlt.document import Document
    from xlt.task import Task

SHAPES: dict[str, dict[str, int]] = {
    "xlm-r-base": {
        "vocab_size": 250_002, "hidden_size": 768, "num_hidden_layers": 12,
        "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 514,
    },
    "small": {
        "vocab_size": 30_000, "hidden_size": 256, "num_hidden_layers": 6,
        "num_attention_heads": 4, "intermediate_size": 1024, "max_position_embeddings": 514,
    },
}  # fmt: skip
BATCH = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="ner", choices=list(BASELINES))
    parser.add_argument("--data", default="masakhaner2:hau:train", help="a data reference")
    parser.add_argument("--examples", type=int, default=160)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--batch-tokens", type=int, help="by default as many steps as the baseline")
    parser.add_argument("--accumulate", type=int, default=1, help="passes of a step")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        json.dump(WORKERS[options.worker](options.folder, options.task), sys.stdout)
        return
    documents = load(options.task, options.data, options.examples)
    print(f"{len(documents)} examples of {options.data}, medians of {options.repeat} runs in turn")
    header = f"{'':28}{'baseline':>12}{'xlt':>12}{'ratio':>9}"
    for shape in options.shapes:
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder), SHAPES[shape], options.task, documents)
            (Path(folder) / "budget.json").write_text(
                json.dumps([options.batch_tokens, options.accumulate])
            )
            measured: dict[str, list[dict[str, float]]] = {name: [] for name in WORKERS}
            for _ in range(options.repeat):
                for name in WORKERS:
                    measured[name].append(run_worker(name, Path(folder), options.task))
        print(f"\n{shape}\n{header}")
        for label, key, better in [
            ("training, examples/s", "train", "higher"),
            ("prediction, examples/s", "predict", "higher"),
            ("peak memory, MiB", "memory", "lower"),
        ]:
            old = median(one[key] for one in measured["baseline"])
            new = median(one[key] for one in measured["xlt"])
            ratio = new / old if better == "higher" else old / new
            print(f"{label:28}{old:12.1f}{new:12.1f}{ratio:8.2f}×")


def load(task: str, reference: str, limit: int) -> list[Document]:
    from xlt.config.schema import Reference
    from xlt.data.references import resolve
    from xlt.data.store import load_documents

    _, language, split = reference.split(":")
    resolved = resolve(Reference(ref=reference, limit=limit), language, split)
    return list(load_documents(make_task(task), resolved, 1))


def make_task(name: str) -> Task:
    from xlt.registry import tasks

    kind = tasks.get(name)
    task: Task = kind(kind.Options(**OPTIONS.get(name, {})))
    return task


def prepare(folder: Path, shape: dict[str, int], name: str, documents: list[Document]) -> None:
    """A random encoder of this shape, a tokenizer, and the examples."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    from xlt.testing import make_tokenizer

    task = make_task(name)
    given = (text.surface for document in documents for text in task.given_texts(document))
    tokenizer = make_tokenizer(given, size=8000)
    config = XLMRobertaConfig(pad_token_id=tokenizer.pad_token_id, **shape)
    XLMRobertaModel(config).save_pretrained(folder / "encoder")
    tokenizer.save_pretrained(folder / "encoder")
    rows = [task.schema.to_row(document) for document in documents]
    (folder / "documents.json").write_text(json.dumps(rows), encoding="utf-8")


def run_worker(name: str, folder: Path, task: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--worker", name, "--folder", str(folder), "--task", task],
        capture_output=True, text=True, check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def read(folder: Path, task: Task) -> list[Document]:
    """The examples that `prepare` wrote."""
    rows = json.loads((folder / "documents.json").read_text("utf-8"))
    return [task.schema.from_row(row) for row in rows]


def peak_mib() -> float:
    """Peak resident set since this program began (rusage would count the parent's)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if "VmHWM" in line).split()[1]) / 1024


def tagging(folder: Path, tokenizer: Any, documents: list[Document]) -> tuple[Any, Any, Any]:
    """Model, data and collator as in run_ner."""
    from datasets import Dataset
    from transformers import AutoModelForTokenClassification, DataCollatorForTokenClassification

    from xlt.tasks.ner import NER

    rows = [{"words": list(one.words), "tags": NER().tags(one)} for one in documents]
    tags = sorted({tag for row in rows for tag in row["tags"]})
    ids = {tag: i for i, tag in enumerate(tags)}

    def align(batch: dict[str, list[Any]]) -> dict[str, Any]:
        encoded = tokenizer(
            batch["words"], truncation=True, max_length=512, is_split_into_words=True
        )
        encoded["labels"] = []
        for row, gold in enumerate(batch["tags"]):
            previous, labels = None, []
            for word in encoded.word_ids(row):
                labels.append(-100 if word is None or word == previous else ids[gold[word]])
                previous = word
            encoded["labels"].append(labels)
        return dict(encoded)

    data = Dataset.from_list(rows).map(align, batched=True, remove_columns=list(rows[0]))
    model = AutoModelForTokenClassification.from_pretrained(folder, num_labels=len(tags))
    return model, data, DataCollatorForTokenClassification(tokenizer)


def inference(folder: Path, tokenizer: Any, documents: list[Document]) -> tuple[Any, Any, Any]:
    """Model, data and collator as in run_xnli."""
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding

    from xlt.document import Label

    rows = [
        {
            **{name: text.surface for name, text in document.texts.items()},
            "label": document.layer(Label, "label").label or "",
        }
        for document in documents
    ]
    labels = sorted({row["label"] for row in rows})

    def encode(batch: dict[str, list[Any]]) -> dict[str, Any]:
        encoded = tokenizer(batch["premise"], batch["hypothesis"], truncation=True, max_length=512)
        return {**encoded, "labels": [labels.index(label) for label in batch["label"]]}

    data = Dataset.from_list(rows).map(encode, batched=True, remove_columns=list(rows[0]))
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(labels))
    return model, data, DataCollatorWithPadding(tokenizer)


def extraction(folder: Path, tokenizer: Any, documents: list[Document]) -> tuple[Any, Any, Any]:
    """Model, data and collator of a tagger with a head each for entities, triggers and roles."""
    import torch
    from datasets import Dataset
    from transformers import AutoModel

    from xlt.document import Spans, Structures
    from xlt.tasks.event_extraction.inventory import inventory, tag_ids

    labels = inventory(documents)
    heads = ("entity", "trigger", "role")
    ids = {head: {tag: i for i, tag in enumerate(labels[head])} for head in heads}
    rows = []
    for document in documents:
        words, none = list(document.words), [-100] * len(document.words)
        events = document.layer(Structures, "events").structures
        spans = {
            "entity": document.layer(Spans, "entities").spans,
            "trigger": [event.head for event in events],
        }
        tags = {head: tag_ids(some, len(words), ids[head]).tolist() for head, some in spans.items()}
        rows.append({"words": words, **tags, "role": none})
        for (_, begin, end), arguments in events:
            roles = tag_ids(arguments, len(words), ids["role"]).tolist()

            def marked(values: list[Any], mark: Any, begin: int = begin, end: int = end) -> Any:
                return [*values[:begin], mark, *values[begin:end], mark, *values[end:]]

            apart = {head: [-100, -100, *none] for head in ("entity", "trigger")}
            rows.append({"words": marked(words, "$"), **apart, "role": marked(roles, -100)})

    def align(batch: dict[str, list[Any]]) -> dict[str, Any]:
        encoded = tokenizer(
            batch["words"], truncation=True, max_length=512, is_split_into_words=True
        )
        for head in heads:
            encoded[f"{head}_labels"] = []
            for row, gold in enumerate(batch[head]):
                owners = encoded.word_ids(row)
                first = [
                    w is not None and w != b
                    for w, b in zip(owners, [None, *owners[:-1]], strict=True)
                ]
                encoded[f"{head}_labels"].append(
                    [gold[w] if f else -100 for w, f in zip(owners, first, strict=True)]
                )
        return dict(encoded)

    def collate(features: list[dict[str, Any]]) -> dict[str, Any]:
        names = [f"{head}_labels" for head in heads]
        golds = [[f.pop(name) for name in names] for f in features]
        batch = dict(tokenizer.pad(features, return_tensors="pt"))
        width = batch["input_ids"].shape[1]
        batch["labels"] = torch.tensor(
            [[tags + [-100] * (width - len(tags)) for tags in gold] for gold in golds]
        ).transpose(1, 2)
        return batch

    class Tagger(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = AutoModel.from_pretrained(folder)
            size = self.encoder.config.hidden_size
            self.heads = torch.nn.ModuleList(torch.nn.Linear(size, len(ids[h])) for h in heads)

        def forward(self, labels: Any = None, **inputs: Any) -> dict[str, Any]:
            states = self.encoder(**inputs).last_hidden_state
            logits = [head(states) for head in self.heads]
            loss = sum(
                torch.nn.functional.cross_entropy(
                    one.flatten(0, 1), gold.flatten(), reduction="sum"
                )
                for one, gold in zip(logits, labels.unbind(2), strict=True)
            )
            return {"loss": loss / (labels >= 0).sum(), "logits": tuple(logits)}

    data = Dataset.from_list(rows).map(align, batched=True, remove_columns=list(rows[0]))
    return Tagger(), data, collate


def baseline(folder: Path, task: str) -> dict[str, float]:
    from transformers import AutoTokenizer, Trainer, TrainingArguments

    documents = read(folder, make_task(task))
    tokenizer = AutoTokenizer.from_pretrained(folder / "encoder", add_prefix_space=True)
    model, data, collator = BASELINES[task](folder / "encoder", tokenizer, documents)
    arguments = TrainingArguments(
        output_dir=str(folder / "out"), per_device_train_batch_size=BATCH,
        per_device_eval_batch_size=BATCH, num_train_epochs=1, save_strategy="no",
        report_to="none", disable_tqdm=True, learning_rate=1e-5, remove_unused_columns=False,
    )  # fmt: skip
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=data,
        data_collator=collator,
        processing_class=tokenizer,
    )
    start = time.perf_counter()
    trainer.train()
    trained = time.perf_counter()
    trainer.predict(data)
    return {
        "train": len(documents) / (trained - start),
        "predict": len(documents) / (time.perf_counter() - trained),
        "memory": peak_mib(),
    }


def ours(folder: Path, task_name: str) -> dict[str, float]:
    """The path that `xlt train` takes: build, trim, train; then predict."""
    import numpy as np

    from xlt.config.schema import Model, Training
    from xlt.inference.device import cast_for_inference, choose_precision
    from xlt.inference.predictor import Predictor, subword_table, subwords_in
    from xlt.model.backbone import Backbone
    from xlt.model.vocabulary import Trimmed, stored_weights
    from xlt.tasks.event_extraction.model import Extractor
    from xlt.training.trainer import TransferTrainer

    task = make_task(task_name)
    documents = read(folder, task)
    backbone = Backbone(str(folder / "encoder"), Model(encoder=str(folder / "encoder")))
    model = task.build(backbone, task.labels(documents))
    examples = task.encode(documents, backbone, model.labels)
    vocabulary = Trimmed(
        model.encoder, backbone.tokenizer, subwords_in(task, [examples]),
        stored=stored_weights(backbone.source),
    )  # fmt: skip
    subwords = subword_table(vocabulary)
    precision = choose_precision("auto", "cpu")
    # As many steps as the baseline has: its mean batch in subwords. An example may be read often.
    readings = len(task.collate(examples)["input_ids"])
    steps_alike = round(BATCH * sum(example.length for example in examples) / readings)
    budget, passes = json.loads((folder / "budget.json").read_text())

    class Unsaved(TransferTrainer):
        """As the baseline, which saves nothing either."""

        def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
            pass

    trainer = Unsaved(
        model, task, examples, [np.arange(len(examples))],
        Training(
            epochs=1, learning_rate=1e-5, batch_tokens=budget or steps_alike, accumulate=passes
        ),
        folder=folder / "work", seed=1, subwords=subwords, precision=precision,
    )  # fmt: skip
    start = time.perf_counter()
    trainer.train()
    trained = time.perf_counter()
    cast_for_inference(model, precision)
    if isinstance(model, Extractor):
        # So little trained, it would find triggers everywhere: both predict for the gold ones.
        model.options = model.options.model_copy(update={"parts": ["entities", "arguments"]})
    Predictor(task, model, 8192, precision, "cpu", subwords)(documents, examples)
    return {
        "train": len(documents) / (trained - start),
        "predict": len(documents) / (time.perf_counter() - trained),
        "memory": peak_mib(),
    }


OPTIONS = {"event_extraction": {"model": "pipeline"}}
BASELINES = {"ner": tagging, "nli": inference, "event_extraction": extraction}
WORKERS = {"baseline": baseline, "xlt": ours}

if __name__ == "__main__":
    main()
